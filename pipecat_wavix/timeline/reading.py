"""Reads the files of a call into a timeline.

It knows what the lines of a trace mean for each other and for the recording. It refuses to judge
what it reads.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.timeline.merging import add_bots_half
from pipecat_wavix.timeline.model import (
    SAMPLE_RATE,
    STEP_SECS,
    BargeIn,
    Clear,
    Mark,
    Message,
    Side,
    Spell,
    Timeline,
    Turn,
    Underrun,
)
from pipecat_wavix.timeline.playing import played, setting
from pipecat_wavix.timeline.silences import silences
from pipecat_wavix.timeline.sound import audible, audible_within, read_sound
from pipecat_wavix.timeline.traces import LONGEST_SECS, read_trace
from pipecat_wavix.timeline.verdicts import judge

SAME_TURN_SECS: Final = 2.0
"""A caller who goes on sooner, without an answer, has only paused."""

MOST_OF_A_KIND: Final = 50_000
"""More underruns, say, are left out: that is no call, and nobody could look at it."""

_MOST_SILENCES = 1_000
_REASON_LETTERS = 200
_CLEAR_SECS = 60.0  # the longest time that a clear is looked at
_NOT_CUT_SECS = 0.1  # who falls silent so soon after the caller has begun was not barged in on

T = TypeVar("T")


def read_timeline(
    trace: Path, recording: Path | None = None, bot_trace: Path | None = None
) -> Timeline:
    """Read what a call has left behind.

    Args:
        trace: The line's trace.
        recording: Its recording; by default `recording.wav` beside the trace.
        bot_trace: The bot's half of the trace, if there is one.

    Returns:
        The call, with all verdicts on it.

    Raises:
        ValueError: A file is not what it should be; the message names file and line.
        OSError: A file cannot be read.
    """
    left_out: Counter[str] = Counter()
    header, messages = read_trace(trace, left_out)
    if "side" in header:
        side = str(header["side"])[:20]
        raise ValueError(f"{trace}:1: the {side}'s half of a trace: give the line's too")
    recording = recording or trace.with_name("recording.wav")
    drift = 1 + setting(header, "line", "drift_ppm", 0.0) * 1e-6
    nothing = Side([], np.zeros(0, np.int32))
    caller, heard, recorded_secs = nothing, nothing, None
    # It may be lost, and a process that was killed in its first second leaves nothing in it.
    if recording.exists() and recording.stat().st_size:
        caller, heard, secs = read_sound(recording, drift / SAMPLE_RATE)
        recorded_secs = secs or None
    timeline = Timeline(
        trace=trace,
        recording=recording,
        header=header,
        secs=_last(messages) if recorded_secs is None else recorded_secs,
        recorded_secs=recorded_secs,
        ended="",
        messages=messages,
        caller=caller,
        heard=heard,
        left_out=left_out,
    )
    loud = audible(heard.peaks)
    for message in messages:
        _note(timeline, message, loud)
    timeline.heard = Side(_parted(timeline, loud), heard.peaks)
    timeline.pieces = played(timeline)
    timeline.barge_ins = _barge_ins(timeline)
    timeline.turns = _turns(timeline)
    timeline.silences = silences(timeline, _MOST_SILENCES)
    if bot_trace:
        bots_header, bots_messages = read_trace(bot_trace, left_out)
        try:
            add_bots_half(timeline, bots_header, bots_messages)
        except ValueError as error:
            raise ValueError(f"{bot_trace}: {error}") from error
    timeline.verdicts = judge(timeline)
    return timeline


def _last(messages: list[Message]) -> float:
    """When the last thing happened on the line: account and webhooks outlive it."""
    on_line = [m.at_secs for m in messages if m.kind in ("line", "to_bot", "from_bot")]
    return max(on_line, default=0.0)


def _note(timeline: Timeline, message: Message, loud: NDArray[np.intp]) -> None:
    """Sort a message of the line's half in."""
    at, fields = message.at_secs, message.fields
    if abs(at) > LONGEST_SECS:
        raise ValueError(f"{timeline.trace}: something happens at {at} s: no call is so long")
    match message.kind, message.event:
        case "rest", _:
            _add(timeline, "REST requests", timeline.rest, message)
        case "webhook", _:
            _add(timeline, "webhooks", timeline.webhooks, message)
        case "line", "mark_played":
            mark = Mark(at, str(fields.get("name", "")), bool(fields.get("cleared")))
            _add(timeline, "marks", timeline.marks, mark)
        case "line", "cleared":
            arrived = fields["arrived"]
            until = at + STEP_SECS
            spoken = audible_within(loud, max(arrived, until - _CLEAR_SECS), until)
            clear = Clear(arrived, at, spoken[1] if spoken else arrived, int(fields["samples"]))
            _add(timeline, "clears", timeline.clears, clear)
        case "line", "underrun":
            _add(timeline, "underruns", timeline.underruns, Underrun(at, fields["secs"]))
        case "line", "pressed":
            _add(timeline, "keys", timeline.keys, (at, str(fields.get("key", ""))[:1]))
        case "line", "ended":
            timeline.ended = str(fields.get("reason", ""))[:_REASON_LETTERS]
            timeline.secs = max(timeline.secs, at)
        case _:
            pass


