"""One telephone call with any number of streams, in virtual time and with bots without sockets.

What needs real sockets is at the end; a call that is one stream has its tests in
`test_emulator_media`.
"""

import asyncio
import re
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from test_emulator_media import FRAME, Watch, holding, leaves_nothing_behind, plain_server, serving
from virtual_bots import Exchange
from virtual_time import in_virtual_time

from pipecat_wavix.emulator import (
    CallSettings,
    CannotConnectError,
    LiveCaller,
    NetworkSettings,
    Pause,
    Press,
    Say,
    ScriptedCaller,
    Telephone,
)
from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    NetworkChanged,
    Pressed,
    Received,
    Sent,
    Sound,
)
from pipecat_wavix.emulator.stream import Patience
from pipecat_wavix.phoneline import Cleared, MarkPlayed

__all__ = ["leaves_nothing_behind"]  # a fixture for every test

LOUD = np.full(480, 5000, "<i2").tobytes()


@pytest.fixture
def exchange(monkeypatch):
    exchange = Exchange()
    monkeypatch.setattr("pipecat_wavix.emulator.stream.BotSocket", exchange)
    return exchange


class Phone(Telephone):
    """A telephone with a clean leg, watched, that runs in a task."""

    def __init__(self, caller=None, observers=(), patience=None, **settings):
        self.watch = Watch()
        self.overs = []
        super().__init__(
            caller or ScriptedCaller([]),
            CallSettings(**{"leg": "clean"} | settings),
            [self.watch, *observers],
            patience=patience,
        )
        self.running = asyncio.create_task(self.run())

    def start(self, path="bot", **arguments):
        return self.start_stream(f"ws://bot/{path}", **{"on_over": self.note_over} | arguments)

    def note_over(self, stream_id, reason):
        self.overs.append((stream_id, reason))

    async def ended(self):
        async with asyncio.timeout(20):
            return await self.running

    @property
    def heard(self):
        return b"".join(sound.heard for sound in self.watch.of(Sound))


@asynccontextmanager
async def answered(*arguments, **settings):
    """A call that is answered now, and hung up in the end unless it is over."""
    phone = Phone(*arguments, **settings)
    await asyncio.sleep(0)
    yield phone
    phone.hang_up()
    await phone.ended()


def secs_of(pcm):
    return len(pcm) / 48_000


# Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"silence_after_bot_secs": float("inf")}, "is inf: give 0 or more seconds, or None"),
        ({"reconnects": -1}, "reconnects is -1: give 0 to 100"),
        ({"reconnects": 101}, "reconnects is 101: give 0 to 100"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_the_way_out(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CallSettings(**changes)


# Without a stream


@in_virtual_time
async def test_a_caller_without_a_stream_hears_silence_and_goes_through_its_script():
    phone = Phone(holding(0.1, Say(FRAME)), call_id="abc-123")
    summary = await phone.ended()
    sounds = phone.watch.of(Sound)
    assert [sound.said for sound in sounds] == [FRAME, *[bytes(960)] * 5]
    assert phone.heard == bytes(6 * 960)
    assert phone.watch.of(Began)[0].stream_id == ""
    assert (summary.call_id, summary.stream_id, summary.end_reason) == (
        "abc-123",
        "",
        "the caller hung up",
    )
    assert summary.secs == pytest.approx(0.12)


@in_virtual_time
async def test_a_call_can_be_hung_up_before_it_begins_and_twice():
    phone = Phone()
    phone.hang_up("no answer")
    phone.hang_up("again")
    summary = await phone.ended()
    assert (summary.secs, summary.end_reason) == (0, "no answer")


@in_virtual_time
async def test_ids_come_from_the_seed():
    def ids(seed):
        phone = Telephone(ScriptedCaller([]), CallSettings(network=NetworkSettings(seed=seed)))
        first = phone.start_stream("ws://bot")
        return phone.call_id, first, phone.start_stream("ws://bot", stream_type="oneway")

    assert ids(1) == ids(1)
    assert len({*ids(1), *ids(2)}) == 6


@in_virtual_time
async def test_a_call_ends_when_its_longest_time_is_over():
    summary = await Phone(max_secs=0.5).ended()
    assert (summary.secs, summary.end_reason) == (pytest.approx(0.5), "max_secs are over")


# A stream in mid-call


@in_virtual_time
async def test_a_stream_that_joins_late_begins_with_the_next_20_ms_and_counts_from_one(exchange):
    async with answered() as phone:
        began_at = phone.watch.start
        await asyncio.sleep(0.09)
        stream_id = phone.start(channel="both")
        await asyncio.sleep(0.1)
    bot = exchange.bot
    assert bot.opened_at == pytest.approx(began_at + 0.095)
    assert bot.names == ["connected", "start", "media", "stop"]
    assert bot.times[:2] == [bot.opened_at] * 2
    (start,) = bot.events("start")
    assert (start["call_id"], start["stream_id"]) == (phone.call_id, stream_id)
    assert (start["stream_type"], start["channel"]) == ("twoway", "both")
    assert [event["sequence_number"] for event in bot.got[1:]] == list(range(1, len(bot.got)))
    media = bot.events("media")
    assert [event["media"]["chunk"] for event in media] == list(range(1, len(media) + 1))
    # The 20 ms from 100 ms on are complete at 120 ms.
    times = [at for at, event in zip(bot.times, bot.got, strict=True) if event["event"] == "media"]
    assert times == pytest.approx([began_at + 0.12 + 0.02 * n for n in range(len(media))], abs=1e-9)
    event_times = [datetime.fromisoformat(event["event_time"]) for event in media]
    gaps = [(after - before).total_seconds() for before, after in pairwise(event_times)]
    assert gaps == pytest.approx([0.02] * len(gaps), abs=0.0011)


@in_virtual_time
async def test_a_stream_carries_only_what_is_said_after_it_began(exchange):
    numbered = b"".join(np.full(480, n, "<i2").tobytes() for n in range(1, 11))
    async with answered(ScriptedCaller([Say(numbered)])) as phone:
        await asyncio.sleep(0.05)
        phone.start()
        await asyncio.sleep(0.2)
    assert exchange.bot.audio()[: 7 * 960] == numbered[3 * 960 :]


@in_virtual_time
async def test_a_stream_that_is_started_before_the_call_begins_with_it(exchange):
    phone = Phone(holding(0.1))
    phone.start()
    await phone.ended()
    assert exchange.bot.opened_at == pytest.approx(phone.watch.start + exchange.secs)


@in_virtual_time
async def test_the_caller_hears_a_bot_that_joined_late_and_the_bot_its_marks(exchange):
    async with answered() as phone:
        await asyncio.sleep(0.09)
        phone.start()
        await asyncio.sleep(0.02)
        exchange.bot.play(FRAME * 3)
        exchange.bot.mark("end")
        await asyncio.sleep(0.2)
    assert phone.watch.heard == FRAME * 3
    assert phone.watch.first_heard_at() == pytest.approx(phone.watch.start + 0.12)
    (mark,) = phone.watch.of(MarkPlayed)
    assert mark.at == pytest.approx(phone.watch.start + 0.18)
    assert [event["mark"]["name"] for event in exchange.bot.events("mark")] == ["end"]


# Several streams


@in_virtual_time
async def test_two_streams_have_their_own_counters_and_the_call_in_common(exchange):
    async with answered() as phone:
        phone.start("talker")
        await asyncio.sleep(0.1)
        phone.start("listener", stream_type="oneway", channel="both")
        await asyncio.sleep(0.1)
        talker, listener = exchange.bots
        talker.play(LOUD * 2)
        await asyncio.sleep(0.2)
    for bot in (talker, listener):
        assert [e["sequence_number"] for e in bot.got[1:]] == list(range(1, len(bot.got)))
        assert bot.events("media")[0]["media"]["chunk"] == 1
        assert bot.names[-1] == "stop"
    assert {event["media"]["track"] for event in talker.events("media")} == {"inbound"}
    assert secs_of(talker.audio()) == pytest.approx(secs_of(listener.audio()) + 0.1)
    assert listener.audio("outbound").strip(b"\0") == LOUD * 2


@in_virtual_time
async def test_a_oneway_stream_hears_prompts_and_is_not_heard(exchange):
    async with answered() as phone:
        phone.start(stream_type="oneway", channel="outbound")
        await asyncio.sleep(0.05)
        exchange.bot.play(LOUD)
        exchange.bot.mark("m")
        exchange.bot.say("clear")
        phone.play_prompt(FRAME)
        await asyncio.sleep(0.1)
    assert exchange.bot.audio("outbound").strip(b"\0") == FRAME.strip(b"\0")
    assert [received.fate for received in phone.watch.of(Received)] == ["oneway"] * 3
    assert phone.watch.heard == b""


@in_virtual_time
async def test_a_call_has_one_twoway_and_five_oneway_streams(exchange):
    async with answered() as phone:
        phone.start(stream_id="talker")
        for _ in range(5):
            phone.start(stream_type="oneway")
        with pytest.raises(ValueError, match="has 1 of 1 twoway streams: stop one first"):
            phone.start()
        with pytest.raises(ValueError, match="has 5 of 5 oneway streams: stop one first"):
            phone.start(stream_type="oneway")
        await asyncio.sleep(0.1)
        assert len(exchange.bots) == 6
        assert phone.stop_stream("talker")
        phone.start()
        await asyncio.sleep(0.1)
    assert len(exchange.bots) == 7
    assert len(phone.overs) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stream_type": "threeway"}, "stream_type is 'threeway': give twoway or oneway"),
        ({"channel": "left"}, "channel is 'left': give inbound, outbound or both"),
        ({"stream_id": "taken", "stream_type": "oneway"}, "stream_id is 'taken', which the call"),
    ],
)
def test_a_stream_that_cannot_be_is_refused_with_the_way_out(arguments, message):
    phone = Telephone(ScriptedCaller([]))
    phone.start_stream("ws://bot", stream_id="taken")
    with pytest.raises(ValueError, match=re.escape(message)):
        phone.start_stream("ws://bot", **arguments)


