"""The far end of the line: what a caller hears of what a bot sends, and when.

It knows a FIFO at 24 kHz that plays in 20 ms steps, where marks lie in it, and how a clear empties
it. It refuses to know sockets, clocks, messages or what anybody believes: times come in as seconds
on one monotonic clock, and because every arrival carries its time, it does not matter when
`advance` is called; a process that stalls learns the same truth later.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from operator import attrgetter
from typing import Final, Literal

from pipecat_wavix.protocol import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE

MAX_DRIFT_PPM: Final = 10_000
"""The largest drift that can be set: 1 %, a hundred times that of a bad crystal."""

# Two times closer than this are one time: `0.14 + 0.06` must not miss the step boundary at 0.2.
_SAME_TIME_SECS: Final = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class LineSettings:
    """How the line behaves where Wavix's documents promise a range, disagree, or are silent.

    Attributes:
        clear_latency_secs: From the arrival of a clear to the earliest moment at which it takes
            effect, which is the next step boundary. Wavix promises 50-100 ms.
        media_during_clear: What becomes of audio and marks that arrive after a clear and before it
            takes effect; the real behaviour is unknown. `drop` treats them as the rest.
        marks_on_clear: `return` sends the marks of cleared audio back when the clear takes effect,
            `forget` never does. Wavix's sources disagree.
        buffer_limit_secs: The most that is buffered; the newest audio beyond it is dropped. `None`
            for no limit.
        underrun_limit_secs: A gap in the audio this long or longer is a pause, not an underrun.
        drift_ppm: How much longer than ours the far end's seconds are, in millionths.

    Raises:
        ValueError: A value is out of its range.
    """

    clear_latency_secs: float = 0.06
    media_during_clear: Literal["drop", "keep"] = "drop"
    marks_on_clear: Literal["return", "forget"] = "return"
    buffer_limit_secs: float | None = None
    underrun_limit_secs: float = 0.5
    drift_ppm: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.clear_latency_secs < inf:
            raise ValueError(
                f"clear_latency_secs is {self.clear_latency_secs}: give 0 or more seconds"
            )
        if self.media_during_clear not in ("drop", "keep"):
            raise ValueError(
                f"media_during_clear is {self.media_during_clear!r}: give 'drop' or 'keep'"
            )
        if self.marks_on_clear not in ("return", "forget"):
            raise ValueError(
                f"marks_on_clear is {self.marks_on_clear!r}: give 'return' or 'forget'"
            )
        if self.buffer_limit_secs is not None and not 0 < self.buffer_limit_secs < inf:
            raise ValueError(
                f"buffer_limit_secs is {self.buffer_limit_secs}: give seconds above 0, or None"
            )
        if not 0 <= self.underrun_limit_secs < inf:
            raise ValueError(
                f"underrun_limit_secs is {self.underrun_limit_secs}: give 0 or more seconds"
            )
        if not abs(self.drift_ppm) <= MAX_DRIFT_PPM:
            raise ValueError(
                f"drift_ppm is {self.drift_ppm}: give -{MAX_DRIFT_PPM} to {MAX_DRIFT_PPM}"
            )


@dataclass(frozen=True, slots=True)
class Step:
    """20 ms of what the caller hears.

    Attributes:
        at: When its first sample is heard.
        pcm: 960 bytes; silence follows the bot's samples where they are short.
        heard_samples: How many samples from the start of `pcm` came from the bot.
        positions: Which samples of the bot's stream these are, in order; position 0 is the first
            sample that ever arrived, and what is dropped or cleared keeps its positions.
    """

    at: float
    pcm: bytes
    heard_samples: int
    positions: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class MarkPlayed:
    """A mark is due back.

    Attributes:
        at: When the last sample before the mark had been played, exact to the sample; the moment
            of arrival if nothing was left to play; the moment of the clear if it was cleared.
        name: The mark's name.
        cleared: Whether a clear took the audio before the mark away.
    """

    at: float
    name: str
    cleared: bool


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clear took effect.

    Attributes:
        at: When: a step boundary. What the step before it held has been heard to its end.
        samples: How many samples were thrown away.
        arrived_at: When the clear had arrived.
    """

    at: float
    samples: int
    arrived_at: float


@dataclass(frozen=True, slots=True)
class Underrun:
    """The audio ran dry in mid-talkspurt, and has just resumed.

    A talkspurt is audio with anything but digital silence in it, so a bot that primes or pads the
    line with zeros does not make gaps of them.

    Attributes:
        at: When the audio resumed.
        secs: For how long the line had to play silence of its own, exact to the sample.
    """

    at: float
    secs: float


LineEvent = Step | MarkPlayed | Cleared | Underrun


@dataclass(slots=True)
class LineStats:
    """What the line has counted; `arrived = played + buffered + cleared + overflow`, in samples."""

    arrived_samples: int = 0
    played_samples: int = 0
    silence_samples: int = 0
    cleared_samples: int = 0
    overflow_samples: int = 0
    underruns: int = 0
    underrun_secs: float = 0.0
    clears: int = 0
    marks_played: int = 0
    marks_cleared: int = 0
    marks_forgotten: int = 0


