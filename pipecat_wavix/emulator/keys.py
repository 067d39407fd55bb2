"""The keys of a telephone, and how they sound.

It knows the sixteen keys of ITU-T Q.23 and the two tones of each. It refuses to know who presses
them and what for.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipecat_wavix.protocol import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE

_ROWS_HZ: Final = (697, 770, 852, 941)
_COLUMNS_HZ: Final = (1209, 1336, 1477, 1633)
_KEYPAD: Final = ("123A", "456B", "789C", "*0#D")
_TONES_HZ: Final = {
    key: (row_hz, column_hz)
    for row_hz, keys in zip(_ROWS_HZ, _KEYPAD, strict=True)
    for column_hz, key in zip(_COLUMNS_HZ, keys, strict=True)
}

TONE_LEVEL: Final = 6_000
"""The amplitude of each of a key's two tones, in PCM16: 15 dB below full scale."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """20 ms in which the caller says nothing and holds a key down.

    Attributes:
        key: One of `0` to `9`, `*`, `#`, `A` to `D`.
        number: Which 20 ms of the press these are: 0 for the first.
    """

    key: str
    number: int

    def tone(self) -> bytes:
        """What these 20 ms sound like: 960 bytes, PCM16 at 24 kHz; they join without a click."""
        first = self.number * FRAME_SAMPLES
        secs = np.arange(first, first + FRAME_SAMPLES) / SAMPLE_RATE
        sines = sum(np.sin(2 * np.pi * hz * secs) for hz in _TONES_HZ[self.key])
        pcm: bytes = np.rint(TONE_LEVEL * sines).astype("<i2").tobytes()
        return pcm


def press(key: str, secs: float) -> list[HeldKey]:
    """Write one press of a key, 20 ms after 20 ms.

    Args:
        key: One of the sixteen.
        secs: For how long it is held, rounded to whole 20 ms.

    Raises:
        ValueError: There is no such key, or it is held for less than 20 ms.
    """
    if key not in _TONES_HZ:
        raise ValueError(f"the key is {key!r}: give one of 0-9, *, #, A-D")
    if not FRAME_MS / 1000 <= secs <= 60:
        raise ValueError(f"a key is held for {secs} s: give {FRAME_MS / 1000} to 60 seconds")
    return [HeldKey(key, number) for number in range(round(secs * 1000 / FRAME_MS))]
