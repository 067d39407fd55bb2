import asyncio

from fake_wavix import FakeWavix, call
from virtual_time import in_virtual_time

from pipecat_wavix.server.call import EARLY_WEBHOOKS, Session
from pipecat_wavix.server.lines import Lines


async def nothing():
    pass


def lines_of(count):
    return Lines(count, patience_secs=60, on_overdue=lambda _: None)


def session():
    return Session(FakeWavix(), call_id="a", stream_id="s", close=nothing)


@in_virtual_time
async def test_a_line_is_taken_and_given_back():
    lines = lines_of(1)
    lines.hold("a")
    assert lines.full
    assert len(lines) == 1
    lines.free("a")
    lines.free("a")
    assert not lines.full


@in_virtual_time
async def test_a_line_that_nobody_comes_for_is_told_of_once():
    overdue = []
    lines = Lines(1, patience_secs=60, on_overdue=overdue.append)
    lines.hold("a")
    await asyncio.sleep(59)
    assert overdue == []
    await asyncio.sleep(100)
    assert overdue == ["a"]
    assert [call_id for call_id, _ in lines.items()] == ["a"]


@in_virtual_time
async def test_a_patient_line_is_kept():
    overdue = []
    lines = Lines(1, patience_secs=60, on_overdue=overdue.append)
    lines.hold("a")
    lines.hold("a", patient=True)
    await asyncio.sleep(1000)
    assert len(lines) == 1
    assert overdue == []


@in_virtual_time
async def test_a_bot_on_the_line_keeps_it_and_tells_how_long_it_took():
    lines = lines_of(1)
    lines.hold("a")
    assert not lines.is_talking("a")
    await asyncio.sleep(0.25)
    assert lines.talk("a", session()) == 0.25
    await asyncio.sleep(1000)
    assert lines.is_talking("a")
    lines.free_unless_talking("a")
    assert lines.full
    lines.close()
    assert not lines.full


@in_virtual_time
async def test_a_bot_whose_call_was_answered_elsewhere_gets_a_line():
    lines = lines_of(1)
    assert lines.talk("a", session()) is None
    assert lines.is_talking("a")


@in_virtual_time
async def test_what_is_told_before_the_bot_comes_is_kept_within_bounds():
    lines, bot, heard = lines_of(1), session(), []
    line = lines.hold("a")
    for n in range(EARLY_WEBHOOKS + 5):
        line.deliver(call(tag=str(n)))
    lines.talk("a", bot)
    bot.listen(heard.append)
    lines.get("a").deliver(call(tag="late"))
    assert [c.tag for c in heard] == [*map(str, range(EARLY_WEBHOOKS)), "late"]


@in_virtual_time
async def test_a_line_that_is_given_back_early_is_not_overdue_later():
    overdue = []
    lines = Lines(2, patience_secs=60, on_overdue=overdue.append)
    lines.hold("a")
    lines.free("a")
    lines.hold("a", patient=True)
    await asyncio.sleep(100)
    lines.free_unless_talking("b")
    assert len(lines) == 1
    assert overdue == []
