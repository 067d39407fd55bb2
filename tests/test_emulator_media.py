"""The media stream over a real socket, against a bot that is a plain WebSocket server.

What is asserted is the truth computed from the times that the observations carry, never how long
anything took on the machine that runs the tests.
"""

import asyncio
import base64
import json
import re
import socket
import struct
import time
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from pipecat_wavix import emulator
from pipecat_wavix.emulator import (
    Call,
    CallSettings,
    CannotConnectError,
    HangUp,
    LineSettings,
    NetworkSettings,
    Pause,
    Say,
    ScriptedCaller,
)
from pipecat_wavix.emulator.events import Began, Ended, Received, Sent, Sound
from pipecat_wavix.emulator.wire import event_name
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Underrun

FRAME = b"".join((1000 + n).to_bytes(2, "little") for n in range(480))
CLEAN = {"leg": "clean"}


class Bot:
    """What a test's bot got, and how it answers."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.got = []
        self.close_code = None
        self.stream_id = None

    async def send(self, event, **fields):
        await self.websocket.send(json.dumps({"event": event, **fields}))

    async def play(self, pcm, **fields):
        await self.send("media", media={"payload": base64.b64encode(pcm).decode()}, **fields)

    async def mark(self, name):
        await self.send("mark", mark={"name": name})

    async def listen(self, on=None):
        """Read to the end, and act once on the first event of each name in `on`."""
        try:
            async for message in self.websocket:
                event = json.loads(message)
                self.got.append(event)
                if on and event["event"] in on:
                    await on.pop(event["event"])()
        finally:
            self.close_code = self.websocket.protocol.close_code

    def events(self, name):
        return [event for event in self.got if event["event"] == name]


class Server:
    def __init__(self, url):
        self.url = url
        self.bots = []
        self.requests = []

    @property
    def bot(self):
        (bot,) = self.bots
        return bot


@asynccontextmanager
async def serving(on=None, behave=None, **options):
    """Serve a bot that does `on[event](bot)` at the first of each event, or `behave(bot)`."""
    server = Server("")

    async def handle(websocket):
        bot = Bot(websocket)
        server.bots.append(bot)
        server.requests.append(websocket.request)
        try:
            if behave:
                await behave(bot)
            else:
                await bot.listen(
                    {name: lambda act=act: act(bot) for name, act in (on or {}).items()}
                )
        except ConnectionClosed:
            pass

    async with serve(handle, "127.0.0.1", 0, **options) as listening:
        port = listening.sockets[0].getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}/calls/TOKEN?key=TOKEN"
        yield server


class Watch:
    def __init__(self):
        self.seen = []

    def __call__(self, observation):
        self.seen.append(observation)

    def of(self, *kinds):
        return [observation for observation in self.seen if isinstance(observation, kinds)]

    @property
    def start(self):
        return self.of(Began)[0].at

    @property
    def heard(self):
        """What came from the bot, as the caller heard it."""
        return b"".join(s.heard[: 2 * s.step.heard_samples] for s in self.of(Sound))

    def sent(self, event):
        return [sent for sent in self.of(Sent) if event_name(sent.message) == event]

    def first_heard_at(self):
        return next(s.at for s in self.of(Sound) if s.step.heard_samples)


def holding(secs, *before):
    return ScriptedCaller([*before, Pause(secs), HangUp()])


class Reply:
    """An action of a caller: wait for the bot's first message, however slow the machine is."""

    def __init__(self, watch):
        self.watch = watch

    def frames(self, ear):
        while not self.watch.of(Received):
            yield bytes(960)


async def call(server, *before, secs=0.2, caller=None, observers=(), **settings):
    """Make a call to the end; return its summary and what was seen."""
    watch = Watch()
    if Reply in before:
        before = [Reply(watch)]
    one = Call(
        server.url,
        caller or holding(secs, *before),
        CallSettings(**CLEAN | settings),
        [watch, *observers],
    )
    async with asyncio.timeout(20):
        return await one.run(), watch


async def calling(on=None, behave=None, **arguments):
    """Call a bot; if it has anything to say, hang up `secs` of the line after its first message."""
    async with serving(on, behave) as server:
        before = [Reply] if on or behave else []
        summary, watch = await call(server, *before, **arguments)
    return summary, watch, server.bot


@pytest.fixture(autouse=True)
async def leaves_nothing_behind():
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# What Wavix sends


async def test_a_stream_is_connected_start_media_stop():
    _, _, bot = await calling(secs=0.1)
    assert [event["event"] for event in bot.got] == ["connected", "start", *["media"] * 5, "stop"]


