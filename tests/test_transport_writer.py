import asyncio

import pytest
from virtual_time import in_virtual_time

from pipecat_wavix.playback import Playback
from pipecat_wavix.protocol import Clear, PlaceMark, PlayMedia
from pipecat_wavix.transport.writer import CLEAR_GUARD_SECS, Writer

CHUNK = b"\1\1" * 960  # 40 ms


class Connection:
    """Takes what is sent, and notes when."""

    stream_id = "str-456"

    def __init__(self):
        self.open = True
        self.sent = []

    async def send(self, command):
        self.sent.append((now(), command))
        return self.open

    def times(self, kind):
        return [at for at, command in self.sent if isinstance(command, kind)]


def now():
    return asyncio.get_running_loop().time()


def speak(writer, audio=CHUNK, *, lead_secs=0.1, **kwargs):
    return writer.write(audio, sample_rate=24_000, lead_secs=lead_secs, **kwargs)


def fresh():
    connection = Connection()
    return connection, Writer(connection, Playback())


@in_virtual_time
async def test_audio_goes_out_up_to_the_lead_ahead_and_then_in_real_time():
    connection, writer = fresh()
    began = now()
    for _ in range(10):
        await speak(writer)
    times = [round(at - began, 3) for at in connection.times(PlayMedia)]
    assert times[:4] == [0, 0, 0, 0]
    assert times[-1] == pytest.approx(0.4 - 0.1, abs=0.001)
    assert writer.media_sent == 20


@in_virtual_time
async def test_a_chunk_that_waits_when_the_clear_goes_is_given_up_at_once():
    connection, writer = fresh()
    for _ in range(2):
        await speak(writer)
    waiting = asyncio.create_task(speak(writer))
    await asyncio.sleep(0.01)
    sent, at = len(connection.times(PlayMedia)), now()
    assert not waiting.done()
    await writer.interrupt(now())
    assert await waiting is None
    assert now() - at < 0.001
    assert len(connection.times(PlayMedia)) == sent
    assert len(connection.times(Clear)) == 1


@in_virtual_time
async def test_a_chunk_that_was_asked_for_before_the_clear_is_not_sent_behind_it():
    _, writer = fresh()
    for _ in range(2):
        await speak(writer)
    both = [asyncio.create_task(speak(writer)) for _ in range(2)]  # one waits for the other
    await asyncio.sleep(0.01)
    await writer.interrupt(now())
    assert await asyncio.gather(*both) == [None, None]


@in_virtual_time
async def test_what_comes_after_a_clear_waits_out_the_guard():
    connection, writer = fresh()
    await speak(writer, CHUNK * 10, lead_secs=1)
    at = now()
    await writer.interrupt(at)
    assert await speak(writer) is not None
    assert connection.times(PlayMedia)[-2] - at == pytest.approx(CLEAR_GUARD_SECS, abs=0.002)


@in_virtual_time
async def test_an_interruption_between_two_frames_of_protected_audio_is_waited_out():
    connection, writer = fresh()
    send = connection.send

    async def send_and_interrupt(command):
        await send(command)
        if len(connection.times(PlayMedia)) == 21 and not connection.times(Clear):
            await writer.interrupt(now())
        return True

    connection.send = send_and_interrupt
    await speak(writer, CHUNK * 10, lead_secs=1)  # may be cleared
    await speak(writer, lead_secs=1, protected=True)
    await asyncio.sleep(1)
    (cleared,) = connection.times(Clear)
    later = [at for at in connection.times(PlayMedia) if at > cleared]
    assert later
    assert min(later) >= cleared + CLEAR_GUARD_SECS - 0.001


@in_virtual_time
async def test_the_rest_of_a_frame_is_carried_and_flushed_with_silence():
    connection, writer = fresh()
    await speak(writer, b"\1\1" * 700)
    await speak(writer, b"\1\1" * 700)
    await writer.flush()
    payloads = [c.media.payload for _, c in connection.sent if isinstance(c, PlayMedia)]
    assert {len(payload) for payload in payloads} == {960}
    assert b"".join(payloads) == (b"\1\1" * 1400).ljust(3 * 960, b"\0")
    assert writer.padding == 40
    await writer.flush()
    assert len(connection.times(PlayMedia)) == 3


@in_virtual_time
async def test_marks_follow_the_first_frame_of_a_run_and_then_each_interval():
    connection, writer = fresh()
    await speak(writer, CHUNK * 25, lead_secs=2)
    kinds = [type(command) for _, command in connection.sent]
    assert kinds[:2] == [PlayMedia, PlaceMark]
    assert kinds.count(PlaceMark) == 1 + 4


@in_virtual_time
async def test_nothing_is_sent_when_nobody_is_there():
    connection, writer = fresh()
    connection.open = False
    assert await speak(writer) is None
    assert not connection.sent
    await writer.close()
