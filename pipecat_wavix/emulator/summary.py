"""What a call amounted to: its counts, and how long its answers and its clears took.

It knows only what an observer is told. It refuses to know belief: every figure can be measured
again on the recording, because it is taken from the same audio, after the leg. Someone is audible
where a sample is louder than -40 dB of full scale; a recorded prompt counts as the bot's voice.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    Observation,
    Received,
    Sent,
    Sound,
    StepBegan,
)
from pipecat_wavix.emulator.wire import event_name
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Underrun
from pipecat_wavix.protocol import FRAME_MS, SAMPLE_RATE, Rejected, Start

AUDIBLE_LEVEL: Final = 328
"""The least PCM16 sample that can be heard: 1 % of full scale, -40 dB."""

SPELL_GAP_SECS: Final = 0.3
"""Who was quiet for this long begins to speak anew."""

BARGE_IN_SECS: Final = 1.0
"""A clear belongs to a barge-in if the caller spoke in so many seconds before it arrived."""


@dataclass(frozen=True, slots=True)
class ClearTimes:
    """How long one clear took.

    Attributes:
        arrived_secs: When it arrived, since the start of the call.
        to_silence_secs: From then until the last audible sample before it took effect; 0 if the bot
            was silent already.
        barge_in_to_silence_secs: The same from the caller's first audible sample of the barge-in;
            `None` if the caller was not speaking.
        samples: How many samples it threw away.
    """

    arrived_secs: float
    to_silence_secs: float
    barge_in_to_silence_secs: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of speech, from its first audible sample to the end of its last, in seconds."""

    began_at: float
    ended_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CallSummary:
    """The figures of one call.

    Where it has had a twoway stream, the messages are those of all its twoway streams, otherwise of
    all its streams.

    Attributes:
        call_id: The call's id.
        stream_id: The id of the stream that it began with, or of the first whose messages are
            counted; empty if it has had none.
        end_reason: Who ended it, or what.
        secs: From the start of the call to its end; a call that is one stream starts with it.
        caller_secs: For how long the caller was audible, in whole 20 ms.
        bot_secs: For how long the bot was audible at the caller's ear, in whole 20 ms.
        sent: Messages to the bot, by event.
        unsent: Messages that the bot did not get, by `events.SentFate`.
        received: Messages from the bot that were understood, by event.
        rejected: Messages from the bot that were not, by kind.
        fates: What became of the bot's messages: see `events.Fate`.
        marks_played: Marks whose audio was played.
        marks_cleared: Marks that came back because of a clear.
        underruns: Gaps in mid-talkspurt.
        underrun_secs: Their sum.
        clears: Each clear that took effect.
        answers_secs: For each turn of the caller that was answered, from its last audible sample to
            the bot's first.
        caller_spells: When the caller was audible, since the start of the call.
        bot_spells: When the bot was, at the caller's ear.
        steps: When the steps of the caller's script began, since the start of the call: number and
            seconds.
    """

    call_id: str
    stream_id: str
    end_reason: str
    secs: float
    caller_secs: float
    bot_secs: float
    sent: Mapping[str, int]
    unsent: Mapping[str, int]
    received: Mapping[str, int]
    rejected: Mapping[str, int]
    fates: Mapping[str, int]
    marks_played: int
    marks_cleared: int
    underruns: int
    underrun_secs: float
    clears: tuple[ClearTimes, ...]
    answers_secs: tuple[float, ...]
    caller_spells: tuple[Spell, ...] = ()
    bot_spells: tuple[Spell, ...] = ()
    steps: tuple[tuple[int, float], ...] = ()

    @property
    def first_answer_secs(self) -> float | None:
        """The first of `answers_secs`, or `None`."""
        return self.answers_secs[0] if self.answers_secs else None


class Voice:
    """One side of the call.

    Attributes:
        spells: All of its spells, the current one too.
        steps: In how many steps this side was audible.
    """

    def __init__(self) -> None:
        self.spells: list[Spell] = []
        self.steps = 0

    @property
    def spell(self) -> Spell | None:
        """The current or last spell, or `None` before the first."""
        return self.spells[-1] if self.spells else None

    def spells_since(self, start: float) -> tuple[Spell, ...]:
        """All of its spells, with their times counted from `start`."""
        return tuple(Spell(each.began_at - start, each.ended_at - start) for each in self.spells)

    def hear(self, at: float, pcm: bytes) -> Spell | None:
        """Take in 20 ms; return the spell if anything in them is audible."""
        audible = audible_samples(pcm)
        if audible is None:
            return None
        first_at, end_at = (at + sample / SAMPLE_RATE for sample in audible)
        if self.spell and first_at - self.spell.ended_at < SPELL_GAP_SECS:
            first_at = self.spells.pop().began_at
        self.spells.append(Spell(first_at, end_at))
        self.steps += 1
        return self.spell


