"""When the line played what the bot has sent: worked out again from when it came.

It knows the line's rules: 20 ms steps, first in, first out, and what a clear does. It refuses to
guess: jitter of the emulated network is in no trace, so where there is some, it is as inexact.
"""

from collections import Counter
from collections.abc import Iterator
from math import ceil
from typing import Any, TypeVar

from pipecat_wavix.timeline.model import (
    SAMPLE_RATE,
    STEP_SECS,
    Clear,
    Message,
    Piece,
    Timeline,
)

_SAME_TIME_SECS = 1e-6
_ARRIVED = ("used", "irregular", "lost")  # the last only for its place among the others

T = TypeVar("T")


def played(timeline: Timeline) -> list[Piece]:
    """Work out when each piece of the bot's audio was heard.

    Args:
        timeline: Its messages, clears and length.

    Returns:
        The pieces, as they were sent.
    """
    keeps_later = setting(timeline.header, "line", "media_during_clear", "drop") == "keep"
    pieces: list[Piece] = []
    waiting: list[Piece] = []  # that may not have been played when the next clear comes
    free_at = 0.0
    positions: Counter[str] = Counter()
    for at, what in _in_order(timeline):
        if isinstance(what, Clear):
            landed = free_at = what.at_secs
            waiting = [piece for piece in waiting if piece.ends > at]
            kept = []
            for piece in waiting:
                if keeps_later and piece.at_secs > what.arrived:
                    free_at = piece.ends if piece.starts < landed else _play(piece, free_at)
                    kept.append(piece)
                else:
                    piece.heard_until = min(piece.heard_until, max(piece.starts, landed))
                    piece.cleared = True
            waiting = kept
            continue
        peak = int(what.fields["peak"])
        piece = Piece(what.stream, positions[what.stream], what.samples, peak, at)
        positions[what.stream] += what.samples
        if what.fate == "lost":
            piece.starts = piece.ends = piece.heard_until = at
        else:
            free_at = _play(piece, free_at)
            waiting.append(piece)
        pieces.append(piece)
    for piece in reversed(pieces):
        if piece.ends <= timeline.secs and piece.heard_until <= timeline.secs:
            break
        piece.heard_until = min(piece.heard_until, max(piece.starts, timeline.secs))
    return pieces


def _in_order(timeline: Timeline) -> Iterator[tuple[float, Message | Clear]]:
    """What reached the line, by when it did: after the network's delay, as it was then."""
    # What arrives at the very moment at which a clear takes effect is there before it.
    arrived: list[tuple[float, Message | Clear]] = [
        (each.at_secs + 2 * _SAME_TIME_SECS, each) for each in timeline.clears
    ]
    delay_ms = setting(timeline.header, "network", "delay_ms", 0.0)
    for message in timeline.messages:
        if (message.kind, message.event) == ("line", "network"):
            changed = message.fields.get("delay_ms")
            delay_ms = changed if isinstance(changed, int | float) else delay_ms
        elif (message.kind, message.event) == ("from_bot", "media") and message.fate in _ARRIVED:
            arrived.append((message.at_secs + delay_ms / 1000, message))
    yield from sorted(arrived, key=lambda each: each[0])


def _play(piece: Piece, free_at: float) -> float:
    """Set when a piece is played; returns when the line is free again."""
    step = ceil(piece.at_secs / STEP_SECS - _SAME_TIME_SECS) * STEP_SECS
    piece.starts = max(free_at, step)
    piece.ends = piece.heard_until = piece.starts + piece.samples / SAMPLE_RATE
    return piece.ends


def setting(header: dict[str, Any], part: str, name: str, default: T) -> T:
    """A setting of the call, of the type of its default; the default if there is none."""
    found: object = header
    for key in ("settings", part, name):
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(default, float) and isinstance(found, int):  # as JSON may have it
        found = float(found)
    return found if isinstance(found, type(default)) else default