@in_virtual_time
async def test_no_stream_starts_when_the_call_is_over():
    phone = Phone(holding(0))
    await phone.ended()
    with pytest.raises(ValueError, match="the call is over"):
        phone.start()
    assert not phone.stop_stream("any")


@in_virtual_time
async def test_streams_have_accidents_of_their_own(exchange):
    async with answered(network=NetworkSettings(loss=0.5)) as phone:
        for _ in range(2):
            phone.start(stream_type="oneway")
        await asyncio.sleep(1)
    chunks = [[event["media"]["chunk"] for event in bot.events("media")] for bot in exchange.bots]
    assert chunks[0] != chunks[1]


@in_virtual_time
async def test_the_figures_of_the_messages_are_the_twoway_streams(exchange):
    async with answered() as phone:
        phone.start("listener", stream_type="oneway", channel="both")
        stream_id = phone.start("talker", stream_id="talker")
        await asyncio.sleep(0.05)
        for bot in exchange.bots:
            bot.mark("m")
        await asyncio.sleep(0.05)
        phone.hang_up()
        summary = await phone.ended()
    (talker,) = (bot for bot in exchange.bots if bot.path == "talker")
    assert summary.stream_id == stream_id
    assert summary.sent["media"] == len(talker.events("media"))
    assert (summary.received, summary.fates) == ({"mark": 1}, {"used": 1})


# Stopping a stream


@in_virtual_time
async def test_a_stopped_stream_says_stop_and_the_call_goes_on(exchange):
    async with answered() as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.1)
        assert phone.stop_stream(stream_id)
        assert not phone.stop_stream(stream_id)
        await asyncio.sleep(0.1)
        assert exchange.bot.names == ["connected", "start", "media", "stop"]
        assert exchange.bot.closed_at == pytest.approx(phone.watch.start + 0.1)
        assert phone.overs == [(stream_id, "stopped")]
        assert not phone.running.done()


@in_virtual_time
async def test_a_stopped_streams_last_messages_arrive_in_their_time(exchange):
    async with answered(network=NetworkSettings(delay_ms=150)) as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.3)
        phone.stop_stream(stream_id)
        await asyncio.sleep(1)
    assert exchange.bot.names[-1] == "stop"
    assert exchange.bot.closed_at == pytest.approx(phone.watch.start + 0.45)


@in_virtual_time
async def test_a_stream_can_be_stopped_while_it_connects(exchange):
    exchange.secs = 5
    async with answered() as phone:
        stream_id = phone.start()
        await asyncio.sleep(1)
        assert phone.stop_stream(stream_id)
        await asyncio.sleep(10)
    assert exchange.bots == []
    assert phone.overs == [(stream_id, "stopped")]


@in_virtual_time
async def test_a_stream_can_be_stopped_before_the_call_begins(exchange):
    phone = Phone(holding(0.1))
    assert phone.stop_stream(phone.start())
    await phone.ended()
    assert (exchange.dialled, len(phone.overs)) == ([], 1)


@pytest.mark.parametrize(("drops", "heard"), [(False, 10), (True, 5)])
@in_virtual_time
async def test_what_is_buffered_when_the_stream_ends_is_played_or_dropped(exchange, drops, heard):
    async with answered(drop_buffer_with_stream=drops) as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.05)
        exchange.bot.play(FRAME * 10)
        await asyncio.sleep(0.1)  # heard from 60 ms on, stopped at 150 ms, silent at 160 ms
        phone.stop_stream(stream_id)
        await asyncio.sleep(0.5)
    assert phone.watch.heard == FRAME * heard
    times = [sound.at - phone.watch.start for sound in phone.watch.of(Sound)]
    assert times == pytest.approx([n * 0.02 for n in range(len(times))], abs=1e-9)


@in_virtual_time
async def test_what_was_heard_while_the_process_stood_still_is_not_dropped(exchange):
    async with answered(drop_buffer_with_stream=True) as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.05)
        exchange.bot.play(FRAME * 10)
        asyncio.get_running_loop().now += 0.1
        phone.stop_stream(stream_id)
        await asyncio.sleep(0.5)
    assert phone.watch.heard == FRAME * 5