async def test_every_event_has_the_fields_that_the_specification_requires():
    _, _, bot = await calling({"start": lambda bot: bot.mark("end-of-greeting")}, secs=0.1)
    ids = {"event", "event_time", "call_id", "stream_id", "sequence_number"}
    assert set(bot.events("connected")[0]) == {"event", "event_time"}
    assert set(bot.events("start")[0]) == ids | {"stream_type", "channel"}
    assert set(bot.events("stop")[0]) == ids
    assert set(bot.events("media")[0]) == ids | {"media"}
    assert set(bot.events("media")[0]["media"]) == {"payload", "track", "timestamp", "chunk"}
    assert set(bot.events("mark")[0]) == ids | {"mark"}
    assert bot.events("mark")[0]["mark"] == {"name": "end-of-greeting"}


async def test_the_start_tells_what_was_set():
    settings = {"channel": "both", "call_id": "abc-123", "stream_id": "str-456"}
    _, _, bot = await calling(secs=0.02, **settings)
    (start,) = bot.events("start")
    assert (start["stream_type"], start["channel"]) == ("twoway", "both")
    assert (start["call_id"], start["stream_id"]) == ("abc-123", "str-456")
    assert {event["call_id"] for event in bot.got[1:]} == {"abc-123"}


async def test_ids_are_uuids_made_from_the_seed():
    def ids(seed):
        settings = CallSettings(network=NetworkSettings(seed=seed))
        one = Call("ws://nowhere", holding(0), settings)
        return one.call_id, one.stream_id

    assert ids(1) == ids(1)
    assert len({*ids(1), *ids(2)}) == 4
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id_) for id_ in ids(1))


async def test_the_sequence_counts_from_the_start_and_chunks_from_the_first_media():
    _, _, bot = await calling({"start": lambda bot: bot.mark("m")}, secs=0.1)
    assert [event["sequence_number"] for event in bot.got[1:]] == list(range(1, len(bot.got)))
    media = [event["media"] for event in bot.events("media")]
    assert len(media) >= 5
    assert [m["chunk"] for m in media] == list(range(1, len(media) + 1))
    assert [m["timestamp"] for m in media] == [160 * m["chunk"] for m in media]


async def test_counters_can_be_strings_as_in_the_announcement():
    _, _, bot = await calling(secs=0.04, counters="strings")
    media = bot.events("media")[1]
    assert media["sequence_number"] == "3"
    assert (media["media"]["chunk"], media["media"]["timestamp"]) == ("2", "320")
    assert bot.events("start")[0]["sequence_number"] == "1"


async def test_event_times_are_iso_8601_and_20_ms_apart():
    _, _, bot = await calling(secs=0.1)
    times = [datetime.fromisoformat(event["event_time"]) for event in bot.events("media")]
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert gaps == pytest.approx([0.02] * 4, abs=0.0011)
    assert bot.got[0]["event_time"].endswith("Z")


async def test_the_bot_gets_what_the_caller_says():
    speech = FRAME * 2 + b"\5\0" * 480
    _, watch, bot = await calling(caller=holding(0.04, Say(speech)))
    got = b"".join(base64.b64decode(event["media"]["payload"]) for event in bot.events("media"))
    assert got == speech + bytes(2 * 960)
    assert b"".join(sound.said for sound in watch.of(Sound)) == got
    assert {event["media"]["track"] for event in bot.events("media")} == {"inbound"}


async def test_a_callers_20_ms_are_sent_when_they_are_complete():
    _, watch, _ = await calling(secs=0.2)
    for number, sent in enumerate(watch.sent("media"), 1):
        assert sent.at >= watch.start + number * 0.02 - 1e-6


async def test_steps_are_20_ms_apart_whatever_the_machine_does():
    _, watch, _ = await calling(secs=0.3)
    times = [sound.at - watch.start for sound in watch.of(Sound)]
    assert times == pytest.approx([n * 0.02 for n in range(15)], abs=1e-9)


async def test_the_telephone_leg_is_in_both_directions():
    class Hummer:
        def frame(self, now, bot_audible):
            return None if bot_audible else FRAME

    _, watch, bot = await calling(
        {"start": lambda bot: bot.play(FRAME * 5)}, caller=Hummer(), leg="g711a"
    )
    sounds = watch.of(Sound)
    assert base64.b64decode(bot.events("media")[0]["media"]["payload"]) == sounds[0].said != FRAME
    played = next(sound for sound in sounds if sound.step.heard_samples)
    assert played.step.pcm == FRAME != played.heard


