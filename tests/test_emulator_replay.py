"""A recorded caller calls again: what the bot gets is what the first bot got."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from virtual_bots import Exchange
from virtual_time import in_virtual_time

from pipecat_wavix.emulator import (
    Call,
    CallSettings,
    HangUp,
    LineSettings,
    NetworkSettings,
    Pause,
    Press,
    Recording,
    Say,
    ScriptedCaller,
)
from pipecat_wavix.emulator.callers import ChangeNetwork
from pipecat_wavix.emulator.events import NetworkChanged, Pressed
from pipecat_wavix.emulator.replay import HOLD_SECS, RecordedKey, ReplayCaller, replay_of
from pipecat_wavix.emulator.stream import BotSocket
from pipecat_wavix.timeline import read_timeline

RATE = 24_000
SPEECH = (9000 * np.sin(np.arange(RATE) * 0.1)).astype("<i2").tobytes()


@pytest.fixture
def exchange(monkeypatch):
    exchange = Exchange()
    monkeypatch.setattr(BotSocket, "open", exchange.open)
    return exchange


async def recorded(folder, caller, settings):
    """Make a call; answer its summary, and what was pressed and changed when."""
    events = []
    with Recording(folder, "ws://bot", asdict(settings)) as recording:
        call = Call("ws://bot", caller, settings, [recording.observe, events.append])
        summary = await call.run()
    began_at = events[0].at
    notes = [
        (round(event.at - began_at, 3), getattr(event, "key", None) or event.network)
        for event in events
        if isinstance(event, Pressed | NetworkChanged)
    ]
    return summary, notes


def left_behind(folder):
    return read_timeline(folder / "trace.jsonl")


@pytest.mark.parametrize("dtmf_in_audio", [True, False])
@in_virtual_time
async def test_a_bot_gets_the_same_again(exchange, tmp_path, dtmf_in_audio):
    settings = CallSettings(
        network=NetworkSettings(delay_ms=40, jitter_ms=30, loss=0.2, seed=7),
        line=LineSettings(drift_ppm=150),
        dtmf_in_audio=dtmf_in_audio,
    )
    script = [
        *(Pause(0.3), Say(SPEECH), Press("1#"), Pause(30)),
        *(ChangeNetwork({"delay_ms": 90}), Press("5"), HangUp()),
    ]
    first = await recorded(tmp_path / "first", ScriptedCaller(script), settings)
    replay = replay_of(left_behind(tmp_path / "first"))
    again = await recorded(tmp_path / "again", replay.caller, replay.settings)
    one, other = exchange.bots
    assert other.audio() == one.audio()
    assert len(one.events("media")) < 0.9 * first[0].secs / 0.02
    assert [t - other.opened_at for t in other.times] == pytest.approx(
        [t - one.opened_at for t in one.times], abs=1e-5
    )
    assert [note for _, note in again[1]] == [note for _, note in first[1]]
    assert [at for at, _ in again[1]] == pytest.approx([at for at, _ in first[1]], abs=0.001)
    assert again[0].secs == pytest.approx(first[0].secs)
    assert again[0].end_reason == "the caller hung up"
    third = replay_of(left_behind(tmp_path / "again"))
    assert third.settings == replay.settings


@in_virtual_time
async def test_a_caller_whose_bot_hung_up_lets_another_talk_for_longer(exchange, tmp_path):
    def hang_up(bot):
        if len(exchange.bots) == 1:
            bot.leave()

    exchange.on_accept = hang_up
    first, _ = await recorded(tmp_path / "first", ScriptedCaller([]), CallSettings())
    assert first.end_reason == "the bot closed the socket"
    replay = replay_of(left_behind(tmp_path / "first"))
    again, _ = await recorded(tmp_path / "again", replay.caller, replay.settings)
    assert again.secs == pytest.approx(first.secs + HOLD_SECS, abs=0.02)


def test_a_recorded_caller_says_what_it_said_and_then_nothing_and_hangs_up():
    caller = ReplayCaller(b"\1" * 970, 3)
    said = [caller.frame(at * 0.02, bot_audible=False) for at in range(5)]
    assert said == [b"\1" * 960, b"\1" * 10 + bytes(950), bytes(960), None, None]


def test_its_keys_and_the_network_change_when_they_did():
    slower = ChangeNetwork({"delay_ms": 300})
    caller = ReplayCaller(b"\1" * 1920, 3, keys={1: "#"}, network={1: slower})
    done = [caller.frame(0, bot_audible=True) for _ in range(4)]
    assert done == [b"\1" * 960, slower, RecordedKey("#", 0, b"\1" * 960), bytes(960)]


def broken(timeline, **changes):
    settings = {**timeline.header["settings"], **changes}
    return replace(timeline, header={**timeline.header, "settings": settings})


@in_virtual_time
async def test_what_cannot_be_replayed_is_named(exchange, tmp_path):
    settings = CallSettings(leg="clean")
    await recorded(tmp_path, ScriptedCaller([Pause(0.1), HangUp()]), settings)
    timeline = left_behind(tmp_path)
    for faulty, message in (
        (replace(timeline, recorded_secs=None), "there is no recording of what the caller said"),
        (replace(timeline, header={"trace": 1}), "'settings' is missing"),
        (broken(timeline, leg="tin"), "leg is 'tin': give one of"),
        (broken(timeline, network={"delay_ms": -1}), "delay_ms is -1"),
        (broken(timeline, colour="red"), "colour"),
        (replace(timeline, keys=[(0.02, "Q")]), "the key is 'Q'"),
    ):
        with pytest.raises(ValueError, match=r"trace.jsonl: it cannot be replayed: .*" + message):
            replay_of(faulty)


@in_virtual_time
async def test_a_trace_that_was_cut_short_ends_with_its_recording(exchange, tmp_path):
    settings = CallSettings(leg="clean")
    await recorded(tmp_path, ScriptedCaller([Say(SPEECH), HangUp()]), settings)
    trace = tmp_path / "trace.jsonl"
    lines = trace.read_text().splitlines(keepends=True)
    trace.write_text("".join(line for line in lines if '"ended"' not in line) + '{"t": 1.')
    replay = replay_of(left_behind(tmp_path))
    frames = [replay.caller.frame(at * 0.02, bot_audible=False) for at in range(51)]
    assert b"".join(frames[:50]) == SPEECH
    assert frames[50] is None