@in_virtual_time
async def test_a_stream_that_is_stopped_while_the_call_catches_up_says_nothing_after_stop(exchange):
    loop = asyncio.get_running_loop()
    async with answered(ScriptedCaller([Pause(0.2), Press("1")])) as phone:
        stream_id = phone.start()

        def stop(key):
            loop.now += 0.1
            assert phone.stop_stream(stream_id)

        phone.on_key = stop
        await asyncio.sleep(0.09)
        exchange.bot.play(FRAME * 7)
        exchange.bot.mark("end")
        loop.now += 0.5
        await asyncio.sleep(0.5)
    assert exchange.bot.names[-1] == "stop"
    assert exchange.bot.events("mark") == []
    times = [sound.at - phone.watch.start for sound in phone.watch.of(Sound)]
    assert times == pytest.approx([n * 0.02 for n in range(len(times))], abs=1e-9)


@in_virtual_time
async def test_what_is_on_its_way_when_the_stream_is_stopped_is_not_heard(exchange):
    async with answered(network=NetworkSettings(delay_ms=100)) as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.2)
        exchange.bot.play(FRAME * 10)
        await asyncio.sleep(0.05)
        phone.stop_stream(stream_id)
        exchange.bot.play(FRAME)
        await asyncio.sleep(0.5)
    assert phone.watch.heard == b""


@in_virtual_time
async def test_a_second_twoway_stream_starts_with_a_clean_slate(exchange):
    async with answered() as phone:
        stream_id = phone.start("first")
        await asyncio.sleep(0.05)
        first = exchange.bot
        first.play(FRAME * 50)
        first.mark("stale")
        first.say("clear")
        phone.stop_stream(stream_id)
        await asyncio.sleep(0.035)
        phone.start("second")
        await asyncio.sleep(0.02)
        second = exchange.bot
        assert second is not first
        second.play(LOUD)
        second.mark("fresh")
        await asyncio.sleep(2)
    assert [event["mark"]["name"] for event in second.events("mark")] == ["fresh"]
    assert first.events("mark") == []
    assert phone.watch.of(Cleared) == []
    assert phone.watch.heard.endswith(LOUD)
    # Of the first bot only what was heard until the second was there.
    assert len(phone.watch.heard) < 6 * 960
    assert [event["sequence_number"] for event in second.got[1:4]] == [1, 2, 3]


# Bots that refuse or leave


@in_virtual_time
async def test_a_call_stays_up_when_the_bot_refuses(exchange):
    exchange.refusals["bot"] = 1
    async with answered() as phone:
        stream_id = phone.start()
        await asyncio.sleep(60)
        assert not phone.running.done()
        assert phone.overs == [(stream_id, "ws://bot refused the call: HTTP 403")]
        phone.start()
        await asyncio.sleep(1)
        assert exchange.bot.names == ["connected", "start", "media"]


@in_virtual_time
async def test_a_call_stays_up_when_the_bot_leaves_and_plays_out_what_it_left(exchange):
    async with answered() as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.05)
        exchange.bot.play(FRAME * 10)
        exchange.bot.mark("late")
        exchange.bot.leave()
        await asyncio.sleep(60)
        assert not phone.running.done()
    assert phone.watch.heard == FRAME * 10
    assert phone.overs == [(stream_id, "the bot closed the socket")]
    assert phone.watch.of(Sent)[-1].at < phone.watch.start + 1


@in_virtual_time
async def test_what_is_on_its_way_when_the_bot_leaves_is_heard(exchange):
    async with answered(network=NetworkSettings(delay_ms=100)) as phone:
        phone.start()
        await asyncio.sleep(0.05)
        exchange.bot.play(FRAME * 3)
        exchange.bot.leave()
        await asyncio.sleep(1)
    assert phone.watch.heard == FRAME * 3
    assert phone.watch.first_heard_at() == pytest.approx(phone.watch.start + 0.16)


@pytest.mark.parametrize("refuses", [True, False])
@in_virtual_time
async def test_a_call_can_end_some_time_after_the_bot_refused_or_left(exchange, refuses):
    exchange.refusals["bot"] = int(refuses)
    exchange.on_accept = lambda bot: bot.leave()
    phone = Phone(silence_after_bot_secs=3)
    phone.start()
    summary = await phone.ended()
    assert summary.secs == pytest.approx(3.02)
    refusal = "ws://bot refused the call: HTTP 403"
    assert summary.end_reason == (refusal if refuses else "the bot closed the socket")
    # What was said from 20 ms on, and the stop.
    assert summary.unsent.get("closed", 0) == (0 if refuses else 151)
    assert len(phone.overs) == 1


@in_virtual_time
async def test_a_call_that_is_to_end_goes_on_when_a_bot_is_back(exchange):
    async with answered(silence_after_bot_secs=3) as phone:
        phone.start("first")
        await asyncio.sleep(0.1)
        exchange.bot.leave()
        await asyncio.sleep(2)
        phone.start("second")
        await asyncio.sleep(10)
        assert not phone.running.done()
        assert phone.watch.of(Sent)[-1].fate == "sent"
        assert len(phone.overs) == 1


