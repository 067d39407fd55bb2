"""What was said on an example's call: at the caller's ear, and as the model is told."""

import wave
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from clouds.speech import PAUSE_SECS, WORD_SECS

from pipecat_wavix.emulator.summary import Spell
from pipecat_wavix.protocol import SAMPLE_RATE
from pipecat_wavix.testing import Heard, PhoneCall

PATIENCE_SECS = 30

_STEP_SECS = 0.005
_AUDIBLE_RMS = 250
_PAUSE_SECS = 3


def words_in(pcm: bytes) -> float:
    """How many words of `clouds.speech.spoken` it is, by how long it is audible.

    A machine that is too busy to send in time makes gaps within words, but no word of it longer.
    """
    step = round(_STEP_SECS * SAMPLE_RATE)
    samples = np.frombuffer(pcm, "<i2").astype(float)
    samples = samples[: len(samples) // step * step].reshape(-1, step)
    audible = np.count_nonzero(np.sqrt(np.mean(samples**2, axis=1)) > _AUDIBLE_RMS)
    return float(audible * _STEP_SECS / (WORD_SECS - PAUSE_SECS))


async def answer_of(call: PhoneCall) -> Heard:
    """Wait for the bot's next answer, to its end: on a busy machine it is late, and has gaps."""
    return await call.hear(within_secs=PATIENCE_SECS, quiet_secs=_PAUSE_SECS)


def heard_between(call: PhoneCall, before: Heard, after: Heard) -> Spell:
    """When the bot was heard between two of its answers: what the caller has cut into."""
    from_secs, to_secs = before.began_secs + before.secs, after.began_secs
    spells = [
        spell
        for spell in call.summary.bot_spells
        if from_secs < (spell.began_at + spell.ended_at) / 2 < to_secs
    ]
    return Spell(spells[0].began_at, spells[-1].ended_at)


def heard_within(call: PhoneCall, spell: Spell) -> bytes:
    """What the caller heard of the bot in a stretch of a call that is over, as PCM16 at 24 kHz."""
    with wave.open(str(call.trace.with_name("recording.wav"))) as recording:
        both = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").reshape(-1, 2)
    first, end = (round(at * SAMPLE_RATE) for at in (spell.began_at, spell.ended_at))
    return both[first:end, 1].tobytes()


def captured(module: ModuleType, patch: pytest.MonkeyPatch) -> list[Any]:
    """The contexts that an example makes from now on, one a call."""
    contexts = []
    make = module.LLMContext

    def context(*args: Any, **kwargs: Any) -> Any:
        contexts.append(make(*args, **kwargs))
        return contexts[-1]

    patch.setattr(module, "LLMContext", context)
    return contexts


def texts(context: Any, role: str) -> list[str]:
    """What one side has said, message by message."""
    return [m["content"].strip() for m in context.get_messages() if m["role"] == role]