async def test_path_and_query_are_sent_unchanged_and_no_compression_is_offered():
    async with serving() as server:
        await call(server, secs=0)
    (request,) = server.requests
    assert request.path == "/calls/TOKEN?key=TOKEN"
    assert "Sec-WebSocket-Extensions" not in request.headers


async def test_the_socket_can_be_closed_without_a_stop():
    _, _, bot = await calling(secs=0.04, stop_before_close=False)
    assert bot.events("stop") == []
    assert bot.close_code == CloseCode.NORMAL_CLOSURE


async def test_a_oneway_stream_of_both_sends_a_message_a_track():
    _, _, bot = await calling(
        caller=holding(0.02, Say(FRAME)), stream_type="oneway", channel="both"
    )
    media = [event["media"] for event in bot.events("media")]
    assert [(m["track"], m["chunk"]) for m in media] == [
        ("inbound", 1),
        ("outbound", 1),
        ("inbound", 2),
        ("outbound", 2),
    ]
    payloads = [base64.b64decode(m["payload"]) for m in media]
    assert payloads == [FRAME, bytes(960), bytes(960), bytes(960)]


async def test_a_oneway_stream_of_outbound_sends_what_the_caller_hears():
    _, _, bot = await calling(
        caller=holding(0.02, Say(FRAME)), stream_type="oneway", channel="outbound"
    )
    assert {event["media"]["track"] for event in bot.events("media")} == {"outbound"}


async def test_a_oneway_stream_takes_no_commands():
    summary, watch, _ = await calling(
        {"start": lambda bot: bot.play(FRAME)}, stream_type="oneway", channel="inbound"
    )
    assert summary.fates == {"oneway": 1}
    assert watch.heard == b""


async def test_a_twoway_stream_carries_the_inbound_track_whatever_its_channel():
    _, _, bot = await calling(secs=0.04, channel="outbound")
    assert {event["media"]["track"] for event in bot.events("media")} == {"inbound"}


# What the bot sends


async def test_the_caller_hears_what_the_bot_plays():
    speech = FRAME * 3 + FRAME[:200]
    summary, watch, _ = await calling({"start": lambda bot: bot.play(speech)})
    assert watch.heard == speech
    assert summary.bot_secs == pytest.approx(0.08)


async def test_a_mark_is_echoed_when_its_audio_has_been_heard_to_the_sample():
    async def greet(bot):
        await bot.play(FRAME * 3 + FRAME[:200])
        await bot.mark("end")

    summary, watch, bot = await calling({"start": greet})
    (mark,) = watch.of(MarkPlayed)
    assert mark.at == pytest.approx(watch.first_heard_at() + (3 * 480 + 100) / 24_000, abs=1e-9)
    (echo,) = watch.sent("mark")
    assert echo.at >= mark.at - 1e-6
    assert [event["mark"]["name"] for event in bot.events("mark")] == ["end"]
    assert summary.marks_played == 1


async def test_a_mark_with_nothing_buffered_is_echoed_at_once_and_not_at_the_next_step():
    async def mark_often(bot):
        async for message in bot.websocket:
            if json.loads(message)["event"] == "media":
                await bot.mark("now")

    _, watch, _ = await calling(behave=mark_often, secs=0.4)
    marks, echoes = watch.of(MarkPlayed), watch.sent("mark")
    assert len(marks) > 3
    assert [mark.at for mark in marks] == [r.at for r in watch.of(Received)[: len(marks)]]
    # The machine may be late with most of them, but waiting for the step is late with all.
    late = [echo.at - mark.at for mark, echo in zip(marks, echoes, strict=False)]
    assert min(late) < 0.01


async def test_a_mark_without_a_name_is_echoed_without_a_name():
    _, _, bot = await calling({"start": lambda bot: bot.mark("")})
    assert bot.events("mark")[0]["mark"] == {"name": ""}


async def test_an_echo_is_written_before_later_media():
    async def greet(bot):
        await bot.play(FRAME * 2)
        await bot.mark("end")

    _, watch, bot = await calling({"start": greet})
    (mark,) = watch.of(MarkPlayed)
    before = [event["event"] for event in bot.got].index("mark")
    # The 20 ms that were complete at the mark's step went before it, the next after.
    steps = round((mark.at - watch.start) / 0.02)
    assert len([e for e in bot.got[:before] if e["event"] == "media"]) in (steps - 1, steps)


