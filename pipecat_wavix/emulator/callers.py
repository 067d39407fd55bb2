"""The person on the phone: what they say, 20 ms at a time, and when they hang up.

It knows speech, keys, waiting and listening for the bot's voice. It refuses to know sockets, clocks
and what the bot says: a caller hears only whether somebody talks. A scripted caller is a list of
actions, and an action is anything with `frames`, so scripts of other kinds need no change here.
"""

import wave
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, repeat
from math import gcd
from os import PathLike
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.emulator.ear import SAME_TIME_SECS, Ear
from pipecat_wavix.emulator.keys import HeldKey, press
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.protocol import FRAME_BYTES, FRAME_MS, SAMPLE_RATE

SILENCE: Final = bytes(FRAME_BYTES)
"""20 ms in which the caller says nothing."""

GREETING_TIMEOUT_SECS: Final = 2.0
ANSWER_TIMEOUT_SECS: Final = 10.0
SPEECH_TIMEOUT_SECS: Final = 60.0
END_OF_SPEECH_SECS: Final = 1.0

# In PCM16, -40 dB: what nobody hears, and a live caller may leave out.
_QUIET_LEVEL: Final = 328

KEY_SECS: Final = 0.1
"""How long a key is held down, and how long none is after it, unless told otherwise."""


class Caller(Protocol):
    """What a call needs of a caller."""

    def frame(self, now: float, bot_audible: bool) -> "bytes | HeldKey | Aside | None":
        """Say the next 20 ms, or hold a key down for them.

        Args:
            now: When they begin, in seconds; each call is 20 ms after the one before, but for the
                one after an aside, which is for the same 20 ms.
            bot_audible: Whether the bot was heard in the 20 ms before.

        Returns:
            960 bytes of PCM16 at 24 kHz, or the key that is down, or `None` to hang up; or an
            aside, after which it is asked again at once.
        """
        ...


class Action(Protocol):
    """One thing that a scripted caller does."""

    def frames(self, ear: Ear) -> "Iterator[bytes | HeldKey | Aside | None]":
        """Yield 20 ms after 20 ms until it is done, each with or without a key, or `None` to hang up.

        An aside is not a frame and takes no time.

        Args:
            ear: What the caller hears; up to date whenever the next frame is asked for.
        """
        ...


@dataclass(frozen=True)
class Say:
    """Speak.

    The bot may answer from the last audible frame on: a recording often ends in silence.

    Attributes:
        pcm: PCM16 at 24 kHz; its last frame is filled up with silence.
    """

    pcm: bytes

    def frames(self, ear: Ear) -> Iterator[bytes]:
        """Yield the speech, frame by frame."""
        ear.begin_turn()
        audible = False
        for start in range(0, len(self.pcm), FRAME_BYTES):
            frame = self.pcm[start : start + FRAME_BYTES]
            yield frame.ljust(FRAME_BYTES, b"\0")
            if not _is_quiet(frame):
                audible = True
                ear.end_turn()
        if not audible:
            ear.end_turn()


@dataclass(frozen=True)
class Pause:
    """Say nothing for so many seconds."""

    secs: float

    def frames(self, ear: Ear) -> Iterator[bytes]:
        """Yield the silence, rounded to whole frames."""
        yield from repeat(SILENCE, round(self.secs * 1000 / FRAME_MS))


@dataclass(frozen=True)
class WaitForBot:
    """Say nothing until the bot speaks, or has said what it has to say.

    A bot is `quiet` when it has begun to answer what the caller last said or pressed, or to greet if
    that is nothing yet, and has then been silent. So it is not taken for quiet while it thinks. One
    that does not answer is waited for until nobody has said anything for 10 s.

    Attributes:
        state: What to wait for: the bot is `speaking`, or is `quiet`.
        secs: For how long it must have been so, counted from when that began, which may be before
            the wait; 0 for no longer than a frame. Quiet is counted from the end of what the caller
            last said or pressed at the earliest.
        timeout_secs: Give up, and go on, after so long.
    """

    state: Literal["speaking", "quiet"]
    secs: float
    timeout_secs: float

    def frames(self, ear: Ear) -> Iterator[bytes]:
        """Yield silence until it is so, or until the timeout."""
        give_up_at = ear.now + self.timeout_secs - SAME_TIME_SECS
        while ear.now < give_up_at and not self._reached(ear):
            yield SILENCE

    def _reached(self, ear: Ear) -> bool:
        if self.state == "speaking":
            return ear.spoken_secs is not None and ear.spoken_secs >= self.secs - SAME_TIME_SECS
        quiet_secs = min(ear.quiet_secs, ear.now - ear.turn_ended_at)
        least_secs = self.secs if ear.answered else max(self.secs, ANSWER_TIMEOUT_SECS)
        return quiet_secs >= least_secs - SAME_TIME_SECS


