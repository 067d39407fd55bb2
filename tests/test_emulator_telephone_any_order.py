"""A telephone call in which anything happens at any time: what holds of it whatever does."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st
from test_emulator_media import FRAME, Watch
from virtual_bots import Exchange
from virtual_time import in_virtual_time

from pipecat_wavix.emulator import CallSettings, NetworkSettings, ScriptedCaller, Telephone
from pipecat_wavix.emulator.events import Ended, Sound

ACTS = [
    *("twoway", "oneway", "stop", "refuse", "leave", "play", "mark", "clear"),
    *("prompt", "stop prompts", "stall"),
]
CALLS = {
    "acts": st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 90)), max_size=30),
    "reconnects": st.integers(0, 2),
    "silence_after_bot_secs": st.sampled_from([None, 0.0, 0.3]),
    "drop_buffer_with_stream": st.booleans(),
    "delay_ms": st.sampled_from([0, 30, 500]),
    "cancelled": st.booleans(),
}


class Drill:
    def __init__(self, exchange):
        self.exchange = exchange
        self.watch = Watch()
        self.ids, self.overs = [], []
        self.phone = None

    def do(self, act):
        live = [bot for bot in self.exchange.bots if bot.closed_at is None]
        match act:
            case "twoway" | "oneway":
                self.start(act)
            case "stop" if self.ids:
                self.phone.stop_stream(self.ids[len(self.ids) // 2])
            case "refuse":
                self.exchange.refusals["bot"] = 1
            case "leave" if live:
                live[0].leave()
            case "play" if live:
                live[-1].play(FRAME * 3)
            case "mark" if live:
                live[-1].mark("m")
            case "clear" if live:
                live[-1].say("clear")
            case "prompt":
                self.phone.play_prompt(FRAME * 4)
            case "stop prompts":
                self.phone.stop_prompts()
            case "stall":
                asyncio.get_running_loop().now += 0.07

    def start(self, stream_type):
        try:
            stream_id = self.phone.start_stream(
                "ws://bot/bot",
                stream_type=stream_type,
                channel="both",
                on_over=lambda stream_id, reason: self.overs.append(stream_id),
            )
        except ValueError:
            return
        self.ids.append(stream_id)


@in_virtual_time
async def go_through(drill, acts, delay_ms, cancelled, **switches):
    network = NetworkSettings(delay_ms=delay_ms)
    phone = Telephone(
        ScriptedCaller([]), CallSettings(leg="clean", network=network, **switches), [drill.watch]
    )
    drill.phone = phone
    running = asyncio.create_task(phone.run())
    for act, wait_ms in acts:
        await asyncio.sleep(wait_ms / 1000)
        drill.do(act)
    if cancelled:
        await asyncio.sleep(0)
        running.cancel()
    phone.hang_up()
    try:
        await running
    except asyncio.CancelledError:
        assert cancelled
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("stream")]


@given(**CALLS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens(**call):
    drill = Drill(Exchange())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipecat_wavix.emulator.stream.BotSocket", drill.exchange)
        go_through(drill, **call)
    watch = drill.watch

    # The line never stumbles.
    sounds = watch.of(Sound)
    times = [sound.at - watch.start for sound in sounds]
    assert times == pytest.approx([n * 0.02 for n in range(len(times))], abs=1e-9)
    assert len(watch.of(Ended)) == 1
    ended_at = watch.seen.index(watch.of(Ended)[0])
    assert not [each for each in watch.seen[ended_at:] if isinstance(each, Sound)]

    # Every stream that was started is over, once.
    assert Counter(drill.overs) == Counter(drill.ids)

    for bot in drill.exchange.bots:
        names = [event["event"] for event in bot.got]
        assert names[:2] == ["connected", "start"][: len(names)]
        numbers = [event["sequence_number"] for event in bot.got[1:]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert "stop" not in names[:-1]
        chunks = [event["media"]["chunk"] for event in bot.events("media")]
        assert chunks == sorted(chunks)
        assert bot.closed_at is not None
