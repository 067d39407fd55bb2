"""The streams of a call: their number, their tasks."""

import asyncio

import pytest
from virtual_time import in_virtual_time

from pipecat_wavix.emulator.streams import Streams


class Stream:
    """A stream that runs until it is ended, and then for `lasts` seconds."""

    def __init__(self, stream_id, stream_type="oneway", lasts=0, error=None):
        self.stream_id, self.stream_type = stream_id, stream_type
        self.is_open = True
        self.ended = asyncio.Event()
        self.hurried = False
        self._lasts, self._error = lasts, error

    def end(self, at):
        self.ended.set()

    async def run(self):
        if self._error:
            raise self._error
        try:
            await self.ended.wait()
            await asyncio.sleep(self._lasts)
        except asyncio.CancelledError:
            self.hurried = True
            raise


def streams_of(*streams, errors=None):
    made = Streams((errors if errors is not None else []).append)
    for stream in streams:
        made.add(stream)
    return made


@in_virtual_time
async def test_there_may_be_one_twoway_and_five_oneway_streams():
    streams = streams_of(*(Stream(f"{n}") for n in range(4)), Stream("t", "twoway"))
    streams.check("x", "oneway", "both")
    with pytest.raises(ValueError, match="the call has 1 of 1 twoway streams: stop one first"):
        streams.check("x", "twoway", "inbound")
    streams.add(Stream("5"))
    with pytest.raises(ValueError, match="the call has 5 of 5 oneway streams: stop one first"):
        streams.check("x", "oneway", "inbound")
    assert streams.started == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", "threeway", "both"), "stream_type is 'threeway': give twoway or oneway"),
        (("x", "twoway", "left"), "channel is 'left': give inbound, outbound or both"),
        (("a", "twoway", "both"), "stream_id is 'a', which the call has: give another"),
    ],
)
@in_virtual_time
async def test_a_stream_that_cannot_be_is_refused_with_the_way_out(arguments, message):
    with pytest.raises(ValueError, match=message):
        streams_of(Stream("a")).check(*arguments)


@in_virtual_time
async def test_a_stream_that_is_removed_makes_room_and_is_the_talker_no_more():
    talker, listener = Stream("t", "twoway"), Stream("l")
    streams = streams_of(talker, listener)
    streams.talker = talker
    streams.remove(listener)
    assert streams.talker is talker
    streams.remove(talker)
    assert streams.talker is None
    streams.check("t", "twoway", "inbound")
    assert streams.fed == []


@in_virtual_time
async def test_an_abandoned_stream_is_fed_until_it_is_let_go():
    stream = Stream("a")
    streams = streams_of(stream)
    streams.launch(stream)
    streams.abandon(stream)
    assert (streams.fed, streams.alive) == ([stream], {})
    streams.let_abandoned_go(0.0)
    assert (streams.fed, stream.ended.is_set()) == ([], True)
    await streams.finished()


@in_virtual_time
async def test_an_open_stream_is_let_go_in_its_own_time_and_another_at_once():
    polite, closed = Stream("a", lasts=5), Stream("b", lasts=5)
    closed.is_open = False
    streams = streams_of(polite, closed)
    for stream in (polite, closed):
        streams.launch(stream)
    await asyncio.sleep(0)
    for stream in (polite, closed):
        streams.let_go(stream, 0.0)
    await streams.finished()
    assert (polite.hurried, closed.hurried) == (False, True)
    assert asyncio.get_running_loop().time() == 1005


@in_virtual_time
async def test_a_stream_that_does_not_run_is_let_go():
    stream = Stream("a")
    streams_of(stream).let_go(stream, 0.0)
    assert stream.ended.is_set()


@in_virtual_time
async def test_a_cancelled_wait_makes_all_hurry_and_is_raised_when_they_are_done():
    stream = Stream("a", lasts=1000)
    streams = streams_of(stream)
    streams.launch(stream)
    streams.let_go(stream, 0.0)
    waiting = asyncio.create_task(streams.finished())
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert stream.hurried
    assert asyncio.get_running_loop().time() == 1001


@in_virtual_time
async def test_what_a_task_raises_is_told():
    errors = []
    stream = Stream("a", error=RuntimeError("a bug"))
    streams = streams_of(stream, errors=errors)
    streams.launch(stream)
    await streams.finished()
    assert [str(error) for error in errors] == ["a bug"]


@in_virtual_time
async def test_a_task_has_the_name_of_its_stream():
    stream = Stream("str-456")
    streams = streams_of(stream)
    streams.launch(stream)
    assert "stream str-456" in {task.get_name() for task in asyncio.all_tasks()}
    stream.end(0.0)
    await streams.finished()