def _add(timeline: Timeline, name: str, those: list[T], one: T) -> None:
    if len(those) < MOST_OF_A_KIND:
        those.append(one)
    else:
        timeline.left_out[name] += 1


def _parted(timeline: Timeline, loud: NDArray[np.intp]) -> list[Spell]:
    """What was heard, parted by clears: what comes after one is new, however soon it comes."""
    spells: list[Spell] = []
    clears = sorted(timeline.clears, key=lambda clear: clear.arrived)
    arrived = [clear.arrived for clear in clears]
    for start, end in timeline.heard_spells:
        for clear in clears[bisect_right(arrived, start) : bisect_left(arrived, end)]:
            if start < clear.arrived and start < clear.silent:
                after = audible_within(loud, clear.at_secs + STEP_SECS, end)
                spells.append((start, min(end, clear.silent)))
                start = after[0] if after else end
        if start < end:
            spells.append((start, end))
    return spells


def _barge_ins(timeline: Timeline) -> list[BargeIn]:
    found = []
    begins = [start for start, _ in timeline.heard_spells]
    clears = sorted(clear.arrived for clear in timeline.clears)
    for began, ended in timeline.caller_spells:
        at = bisect_left(begins, began) - 1
        if at < 0 or began >= timeline.heard_spells[at][1] - _NOT_CUT_SECS:
            continue
        end = timeline.heard_spells[at][1]
        arrived = clears[bisect_left(clears, began) : bisect_right(clears, end)]
        until = end if arrived else min(end, ended)
        found.append(BargeIn(began, until, arrived[0] if arrived else None))
    return found


def _turns(timeline: Timeline) -> list[Turn]:
    """The turns of the caller that the bot was to answer.

    Who is spoken to when the turn ends has been answered, unless the bot falls silent for it.
    """
    turns: list[Turn] = []
    over = timeline.known_secs
    spells: list[Spell] = [*timeline.caller_spells, (over, over)]
    heard, ends = timeline.heard_spells, [end for _, end in timeline.heard_spells]
    cut = {b.at_secs: b.until for b in timeline.barge_ins if b.cleared is not None}
    for (began, due), (goes_on, _) in pairwise(spells):
        # A barge-in begins where a spell of the caller's does.
        due = max(due, cut.get(began, due))
        at = bisect_right(ends, due)
        start = heard[at][0] if at < len(heard) else over
        if start <= due:
            continue
        if start < goes_on:
            turns.append(Turn(due, start, start))
        elif goes_on - due >= SAME_TURN_SECS or goes_on == over:
            turns.append(Turn(due, None, max(due, goes_on)))
    return turns
