"""Where the bot fell silent between two things that it said, because the line had nothing to play.

It knows what was played, what was heard, and what the caller did. It refuses to judge: whether the
bot had said what it wanted to is in no trace. Silence that the bot itself has sent is not meant.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Final

from pipecat_wavix.timeline.model import SAMPLE_RATE, STEP_SECS, Piece, Silence, Timeline
from pipecat_wavix.timeline.playing import setting
from pipecat_wavix.timeline.sound import AUDIBLE_LEVEL, audible, audible_within, breaks_off

REACTION_SECS: Final = 1.0
"""A bot that falls silent so soon after the caller cut in may have done so for that."""

_UNDERRUN_LIMIT_SECS = 0.5  # the line's default
_ROUNDING_SECS = 0.001
_QUIET_SECS = 0.3


def silences(timeline: Timeline, most: int) -> list[Silence]:
    """Find them.

    Args:
        timeline: Its recording, pieces, spells, clears and keys.
        most: How many are looked for.

    Raises:
        OSError: The recording cannot be read.
    """
    header = timeline.header
    least = setting(header, "line", "underrun_limit_secs", _UNDERRUN_LIMIT_SECS)
    least = max(least, STEP_SECS) - _ROUNDING_SECS
    jitter = setting(header, "network", "jitter_ms", 0.0) / 1000
    exact = not jitter and not setting(header, "line", "drift_ppm", 0.0)
    loud = audible(timeline.heard.peaks)
    begins = [start for start, _ in timeline.heard_spells]
    busy = sorted(
        [
            *timeline.caller_spells,
            *((clear.arrived, clear.at_secs) for clear in timeline.clears),
            *((at, at) for at, _ in timeline.keys),
        ]
    )
    busy_from, busy_until = [start for start, _ in busy], [end for _, end in busy]
    busy_until = list(accumulate(busy_until, max))
    found: list[Silence] = []
    for before, after, at_once in _dry(timeline.pieces, least):
        if len(found) == most or after.starts > timeline.known_secs:
            break
        # What is only just audible may not be so behind a telephone leg.
        late = before.heard_until + jitter + STEP_SECS
        heard = audible_within(loud, before.starts - _QUIET_SECS, late)
        again = audible_within(loud, after.starts - STEP_SECS, after.ends + jitter + _QUIET_SECS)
        # A prompt of the account may be heard meanwhile.
        if not heard or not again or audible_within(loud, heard[1], again[0]):
            continue
        silent, until = heard[1], again[0]
        began = begins[max(0, bisect_left(begins, silent) - 1)]
        done = bisect_right(busy_from, until)
        if done and busy_until[done - 1] > max(began, silent - REACTION_SECS):
            continue
        ends_at = round(before.heard_until * SAMPLE_RATE)
        cut = at_once and exact and breaks_off(timeline.recording, ends_at)
        found.append(Silence(silent, until, cut))
    return found


def _dry(pieces: list[Piece], least: float) -> Iterator[tuple[Piece, Piece, bool]]:
    """Where the line has run dry for so long.

    Returns:
        The last audible piece before, and the first after, of one stream; and whether it was dry
        right after the former, or was sent silence first.
    """
    played = sorted(
        (piece for piece in pieces if piece.heard_until > piece.starts),
        key=lambda piece: piece.starts,
    )
    last: Piece | None = None
    dry, at_once = 0.0, False
    for previous, piece in pairwise([*played[:1], *played]):
        gap = max(0.0, piece.starts - previous.heard_until)
        dry += gap
        if previous is last:
            at_once = gap > 0
        if piece.peak >= AUDIBLE_LEVEL:
            if last and last.stream == piece.stream and dry >= least:
                yield last, piece, at_once
            last, dry = piece, 0.0