@dataclass(frozen=True)
class WaitForAnswer:
    """Say nothing until the bot has answered what the caller last said or pressed.

    Attributes:
        timeout_secs: Give up if it has not begun so long after that.
        secs: How much of the answer to hear; less if the bot stops before, 0 for its first sound.
    """

    timeout_secs: float
    secs: float = 0.0

    def frames(self, ear: Ear) -> Iterator[bytes]:
        """Yield silence until it is so."""
        give_up_at = ear.turn_ended_at + self.timeout_secs - SAME_TIME_SECS
        while not ear.answered and ear.now < give_up_at:
            yield SILENCE
        while (
            ear.answered
            and ear.heard_secs < self.secs - SAME_TIME_SECS
            and ear.quiet_secs < END_OF_SPEECH_SECS - SAME_TIME_SECS
        ):
            yield SILENCE


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
        ear.begin_turn()
        for key in self.keys:
            yield from press(key, self.secs_each)
            yield from Pause(self.gap_secs).frames(ear)
        ear.end_turn()


@dataclass(frozen=True)
class HangUp:
    """End the call."""

    def frames(self, ear: Ear) -> Iterator[None]:
        """Yield the hang-up."""
        return repeat(None)


@dataclass(frozen=True)
class BeginStep:
    """Tell the observers that a step of a script begins.

    Attributes:
        number: Which, from 1 on.
    """

    number: int

    def frames(self, ear: Ear) -> "Iterator[BeginStep]":
        """Yield itself."""
        yield self


@dataclass(frozen=True)
class ChangeNetwork:
    """Have other faults of the network from now on.

    Attributes:
        changes: Values of `NetworkSettings`, by name; the others stay as they are.

    Raises:
        ValueError: A value is out of its range, or there is none of this name that can change.
    """

    changes: Mapping[str, float]

    def __post_init__(self) -> None:
        self.applied(NetworkSettings())

    def frames(self, ear: Ear) -> "Iterator[ChangeNetwork]":
        """Yield itself."""
        yield self

    def applied(self, network: NetworkSettings) -> NetworkSettings:
        """The settings with the changes."""
        names = [field.name for field in fields(network) if field.name != "seed"]
        if unknown := set(self.changes) - set(names):
            raise ValueError(
                f"there is no {sorted(unknown)!a} that can change: give one of {', '.join(names)}"
            )
        changes: dict[str, Any] = dict(self.changes)
        return replace(network, **changes)


Aside = BeginStep | ChangeNetwork
"""What a caller does beside what it says; it takes no time."""


class ScriptedCaller:
    """A caller that does one thing after another, and then holds the line in silence.

    Args:
        script: What it does.
    """

    def __init__(self, script: Iterable[Action]) -> None:
        self._ear = Ear()
        self._frames = chain.from_iterable(action.frames(self._ear) for action in script)

    def frame(self, now: float, bot_audible: bool) -> bytes | HeldKey | Aside | None:
        """Say the next 20 ms; see `Caller`."""
        self._ear.listen(now, bot_audible)
        return next(self._frames, SILENCE)


class LiveCaller:
    """A caller whose voice comes from outside, such as from a microphone.

    Args:
        buffer_secs: The most of its voice that is kept until it is due; the oldest goes first, so
            that a live voice stays live.
        prebuffer_secs: How much of it is awaited at first, and after each gap: a voice whose frames
            come unevenly has no gaps within words then. Where twice as much waits, what is quiet is
            left out, so that what once came late does not stay late.

    Raises:
        ValueError: The buffer holds no 20 ms, or less than the prebuffer.
    """

    def __init__(self, buffer_secs: float = 0.5, prebuffer_secs: float = 0.0) -> None:
        self._limit = round(buffer_secs * 1000 / FRAME_MS) * FRAME_BYTES
        if self._limit < FRAME_BYTES:
            raise ValueError(f"buffer_secs is {buffer_secs}: give at least {FRAME_MS / 1000}")
        if not 0 <= prebuffer_secs <= buffer_secs:
            raise ValueError(f"prebuffer_secs is {prebuffer_secs}: give 0 to {buffer_secs}")
        self._awaited = round(prebuffer_secs * SAMPLE_RATE) * 2
        self._awaits = True
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
        if len(self._voice) > 2 * self._awaited > 0 and _is_quiet(pcm):
            self.dropped_samples += len(pcm) // 2
            return
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
        if self._awaits and len(self._voice) < self._awaited:
            return SILENCE
        self._awaits = len(self._voice) < FRAME_BYTES
        said = bytes(self._voice[:FRAME_BYTES])
        del self._voice[:FRAME_BYTES]
        return said.ljust(FRAME_BYTES, b"\0")


def _is_quiet(pcm: bytes) -> bool:
    return int(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max(initial=0)) < _QUIET_LEVEL


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
            script.append(bot_has_spoken)
        elif index:
            script.append(bot_has_spoken)
        else:
            script.append(WaitForAnswer(timeout_secs, SPEECH_TIMEOUT_SECS))
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
