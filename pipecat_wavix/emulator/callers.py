"""The person on the phone: what they say, 20 ms at a time, and when they hang up.

It knows speech, keys, waiting and listening for the bot's voice. It refuses to know sockets, clocks
and what the bot says: a caller hears only whether somebody talks. A scripted caller is a list of
actions, and an action is anything with `frames`, so scripts of other kinds need no change here.
"""

import wave
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from math import gcd
from os import PathLike
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.emulator.keys import HeldKey, press
from pipecat_wavix.protocol import FRAME_BYTES, FRAME_MS, SAMPLE_RATE

SILENCE: Final = bytes(FRAME_BYTES)
"""20 ms in which the caller says nothing."""

WORD_GAP_SECS: Final = 0.5
"""A silence of the bot shorter than this is within its speech."""

GREETING_TIMEOUT_SECS: Final = 2.0
ANSWER_TIMEOUT_SECS: Final = 10.0
SPEECH_TIMEOUT_SECS: Final = 60.0
END_OF_SPEECH_SECS: Final = 1.0

KEY_SECS: Final = 0.1
"""How long a key is held down, and how long none is after it, unless told otherwise."""

# Times that are sums of frames must not miss their limit by a rounding.
_SAME_TIME_SECS: Final = 1e-6


class Caller(Protocol):
    """What a call needs of a caller."""

    def frame(self, now: float, bot_audible: bool) -> bytes | HeldKey | None:
        """Say the next 20 ms, or hold a key down for them.

        Args:
            now: When they begin, in seconds; each call is 20 ms after the one before.
            bot_audible: Whether the bot was heard in the 20 ms before.

        Returns:
            960 bytes of PCM16 at 24 kHz, or the key that is down, or `None` to hang up.
        """
        ...


class Ear:
    """What a scripted caller remembers of what it heard."""

    def __init__(self) -> None:
        self.now = 0.0
        self._began_at: float | None = None
        self._spell_began_at: float | None = None
        self._last_heard_at = 0.0

    def listen(self, now: float, bot_audible: bool) -> None:
        """Take in whether the bot was heard in the 20 ms before `now`."""
        if self._began_at is None:
            self._began_at = now
        self.now = now
        if bot_audible:
            if self.spoken_secs is None:
                self._spell_began_at = now
            self._last_heard_at = now

    @property
    def spoken_secs(self) -> float | None:
        """For how long the bot has been speaking, gaps between words included; else `None`."""
        if self._spell_began_at is None or self.quiet_secs >= WORD_GAP_SECS - _SAME_TIME_SECS:
            return None
        return self.now - self._spell_began_at

    @property
    def quiet_secs(self) -> float:
        """For how long the bot has not been heard, at most since the call began."""
        began_at = self.now if self._began_at is None else self._began_at
        return self.now - max(self._last_heard_at, began_at)


class Action(Protocol):
    """One thing that a scripted caller does."""

    def frames(self, ear: Ear) -> Iterator[bytes | HeldKey | None]:
        """Yield 20 ms after 20 ms until it is done, each with or without a key, or `None` to hang up.

        Args:
            ear: What the caller hears; up to date whenever the next frame is asked for.
        """
        ...