@in_virtual_time
async def test_a_second_bot_that_refuses_does_not_put_the_end_off(exchange):
    exchange.refusals["bot"] = 2
    phone = Phone(silence_after_bot_secs=3)
    phone.start()
    await asyncio.sleep(2)
    phone.start()
    summary = await phone.ended()
    assert summary.secs == pytest.approx(3.02)


@in_virtual_time
async def test_a_call_that_is_to_end_may_be_hung_up_before(exchange):
    exchange.refusals["bot"] = 1
    phone = Phone(holding(1), silence_after_bot_secs=3)
    phone.start()
    assert (await phone.ended()).end_reason == "the caller hung up"


@in_virtual_time
async def test_a_stall_at_the_moment_of_joining_costs_a_stream_nothing(exchange):
    exchange.stall_secs = 0.5
    async with answered() as phone:
        phone.start()
        await asyncio.sleep(1)
    start = phone.watch.start
    times = [sound.at - start for sound in phone.watch.of(Sound)]
    assert times == pytest.approx([n * 0.02 for n in range(len(times))], abs=1e-9)
    joined = [sound for sound in phone.watch.of(Sound) if sound.at >= exchange.bot.opened_at]
    assert len(exchange.bot.events("media")) == len(joined)


@in_virtual_time
async def test_a_listener_that_leaves_does_not_end_the_call_of_another(exchange):
    async with answered(silence_after_bot_secs=1) as phone:
        phone.start("talker")
        phone.start("listener", stream_type="oneway")
        await asyncio.sleep(0.1)
        (listener,) = (bot for bot in exchange.bots if bot.path == "listener")
        listener.leave()
        await asyncio.sleep(5)
        assert not phone.running.done()


@in_virtual_time
async def test_a_stream_reconnects_when_the_bot_refuses(exchange):
    exchange.refusals["bot"] = 2
    async with answered(reconnects=2) as phone:
        phone.start()
        await asyncio.sleep(3)
        assert len(exchange.dialled) == 3
        assert exchange.bot.names == ["connected", "start", "media"]
        assert phone.overs == []


@in_virtual_time
async def test_a_stream_reconnects_when_the_bot_leaves_with_a_new_start(exchange):
    async with answered(reconnects=1) as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.1)
        first = exchange.bot
        first.play(FRAME * 100)
        first.mark("stale")
        await asyncio.sleep(0.1)
        first.leave()
        await asyncio.sleep(1)
        second = exchange.bot
        assert second is not first
        assert [event["sequence_number"] for event in second.got[1:4]] == [1, 2, 3]
        assert second.events("media")[0]["media"]["chunk"] == 1
        assert second.events("start")[0]["stream_id"] == stream_id
        assert phone.overs == []
        second.play(LOUD)
        second.mark("fresh")
        await asyncio.sleep(1)
        assert [event["mark"]["name"] for event in second.events("mark")] == ["fresh"]
        second.leave()
        await asyncio.sleep(2)
        assert len(exchange.bots) == 2
        assert phone.overs == [(stream_id, "the bot closed the socket")]


@in_virtual_time
async def test_reconnections_are_counted_whatever_they_are_for(exchange):
    async with answered(reconnects=2) as phone:
        phone.start()
        await asyncio.sleep(0.1)
        exchange.refusals["bot"] = 9
        exchange.bot.leave()
        await asyncio.sleep(10)
        assert len(exchange.dialled) == 3
        assert [reason for _, reason in phone.overs] == ["ws://bot refused the call: HTTP 403"]


@in_virtual_time
async def test_a_stream_can_be_stopped_while_it_waits_to_reconnect(exchange):
    async with answered(reconnects=5) as phone:
        stream_id = phone.start()
        await asyncio.sleep(0.1)
        exchange.bot.leave()
        await asyncio.sleep(0.1)
        assert phone.stop_stream(stream_id)
        await asyncio.sleep(5)
    assert len(exchange.dialled) == 1


# Prompts


@in_virtual_time
async def test_a_prompt_is_heard_and_told_when_it_is_done():
    done = []
    async with answered() as phone:
        await asyncio.sleep(0.05)
        loop = asyncio.get_running_loop()
        phone.play_prompt(LOUD * 2, lambda whole: done.append((whole, loop.time())))
        await asyncio.sleep(0.2)
    assert phone.heard.strip(b"\0") == LOUD * 2
    assert done == [(True, pytest.approx(phone.watch.start + 0.1))]
    assert phone.watch.heard == b"", "none of it is the bot's"


