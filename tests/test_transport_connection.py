import asyncio

import pytest
import wire
from virtual_time import in_virtual_time
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from pipecat_wavix import WavixStreamError, WavixUnreachable, wait_for_start
from pipecat_wavix.protocol import Clear
from pipecat_wavix.transport.connection import Connection


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


class Far:
    """The far end of a socket that can be slow, deaf, or gone."""

    def __init__(self):
        self.inbox = asyncio.Queue()
        self.texts = []
        self.reads = True
        self.closes = True
        self.closed = 0

    async def receive(self):
        return await self.inbox.get()

    async def send_text(self, text):
        if not self.reads:
            await asyncio.sleep(3600)
        self.texts.append(text)

    async def close(self, code=1000):
        self.closed += 1
        if not self.closes:
            await asyncio.sleep(3600)

    def say(self, text):
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})


class Client:
    def __init__(self, error=None, secs=0.0):
        self.error, self.secs, self.asked, self.done = error, secs, [], 0

    async def hang_up(self, call_id):
        self.asked.append(call_id)
        await asyncio.sleep(self.secs)
        if self.error:
            raise self.error
        self.done += 1


def connected(far, client=None, call_id="abc-123"):
    return Connection(far, stream_id="str-456", call_id=call_id, client=client)


async def left(connection):
    """Start a connection, and note when the far end leaves."""
    leaving = asyncio.Event()

    async def note():
        assert not leaving.is_set()
        leaving.set()

    connection.on_left = note
    connection.start()
    connection.start()
    return leaving


@in_virtual_time
async def test_media_and_marks_are_handed_on_in_order():
    far, seen = Far(), []
    connection = connected(far)

    async def media(event):
        seen.append(event.media.payload)

    connection.on_media, connection.on_mark = media, seen.append
    connection.start()
    for text in (wire.START, wire.MEDIA, wire.MARK, "{", wire.MEDIA):
        far.say(text)
    await asyncio.sleep(0.01)
    assert seen == [wire.FOUR_SAMPLES_PCM, "end-of-greeting", wire.FOUR_SAMPLES_PCM]
    assert connection.rejected == {"not_json": 1}
    await connection.close()


@pytest.mark.parametrize("how", ["stop", "close", "both"])
@in_virtual_time
async def test_the_far_end_leaves_once_however_it_does(how):
    far = Far()
    connection = connected(far)
    leaving = await left(connection)
    if how != "close":
        far.say(wire.STOP)
    if how != "stop":
        far.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.sleep(0.01)
    assert leaving.is_set()
    assert connection.left
    assert not connection.open
    assert not await connection.send(Clear())
    await connection.close()


@in_virtual_time
async def test_a_close_of_ours_is_not_a_leave_of_theirs():
    far = Far()
    connection = connected(far)
    leaving = await left(connection)
    await connection.close()
    await connection.close()
    assert far.closed == 1
    assert not leaving.is_set()
    assert not connection.left


@in_virtual_time
async def test_a_peer_that_does_not_answer_the_close_is_not_waited_for():
    far = Far()
    far.closes = False
    connection = connected(far)
    connection.start()
    began = asyncio.get_running_loop().time()
    await connection.close()
    assert asyncio.get_running_loop().time() - began < 1


@in_virtual_time
async def test_a_peer_that_reads_nothing_has_left():
    far = Far()
    far.reads = False
    connection = connected(far)
    leaving = await left(connection)
    began = asyncio.get_running_loop().time()
    assert not await connection.send(Clear())
    assert asyncio.get_running_loop().time() - began <= 5.01
    assert leaving.is_set()
    await connection.close()


@in_virtual_time
async def test_a_call_is_hung_up_once():
    client = Client()
    connection = connected(Far(), client)
    await asyncio.gather(connection.hang_up(), connection.hang_up())
    await connection.hang_up()
    assert client.asked == ["abc-123"]
    assert connection.hung_up is True


@in_virtual_time
async def test_a_hang_up_goes_on_when_whoever_waits_for_it_is_cancelled():
    client = Client(secs=1)
    connection = connected(Far(), client)
    waiting = asyncio.create_task(connection.hang_up())
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.sleep(2)
    assert client.done == 1
    assert connection.hung_up is True


@pytest.mark.parametrize("error", [WavixUnreachable("no answer"), RuntimeError("PBX")], ids=repr)
@in_virtual_time
async def test_a_hang_up_that_fails_is_reported_and_not_raised(error):
    connection = connected(Far(), Client(error))
    await connection.hang_up()
    assert connection.hung_up is False


@in_virtual_time
async def test_without_a_client_nothing_is_hung_up():
    connection = connected(Far(), None)
    await connection.hang_up()
    assert connection.hung_up is None


async def test_a_kind_of_rejection_is_logged_once(logs):
    connection = connected(Far())
    for _ in range(5):
        connection.reject("not_json", "DecodeError")
    assert connection.rejected == {"not_json": 5}
    assert len(logs) == 1
