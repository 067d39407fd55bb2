"""What a timeline consists of.

It knows names and units: times are seconds since the call was answered, on the line's clock, and
audio is counted in samples at 24 kHz. It refuses to know files.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 24_000

STEP_SECS: Final = 0.02
"""What a line plays at once."""

INCOMPLETE: Final = "incomplete"
"""The kind of a verdict that says what of a call is not known."""

Spell = tuple[float, float]
"""A stretch of speech, from its first audible sample to the end of its last, in seconds."""


@dataclass(frozen=True, slots=True)
class Message:
    """A line of a trace.

    Attributes:
        at_secs: When.
        kind: `to_bot` or `from_bot` on the wire; `line`, `rest`, `webhook` or `bot` beside it.
        event: What it was, in one word: a message's `event`, or a REST request's route.
        fate: What became of a message on the wire; empty where it is not told.
        samples: Of the audio in it.
        number: Its `sequence_number`, if it has one.
        stream: The id of its stream.
        fields: The rest, as in the trace; nothing for audio.
    """

    at_secs: float
    kind: str
    event: str
    fate: str = ""
    samples: int = 0
    number: int | None = None
    stream: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Piece:
    """A message of audio from the bot, and when the line played it.

    Attributes:
        stream: The id of its stream.
        position: Of its first sample, in all that the bot has sent on this stream.
        samples: Its length.
        peak: Its loudest sample, 0 to 32768.
        at_secs: When it arrived at the line.
        starts: When the line began to play it, or would have.
        ends: When it would have ended.
        heard_until: Up to when it was heard: `ends`, or less if it was cut, or `starts`.
        cleared: Whether it was a clear that has cut it.
    """

    stream: str
    position: int
    samples: int
    peak: int
    at_secs: float
    starts: float = 0.0
    ends: float = 0.0
    heard_until: float = 0.0
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the caller.

    Attributes:
        caller_ended: When the bot was due.
        answered: When the bot was heard to answer, if it was.
        until: The same; or when the caller went on, or the call ended.
    """

    caller_ended: float
    answered: float | None
    until: float

    @property
    def secs(self) -> float | None:
        """How long the caller waited."""
        return None if self.answered is None else self.answered - self.caller_ended


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that the line has played, or that came back because a clear has taken its audio."""

    at_secs: float
    name: str
    cleared: bool


@dataclass(frozen=True, slots=True)
class Clear:
    """A clear: when it arrived, when it took effect, when the bot was last audible, its samples."""

    arrived: float
    at_secs: float
    silent: float
    samples: int


@dataclass(frozen=True, slots=True)
class Underrun:
    """Silence within the bot's speech, for want of audio: when it ended, and how long it was."""

    at_secs: float
    secs: float


@dataclass(frozen=True, slots=True)
class Silence:
    """The line had nothing to play between two things that the bot said, and nobody else did a thing.

    Attributes:
        at_secs: When the bot was last audible before.
        until: When it was audible again.
        cut: Whether what was said before broke off while it was loud.
    """

    at_secs: float
    until: float
    cut: bool

    @property
    def secs(self) -> float:
        """How long the caller heard nothing."""
        return self.until - self.at_secs


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The caller spoke into the bot's speech: when, and until when the bot was still audible.

    Attributes:
        at_secs: When the caller began.
        until: When the bot fell silent, or the caller.
        cleared: When the first clear arrived in that time; `None` if none did.
    """

    at_secs: float
    until: float
    cleared: float | None


@dataclass(frozen=True, slots=True)
class Word:
    """Text as the bot took note of it.

    Attributes:
        at_secs: When.
        text: What it says; `None` if the bot's trace has only its length.
        letters: Its length.
        in_context: Whether the bot believed it heard, and put it into its context.
        heard: Whether the line has played it.
    """

    at_secs: float
    text: str | None
    letters: int
    in_context: bool
    heard: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something about a call that its bot's author should know.

    Attributes:
        at_secs: Where to look.
        kind: One of `verdicts.KINDS`.
        text: The same in plain words.
        bad: Whether it is a defect; else it is worth a look.
    """

    at_secs: float
    kind: str
    text: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the recording.

    Attributes:
        spells: When somebody was audible: louder than -40 dB of full scale, pauses of less than
            0.3 s included.
        peaks: The loudest sample of each 5 ms, 0 to 32768.
    """

    spells: list[Spell]
    peaks: NDArray[np.int32]


@dataclass(kw_only=True)
class Timeline:
    """A call.

    Attributes:
        trace: Where it was read from.
        recording: The recording.
        header: The first line of the trace.
        secs: Its length.
        recorded_secs: The recording's length; `None` if there is none, or nothing in it.
        ended: Who ended it, or what; empty if the trace stops before.
        messages: Every line of the trace and of the bot's half, by time.
        caller: What the caller said.
        heard: What the caller heard.
        pieces: What the bot has sent.
        turns: Each turn of the caller that the bot was to answer.
        barge_ins: Where the caller spoke into the bot's speech.
        marks: As the line has played them.
        clears: Those that took effect.
        underruns: As the line had them.
        silences: Where the bot fell silent for longer than in an underrun.
        keys: When the caller pressed which key.
        rest: Requests of the account's server.
        webhooks: What it was told.
        believed_spells: When the bot believed to be heard; `None` without its half.
        words: What it took note of.
        stalls: When the bot's loop stood still, and for how long.
        merged_within_secs: How exact the bot's times are on the line's clock.
        left_out: What of the files is not in here because it is too much, and how many.
        verdicts: What is to be said of all that, by time.
    """

    trace: Path
    recording: Path
    header: dict[str, Any]
    secs: float
    recorded_secs: float | None
    ended: str
    messages: list[Message]
    caller: Side
    heard: Side
    pieces: list[Piece] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    barge_ins: list[BargeIn] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    clears: list[Clear] = field(default_factory=list)
    underruns: list[Underrun] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    keys: list[tuple[float, str]] = field(default_factory=list)
    rest: list[Message] = field(default_factory=list)
    webhooks: list[Message] = field(default_factory=list)
    believed_spells: list[Spell] | None = None
    words: list[Word] = field(default_factory=list)
    stalls: list[Underrun] = field(default_factory=list)
    merged_within_secs: float | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def known_secs(self) -> float:
        """Up to when it is known what was said and heard."""
        return min(self.secs, self.recorded_secs or 0.0)

    @property
    def passes(self) -> bool:
        """Whether all of it is known, and there is no defect."""
        return not any(verdict.bad or verdict.kind == INCOMPLETE for verdict in self.verdicts)

    @property
    def caller_spells(self) -> list[Spell]:
        """When the caller spoke."""
        return self.caller.spells

    @property
    def heard_spells(self) -> list[Spell]:
        """When the bot, or a prompt, was heard."""
        return self.heard.spells