@in_virtual_time
async def test_prompts_wait_for_one_another_and_can_be_stopped():
    done = []
    async with answered() as phone:
        phone.play_prompt(LOUD * 3, done.append)
        phone.play_prompt(FRAME * 100, done.append)
        phone.play_prompt(FRAME, done.append)
        await asyncio.sleep(0.15)
        phone.stop_prompts()
        assert done == [True, False, False]
        await asyncio.sleep(0.2)
    assert phone.heard.strip(b"\0").startswith(LOUD * 3 + FRAME)
    assert len(phone.heard.strip(b"\0")) <= 8 * 960


@in_virtual_time
async def test_a_prompt_and_the_bot_are_heard_together_and_marks_come_in_their_time(exchange):
    async with answered() as phone:
        phone.start()
        await asyncio.sleep(0.05)
        phone.play_prompt(LOUD * 10)
        exchange.bot.play(LOUD * 2)
        exchange.bot.mark("end")
        await asyncio.sleep(0.5)
    both = np.full(480, 10_000, "<i2").tobytes()
    assert phone.heard.strip(b"\0") == both * 2 + LOUD * 8
    assert phone.watch.of(MarkPlayed)[0].at == pytest.approx(phone.watch.start + 0.1)


@in_virtual_time
async def test_a_prompt_is_stopped_by_the_end_of_the_call():
    done = []
    phone = Phone(holding(0.1))
    phone.play_prompt(LOUD * 100, done.append)
    await phone.ended()
    assert done == [False]
    assert phone.heard == LOUD * 5
    phone.play_prompt(LOUD, done.append)
    assert done == [False, False]


# Keys


@in_virtual_time
async def test_keys_are_told_at_their_time_and_are_silent(exchange):
    keys = []
    async with answered(ScriptedCaller([Pause(0.1), Press("1#"), Say(FRAME)])) as phone:
        loop = asyncio.get_running_loop()
        phone.on_key = lambda key: keys.append((key, loop.time()))
        phone.start()
        await asyncio.sleep(1)
    start = phone.watch.start
    assert keys == [("1", pytest.approx(start + 0.1)), ("#", pytest.approx(start + 0.3))]
    assert phone.watch.of(Pressed) == [Pressed(at, key) for key, at in keys]
    assert exchange.bot.audio().strip(b"\0") == FRAME.strip(b"\0")


@in_virtual_time
async def test_keys_can_be_heard_as_tones(exchange):
    async with answered(ScriptedCaller([Pause(0.1), Press("5")]), dtmf_in_audio=True) as phone:
        phone.start()
        await asyncio.sleep(1)
    samples = np.frombuffer(exchange.bot.audio(), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples, 24_000))
    loudest = np.argmax(spectrum[:1000]), 1000 + np.argmax(spectrum[1000:])
    assert loudest == (pytest.approx(770, abs=3), pytest.approx(1336, abs=3))
    loud = np.flatnonzero(np.abs(samples) > 1000)
    assert np.ptp(loud) == pytest.approx(2400, abs=50)


@in_virtual_time
async def test_keys_without_anybody_to_tell_are_observed():
    async with answered(ScriptedCaller([Press("*")])) as phone:
        await asyncio.sleep(0.5)
    assert [pressed.key for pressed in phone.watch.of(Pressed)] == ["*"]


@in_virtual_time
async def test_a_live_caller_presses_keys():
    caller = LiveCaller()
    async with answered(caller) as phone:
        await asyncio.sleep(0.1)
        caller.press("7")
        await asyncio.sleep(0.5)
    assert [pressed.key for pressed in phone.watch.of(Pressed)] == ["7"]


@in_virtual_time
async def test_a_key_may_start_and_stop_streams(exchange):
    script = [Pause(0.1), Press("1"), Pause(0.5), Press("2")]
    async with answered(ScriptedCaller(script)) as phone:
        ids = []

        def act(key):
            if key == "1":
                ids.append(phone.start())
            else:
                assert phone.stop_stream(ids[0])

        phone.on_key = act
        await asyncio.sleep(2)
    assert exchange.bot.names == ["connected", "start", "media", "stop"]
    assert phone.overs == [(ids[0], "stopped")]


# The end, and what goes wrong


@in_virtual_time
async def test_a_hang_up_while_a_stream_connects_leaves_nothing(exchange):
    exchange.secs = 5
    phone = Phone(holding(1))
    await asyncio.sleep(0.5)
    stream_id = phone.start()
    summary = await phone.ended()
    assert summary.secs == pytest.approx(1)
    assert exchange.bots == []
    assert phone.overs == [(stream_id, "the caller hung up")]


@in_virtual_time
async def test_a_bot_that_accepts_a_call_that_is_over_is_not_begun_with(exchange):
    exchange.stall_secs = 1
    phone = Phone()
    phone.start()
    await asyncio.sleep(0.001)
    phone.hang_up()
    await phone.ended()
    assert [bot.got for bot in exchange.bots] == [[]]
    assert len(phone.overs) == 1