async def test_a_clear_takes_effect_within_60_to_80_ms_and_returns_the_marks():
    async def talk_and_stop(bot):
        await bot.play(FRAME * 50)
        await bot.mark("cut")
        await bot.send("clear")

    summary, watch, bot = await calling({"start": talk_and_stop})
    (cleared,) = watch.of(Cleared)
    assert 0.06 - 1e-6 <= cleared.at - cleared.arrived_at <= 0.08 + 1e-6
    assert watch.of(MarkPlayed) == [MarkPlayed(cleared.at, "cut", cleared=True)]
    assert len(bot.events("mark")) == 1
    assert len(watch.heard) // 2 + cleared.samples == 50 * 480
    assert summary.clears[0].samples == cleared.samples


async def test_the_lines_settings_apply():
    async def talk_and_stop(bot):
        await bot.play(FRAME * 50)
        await bot.mark("cut")
        await bot.send("clear")

    line = LineSettings(clear_latency_secs=0.0, marks_on_clear="forget")
    _, watch, bot = await calling({"start": talk_and_stop}, line=line)
    (cleared,) = watch.of(Cleared)
    assert cleared.at - cleared.arrived_at <= 0.02 + 1e-6
    assert bot.events("mark") == []


async def test_a_message_for_another_stream_is_dropped_without_a_word():
    async def confuse(bot):
        await bot.play(FRAME, stream_id="not-this-one")
        await bot.send("mark", mark={"name": "m"}, stream_id="")

    summary, watch, bot = await calling({"start": confuse})
    assert watch.heard == b""
    assert bot.events("mark") == []
    assert summary.fates == {"other_stream": 2}


async def test_a_message_for_this_stream_is_used():
    summary, watch, _ = await calling(
        {"start": lambda bot: bot.play(FRAME, stream_id="str-456")}, stream_id="str-456"
    )
    assert watch.heard == FRAME
    assert summary.fates == {"used": 1}


async def test_what_is_no_message_is_counted_by_kind_and_the_call_goes_on(logs):
    async def babble(bot):
        for text in ("hello", "{}", '{"event": "dtmf"}', '{"event": "mark"}'):
            await bot.websocket.send(text)
        await bot.send("media", media={"payload": "***"})
        await bot.play(b"odd")
        await bot.websocket.send("x" * 300_000)
        await bot.websocket.send(b"\xff\xfe")
        await bot.play(FRAME)

    summary, watch, _ = await calling({"start": babble})
    assert summary.rejected == {
        "not_json": 2,
        "unknown_event": 2,
        "bad_field": 1,
        "bad_audio": 2,
        "too_long": 1,
    }
    assert watch.heard == FRAME
    warnings = [line for line in logs if line.startswith("WARNING")]
    assert len(warnings) == 5, "one a kind"


async def test_messages_in_binary_or_in_fragments_are_understood():
    text = json.dumps({"event": "media", "media": {"payload": base64.b64encode(FRAME).decode()}})

    async def send(bot):
        await bot.websocket.send(text.encode())
        await bot.websocket.send([text[:100], text[100:500], text[500:]])

    _, watch, _ = await calling({"start": send})
    assert watch.heard == FRAME * 2


async def test_what_a_bot_sends_as_soon_as_it_accepts_is_heard():
    async def greet(bot):
        await bot.play(FRAME * 2)
        await bot.listen()

    _, watch, _ = await calling(behave=greet)
    assert watch.heard == FRAME * 2


@pytest.mark.parametrize(("strict", "fate"), [(True, "irregular"), (False, "used")])
async def test_only_strict_mode_reports_media_of_another_length_and_both_play_it(strict, fate):
    async def greet(bot):
        await bot.play(FRAME)
        await bot.play(FRAME[:100])

    summary, watch, _ = await calling({"start": greet}, strict=strict)
    assert [received.fate for received in watch.of(Received)] == ["used", fate]
    assert watch.heard == FRAME + FRAME[:100]
    assert sum(summary.fates.values()) == 2


async def test_audio_beyond_the_limit_is_dropped():
    line = LineSettings(buffer_limit_secs=0.04)
    _, watch, _ = await calling({"start": lambda bot: bot.play(FRAME * 10)}, line=line)
    assert watch.heard == FRAME * 2


# The network


async def test_the_delay_is_in_both_directions():
    network = NetworkSettings(delay_ms=80)
    _, watch, _ = await calling({"start": lambda bot: bot.play(FRAME)}, network=network)
    connected, start = watch.of(Sent)[:2]
    assert connected.at - watch.start >= 0.08 - 1e-6
    assert start.at >= connected.at
    (played,) = watch.of(Received)
    assert played.at >= start.at
    for number, sent in enumerate(watch.sent("media"), 1):
        assert sent.at >= watch.start + number * 0.02 + 0.08 - 1e-6
    wait = watch.first_heard_at() - played.at
    assert 0.08 - 1e-6 <= wait <= 0.1 + 1e-6


