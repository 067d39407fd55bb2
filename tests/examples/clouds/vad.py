"""When a caller begins and ends to speak, by energy: what services of speech have of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

_STEP_MS = 20
_LOUD_RMS = 500
_ONSET_MS = 60


@dataclass(frozen=True)
class Turned:
    """Somebody has begun or stopped to speak; `at_ms` of the stream by its declared rate."""

    what: Literal["started", "stopped"]
    at_ms: int


class Vad:
    """Listens to one stream of PCM16 mono.

    Args:
        sample_rate: As it was declared, in Hz.

    Attributes:
        audio: All that came.
        speaking: Whether somebody speaks.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.audio = bytearray()
        self.speaking = False
        self._at = self._loud_ms = self._quiet_ms = 0

    def hear(self, pcm: bytes, *, end_ms: int = 500) -> Iterator[Turned]:
        """Listen on; a pause of `end_ms` ends a turn."""
        self.audio += pcm
        size = self.sample_rate * _STEP_MS // 1000 * 2
        while len(self.audio) - self._at >= size:
            step = np.frombuffer(bytes(self.audio[self._at : self._at + size]), "<i2")
            self._at += size
            loud = np.sqrt(np.mean(step.astype(float) ** 2)) > _LOUD_RMS
            self._loud_ms = self._loud_ms + _STEP_MS if loud else 0
            self._quiet_ms = 0 if loud else self._quiet_ms + _STEP_MS
            now_ms = self._at * 1000 // (2 * self.sample_rate)
            if not self.speaking and self._loud_ms >= _ONSET_MS:
                self.speaking = True
                yield Turned("started", now_ms - self._loud_ms)
            elif self.speaking and self._quiet_ms >= end_ms:
                self.speaking = False
                yield Turned("stopped", now_ms)