@in_virtual_time
async def test_all_streams_end_with_the_call(exchange):
    phone = Phone(holding(0.5))
    for _ in range(3):
        phone.start(stream_type="oneway")
    await phone.ended()
    assert [bot.names[-1] for bot in exchange.bots] == ["stop"] * 3
    assert [reason for _, reason in phone.overs] == ["the caller hung up"] * 3
    assert len(phone.watch.of(Ended)) == 1


async def cancelled(phone):
    phone.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await phone.ended()


@in_virtual_time
async def test_a_call_cancelled_without_a_stream_is_over():
    phone = Phone()
    await asyncio.sleep(0.1)
    await cancelled(phone)
    assert phone.watch.of(Ended)[0].reason == "cancelled"


@in_virtual_time
async def test_a_call_cancelled_while_a_stream_connects_is_over(exchange):
    exchange.secs = 5
    phone = Phone()
    phone.start()
    await asyncio.sleep(0.1)
    await cancelled(phone)
    assert [reason for _, reason in phone.overs] == ["cancelled"]


@in_virtual_time
async def test_a_call_cancelled_in_mid_stream_says_stop(exchange):
    phone = Phone(network=NetworkSettings(delay_ms=100))
    phone.start()
    await asyncio.sleep(0.5)
    await cancelled(phone)
    assert exchange.bot.names[-1] == "stop"
    assert exchange.bot.times[-1] == pytest.approx(phone.watch.of(Ended)[0].at + 0.1)


@in_virtual_time
async def test_a_call_cancelled_while_a_stopped_stream_closes_waits_for_it(exchange):
    phone = Phone(network=NetworkSettings(delay_ms=500))
    stream_id = phone.start()
    await asyncio.sleep(1)
    phone.stop_stream(stream_id)
    await cancelled(phone)
    assert exchange.bot.names[-1] == "stop"


@in_virtual_time
async def test_a_call_cancelled_twice_does_not_wait_for_the_network(exchange):
    phone = Phone(network=NetworkSettings(delay_ms=10_000))
    phone.start()
    await asyncio.sleep(1)
    began_at = asyncio.get_running_loop().time()
    phone.running.cancel()
    await asyncio.sleep(0.1)
    await cancelled(phone)
    assert asyncio.get_running_loop().time() == pytest.approx(began_at + 0.1)
    assert exchange.bot.closed_at is not None


@in_virtual_time
async def test_a_call_cancelled_while_it_waits_to_reconnect_is_over(exchange):
    phone = Phone(reconnects=1)
    phone.start()
    await asyncio.sleep(0.1)
    exchange.bot.leave()
    await asyncio.sleep(0.1)
    await cancelled(phone)
    assert len(exchange.dialled) == 1


@pytest.mark.parametrize("kind", [Began, Sound, Sent, Received, Pressed, Ended])
@in_virtual_time
async def test_an_observers_error_ends_the_call_and_is_raised(exchange, kind):
    seen = []

    def fail(observation):
        seen.append(observation)
        if isinstance(observation, kind):
            raise RuntimeError("no disk")

    exchange.on_accept = lambda bot: bot.mark("m")
    phone = Phone(ScriptedCaller([Pause(0.1), Press("1"), *holding_script(0.5)]), [fail])
    phone.start()
    with pytest.raises(RuntimeError, match="no disk"):
        await phone.ended()
    assert isinstance(seen[-1], kind), "nothing is observed after it"
    assert len(phone.overs) == 1


@in_virtual_time
async def test_an_observers_error_at_a_change_of_the_network_is_raised_by_the_call_too(exchange):
    def fail(observation):
        if isinstance(observation, NetworkChanged):
            raise RuntimeError("no disk")

    phone = Phone(ScriptedCaller([]), [fail])
    await asyncio.sleep(0)
    phone.change_network(NetworkSettings(delay_ms=5))
    with pytest.raises(RuntimeError, match="no disk"):
        await phone.ended()


def holding_script(secs):
    class End:
        def frames(self, ear):
            yield None

    return [Pause(secs), End()]


def fails(*_):
    raise RuntimeError("a bug")


@in_virtual_time
async def test_a_callbacks_error_ends_the_call_and_is_raised(exchange):
    def on_key(phone):
        phone.on_key = fails

    def on_over(phone):
        phone.stop_stream(phone.start(on_over=fails, stream_type="oneway"))

    def on_done(phone):
        phone.play_prompt(FRAME, fails)

    def on_stop(phone):
        phone.play_prompt(FRAME, fails)
        phone.stop_prompts()

    for act in (on_key, on_over, on_done, on_stop):
        phone = Phone(ScriptedCaller([Pause(0.1), Press("1")]))
        await asyncio.sleep(0)
        act(phone)
        with pytest.raises(RuntimeError, match="a bug"):
            await phone.ended()


@in_virtual_time
async def test_a_streams_own_error_ends_the_call_and_is_raised(exchange, monkeypatch):
    async def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(exchange, "open", fail)
    phone = Phone()
    phone.start()
    with pytest.raises(RuntimeError, match="a bug"):
        await phone.ended()


