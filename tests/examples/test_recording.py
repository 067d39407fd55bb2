"""`examples/recording.py`, called: its recording beside the one of the other end of the line."""

from itertools import pairwise

import pytest
from clouds.cartesia import Cartesia
from clouds.speech import PAUSE_SECS, WORD_SECS
from lines import BOT_SIDE, CALLER_SIDE, turns

from pipecat_wavix.emulator import CallSettings, NetworkSettings

TURNS = [BOT_SIDE, *3 * [CALLER_SIDE, BOT_SIDE]]


@pytest.mark.parametrize("delay_ms", [0, 100])
async def test_it_records_what_the_caller_heard(
    example, cloud, wavix_call, tmp_path, monkeypatch, delay_ms
):
    monkeypatch.chdir(tmp_path)
    await cloud(cartesia := Cartesia())
    recording = example("recording")
    network = NetworkSettings(delay_ms=delay_ms)
    settings = CallSettings(max_secs=120, network=network)
    async with wavix_call(recording.bot, settings=settings) as call:
        await call.hear(within_secs=60)
        await call.say("Please go on with it")
        await call.barge_in("Stop, please stop", after_secs=1.5)
        await call.hear()
        await call.say("And then what happened")
        await call.finished()
    assert cartesia.texts == recording.STORY
    assert cartesia.refused == []
    (ours,) = (tmp_path / "recordings").glob("*.wav")
    theirs = call.trace.with_name("recording.wav")

    mine, true = turns(ours), turns(theirs)
    assert [turn.side for turn in mine] == [turn.side for turn in true] == TURNS
    for my, their in zip(mine, true, strict=True):
        assert my.secs == pytest.approx(their.secs, abs=0.3)
        if my.side == CALLER_SIDE:
            my.began -= delay_ms / 1000  # it comes to us late by the network's delay
    # From turn to turn: Pipecat's recorder fills a stall of a busy machine, and is late from then on.
    for my, their in zip(pairwise(mine), pairwise(true), strict=True):
        my_secs, their_secs = (after.began - before.began for before, after in (my, their))
        assert my_secs == pytest.approx(their_secs, abs=0.5)

    # The TTS has spoken the whole of the sentence that was cut off; what was heard is recorded.
    spoken_secs = len(recording.STORY[1].split()) * WORD_SECS
    cut = next(turn for turn in mine[2:] if turn.side == BOT_SIDE)
    assert 0.8 < cut.secs < spoken_secs - 1.5


async def test_a_caller_who_hangs_up_was_recorded(
    example, cloud, wavix_call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    await cloud(Cartesia())
    recording = example("recording")
    async with wavix_call(recording.bot) as call:
        await call.hear(within_secs=60)
        await call.say("I have heard enough")
        await call.hang_up()
    (ours,) = (tmp_path / "recordings").glob("*.wav")
    greeting, words, *_ = turns(ours)
    assert greeting.side == BOT_SIDE
    audible_secs = len(recording.STORY[0].split()) * (WORD_SECS - PAUSE_SECS)
    assert greeting.secs == pytest.approx(audible_secs, abs=0.3)
    assert words.side == CALLER_SIDE
    assert words.secs > 0.5
