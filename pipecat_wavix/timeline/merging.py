"""Merges the bot's half of a call into the line's, on the messages that both have.

No wall clock is trusted. A message is sent before it arrives: the least delay one way and the least
the other way bound the difference of the two clocks, and half their sum is how exact that is. It
refuses to know the difference of delays by direction, which cannot be seen, and drift.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import Any, Final

from pipecat_wavix.timeline.model import (
    SAMPLE_RATE,
    Message,
    Piece,
    Spell,
    Timeline,
    Underrun,
    Word,
)

HEARD_TOLERANCE_SECS: Final = 0.1
"""A word whose place was cut by less than that was heard: where it ends is not known better."""

_Key = tuple[str, str, object]


def add_bots_half(
    timeline: Timeline, header: Mapping[str, Any], messages: Iterable[Message]
) -> None:
    """Add what the bot's trace tells.

    Args:
        timeline: The line's half; it is added to.
        header: The header of the bot's trace.
        messages: Its messages, by time.

    Raises:
        ValueError: It is not the bot's half of this call.
    """
    if header.get("side") != "bot":
        raise ValueError('not the bot\'s half of a trace: its header has no "side": "bot"')
    messages = list(messages)
    stream = str(header.get("stream", ""))
    ours, theirs = _sightings(timeline.messages, stream), _sightings(messages, stream)
    offsets = {"to_bot": inf, "from_bot": inf}
    for key, at in theirs.items():
        if key in ours:
            delay = at - ours[key] if key[0] == "to_bot" else ours[key] - at
            offsets[key[0]] = min(offsets[key[0]], delay)
    there, back = offsets.values()
    if inf in (there, back):
        if min(there, back) == inf:
            raise ValueError("it has no message in common with the line's trace: another call's")
        there = there if there < inf else -back
        back = -there if back == inf else back
    offset = (there - back) / 2
    timeline.merged_within_secs = max(0.0, (there + back) / 2)

    pieces = [piece for piece in timeline.pieces if piece.stream in ("", stream)]
    timeline.believed_spells = []
    began: float | None = None
    for message in messages:
        at = message.at_secs - offset
        # What is on the wire is in the line's half already.
        if message.kind != "bot":
            continue
        moved = replace(message, at_secs=at)
        timeline.messages.append(moved)
        match message.event:
            case "started":
                began = at
            case "stopped" if began is not None:
                timeline.believed_spells.append((began, at))
                began = None
            case "stall":
                timeline.stalls.append(Underrun(at, message.fields["secs"]))
            case "words":
                timeline.words.append(_word(moved, pieces))
            case _:
                pass
    if began is not None:
        last: Spell = (began, max(began, timeline.secs))
        timeline.believed_spells.append(last)
    timeline.messages.sort(key=lambda message: message.at_secs)


def _sightings(messages: Iterable[Message], stream: str) -> dict[_Key, float]:
    """When each message was seen that can be told from all others.

    Those to the bot have numbers; those from it are told by their order among their like.
    """
    seen: dict[_Key, float] = {}
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for message in messages:
        if message.kind not in ("to_bot", "from_bot") or message.stream not in ("", stream):
            continue
        if message.kind == "to_bot":
            if message.number is not None and message.fate in ("sent", ""):
                seen.setdefault(("to_bot", message.event, message.number), message.at_secs)
        elif message.event in ("media", "mark", "clear"):
            like = str(message.fields.get("mark", ""))
            counts[message.event, like] += 1
            key = ("from_bot", message.event + like, counts[message.event, like])
            seen[key] = message.at_secs
    return seen


def _word(message: Message, pieces: list[Piece]) -> Word:
    fields = message.fields
    text = fields.get("text")
    return Word(
        at_secs=message.at_secs,
        text=text if isinstance(text, str) else None,
        letters=int(fields["letters"]),
        in_context=bool(fields.get("heard")),
        heard=_was_played(int(fields["position"]), pieces),
    )


def _was_played(position: int, pieces: list[Piece]) -> bool:
    """Whether the line has played all up to a position, but for what is tolerated."""
    needed = position - HEARD_TOLERANCE_SECS * SAMPLE_RATE
    if needed <= 0:
        return True
    for piece in pieces[bisect_left(pieces, needed, key=lambda each: each.position) - 1 :]:
        if piece.position > position:
            break
        played = (piece.heard_until - piece.starts) * SAMPLE_RATE
        if played > 0 and piece.position + played >= needed:
            return True
    return False