@dataclass
class _Messages:
    """The messages of one stream."""

    is_oneway: bool = False
    sent: Counter[str] = field(default_factory=Counter)
    unsent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)

    def add_sent(self, sent: Sent) -> None:
        if isinstance(sent.message, Start):
            self.is_oneway = sent.message.stream_type == "oneway"
        if sent.fate == "sent":
            self.sent[event_name(sent.message)] += 1
        else:
            self.unsent[sent.fate] += 1

    def add_received(self, received: Received) -> None:
        self.fates[received.fate] += 1
        if isinstance(received.message, Rejected):
            self.rejected[received.message.kind] += 1
        else:
            self.received[event_name(received.message)] += 1

    def add(self, other: "_Messages") -> None:
        self.sent += other.sent
        self.unsent += other.unsent
        self.received += other.received
        self.rejected += other.rejected
        self.fates += other.fates


class Measure:
    """Makes the summary of the call that it observes."""

    def __init__(self) -> None:
        self._began = Began(0.0, "", "")
        self._ended: Ended | None = None
        self._caller, self._bot = Voice(), Voice()
        self._unanswered_since: float | None = None
        self._answers: list[float] = []
        self._landed: list[Cleared] = []
        self._clears: list[ClearTimes] = []
        self._messages: defaultdict[str, _Messages] = defaultdict(_Messages)
        self._marks: Counter[bool] = Counter()
        self._underruns: list[float] = []
        self._steps: list[tuple[int, float]] = []

    def observe(self, observation: Observation) -> None:
        """Take in one observation; give this to a call as an observer."""
        match observation:
            case Began():
                self._began = observation
            case Sound():
                self._hear(observation)
            case Sent(stream_id=stream_id):
                self._messages[stream_id].add_sent(observation)
            case Received(stream_id=stream_id):
                self._messages[stream_id].add_received(observation)
            case MarkPlayed(cleared=cleared):
                self._marks[cleared] += 1
            case Underrun(secs=secs):
                self._underruns.append(secs)
            case Cleared():
                self._landed.append(observation)
            case StepBegan(at=at, number=number):
                self._steps.append((number, at - self._began.at))
            case Ended():
                self._ended = observation
            case _:
                pass

    def summary(self) -> CallSummary:
        """The figures so far."""
        ended = self._ended or Ended(self._began.at, "")
        twoway = {id_: each for id_, each in self._messages.items() if not each.is_oneway}
        counted = twoway or self._messages
        messages = _Messages()
        for each in counted.values():
            messages.add(each)
        return CallSummary(
            call_id=self._began.call_id,
            stream_id=self._began.stream_id or next(iter(counted), ""),
            end_reason=ended.reason,
            secs=ended.at - self._began.at,
            caller_secs=self._caller.steps * FRAME_MS / 1000,
            bot_secs=self._bot.steps * FRAME_MS / 1000,
            sent=dict(messages.sent),
            unsent=dict(messages.unsent),
            received=dict(messages.received),
            rejected=dict(messages.rejected),
            fates=dict(messages.fates),
            marks_played=self._marks[False],
            marks_cleared=self._marks[True],
            underruns=len(self._underruns),
            underrun_secs=sum(self._underruns),
            clears=tuple(self._clears),
            answers_secs=tuple(self._answers),
            caller_spells=self._caller.spells_since(self._began.at),
            bot_spells=self._bot.spells_since(self._began.at),
            steps=tuple(self._steps),
        )

    def _hear(self, sound: Sound) -> None:
        before = self._bot.spell
        heard = self._bot.hear(sound.at, sound.heard)
        # A clear lands at the beginning of a step. What the ear still gets of the audio before it
        # is the leg's short echo in that step, unless new audio follows at once.
        for clear in self._landed:
            bot = before if sound.step.heard_samples else self._bot.spell
            self._clears.append(self._times(clear, bot))
        self._landed.clear()

        begins = heard and (before is None or heard.began_at != before.began_at)
        if heard and begins and self._unanswered_since is not None:
            self._answers.append(heard.began_at - self._unanswered_since)
            self._unanswered_since = None
        said = self._caller.hear(sound.at, sound.said)
        if said:
            self._unanswered_since = said.ended_at

    def _times(self, clear: Cleared, bot: Spell | None) -> ClearTimes:
        arrived_at = clear.arrived_at
        silent_at = max(arrived_at, bot.ended_at) if bot else arrived_at
        caller = self._caller.spell
        barge_in_secs = None
        if caller and caller.began_at <= arrived_at <= caller.ended_at + BARGE_IN_SECS:
            barge_in_secs = silent_at - caller.began_at
        return ClearTimes(
            arrived_secs=arrived_at - self._began.at,
            to_silence_secs=silent_at - arrived_at,
            barge_in_to_silence_secs=barge_in_secs,
            samples=clear.samples,
        )


def audible_samples(pcm: bytes) -> tuple[int, int] | None:
    """The first audible sample and the one after the last, or `None` if there is none."""
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) >= AUDIBLE_LEVEL)
    return (int(loud[0]), int(loud[-1]) + 1) if loud.size else None
