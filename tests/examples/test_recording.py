"""`examples/recording.py`, called: its recording beside the one of the other end of the line."""

import pytest
from clouds.cartesia import Cartesia
from clouds.speech import WORD_SECS
from lines import BOT_SIDE, CALLER_SIDE, spells

from pipecat_wavix.emulator import CallSettings, NetworkSettings


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

    said = spells(theirs, CALLER_SIDE)
    assert len(said) == 3
    for mine, true in zip(spells(ours, CALLER_SIDE), said, strict=True):
        assert mine == pytest.approx(true, abs=0.1)

    heard = spells(theirs, BOT_SIDE)
    assert len(heard) == 4
    for mine, true in zip(spells(ours, BOT_SIDE), heard, strict=True):
        # The caller's voice comes to us late by the network's delay, so all else seems early.
        assert mine[0] == pytest.approx(true[0] - delay_ms / 1000, abs=0.15)
        assert mine[1] - mine[0] == pytest.approx(true[1] - true[0], abs=0.1)

    # The TTS has spoken the whole of the sentence that was cut off; what was heard is recorded.
    spoken_secs = len(recording.STORY[1].split()) * WORD_SECS
    cut_secs = spells(ours, BOT_SIDE)[1][1] - spells(ours, BOT_SIDE)[1][0]
    assert 1.4 < cut_secs < spoken_secs - 1