async def test_what_is_on_its_way_at_the_end_still_arrives():
    summary, watch, bot = await calling(secs=0.1, network=NetworkSettings(delay_ms=150))
    assert [event["event"] for event in bot.got] == ["connected", "start", *["media"] * 5, "stop"]
    assert summary.secs == pytest.approx(0.1)
    stop = watch.of(Sent)[-1]
    assert stop.at - watch.of(Ended)[0].at >= 0.15 - 1e-6


async def test_what_the_bot_says_after_the_end_is_not_heard():
    async def talk_on(bot):
        async for message in bot.websocket:
            if json.loads(message)["event"] == "media":
                await bot.play(FRAME)

    summary, watch, _ = await calling(
        behave=talk_on, secs=0.1, network=NetworkSettings(delay_ms=60)
    )
    assert watch.seen.index(watch.of(Ended)[0]) > watch.seen.index(watch.of(Received)[-1])
    assert summary.received["media"] < summary.sent["media"]


async def test_lost_media_never_arrives_either_way_and_leaves_a_gap_in_the_sequence():
    network = NetworkSettings(loss=1)
    summary, watch, bot = await calling(
        {"start": lambda bot: bot.play(FRAME)}, secs=0.1, network=network
    )
    assert bot.events("media") == []
    assert watch.heard == b""
    steps = len(watch.of(Sound))
    assert summary.unsent == {"lost": steps}
    assert summary.fates == {"lost": 1}
    assert [event["sequence_number"] for event in bot.got[1:]] == [1, steps + 2]


async def test_marks_and_clears_are_not_lost_with_media():
    async def talk(bot):
        await bot.mark("m")
        await bot.send("clear")

    summary, _, bot = await calling({"start": talk}, network=NetworkSettings(loss=1))
    assert len(bot.events("mark")) == len(summary.clears) == 1


@pytest.mark.parametrize(("fault", "copies"), [("mark_loss", 0), ("mark_double", 2)])
async def test_an_echo_can_be_lost_or_doubled(fault, copies):
    summary, _, bot = await calling(
        {"start": lambda bot: bot.mark("m")}, network=NetworkSettings(**{fault: 1})
    )
    assert len(bot.events("mark")) == copies
    assert summary.unsent == ({} if copies else {"lost": 1})
    assert summary.marks_played == 1


async def test_drift_shifts_the_far_ends_steps():
    _, watch, _ = await calling(secs=0.2, line=LineSettings(drift_ppm=10_000))
    times = [sound.at - watch.start for sound in watch.of(Sound)]
    assert times == pytest.approx([n * 0.0202 for n in range(10)], abs=1e-9)


# A busy machine


async def test_a_stalled_loop_changes_nothing_of_the_truth():
    async def talk_ahead(bot):
        await bot.play(FRAME * 30)
        await bot.mark("end")

    stalls = iter([20])

    def stall(observation):
        # In the thread of the loop, on purpose: everything in this process stands still.
        if isinstance(observation, Sound) and observation.step.heard_samples and next(stalls, 0):
            time.sleep(0.3)

    summary, watch, bot = await calling({"start": talk_ahead}, secs=0.8, observers=[stall])
    assert watch.of(Underrun) == []
    assert watch.heard == FRAME * 30
    assert watch.of(MarkPlayed)[0].at == pytest.approx(watch.first_heard_at() + 0.6, abs=1e-9)
    assert len(bot.events("media")) == len(watch.of(Sound))
    assert summary.secs == pytest.approx(len(watch.of(Sound)) * 0.02)


async def test_an_underrun_is_told():
    async def stutter(bot):
        await bot.play(FRAME)
        await asyncio.sleep(0.12)
        await bot.play(FRAME)

    line = LineSettings(underrun_limit_secs=5)
    summary, watch, _ = await calling({"start": stutter}, secs=0.8, line=line)
    (underrun,) = watch.of(Underrun)
    first, second = (sound.at for sound in watch.of(Sound) if sound.step.heard_samples)
    assert (underrun.at, underrun.secs) == pytest.approx((second, second - first - 0.02))
    assert (summary.underruns, summary.underrun_secs) == (1, pytest.approx(underrun.secs))


# How a call ends


