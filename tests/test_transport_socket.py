import pytest
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from pipecat_wavix.transport.socket import adapt


class Asgi:
    """A server's side of a Starlette WebSocket, without the server."""

    def __init__(self, *received, broken=False):
        self.received = [{"type": "websocket.connect"}, *received]
        self.broken = broken
        self.sent = []

    async def receive(self):
        return self.received.pop(0)

    async def send(self, message):
        if self.broken and message["type"] != "websocket.accept":
            raise OSError("gone")
        self.sent.append(message)

    async def accepted(self):
        websocket = WebSocket({"type": "websocket"}, self.receive, self.send)
        await websocket.accept()
        self.sent.clear()
        return adapt(websocket)


async def test_starlettes_text_and_bytes_are_received():
    socket = await Asgi(
        {"type": "websocket.receive", "text": "a", "bytes": None},
        {"type": "websocket.receive", "bytes": b"b"},
        {"type": "websocket.receive", "text": ""},
    ).accepted()
    assert [await socket.receive() for _ in range(3)] == ["a", b"b", ""]


async def test_starlettes_disconnect_is_none_for_ever():
    socket = await Asgi({"type": "websocket.disconnect", "code": 1006}).accepted()
    assert [await socket.receive() for _ in range(3)] == [None, None, None]


async def test_what_is_sent_goes_out_as_text():
    asgi = Asgi()
    socket = await asgi.accepted()
    assert await socket.send("hello") is True
    assert asgi.sent == [{"type": "websocket.send", "text": "hello"}]


@pytest.mark.parametrize("asgi", [Asgi(broken=True), Asgi({"type": "websocket.disconnect"})])
async def test_sending_to_nobody_is_false(asgi):
    socket = await asgi.accepted()
    if not asgi.broken:
        await socket.receive()
        await socket.close()
    assert await socket.send("hello") is False
    await socket.close()
    await socket.close()


@pytest.fixture
async def pair():
    """Both ends of a real socket of `websockets`: ours, adapted, and the far one."""
    far = []

    async def handler(websocket):
        far.append(websocket)
        await websocket.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with connect(f"ws://{host}:{port}") as websocket:
            await websocket.ping()
            yield adapt(websocket), far[0]


async def test_a_socket_of_websockets_sends_and_receives(pair):
    near, far = pair
    assert await near.send("hello") is True
    assert await far.recv() == "hello"
    await far.send("a")
    await far.send(b"b")
    assert [await near.receive(), await near.receive()] == ["a", b"b"]


async def test_a_socket_of_websockets_that_was_closed_says_so(pair):
    near, far = pair
    await far.close()
    assert await near.receive() is None
    assert await near.send("hello") is False
    await near.close(1008)


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match="dict is no WebSocket"):
        adapt({})