# A call that begins with a stream


@in_virtual_time
async def test_a_call_does_not_begin_with_a_stream_that_it_does_not_have():
    phone = Telephone(ScriptedCaller([]))
    with pytest.raises(ValueError, match="begin_with is 'x': start that stream before"):
        await phone.run(begin_with="x")


@in_virtual_time
async def test_a_call_that_was_to_begin_with_a_stream_begins_when_that_is_stopped(exchange):
    exchange.secs = 5
    watch = Watch()
    phone = Telephone(holding(1), CallSettings(), [watch])
    stream_id = phone.start_stream("ws://bot/a")
    running = asyncio.create_task(phone.run(begin_with=stream_id))
    await asyncio.sleep(2)
    assert phone.stop_stream(stream_id)
    assert (await running).secs == pytest.approx(1)
    assert watch.start == pytest.approx(1002.0)


@in_virtual_time
async def test_a_call_does_not_begin_when_its_stream_is_refused(exchange):
    exchange.refusals["first"] = 1
    watch = Watch()
    phone = Telephone(holding(1), CallSettings(), [watch])
    first = phone.start_stream("ws://bot/first")
    with pytest.raises(CannotConnectError, match="HTTP 403") as caught:
        await phone.run(begin_with=first)
    assert caught.value.status == 403
    assert watch.seen == []


@in_virtual_time
async def test_a_call_cancelled_before_its_stream_is_open_never_was(exchange):
    exchange.secs = 5
    watch = Watch()
    overs = []
    phone = Telephone(holding(1), CallSettings(), [watch])
    first = phone.start_stream("ws://bot/first", on_over=lambda *over: overs.append(over))
    running = asyncio.create_task(phone.run(begin_with=first))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (watch.seen, overs) == ([], [(first, "cancelled")])


@in_virtual_time
async def test_another_stream_that_is_refused_does_not_hinder_the_beginning(exchange):
    exchange.refusals["other"] = 1
    phone = Telephone(holding(1))
    phone.start_stream("ws://bot/other", stream_type="oneway")
    first = phone.start_stream("ws://bot/first")
    summary = await phone.run(begin_with=first)
    assert summary.end_reason == "the caller hung up"


# Over real sockets


async def test_two_bots_listen_and_one_is_heard():
    async with serving({"start": lambda bot: bot.play(FRAME * 3)}) as server:
        phone = Phone()
        talker = phone.start_stream(server.url)
        phone.start_stream(server.url, stream_type="oneway", channel="both")
        async with asyncio.timeout(20):
            while phone.watch.heard != FRAME * 3 or len(phone.watch.of(Received)) < 2:
                await asyncio.sleep(0.01)
            assert phone.stop_stream(talker)
            while not any(bot.close_code for bot in server.bots):
                await asyncio.sleep(0.01)
        assert not phone.running.done()
        phone.hang_up()
        await phone.ended()
    assert sorted(received.fate for received in phone.watch.of(Received)) == ["oneway", "used"]
    assert [bot.close_code for bot in server.bots] == [1000, 1000]
    assert all(bot.events("stop") for bot in server.bots)


async def test_a_bot_that_refuses_is_told_by_status_and_without_its_path():
    def refuse(connection, request):
        return connection.respond(403, "who are you?")

    async with serving(process_request=refuse) as server:
        phone = Phone()
        over = asyncio.Event()
        reasons = []
        phone.start_stream(
            server.url, on_over=lambda _, reason: (reasons.append(reason), over.set())
        )
        async with asyncio.timeout(20):
            await over.wait()
        phone.hang_up()
        await phone.ended()
    assert re.fullmatch(r"ws://127.0.0.1:\d+ refused the call: HTTP 403", reasons[0])


async def test_a_hang_up_while_a_socket_connects_closes_it():
    dialled, hung_up = asyncio.Event(), asyncio.Event()

    async def listen(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        dialled.set()
        assert await reader.read() == b""
        hung_up.set()

    async with plain_server(listen) as url:
        phone = Phone()
        phone.start_stream(url)
        await dialled.wait()
        phone.hang_up()
        await phone.ended()
        async with asyncio.timeout(5):
            await hung_up.wait()


async def test_a_bot_that_does_not_answer_the_close_is_left():
    left = asyncio.Event()

    async def sulk(bot):
        bot.websocket.transport.pause_reading()
        await left.wait()

    async with serving(behave=sulk, close_timeout=0.1) as server:
        phone = Phone(patience=Patience(close_secs=0.05))
        stream_id = phone.start_stream(server.url)
        while not phone.watch.of(Sent):
            await asyncio.sleep(0.01)
        phone.stop_stream(stream_id)
        phone.hang_up()
        await phone.ended()
        left.set()
