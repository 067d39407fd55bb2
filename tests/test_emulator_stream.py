"""One stream on its own, with a call and a bot that are both made here, in virtual time."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from test_emulator_media import FRAME, Watch
from virtual_bots import Exchange
from virtual_time import in_virtual_time

from pipecat_wavix.emulator import CallSettings, LineSettings, NetworkSettings
from pipecat_wavix.emulator.events import Received, Sent, Sound
from pipecat_wavix.emulator.stream import Patience, Stream
from pipecat_wavix.phoneline import MarkPlayed, PhoneLine, Step


class Host:
    """A call that does only what a stream asks of it."""

    call_id = "abc-123"

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.watch = Watch()
        self.stream = None
        self.takes = True
        self.lost = []
        self.woken = 0

    def guarded(self, entrance, *args):
        entrance(*args)

    def observe(self, observation):
        self.watch(observation)

    def clock(self, at):
        return at

    def wall_clock(self, at):
        return datetime.fromtimestamp(at, UTC).isoformat()

    def wake(self):
        self.woken += 1

    def advance(self, at):
        self.stream.flush(at)

    def stream_opened(self, stream, at):
        return self.takes

    def stream_lost(self, stream, at, reason):
        self.lost.append((at, reason))


@pytest.fixture
def exchange(monkeypatch):
    exchange = Exchange()
    monkeypatch.setattr("pipecat_wavix.emulator.stream.BotSocket", exchange)
    return exchange


def made(host, *, number=0, patience=None, stream_type="twoway", on_over=None, **settings):
    host.stream = Stream(
        host,
        "ws://bot/TOKEN",
        stream_id="str-456",
        stream_type=stream_type,
        channel="both",
        settings=CallSettings(**settings),
        number=number,
        on_over=on_over,
        patience=patience or Patience(),
    )
    return host.stream


@asynccontextmanager
async def opened(**arguments):
    """A stream whose bot has accepted; in the end it is ended, and its socket closed."""
    host = Host()
    stream = made(host, **arguments)
    running = asyncio.create_task(stream.run())
    await asyncio.sleep(0.01)
    yield host, stream
    stream.end(host.loop.time())
    await running


def sound(at, said=FRAME, heard=bytes(960)):
    return Sound(at, said, heard, Step(at, heard, 0, ()))


@in_virtual_time
async def test_a_stream_says_connected_and_start_at_once_and_stop_in_the_end(exchange):
    async with opened() as (host, stream):
        assert stream.is_open
        assert exchange.bot.names == ["connected", "start"]
    assert exchange.bot.names == ["connected", "start", "stop"]
    assert [sent.stream_id for sent in host.watch.of(Sent)] == ["str-456"] * 3
    assert exchange.bot.closed_at == host.loop.time()
    assert host.lost == []


@in_virtual_time
async def test_a_stream_may_end_without_a_stop(exchange):
    async with opened(stop_before_close=False):
        pass
    assert exchange.bot.names == ["connected", "start"]


@in_virtual_time
async def test_a_stream_ends_once_and_tells_so_once(exchange):
    told = []
    async with opened(on_over=lambda *over: told.append(over)) as (host, stream):
        for _ in range(2):
            stream.end(host.loop.time())
            stream.tell_over("stopped")
    assert exchange.bot.names.count("stop") == 1
    assert told == [("str-456", "stopped")]


@in_virtual_time
async def test_a_stream_that_nobody_waits_for_is_over_without_a_word(exchange):
    async with opened() as (_, stream):
        stream.tell_over("stopped")


@in_virtual_time
async def test_20_ms_that_began_before_the_stream_are_not_carried(exchange):
    async with opened() as (host, stream):
        now = host.loop.time()
        stream.carry(now, sound(exchange.bot.opened_at - 0.001))
        stream.carry(now, sound(exchange.bot.opened_at))
        stream.flush(now)
    (media,) = exchange.bot.events("media")
    assert media["media"] == media["media"] | {"chunk": 1, "timestamp": 160, "track": "inbound"}
    assert exchange.bot.audio() == FRAME


@in_virtual_time
async def test_nothing_is_carried_nor_echoed_before_the_bot_has_accepted(exchange):
    host = Host()
    stream = made(host)
    stream.carry(1000.0, sound(1000.0))
    stream.echo(MarkPlayed(1000.0, "m", cleared=False))
    assert stream.next_due_at == float("inf")
    assert host.watch.seen == []


@in_virtual_time
async def test_a_message_waits_for_the_network_on_either_way(exchange):
    async with opened(network=NetworkSettings(delay_ms=100)) as (host, stream):
        assert exchange.bot.got == []
        assert stream.next_due_at == pytest.approx(exchange.bot.opened_at + 0.1)
        now = host.loop.time()
        stream.flush(now + 0.2)
        assert exchange.bot.names == ["connected", "start"]
        exchange.bot.play(FRAME)
        assert host.woken == 1
        assert stream.next_due_at == pytest.approx(now + 0.1)
        line = PhoneLine(now)
        stream.deliver(now + 0.05, line)
        assert line.next_event_at == now
        stream.deliver(now + 0.1, line)
        assert line.advance(now + 0.1)[-1].pcm == FRAME


@in_virtual_time
async def test_all_that_a_bot_may_say_reaches_the_line(exchange):
    async with opened() as (host, stream):
        line = PhoneLine(host.loop.time(), LineSettings(clear_latency_secs=0))
        exchange.bot.play(FRAME * 2)
        exchange.bot.mark("m")
        exchange.bot.say("clear")
        stream.deliver(host.loop.time(), line)
        line.advance(host.loop.time())
    assert (line.stats.arrived_samples, line.stats.clears, line.stats.marks_cleared) == (960, 1, 1)


@pytest.mark.parametrize(
    ("settings", "message", "fate"),
    [
        ({}, {"event": "mark", "mark": {"name": "m"}}, "used"),
        ({}, {"event": "clear", "stream_id": "other"}, "other_stream"),
        ({}, {"event": "mark"}, "rejected"),
        ({}, {"event": "media", "media": {"payload": ""}}, "used"),
        ({"strict": True}, {"event": "media", "media": {"payload": ""}}, "irregular"),
        ({"strict": True}, {"event": "clear"}, "used"),
        ({"stream_type": "oneway"}, {"event": "clear"}, "oneway"),
        (
            {"network": NetworkSettings(loss=1)},
            {"event": "media", "media": {"payload": ""}},
            "lost",
        ),
    ],
)
@in_virtual_time
async def test_a_message_has_its_fate_and_names_its_stream(exchange, settings, message, fate):
    async with opened(**settings) as (host, _):
        exchange.bot.say(**message)
    (received,) = host.watch.of(Received)
    assert (received.fate, received.stream_id) == (fate, "str-456")


@in_virtual_time
async def test_a_bot_that_errs_is_warned_of_once_and_without_its_secrets(exchange, logs):
    async with opened():
        for _ in range(3):
            exchange.bot.say("clear", stream_id="SECRET")
    assert len([line for line in logs if line.startswith("WARNING")]) == 1
    assert not [line for line in logs if "SECRET" in line or "TOKEN" in line]


@in_virtual_time
async def test_what_a_bot_does_after_the_end_changes_nothing(exchange):
    async with opened(network=NetworkSettings(delay_ms=100)) as (host, stream):
        stream.end(host.loop.time())
        exchange.bot.play(FRAME)
        exchange.bot.leave()
    assert host.watch.of(Received) == []
    assert host.lost == []
    assert {sent.fate for sent in host.watch.of(Sent)} == {"closed"}


@pytest.mark.parametrize(
    ("fault", "fates"), [("mark_loss", ["lost"]), ("mark_double", ["sent"] * 2)]
)
@in_virtual_time
async def test_an_echo_may_be_lost_or_doubled(exchange, fault, fates):
    async with opened(network=NetworkSettings(**{fault: 1})) as (host, stream):
        stream.echo(MarkPlayed(host.loop.time(), "m", cleared=False))
        stream.flush(host.loop.time())
    assert [sent.fate for sent in host.watch.sent("mark")] == fates


@in_virtual_time
async def test_lost_media_takes_its_number_with_it(exchange):
    async with opened(network=NetworkSettings(loss=1)) as (host, stream):
        stream.carry(host.loop.time(), sound(exchange.bot.opened_at))
    assert [sent.fate for sent in host.watch.sent("media")] == ["lost"]
    assert exchange.bot.events("stop")[0]["sequence_number"] == 3


@in_virtual_time
async def test_a_bot_that_does_not_read_is_not_waited_for(exchange, logs):
    async with opened(patience=Patience(unread_bytes=10)) as (host, _):
        exchange.bot.unread_bytes = 11
    assert host.watch.of(Sent)[-1].fate == "unread"
    assert any("the bot has stopped reading" in line for line in logs)


@in_virtual_time
async def test_a_call_that_does_not_take_it_leaves_a_stream_unopened(exchange):
    host = Host()
    host.takes = False
    stream = made(host)
    running = asyncio.create_task(stream.run())
    await asyncio.sleep(0.01)
    exchange.bot.play(FRAME)
    assert not stream.is_open
    stream.end(host.loop.time())
    await running
    assert (exchange.bot.got, host.watch.seen) == ([], [])


@in_virtual_time
async def test_a_stream_that_has_ended_does_not_begin(exchange):
    host = Host()
    stream = made(host)
    running = asyncio.create_task(stream.run())
    await asyncio.sleep(0.001)
    stream.end(host.loop.time())
    await running
    assert exchange.bot.got == []
    assert exchange.bot.closed_at is not None


@in_virtual_time
async def test_a_bot_that_refuses_is_told_of_with_the_reason(exchange):
    exchange.refusals["TOKEN"] = 1
    host = Host()
    stream = made(host)
    await stream.run()
    assert host.lost == [(pytest.approx(1000.005), "ws://bot refused the call: HTTP 403")]
    assert stream.error.status == 403


@in_virtual_time
async def test_a_bot_that_leaves_is_told_of_and_the_stream_waits_for_its_end(exchange):
    async with opened() as (host, stream):
        exchange.bot.leave()
        assert host.lost == [(host.loop.time(), "the bot closed the socket")]
        stream.carry(host.loop.time(), sound(exchange.bot.opened_at))
        stream.flush(host.loop.time())
    assert [sent.fate for sent in host.watch.of(Sent)] == ["sent", "sent", "closed", "closed"]


@in_virtual_time
async def test_a_stream_that_reconnects_starts_anew_half_a_second_later(exchange):
    async with opened(reconnects=2) as (host, stream):
        first = exchange.bot
        first.leave()
        assert not stream.is_open
        left_at = host.loop.time()
        exchange.refusals["TOKEN"] = 1
        await asyncio.sleep(2)
        second = exchange.bot
        dialled = [at for at, _ in exchange.dialled]
        assert dialled[1:] == [pytest.approx(left_at + 0.5), pytest.approx(left_at + 1.005)]
        assert second is not first
        assert [event.get("sequence_number") for event in second.got] == [None, 1]
        second.leave()
        assert len(host.lost) == 1


@in_virtual_time
async def test_what_is_on_its_way_when_a_bot_leaves_to_be_dialled_anew_is_told_as_closed(exchange):
    async with opened(reconnects=1, network=NetworkSettings(delay_ms=100)) as (host, _):
        exchange.bot.leave()
        await asyncio.sleep(0)
        assert [sent.fate for sent in host.watch.of(Sent)] == ["closed"] * 2


@in_virtual_time
async def test_what_is_on_its_way_from_a_bot_that_left_is_not_of_the_next_connection(exchange):
    async with opened(reconnects=1, network=NetworkSettings(delay_ms=2000)) as (host, stream):
        exchange.bot.play(FRAME)
        exchange.bot.leave()
        await asyncio.sleep(1)
        line = PhoneLine(host.loop.time())
        stream.deliver(float("inf"), line)
        line.advance(host.loop.time() + 5)
    assert line.stats.arrived_samples == 0


@in_virtual_time
async def test_each_stream_of_a_call_has_accidents_of_its_own_that_come_again(exchange):
    async def lost(number):
        async with opened(number=number, network=NetworkSettings(loss=0.5)) as (host, stream):
            for _ in range(64):
                stream.carry(host.loop.time(), sound(exchange.bot.opened_at))
            stream.flush(host.loop.time())
        return [event["media"]["chunk"] for event in exchange.bot.events("media")]

    first, second = await lost(0), await lost(1)
    assert first != second
    assert (await lost(0), await lost(1)) == (first, second)