@dataclass(frozen=True)
class Say:
    """Speak.

    Attributes:
        pcm: PCM16 at 24 kHz; its last frame is filled up with silence.
    """

    pcm: bytes

    def frames(self, ear: Ear) -> Iterator[bytes]:
        """Yield the speech, frame by frame."""
        for start in range(0, len(self.pcm), FRAME_BYTES):
            yield self.pcm[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")


@dataclass(frozen=True)
class Pause:
    """Say nothing for so many seconds."""

    secs: float

    def frames(self, ear: Ear) -> Iterator[bytes]:
        """Yield the silence, rounded to whole frames."""
        yield from repeat(SILENCE, round(self.secs * 1000 / FRAME_MS))


@dataclass(frozen=True)
class WaitForBot:
    """Say nothing until the bot speaks, or has stopped.

    Attributes:
        state: What to wait for: the bot is `speaking`, or is `quiet`.
        secs: For how long it must have been so, counted from when that began, which may be before
            the wait; 0 for no longer than a frame.
        timeout_secs: Give up, and go on, after so long.
    """

    state: Literal["speaking", "quiet"]
    secs: float
    timeout_secs: float

    def frames(self, ear: Ear) -> Iterator[bytes]:
        """Yield silence until it is so, or until the timeout."""
        give_up_at = ear.now + self.timeout_secs - _SAME_TIME_SECS
        while ear.now < give_up_at and not self._reached(ear):
            yield SILENCE

    def _reached(self, ear: Ear) -> bool:
        lasted = ear.quiet_secs if self.state == "quiet" else ear.spoken_secs
        return lasted is not None and lasted >= self.secs - _SAME_TIME_SECS


@dataclass(frozen=True)
class Press:
    """Press keys, one after another.

    Attributes:
        keys: Each one of `0` to `9`, `*`, `#`, `A` to `D`.
        secs_each: For how long each is held, rounded to whole frames.
        gap_secs: For how long none is after each, rounded to whole frames.

    Raises:
        ValueError: There is no such key, or a value is out of its range.
    """

    keys: str
    secs_each: float = KEY_SECS
    gap_secs: float = KEY_SECS

    def __post_init__(self) -> None:
        for key in self.keys:
            press(key, self.secs_each)
        if not 0 <= self.gap_secs <= 60:
            raise ValueError(f"gap_secs is {self.gap_secs}: give 0 to 60 seconds")

    def frames(self, ear: Ear) -> Iterator[bytes | HeldKey]:
        """Yield the keys, each with the silence after it."""
        for key in self.keys:
            yield from press(key, self.secs_each)
            yield from Pause(self.gap_secs).frames(ear)


@dataclass(frozen=True)
class HangUp:
    """End the call."""

    def frames(self, ear: Ear) -> Iterator[None]:
        """Yield the hang-up."""
        return repeat(None)


class ScriptedCaller:
    """A caller that does one thing after another, and then holds the line in silence.

    Args:
        script: What it does.
    """

    def __init__(self, script: Iterable[Action]) -> None:
        self._ear = Ear()
        self._frames = chain.from_iterable(action.frames(self._ear) for action in script)

    def frame(self, now: float, bot_audible: bool) -> bytes | HeldKey | None:
        """Say the next 20 ms; see `Caller`."""
        self._ear.listen(now, bot_audible)
        return next(self._frames, SILENCE)


class LiveCaller:
    """A caller whose voice comes from outside, such as from a microphone.

    Args:
        buffer_secs: The most of its voice that is kept until it is due; the oldest goes first, so
            that a live voice stays live.
    """

    def __init__(self, buffer_secs: float = 0.5) -> None:
        self._limit = round(buffer_secs * 1000 / FRAME_MS) * FRAME_BYTES
        if self._limit < FRAME_BYTES:
            raise ValueError(f"buffer_secs is {buffer_secs}: give at least {FRAME_MS / 1000}")
        self._voice = bytearray()
        self._keys: deque[HeldKey | bytes] = deque()
        self._hung_up = False
        self.dropped_samples = 0

    def feed(self, pcm: bytes) -> None:
        """Add to what the caller says.

        Args:
            pcm: PCM16 at 24 kHz, of any length.

        Raises:
            ValueError: The length is odd.
        """
        if len(pcm) % 2:
            raise ValueError(f"{len(pcm)} bytes of audio: PCM16 has 2 bytes a sample; feed both")
        self._voice += pcm
        excess = max(0, len(self._voice) - self._limit)
        del self._voice[:excess]
        self.dropped_samples += excess // 2

    def press(self, key: str) -> None:
        """Press a key for 0.1 s, after those that were pressed before; its voice waits meanwhile.

        Args:
            key: One of `0` to `9`, `*`, `#`, `A` to `D`.

        Raises:
            ValueError: There is no such key.
        """
        held = press(key, KEY_SECS)
        self._keys += [*held, *[SILENCE] * len(held)]

    def hang_up(self) -> None:
        """End the call at the next frame."""
        self._hung_up = True

    def frame(self, now: float, bot_audible: bool) -> bytes | HeldKey | None:
        """Say the next 20 ms, silence where nothing was fed; see `Caller`."""
        if self._hung_up:
            return None
        if self._keys:
            return self._keys.popleft()
        said = bytes(self._voice[:FRAME_BYTES])
        del self._voice[:FRAME_BYTES]
        return said.ljust(FRAME_BYTES, b"\0")


def conversation(
    turns: Sequence[bytes], *, barge_in: bytes | None = None, barge_in_after_secs: float = 0.8
) -> list[Action]:
    """Write the script of a plain call: greeting, turns and answers, perhaps a barge-in, goodbye.

    The caller lets the greeting end, if one begins within 2 s, and every answer, which may take
    10 s to begin and 60 s to end. The barge-in cuts into the answer to the last turn, or into the
    greeting if there are no turns.

    Args:
        turns: What the caller says, each PCM16 at 24 kHz.
        barge_in: What the caller says into the bot's speech, PCM16 at 24 kHz.
        barge_in_after_secs: How much of the bot's speech it lets pass before.
    """
    bot_has_spoken = WaitForBot("quiet", END_OF_SPEECH_SECS, SPEECH_TIMEOUT_SECS)
    starts_within = [GREETING_TIMEOUT_SECS] + [ANSWER_TIMEOUT_SECS] * len(turns)
    script: list[Action] = []
    for index, timeout_secs in enumerate(starts_within):
        if index:
            script.append(Say(turns[index - 1]))
        if barge_in is not None and index == len(turns):
            patience_secs = timeout_secs + barge_in_after_secs
            script.append(WaitForBot("speaking", barge_in_after_secs, patience_secs))
            script.append(Say(barge_in))
            timeout_secs = ANSWER_TIMEOUT_SECS
        script.append(WaitForBot("speaking", 0, timeout_secs))
        script.append(bot_has_spoken)
    script.append(HangUp())
    return script


def load_wav(path: str | PathLike[str]) -> bytes:
    """Read speech from a WAV file.

    Args:
        path: 16-bit PCM, mono or stereo (mixed down), 8 to 48 kHz.

    Returns:
        PCM16 little-endian at 24 kHz, mono.

    Raises:
        ValueError: It is another kind of file; the message names it and what is accepted.
        OSError: It cannot be read.
    """
    accepted = "give a WAV file of 16-bit PCM, mono or stereo, 8 to 48 kHz"
    try:
        with wave.open(str(path), "rb") as wav:
            channels, width, sample_rate, _, _, _ = wav.getparams()
            data = wav.readframes(wav.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path}: {str(error) or 'it ends too early'}: {accepted}") from error
    if width != 2 or channels not in (1, 2) or not 8_000 <= sample_rate <= 48_000:
        raise ValueError(
            f"{path}: {width * 8} bits, {channels} channels, {sample_rate} Hz: {accepted}"
        )
    whole = len(data) // (2 * channels) * 2 * channels
    samples = np.frombuffer(data[:whole], "<i2").reshape(-1, channels).mean(axis=1)
    return resampled(samples, sample_rate)


def resampled(samples: NDArray[np.floating], sample_rate: int) -> bytes:
    """Bring a whole recording to the line's rate.

    It cuts or extends the spectrum of the whole, which is exact below the lower of the two bands
    and takes no library: a caller's files are short and known beforehand.

    Args:
        samples: One channel, in PCM16's range.
        sample_rate: Its rate, in Hz.

    Returns:
        PCM16 little-endian at 24 kHz, as long as the original to the sample.
    """
    length = round(len(samples) * SAMPLE_RATE / sample_rate)
    if sample_rate != SAMPLE_RATE and length:
        # Whole periods of both rates, and a second of silence, since a spectrum has no ends:
        # what rings at the end would come out at the beginning.
        unit = sample_rate // gcd(sample_rate, SAMPLE_RATE)
        units = -(-(len(samples) + sample_rate) // unit)
        target = units * unit * SAMPLE_RATE // sample_rate
        spectrum = np.fft.rfft(samples, units * unit)
        samples = np.fft.irfft(spectrum[: target // 2 + 1], target) * (SAMPLE_RATE / sample_rate)
    pcm: NDArray[np.int16] = np.clip(np.rint(samples[:length]), -32768, 32767).astype("<i2")
    return pcm.tobytes()