async def test_the_caller_hangs_up():
    summary, watch, bot = await calling(secs=0.1)
    assert summary.end_reason == "the caller hung up"
    assert summary.secs == pytest.approx(0.1)
    assert watch.of(Ended) == [Ended(watch.start + summary.secs, "the caller hung up")]
    assert bot.close_code == CloseCode.NORMAL_CLOSURE


async def test_a_call_ends_when_its_longest_time_is_over():
    summary, _, bot = await calling(caller=ScriptedCaller([]), max_secs=0.1)
    assert summary.end_reason == "max_secs are over"
    assert summary.secs == pytest.approx(0.1)
    assert len(bot.events("media")) == 5


async def test_a_call_can_be_hung_up_from_outside():
    watch = Watch()
    async with serving() as server:

        def hang_up(observation):
            if isinstance(observation, Sound) and len(watch.of(Sound)) == 3:
                one.hang_up("the test is over")

        one = Call(server.url, ScriptedCaller([]), CallSettings(), [watch, hang_up])
        summary = await one.run()
    assert summary.end_reason == "the test is over"
    assert len(watch.of(Sound)) == 3
    assert server.bot.events("stop")


async def test_a_call_hung_up_before_it_begins_ends_as_it_begins():
    async with serving() as server:
        one = Call(server.url, ScriptedCaller([]))
        one.hang_up()
        summary = await one.run()
    assert (summary.secs, summary.end_reason) == (0, "hung up from outside")


async def test_a_bot_that_closes_ends_the_call_at_once():
    summary, _, _ = await calling(
        {"start": lambda bot: bot.websocket.close()}, caller=ScriptedCaller([])
    )
    assert summary.end_reason == "the bot closed the socket"
    assert summary.secs < 10


async def test_a_bot_that_breaks_the_connection_ends_the_call_at_once():
    async def crash(bot):
        connection = bot.websocket.transport.get_extra_info("socket")
        reset_on_close = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
        bot.websocket.transport.abort()

    summary, _, _ = await calling({"start": crash}, caller=ScriptedCaller([]))
    assert summary.end_reason == "the bot closed the socket"


async def test_a_bot_that_closes_as_soon_as_it_accepts_ends_the_call():
    async def leave(bot):
        await bot.websocket.close()

    summary, _, _ = await calling(behave=leave, caller=ScriptedCaller([]))
    assert summary.end_reason == "the bot closed the socket"


async def test_a_bot_that_left_is_not_waited_for():
    async def leave(bot):
        await bot.websocket.close()

    async with asyncio.timeout(5):
        summary, _, _ = await calling(
            behave=leave, caller=ScriptedCaller([]), network=NetworkSettings(delay_ms=10_000)
        )
    assert set(summary.unsent) == {"closed"}


async def test_a_call_can_go_on_without_the_bot_and_play_what_it_left():
    async def speak_and_leave(bot):
        await bot.play(FRAME * 5)
        await bot.websocket.close()

    summary, watch, _ = await calling(
        {"start": speak_and_leave}, caller=ScriptedCaller([]), silence_after_bot_secs=0.3
    )
    assert watch.heard == FRAME * 5
    assert watch.of(Ended)[0].at >= watch.of(Received)[0].at + 0.3 - 1e-6
    assert summary.end_reason == "the bot closed the socket"
    assert summary.unsent["closed"] >= 10


async def test_a_caller_may_hang_up_on_a_bot_that_left():
    summary, _, _ = await calling(
        {"start": lambda bot: bot.websocket.close()}, caller=holding(0.5), silence_after_bot_secs=30
    )
    assert summary.end_reason == "the caller hung up"
    assert summary.unsent["closed"] > 0


async def test_an_observers_error_ends_the_call_and_is_raised():
    def fail(observation):
        if isinstance(observation, Sound):
            raise RuntimeError("no disk")

    async with serving() as server:
        with pytest.raises(RuntimeError, match="no disk"):
            await Call(server.url, ScriptedCaller([]), CallSettings(), [fail]).run()
    assert server.bot.close_code == CloseCode.NORMAL_CLOSURE


@pytest.mark.parametrize("kind", [Began, Received, Ended])
async def test_an_observers_error_is_raised_wherever_it_comes_from(kind):
    def fail(observation):
        if isinstance(observation, kind):
            raise RuntimeError("no disk")

    with pytest.raises(RuntimeError, match="no disk"):
        await calling({"start": lambda bot: bot.mark("m")}, observers=[fail])


