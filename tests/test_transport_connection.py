import asyncio

import pytest
import wire
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from pipecat_wavix import WavixStreamError, wait_for_start


class Socket:
    """The far end of a Starlette socket: says what it is given, then nothing."""

    def __init__(self, *messages):
        self.messages = list(messages)

    async def receive(self):
        if not self.messages:
            await asyncio.sleep(3600)
        message = self.messages.pop(0)
        if message is None:
            return {"type": "websocket.disconnect", "code": 1006}
        return {"type": "websocket.receive", "text": message}

    async def send_text(self, text):
        raise AssertionError("nothing is sent before start")


async def test_a_stream_opens_with_connected_and_start():
    socket = Socket(wire.CONNECTED, wire.START, wire.MEDIA)
    start = await wait_for_start(socket)
    assert (start.call_id, start.stream_id) == ("abc-123", "str-456")
    assert socket.messages == [wire.MEDIA]


async def test_connected_may_be_missing():
    assert (await wait_for_start(Socket(wire.START))).stream_id == "str-456"


async def test_a_socket_of_the_websockets_library_will_do():
    async def wavix(websocket):
        await websocket.send(wire.CONNECTED)
        await websocket.send(wire.START)

    async with serve(wavix, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with connect(f"ws://{host}:{port}") as websocket:
            assert (await wait_for_start(websocket)).call_id == "abc-123"


async def test_a_socket_that_says_nothing_is_given_up():
    with pytest.raises(WavixStreamError, match=r"no start within 0\.01 s"):
        await wait_for_start(Socket(wire.CONNECTED), timeout_secs=0.01)


@pytest.mark.parametrize("message", [wire.MEDIA, wire.STOP, wire.MARK, wire.CLEAR, "{", "x" * 9**6])
async def test_anything_but_a_start_is_not_a_stream(message):
    with pytest.raises(WavixStreamError, match="expected start"):
        await wait_for_start(Socket(wire.CONNECTED, message, wire.START))


async def test_connected_for_ever_is_not_a_stream():
    with pytest.raises(WavixStreamError, match="no start among"):
        await wait_for_start(Socket(*[wire.CONNECTED] * 100))


async def test_a_socket_that_closes_is_not_a_stream():
    with pytest.raises(WavixStreamError, match="closed before start"):
        await wait_for_start(Socket(wire.CONNECTED, None))


async def test_what_is_no_socket_is_refused():
    with pytest.raises(TypeError, match="str is no WebSocket"):
        await wait_for_start("wss://example.com")
