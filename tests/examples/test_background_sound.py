"""`examples/background_sound.py`, called: what the caller hears while nobody speaks."""

import numpy as np
import pytest
from clouds.cartesia import Cartesia
from clouds.speech import WORD_SECS, words_heard
from pipecat.frames.frames import MixerEnableFrame

from pipecat_wavix.emulator import load_wav

STEP_SECS = 0.02
# Louder than the office, and softer than a word; and softer than either.
SPEECH_RMS, SILENCE_RMS = 1500, 10


def steps_of(samples):
    """The line, a row for each `STEP_SECS`."""
    step = round(24_000 * STEP_SECS)
    return samples[: len(samples) // step * step].reshape(-1, step)


def loudness(samples):
    """RMS of each `STEP_SECS` of the line."""
    return np.sqrt(np.mean(steps_of(samples).astype(float) ** 2, axis=1))


def speech_in(samples):
    """What is louder than the office, as PCM16."""
    return steps_of(samples)[loudness(samples) > SPEECH_RMS].tobytes()


async def test_the_caller_hears_an_office_while_nobody_speaks(example, cloud, wavix_call):
    await cloud(cartesia := Cartesia())
    background = example("background_sound")
    async with wavix_call(background.bot) as call:
        await call.finished()
    # The caller is silent, so what is mixed of both sides is what it heard, at half its level.
    line = np.frombuffer(load_wav(call.trace.with_name("recording.wav")), "<i2")
    heard = 2 * loudness(line)
    assert cartesia.texts == [background.WAIT, background.ANSWER]
    assert cartesia.refused == []

    words = [len(text.split()) for text in cartesia.texts]
    assert words_heard(speech_in(2 * line)) == sum(words)

    loud = np.flatnonzero(heard > SPEECH_RMS)
    pause = max(np.diff(loud)) - 1
    before = loud[np.argmax(np.diff(loud))] + 1
    # The background, which lies ahead of the answer at Wavix, delays it by little.
    expected_secs = background.LOOKING_UP_SECS - words[0] * WORD_SECS
    assert pause * STEP_SECS == pytest.approx(expected_secs, abs=0.8)
    office = heard[before : before + pause]
    assert np.median(office) > 3 * SILENCE_RMS
    # A stall of a busy machine is heard as a gap, but never much of the whole.
    assert np.mean(office > SILENCE_RMS) > 0.7


async def test_the_sound_goes_round_without_a_seam_and_ends_on_demand(example):
    background = example("background_sound")
    mixer = background.Office()
    await mixer.start(8000)
    loop = background.office(8000)
    silence = bytes(2 * 320)
    pieces = [await mixer.mix(silence) for _ in range(2 * len(loop) // 320)]
    assert b"".join(pieces) == loop.tobytes() * 2
    seam = abs(int(loop[0]) - int(loop[-1]))
    assert seam <= np.percentile(np.abs(np.diff(loop.astype(int))), 99)

    loud = np.full(320, 32_767, "<i2").tobytes()
    assert np.frombuffer(await mixer.mix(loud), "<i2").min() > 25_000  # clipped, not wrapped
    await mixer.process_frame(MixerEnableFrame(False))
    assert await mixer.mix(loud) == loud
