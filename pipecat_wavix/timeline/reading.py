"""Reads the files of a call into a timeline.

It knows the format of traces (`emulator.recording` has the line's half, `transport.trace` the
bot's). It refuses to judge what it reads.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

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
from pipecat_wavix.timeline.sound import AUDIBLE_LEVEL, PEAK_SECS, read_sound
from pipecat_wavix.timeline.verdicts import judge

FORMAT: Final = 1
"""The version of a trace that can be read."""

SAME_TURN_SECS: Final = 2.0
"""A caller who goes on sooner, without an answer, has only paused."""

_LONGEST_SECS = 7 * 86_400  # no call lasts for so long: its trace is broken
_MOST = _LONGEST_SECS * SAMPLE_RATE
_NOT_CUT_SECS = 0.1  # who falls silent so soon after the caller has begun was not barged in on


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
    header, messages = read_trace(trace)
    if "side" in header:
        raise ValueError(f"{trace}:1: the {header['side']}'s half of a trace: give the line's too")
    recording = recording or trace.with_name("recording.wav")
    drift = 1 + setting(header, "line", "drift_ppm", 0.0) * 1e-6
    caller, heard, secs = read_sound(recording, drift / SAMPLE_RATE)
    timeline = Timeline(
        trace=trace,
        recording=recording,
        header=header,
        secs=secs,
        ended="",
        messages=messages,
        caller=caller,
        heard=heard,
    )
    for message in messages:
        _note(timeline, message)
    timeline.heard = Side(_parted(timeline), heard.peaks)
    timeline.pieces = played(timeline)
    timeline.barge_ins = _barge_ins(timeline)
    timeline.turns = _turns(timeline)
    if bot_trace:
        bots_header, bots_messages = read_trace(bot_trace)
        try:
            add_bots_half(timeline, bots_header, bots_messages)
        except ValueError as error:
            raise ValueError(f"{bot_trace}: {error}") from error
    timeline.verdicts = judge(timeline)
    return timeline


def read_trace(path: Path) -> tuple[dict[str, Any], list[Message]]:
    """Read one trace, of either side.

    Args:
        path: A file of JSON lines.

    Returns:
        Its header, and its messages by time.

    Raises:
        ValueError: It is no trace; the message names file and line.
        OSError: It cannot be read.
    """
    lines = _lines(path)
    _, header = next(lines, (1, {}))
    if header.get("trace") != FORMAT:
        raise ValueError(
            f'{path}:1: no header of a trace: the first line has "trace": {FORMAT}, so give the '
            "trace.jsonl of a call"
        )
    messages = []
    first_stream = ""
    for number, line in lines:
        try:
            message = _message(line, first_stream)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise ValueError(f"{path}:{number}: no line of a trace: {what}") from error
        if message.event == "start" and not first_stream:
            first_stream = message.stream
        messages.append(message)
    return header, sorted(messages, key=lambda message: message.at_secs)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except (ValueError, RecursionError) as error:
                if not text.endswith(b"\n") and number > 1:
                    return  # the process was killed while it wrote
                raise ValueError(f"{path}:{number}: not JSON: {error}") from error
            if not isinstance(line, dict):
                raise ValueError(f"{path}:{number}: no line of a trace: not an object")
            yield number, line


def _message(line: dict[str, Any], first_stream: str) -> Message:
    at, kind = line.pop("t"), line.pop("dir")
    _number(at)
    match kind:
        case "to_bot" | "from_bot":
            return _wire_message(at, kind, line, first_stream)
        case "line" | "bot" | "webhook":
            event = str(line.pop("event"))
        case "rest":
            event = str(line.pop("route"))
        case _:
            raise ValueError(f"dir is {kind!r}: to_bot, from_bot, line, rest, webhook or bot")
    for name in ("secs", "arrived", *_FIELDS.get((kind, event), ())):
        if name in line or name in _FIELDS.get((kind, event), ()):
            _number(line[name])
    return Message(at, kind, event, fields=line)


_FIELDS: Final = {
    ("line", "cleared"): ("arrived", "samples"),
    ("line", "underrun"): ("secs",),
    ("bot", "stall"): ("secs",),
    ("bot", "words"): ("position", "letters"),
}
"""The numbers that must be there."""


def _wire_message(at: float, kind: str, line: dict[str, Any], first_stream: str) -> Message:
    fields = line["message"]
    stream = line.get("stream") or first_stream
    if not stream and kind == "to_bot":
        stream = str(fields.get("stream_id", ""))
    number = fields.get("sequence_number")
    if number is not None:
        _number(number)
    samples = 0
    event = str(fields.pop("event", fields.get("kind", "")))
    if event == "media":
        payload = fields["media"]["payload"]
        if not (isinstance(payload, int) and 0 <= payload <= _MOST):
            raise ValueError(f"payload is {payload!r}: a length in bytes")
        samples = payload // 2
        peak = line.get("peak", 32_768)
        _number(peak)
        fields = {"peak": peak} if kind == "from_bot" else {}
    fate = str(line.get("fate", ""))
    return Message(at, kind, event, fate, samples, number, stream, fields)


def _number(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    if not abs(value) <= _MOST:
        raise ValueError(f"{str(value)[:20]} is more than a call can have")


def _note(timeline: Timeline, message: Message) -> None:
    """Sort a message of the line's half in."""
    at, fields = message.at_secs, message.fields
    if abs(at) > _LONGEST_SECS:
        raise ValueError(f"{timeline.trace}: something happens at {at} s: no call is so long")
    match message.kind, message.event:
        case "rest", _:
            timeline.rest.append(message)
        case "webhook", _:
            timeline.webhooks.append(message)
        case "line", "mark_played":
            name = str(fields.get("name", ""))
            timeline.marks.append(Mark(at, name, bool(fields.get("cleared"))))
        case "line", "cleared":
            arrived = fields["arrived"]
            loud = _audible(timeline.heard, arrived, at + STEP_SECS)
            silent = loud[1] if loud else arrived
            timeline.clears.append(Clear(arrived, at, silent, int(fields["samples"])))
        case "line", "underrun":
            timeline.underruns.append(Underrun(at, fields["secs"]))
        case "line", "pressed":
            timeline.keys.append((at, str(fields.get("key", ""))))
        case "line", "ended":
            timeline.ended = str(fields.get("reason", ""))
            timeline.secs = max(timeline.secs, at)
        case _:
            pass