async def test_nothing_more_is_observed_after_an_observers_error():
    async def mark_and_stall(bot):
        await bot.mark("m")
        # The mark and the line's next step are then due in one turn of the loop.
        time.sleep(0.05)  # noqa: ASYNC251

    seen = []

    def fail(observation):
        seen.append(type(observation))
        if isinstance(observation, Received):
            raise RuntimeError("no disk")

    async with serving({"start": mark_and_stall}) as server:
        with pytest.raises(RuntimeError, match="no disk"):
            await Call(server.url, ScriptedCaller([]), CallSettings(), [fail]).run()
    assert Sound not in seen[seen.index(Received) :]


async def test_a_callers_error_ends_the_call_and_is_raised():
    class Mumbler:
        def frame(self, now, bot_audible):
            return b"mumble"

    async with serving() as server:
        with pytest.raises(ValueError, match="6 bytes: a leg carries 960 bytes"):
            await Call(server.url, Mumbler()).run()


async def test_a_caller_hears_that_the_bot_speaks():
    knew = []

    class Listener:
        def frame(self, now, bot_audible):
            knew.append(bot_audible)
            return None if sum(knew) == 3 else bytes(960)

    loud = (5000).to_bytes(2, "little") * 480
    _, watch, _ = await calling(
        {"start": lambda bot: bot.play(bytes(960) + loud * 3)}, caller=Listener()
    )
    audible = [bool(sound.heard.strip(b"\0")) for sound in watch.of(Sound)]
    assert knew[1:] == audible
    assert sum(audible) == 3


# Cancellation


async def test_a_cancelled_call_hangs_up():
    async with serving() as server:
        began = asyncio.Event()
        watch = Watch()
        observers = [watch, lambda observation: began.set()]
        running = asyncio.create_task(
            Call(server.url, ScriptedCaller([]), CallSettings(), observers).run()
        )
        await began.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    (ended,) = watch.of(Ended)
    assert ended.reason == "cancelled"
    assert ended.at >= watch.of(Sound)[-1].at
    assert server.bot.events("stop")
    assert server.bot.close_code == CloseCode.NORMAL_CLOSURE


async def test_a_call_cancelled_twice_is_over_at_once():
    async with serving() as server:
        began = asyncio.Event()
        network = NetworkSettings(delay_ms=10_000)
        running = asyncio.create_task(
            Call(
                server.url,
                ScriptedCaller([]),
                CallSettings(network=network),
                [lambda observation: began.set()],
            ).run()
        )
        await began.wait()
        running.cancel()
        await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await running


@asynccontextmanager
async def plain_server(behave):
    """A TCP server that need not speak WebSocket."""
    writers = []

    async def handle(reader, writer):
        writers.append(writer)
        await behave(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/TOKEN"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)


async def silent(reader, writer):
    pass


async def test_a_call_cancelled_while_it_dials_leaves_nothing_open():
    hung_up = asyncio.Event()

    async def listen(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        dialled.set()
        assert await reader.read() == b""
        hung_up.set()

    dialled = asyncio.Event()
    async with plain_server(listen) as url:
        running = asyncio.create_task(Call(url, ScriptedCaller([])).run())
        await dialled.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with asyncio.timeout(5):
            await hung_up.wait()


async def test_a_call_cancelled_as_the_bot_accepts_is_over():
    """The cancellation falls between the bot's answer and the waking of `run`."""
    async with serving() as server:
        watch = Watch()

        def cancel(observation):
            if isinstance(observation, Began):
                running.cancel()

        one = Call(server.url, ScriptedCaller([]), CallSettings(), [watch, cancel])
        running = asyncio.create_task(one.run())
        with pytest.raises(asyncio.CancelledError):
            await running
        seen = len(watch.seen)
        await asyncio.sleep(0.06)
        assert len(watch.seen) == seen


# Bots that cannot be called


async def dial(url, **settings):
    with pytest.raises(CannotConnectError) as caught:
        await Call(url, ScriptedCaller([]), CallSettings(**settings)).run()
    assert "TOKEN" not in str(caught.value)
    return caught.value


async def test_a_refusal_is_an_error_with_its_status():
    def refuse(connection, request):
        return connection.respond(403, "who are you?")

    async with serving(process_request=refuse) as server:
        error = await dial(server.url)
    assert error.status == 403
    assert re.fullmatch(
        r"ws://127.0.0.1:\d+ refused the call: HTTP 403: a bot started with `-t wavix` takes calls by "
        r"number only: use `pipecat-wavix dial`, or start it without `-t`",
        str(error),
    )


async def test_another_refusal_has_other_reasons():
    async with serving(process_request=lambda connection, _: connection.respond(404, "")) as server:
        error = await dial(server.url)
    assert re.fullmatch(r"ws://127.0.0.1:\d+ refused the call: HTTP 404", str(error))


async def test_a_bot_that_is_not_there_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        error = await dial(f"ws://127.0.0.1:{taken.getsockname()[1]}/TOKEN")
    assert "cannot be reached" in str(error)
    assert error.status is None


async def test_a_host_that_does_not_exist_is_an_error():
    assert "cannot be reached" in str(await dial("ws://nobody.invalid/TOKEN"))


async def test_a_bot_that_never_answers_is_an_error():
    async with plain_server(silent) as url:
        error = await dial(url, connect_timeout_secs=0.1)
    assert "did not answer within 0.1 s" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"",
        b"x" * 100_000,
    ],
)
async def test_a_server_that_does_not_speak_websocket_is_an_error(answer):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with plain_server(talk) as url:
        error = await dial(url)
    assert "does not speak WebSocket" in str(error)


