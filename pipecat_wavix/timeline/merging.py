"""Merges the bot's half of a call into the line's, on the messages that both have.

No wall clock is trusted to the second. A message is sent before it arrives: the least delay one way
and the least the other way bound the difference of the two clocks, and half their sum is how exact
that is. It refuses to know the difference of delays by direction, which cannot be seen, and drift.
Whether both are halves of one call, the ids do not tell: with one seed, the emulator's are the same
in every call.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
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

CLOCKS_SECS: Final = 3.0
"""By how much the clocks of two machines may differ, and the time that dialling takes."""

_MOST = 50_000  # of each kind: more are left out
_DRIFT = 2e-4  # of two clocks
_LATE_NOTE_SECS = 0.5  # a busy process takes note of what it sent only when it is there

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
    ours, arrived = _sightings(timeline.messages, stream)
    theirs, sent = _sightings(messages, stream)
    offsets = {"to_bot": inf, "from_bot": inf}
    for key, at in theirs.items():
        # Of what the bot's half does not have, its order tells nothing: which ones are missing?
        if key in ours and (key[0] == "to_bot" or arrived[key[1]] <= sent[key[1]]):
            delay = at - ours[key] if key[0] == "to_bot" else ours[key] - at
            offsets[key[0]] = min(offsets[key[0]], delay)
    there, back = offsets.values()
    if inf in (there, back):
        if min(there, back) == inf:
            raise ValueError("it has no message in common with the line's trace: another call's")
        there = there if there < inf else -back
        back = -there if back == inf else back
    offset = (there - back) / 2
    _check_it_is_the_same_call(timeline, header, offset, there + back)
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
                if len(timeline.stalls) < _MOST:
                    timeline.stalls.append(Underrun(at, message.fields["secs"]))
                else:
                    timeline.left_out["stalls"] += 1
            case "words":
                if len(timeline.words) < _MOST:
                    timeline.words.append(_word(moved, pieces))
                else:
                    timeline.left_out["words"] += 1
            case _:
                pass
    if began is not None:
        last: Spell = (began, max(began, timeline.secs))
        timeline.believed_spells.append(last)
    timeline.messages.sort(key=lambda message: message.at_secs)


def _check_it_is_the_same_call(
    timeline: Timeline, header: Mapping[str, Any], offset: float, round_trip: float
) -> None:
    """Compare what both halves know.

    Args:
        timeline: The line's half.
        header: The header of the bot's trace.
        offset: What the bot's clock shows when the line's shows 0, by the messages of both.
        round_trip: The sum of the least delays both ways.

    Raises:
        ValueError: They are of two calls.
    """
    way_out = (
        "give the other half of the same call: halves of one name are numbered (-2, -3, ...) in "
        "the order of their calls"
    )
    call, its_call = header.get("call"), _call_id(timeline)
    if call and its_call and call != its_call:
        raise ValueError(
            f"it is of call {str(call)[:50]}, the line's half of {its_call[:50]}: {way_out}"
        )
    # When the bot's half began is known twice: by its clock, and on the line's by the messages.
    bots, lines = header.get("started"), timeline.header.get("started")
    bots_at, lines_at = _instant(bots), _line_began(timeline)
    if bots_at and lines_at and abs(apart := bots_at + offset - lines_at) > CLOCKS_SECS:
        raise ValueError(
            f"it began at {str(bots)[:40]}, and the line's half at {str(lines)[:40]}: too "
            f"{'late' if apart > 0 else 'early'} by {abs(apart):.1f} s, so it is another call's: "
            f"{way_out}; or set the clocks of both machines, if they differ"
        )
    if round_trip < -_LATE_NOTE_SECS - _DRIFT * timeline.secs:
        raise ValueError(
            f"messages would have come {-round_trip:.1f} s before they were sent, so it is another "
            f"call's (it began at {str(bots)[:40]}, and the line's half at {str(lines)[:40]}): "
            f"{way_out}"
        )


def _line_began(timeline: Timeline) -> float | None:
    """When the line's clock showed 0, in seconds since 1970; `None` if it is not told."""
    for message in timeline.messages:
        if (message.kind, message.event) == ("to_bot", "start"):
            sent = _instant(message.fields.get("event_time"))
            if sent:
                return sent - message.at_secs
    return _instant(timeline.header.get("started"))


def _call_id(timeline: Timeline) -> str:
    starts = (m for m in timeline.messages if (m.kind, m.event) == ("to_bot", "start"))
    return next((str(m.fields.get("call_id") or "") for m in starts), "")


def _instant(written: object) -> float | None:
    """Seconds since 1970 of an ISO 8601 time, in UTC if it does not say; `None` if it is none."""
    try:
        at = datetime.fromisoformat(str(written))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _sightings(messages: Iterable[Message], stream: str) -> tuple[dict[_Key, float], Counter[str]]:
    """When each message was seen that can be told from all others.

    Those to the bot have numbers; those from it are told by their order among their like.

    Returns:
        Them, and how many there are of each like.
    """
    seen: dict[_Key, float] = {}
    counts: Counter[str] = Counter()
    for message in messages:
        if message.kind not in ("to_bot", "from_bot") or message.stream not in ("", stream):
            continue
        if message.kind == "to_bot":
            if message.number is not None and message.fate in ("sent", ""):
                seen.setdefault(("to_bot", message.event, message.number), message.at_secs)
        elif message.event in ("media", "mark", "clear"):
            like = message.event + str(message.fields.get("mark", ""))
            counts[like] += 1
            seen["from_bot", like, counts[like]] = message.at_secs
    return seen, counts


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
    first = bisect_left(pieces, needed, key=lambda each: each.position) - 1
    for index in range(max(0, first), len(pieces)):
        piece = pieces[index]
        if piece.position > position:
            break
        played = (piece.heard_until - piece.starts) * SAMPLE_RATE
        if played > 0 and piece.position + played >= needed:
            return True
    return False