@dataclass(frozen=True, slots=True)
class _Arrival:
    at: float
    what: bytes | str | None  # audio, a mark's name, or a clear


@dataclass(slots=True)
class _Buffered:
    epoch: int  # how many clears had arrived before it
    what: bytes | str
    position: int  # of its first sample that is not yet played
    offset: int = 0  # of that sample in `what`, in bytes


@dataclass(slots=True)
class _Talkspurt:
    """The silence since the bot was last audible, in samples: all of it, and the line's own part."""

    silent: int = 0
    dry: int = 0


@dataclass(frozen=True, slots=True)
class _PendingClear:
    effective_from: float
    arrived_at: float
    epoch: int


class PhoneLine:
    """An emulated line that plays a bot's audio from a given moment on.

    Hand over everything that arrives with its time, then `advance` to now. Arrivals may carry
    times to come. `advance(now)` settles the line up to and including `now`: from then on nothing
    may arrive before `now`, and what arrives at `now` itself counts as just after it.

    Args:
        start: When the first step is played, in seconds on the clock of all the times given.
        settings: How the line behaves.
    """

    def __init__(self, start: float, settings: LineSettings | None = None) -> None:
        self._start = start
        self._settings = settings or LineSettings()
        # The far end's clock: one of its samples lasts this many of ours.
        self._scale = 1 + self._settings.drift_ppm * 1e-6
        limit = self._settings.buffer_limit_secs
        self._buffer_limit = inf if limit is None else round(limit * SAMPLE_RATE)
        self._underrun_limit = round(self._settings.underrun_limit_secs * SAMPLE_RATE)

        self._settled = -inf
        self._arrivals: list[_Arrival] = []
        self._buffer: deque[_Buffered] = deque()
        self._buffered_samples = 0
        self._clears: deque[_PendingClear] = deque()
        self._epoch = 0
        self._due: deque[MarkPlayed] = deque()
        self._next_sample = 0  # the first sample of the next step, counted from the start
        self._audio_ends_at = -inf
        self._talkspurt: _Talkspurt | None = None
        self.stats = LineStats()

    @property
    def buffered_samples(self) -> int:
        """Samples that have arrived and wait to be played."""
        return self._buffered_samples

    @property
    def next_step_at(self) -> float:
        """When the next 20 ms step is played."""
        return self._time(self._next_sample)

    @property
    def next_event_at(self) -> float:
        """The earliest time at which `advance` has anything to do; a later arrival may change it."""
        at = self.next_step_at
        if self._due:
            at = min(at, self._due[0].at)
        if self._arrivals:
            at = min(at, self._arrivals[0].at)
        return at

    def play(self, at: float, pcm: bytes) -> None:
        """Append audio to what the caller will hear.

        Args:
            at: When it arrives.
            pcm: PCM16 little-endian, 24 kHz, mono, of any length.

        Raises:
            ValueError: The length is odd, or the line is already settled beyond `at`.
        """
        if len(pcm) % 2:
            raise ValueError(
                f"{len(pcm)} bytes of audio: PCM16 has 2 bytes a sample; drop the message or"
                " carry the last byte over to the next one"
            )
        self._arrive(_Arrival(at, bytes(pcm)))

    def mark(self, at: float, name: str) -> None:
        """Ask to be told when all the audio before this mark has been played.

        Args:
            at: When it arrives.
            name: Comes back in `MarkPlayed`.

        Raises:
            ValueError: The line is already settled beyond `at`.
        """
        self._arrive(_Arrival(at, name))

    def clear(self, at: float) -> None:
        """Throw away what is buffered, `clear_latency_secs` later.

        Args:
            at: When it arrives.

        Raises:
            ValueError: The line is already settled beyond `at`.
        """
        self._arrive(_Arrival(at, None))

    def advance(self, now: float) -> list[LineEvent]:
        """Play up to and including `now`.

        Args:
            now: Any time; an earlier one than before changes nothing.

        Returns:
            What happened since the last call, in order of time. At one and the same time: marks
            whose audio has ended, then a clear and the marks it returns, then an underrun, then
            the step.
        """
        events: list[LineEvent] = []
        while (at := min(self._next_arrival_at, self.next_step_at)) <= now:
            events.extend(self._take_due(at))
            # What arrives exactly at a step boundary is in time for that step.
            if self._next_arrival_at <= self.next_step_at:
                self._receive(self._arrivals.pop(0))
            else:
                events.extend(self._step(at))
        events.extend(self._take_due(now))
        self._settled = max(self._settled, now)
        return events

    @property
    def _next_arrival_at(self) -> float:
        return self._arrivals[0].at if self._arrivals else inf

    def _time(self, sample: int) -> float:
        # From the start each time, so that neither rounding nor drift accumulates.
        return self._start + sample * self._scale / SAMPLE_RATE

    def _arrive(self, arrival: _Arrival) -> None:
        if arrival.at < self._settled:
            raise ValueError(
                f"arrival at {arrival.at:.6f} s, but the line is settled up to"
                f" {self._settled:.6f} s: hand arrivals over before advancing past them"
            )
        insort(self._arrivals, arrival, key=attrgetter("at"))

    def _receive(self, arrival: _Arrival) -> None:
        at, what = arrival.at, arrival.what
        if what is None:
            self._epoch += 1
            effective_from = at + self._settings.clear_latency_secs
            self._clears.append(_PendingClear(effective_from, at, self._epoch))
        elif isinstance(what, bytes):
            self._buffer_audio(what)
        elif self._buffer:
            self._buffer.append(_Buffered(self._epoch, what, self.stats.arrived_samples))
        else:
            self._due.append(MarkPlayed(max(at, self._audio_ends_at), what, cleared=False))

    def _buffer_audio(self, pcm: bytes) -> None:
        samples = len(pcm) // 2
        kept = int(min(samples, self._buffer_limit - self._buffered_samples))
        if kept:
            position = self.stats.arrived_samples
            self._buffer.append(_Buffered(self._epoch, pcm[: kept * 2], position))
        self._buffered_samples += kept
        self.stats.arrived_samples += samples
        self.stats.overflow_samples += samples - kept

    def _take_due(self, now: float) -> Iterator[MarkPlayed]:
        while self._due and self._due[0].at <= now:
            self.stats.marks_played += 1
            yield self._due.popleft()

    def _step(self, at: float) -> Iterator[LineEvent]:
        while self._clears and self._clears[0].effective_from <= at + _SAME_TIME_SECS:
            yield from self._land(at, self._clears.popleft())

        audio, positions = self._take_audio()
        heard_samples = len(audio) // 2
        missing = FRAME_SAMPLES - heard_samples
        if heard_samples:
            self._audio_ends_at = self._time(self._next_sample + heard_samples)
        self.stats.played_samples += heard_samples
        self.stats.silence_samples += missing
        yield from self._note_gap(at, audio, missing)
        yield Step(at, audio.ljust(FRAME_BYTES, b"\0"), heard_samples, positions)
        self._next_sample += FRAME_SAMPLES

    def _take_audio(self) -> tuple[bytes, tuple[range, ...]]:
        """Take a step's audio and every mark up to its last sample, even one right behind it."""
        audio = bytearray()
        positions: list[range] = []
        while self._buffer:
            head = self._buffer[0]
            if isinstance(head.what, str):
                played_at = self._time(self._next_sample + len(audio) // 2)
                self._due.append(MarkPlayed(played_at, head.what, cleared=False))
                self._buffer.popleft()
                continue
            piece = head.what[head.offset : head.offset + FRAME_BYTES - len(audio)]
            if not piece:
                break
            samples = len(piece) // 2
            audio += piece
            positions.append(range(head.position, head.position + samples))
            head.position += samples
            head.offset += len(piece)
            self._buffered_samples -= samples
            if head.offset == len(head.what):
                self._buffer.popleft()
        return bytes(audio), _joined(positions)

    def _land(self, at: float, clear: _PendingClear) -> Iterator[LineEvent]:
        keeps_later = self._settings.media_during_clear == "keep"
        samples = 0
        marks: list[str] = []
        while self._buffer and not (keeps_later and self._buffer[0].epoch >= clear.epoch):
            gone = self._buffer.popleft()
            if isinstance(gone.what, str):
                marks.append(gone.what)
            else:
                samples += (len(gone.what) - gone.offset) // 2
        self._buffered_samples -= samples
        self._talkspurt = None
        self.stats.clears += 1
        self.stats.cleared_samples += samples
        yield Cleared(at, samples, clear.arrived_at)
        if self._settings.marks_on_clear == "return":
            self.stats.marks_cleared += len(marks)
            for name in marks:
                yield MarkPlayed(at, name, cleared=True)
        else:
            self.stats.marks_forgotten += len(marks)

    def _note_gap(self, at: float, audio: bytes, missing: int) -> Iterator[Underrun]:
        if audio.strip(b"\0"):
            gap = self._talkspurt
            if gap and gap.dry and gap.silent < self._underrun_limit:
                underrun = Underrun(at, gap.dry * self._scale / SAMPLE_RATE)
                self.stats.underruns += 1
                self.stats.underrun_secs += underrun.secs
                yield underrun
            self._talkspurt = _Talkspurt(silent=missing, dry=missing)
        elif self._talkspurt:
            self._talkspurt.silent += FRAME_SAMPLES
            self._talkspurt.dry += missing


def _joined(runs: list[range]) -> tuple[range, ...]:
    joined: list[range] = []
    for run in runs:
        if joined and joined[-1].stop == run.start:
            joined[-1] = range(joined[-1].start, run.stop)
        else:
            joined.append(run)
    return tuple(joined)