async def test_a_server_that_drops_the_connection_is_an_error():
    async def drop(reader, writer):
        writer.transport.abort()

    async with plain_server(drop) as url:
        await dial(url)


async def test_tls_with_a_server_that_has_none_is_an_error():
    async def talk(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with plain_server(talk) as url:
        error = await dial(url.replace("ws://", "wss://"))
    assert "cannot be reached" in str(error)


@pytest.mark.parametrize(
    "url",
    ["http://bot/TOKEN", "bot/TOKEN", "", "ws://", "ws://bot:x/TOKEN", "ws://[bot/TOKEN"],
)
async def test_what_is_no_url_of_a_socket_is_an_error(url):
    assert "is no URL of a socket: give ws:// or wss://" in str(await dial(url))


# Bots that do not play along


async def test_a_bot_that_stops_reading_is_not_waited_for(monkeypatch, logs):
    monkeypatch.setattr("pipecat_wavix.emulator.media.UNREAD_LIMIT_BYTES", 1000)

    async def flood_and_stop_reading(bot):
        bot.websocket.transport.pause_reading()
        for _ in range(150):  # the echoes fill what the kernel buffers
            await bot.mark("m" * 100_000)
        await left.wait()

    left = asyncio.Event()
    async with serving(behave=flood_and_stop_reading, close_timeout=0.1) as server:
        summary, watch = await call(server, secs=0.6)
        left.set()
    assert summary.unsent["unread"] > 5
    assert len(watch.of(Sound)) == 30
    assert any("the bot has stopped reading" in line for line in logs)


async def test_a_bot_that_does_not_answer_the_close_is_left(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.emulator.media.CLOSE_TIMEOUT_SECS", 0.1)

    async def sulk(bot):
        bot.websocket.transport.pause_reading()
        await left.wait()

    left = asyncio.Event()
    async with serving(behave=sulk, close_timeout=0.1) as server:
        summary, _ = await call(server, secs=0.05)
        left.set()
    assert summary.end_reason == "the caller hung up"


async def test_a_ping_is_answered():
    async def ping(bot):
        await asyncio.wait_for(await bot.websocket.ping(), 5)
        await bot.mark("answered")
        await bot.listen()

    _, _, bot = await calling(behave=ping)
    assert bot.events("mark")


async def test_an_endless_message_ends_the_call(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.emulator.websocket.MAX_MESSAGE_BYTES", 1000)
    summary, _, bot = await calling(
        {"start": lambda bot: bot.websocket.send("x" * 1001)}, caller=ScriptedCaller([])
    )
    assert summary.end_reason == "the bot closed the socket"
    assert bot.close_code == CloseCode.MESSAGE_TOO_BIG


# Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream_type": "threeway"}, "stream_type is 'threeway': give one of twoway, oneway"),
        ({"channel": "left"}, "channel is 'left': give one of inbound, outbound, both"),
        ({"leg": "g722"}, "leg is 'g722': give one of g711u, g711a, clean"),
        ({"counters": "roman"}, "counters is 'roman': give one of integers, strings"),
        ({"max_secs": 0}, "max_secs is 0: give seconds above 0"),
        ({"connect_timeout_secs": -1}, "connect_timeout_secs is -1: give seconds above 0"),
        ({"silence_after_bot_secs": -1}, "silence_after_bot_secs is -1: give 0 or more"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_the_way_out(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CallSettings(**changes)


@pytest.mark.parametrize("name", emulator.__all__)
def test_a_public_name_loads_when_it_is_used(name):
    assert getattr(emulator, name) is not None
    assert name in dir(emulator)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Fax'"):
        emulator.Fax  # noqa: B018
