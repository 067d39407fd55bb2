"""Words whose number can be read off every single sample.

A word is a square wave whose height is its number. The bench runs at 24 kHz from the TTS to the
caller's ear, over a clean leg, so that samples pass unchanged: what the far end hears tells which
word it is, and when, without asking the bot. Words differ in length, and are no whole frames.
"""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 24_000

_HALF_PERIOD = 12  # samples: a square wave of 1 kHz
_LOWEST, _STEP = 1_000, 40  # PCM16 levels
_CALLER_LEVEL = 9_000

GARBLED: Final = -1
"""What a sample means that is neither a word's nor silence."""


def spoken_ms(word: int) -> int:
    """How long it takes to say a word: 200 to 400 ms, 300 on average."""
    return 200 + word * 83 % 201


def spoken_secs(words: range) -> float:
    """How long it takes to say some words."""
    return sum(map(spoken_ms, words)) / 1000


def audio(word: int) -> bytes:
    """A word from 1 to 750, as PCM16 mono at 24 kHz."""
    samples = np.arange(spoken_ms(word) * SAMPLE_RATE // 1000)
    sign = 1 - 2 * ((samples // _HALF_PERIOD) % 2)
    return (sign * (_LOWEST + _STEP * word)).astype("<i2").tobytes()


def silence(ms: int) -> bytes:
    """Silence, as PCM16 mono at 24 kHz."""
    return bytes(ms * SAMPLE_RATE // 1000 * 2)


def callers_voice(ms: int) -> bytes:
    """What a caller says: something loud, as PCM16 mono at 24 kHz."""
    t = np.arange(ms * SAMPLE_RATE // 1000) / SAMPLE_RATE
    return (_CALLER_LEVEL * np.sin(2 * np.pi * 300 * t)).astype("<i2").tobytes()


def decode(pcm: bytes) -> NDArray[np.int32]:
    """The word in each sample; 0 is silence."""
    level = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    word = (level - _LOWEST) // _STEP
    sound = (level - _LOWEST) % _STEP == 0
    return np.where(level == 0, 0, np.where(sound & (word > 0), word, GARBLED)).astype(np.int32)


def text(words: range) -> str:
    """A sentence of words."""
    return " ".join(f"w{word:03}" for word in words) + "."


def words_in(text: str) -> list[int]:
    """The words of a text, in order."""
    return [int(word) for word in re.findall(r"w(\d{3})", text)]
