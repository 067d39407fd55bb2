"""Hearing by energy, and speaking by tones: what the stand-ins have in place of models.

It knows PCM16 mono. It refuses to know any service. Each word is spoken as one tone and a short
pause, so a test can count the words that a caller heard, and no word is longer than another.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

WORD_SECS = 0.3
PAUSE_SECS = 0.08
"""Of which the last so much is silence."""

_STEP_SECS = 0.02
_AUDIBLE_RMS = 250
# Less than a syllable; what ends a phrase; and the longest pause within one.
_BLIP_SECS, _END_SECS, _SAME_PHRASE_SECS = 0.15, 0.4, 0.7


@dataclass(frozen=True)
class Word:
    """A word, and when it begins and ends, in seconds since the text began."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Transcript:
    """What was understood, and from where to where in the stream, in seconds."""

    text: str
    start: float
    end: float
    is_final: bool


class Script:
    """The phrases that a service is going to understand, over all of its connections."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = list(phrases)

    def next(self) -> str:
        """The next phrase; nothing was understood if there is none left."""
        return self._phrases.pop(0) if self._phrases else ""


class Listener:
    """One stream of a caller's audio: each phrase that is heard is the next one of the script.

    Attributes:
        sample_rate: As it was declared, in Hz.
        audio: All that came.
        phrases: When each phrase was heard: from, to, in seconds by the declared rate.
    """

    def __init__(self, script: Script, sample_rate: int) -> None:
        self._script = script
        self.sample_rate = sample_rate
        self.audio = bytearray()
        self.phrases: list[tuple[float, float]] = []
        self._at = 0
        self._open: str | None = None  # the phrase that is being heard
        self._began = self._ended = -_SAME_PHRASE_SECS
        self._loud = 0.0
        self._told = 0

    @property
    def secs(self) -> float:
        """How much audio came."""
        return len(self.audio) / 2 / self.sample_rate

    def hear(self, pcm: bytes) -> list[Transcript]:
        """Listen on, and tell what was understood: some interim ones, and a final one a phrase."""
        self.audio += pcm
        step = round(self.sample_rate * _STEP_SECS)
        heard = []
        while len(self.audio) - self._at >= 2 * step:
            samples = np.frombuffer(bytes(self.audio[self._at : self._at + 2 * step]), "<i2")
            now = self._at / 2 / self.sample_rate
            self._at += 2 * step
            loud = np.sqrt(np.mean(samples.astype(float) ** 2)) > _AUDIBLE_RMS
            result = self._speech(now) if loud else self._quiet(now)
            if result:
                heard.append(result)
        return heard

    def finish(self) -> Transcript | None:
        """Take the phrase that is being heard as complete, if there is one."""
        if self._open is None:
            return None
        text, self._open = self._open, None
        self.phrases.append((self._began, self._ended))
        return Transcript(text, self._began, self._ended, is_final=True)

    def _speech(self, now: float) -> Transcript | None:
        if self._open is None:
            if now - self._ended < _SAME_PHRASE_SECS and self.phrases:
                # The phrase was finished in a pause: its rest is not another one.
                self._ended = now + _STEP_SECS
                self.phrases[-1] = (self._began, self._ended)
                return None
            if self._loud == 0:
                self._began = now
            self._loud += _STEP_SECS
            if self._loud < _BLIP_SECS:
                return None
            self._open, self._told = self._script.next(), 0
        self._loud = 0.0
        self._ended = now + _STEP_SECS
        words = self._open.split()
        known = min(int((now - self._began) / WORD_SECS), len(words) - 1)
        if known <= self._told:
            return None
        self._told = known
        return Transcript(" ".join(words[:known]), self._began, self._ended, is_final=False)

    def _quiet(self, now: float) -> Transcript | None:
        self._loud = 0.0
        return self.finish() if now - self._ended >= _END_SECS else None


def words_of(text: str, *, after: float = 0.0) -> list[Word]:
    """The words of a text that begins `after` seconds, as `spoken` speaks them."""
    words = enumerate(text.split())
    at = [(text, after + number * WORD_SECS) for number, text in words]
    return [Word(text, start, start + WORD_SECS - PAUSE_SECS) for text, start in at]


def spoken(text: str, sample_rate: int) -> bytes:
    """Speak a text: PCM16 mono at this rate, in Hz, of `WORD_SECS` a word."""
    t = np.arange(round(WORD_SECS * sample_rate)) / sample_rate
    length = WORD_SECS - PAUSE_SECS
    fade = np.clip(np.minimum(t, length - t) / 0.02, 0, 1)
    tone = (8000 * fade * np.sin(2 * np.pi * 600 * t)).astype("<i2").tobytes()
    return tone * len(text.split())


def words_heard(pcm: bytes, sample_rate: int = 24_000) -> int:
    """Count the words of `spoken` that are in what was heard, by their energy.

    So a word that has a gap in it, for want of time on a busy machine, is still one.
    """
    return round(_energy(pcm, sample_rate) / _energy(spoken("word", sample_rate), sample_rate))


def _energy(pcm: bytes, sample_rate: int) -> float:
    return float(np.sum(np.frombuffer(pcm, "<i2").astype(float) ** 2)) / sample_rate