def _audible(side: Side, begin: float, end: float) -> Spell | None:
    """From when to when somebody was audible in a stretch; `None` if nobody was."""
    first = max(0, round(begin / PEAK_SECS))
    loud = (side.peaks[first : round(end / PEAK_SECS)] >= AUDIBLE_LEVEL).nonzero()[0]
    if not loud.size:
        return None
    return float(first + loud[0]) * PEAK_SECS, float(first + loud[-1] + 1) * PEAK_SECS


def _parted(timeline: Timeline) -> list[Spell]:
    """What was heard, parted by clears: what comes after one is new, however soon it comes."""
    spells: list[Spell] = []
    for start, end in timeline.heard_spells:
        for clear in timeline.clears:
            if start < clear.arrived < end and start < clear.silent:
                after = _audible(timeline.heard, clear.at_secs + STEP_SECS, end)
                spells.append((start, min(end, clear.silent)))
                start = after[0] if after else end
        if start < end:
            spells.append((start, end))
    return spells


def _barge_ins(timeline: Timeline) -> list[BargeIn]:
    found = []
    for began, ended in timeline.caller_spells:
        for start, end in timeline.heard_spells:
            if start < began < end - _NOT_CUT_SECS:
                arrived = [c.arrived for c in timeline.clears if began <= c.arrived <= end]
                until = end if arrived else min(end, ended)
                found.append(BargeIn(began, until, arrived[0] if arrived else None))
    return found


def _turns(timeline: Timeline) -> list[Turn]:
    """The turns of the caller that the bot was to answer.

    Who is spoken to when the turn ends has been answered, unless the bot falls silent for it.
    """
    turns: list[Turn] = []
    spells: list[Spell] = [*timeline.caller_spells, (timeline.secs, timeline.secs)]
    for (began, due), (goes_on, _) in pairwise(spells):
        cut = [
            b.until
            for b in timeline.barge_ins
            if b.cleared is not None and began <= b.at_secs <= due
        ]
        due = max([due, *cut])
        starts = [start for start, end in timeline.heard_spells if end > due and start < goes_on]
        if starts and starts[0] <= due:
            continue
        if starts:
            turns.append(Turn(due, starts[0], starts[0]))
        elif goes_on - due >= SAME_TURN_SECS or goes_on == timeline.secs:
            turns.append(Turn(due, None, max(due, goes_on)))
    return turns
