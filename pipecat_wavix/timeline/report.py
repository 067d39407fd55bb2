"""A call as one HTML file, which needs nothing else: no network, no other file, no server.

It knows what the page is told of a timeline. It refuses to know how that is drawn: `page.js` does.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.timeline.differences import differences
from pipecat_wavix.timeline.model import Message, Timeline
from pipecat_wavix.timeline.sound import PEAK_SECS, embedded

EMBEDDED_SECS: Final = 600.0
"""The longest call whose recording is in the report: 10 minutes are 13 MB of it."""

ROW_GAP_SECS: Final = 0.1
"""Media that follow each other within this time are one row in the list of messages."""

MAX_ROWS: Final = 100_000
"""More are not in the list of messages: an hour of a call has about as many."""

MAX_PEAKS: Final = 1_000_000
"""For so many the loudness is drawn; a call of more than 83 minutes is drawn more coarsely."""

_ROW_TEXT = 200
_TEXT = 200
_NAME = 60
_TAIL_SECS = 5.0
_ON_EVERY_MESSAGE = ("event_time", "call_id", "stream_id")
_HERE = Path(__file__).parent


def write_report(timeline: Timeline, path: Path, *, against: Timeline | None = None) -> None:
    """Write a report.

    Args:
        timeline: The call.
        path: Where to; a file there is written over.
        against: Another call to show below it, on the same axis, with what differs.

    Raises:
        OSError: It cannot be written, or the recording cannot be read.
    """
    calls = [timeline, *([against] if against else [])]
    peaks = max(_until(call) for call in calls) / PEAK_SECS
    together = ceil(peaks / MAX_PEAKS) or 1
    data = {
        "peak_secs": PEAK_SECS * together,
        "calls": [_call(call, together) for call in calls],
        "differences": differences(timeline, against) if against else [],
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # What ends a script or begins a comment in HTML must not stand in one.
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    page = (_HERE / "page.html").read_text(encoding="utf-8")
    parts = {
        "title": escape(" against ".join(_name(call) for call in calls)),
        "style": (_HERE / "page.css").read_text(encoding="utf-8"),
        "script": (_HERE / "page.js").read_text(encoding="utf-8"),
        "data": text,
    }
    page = re.sub(r"{{(\w+)}}", lambda place: parts[place[1]], page)
    path.write_text(page, encoding="utf-8", errors="replace")


def _name(timeline: Timeline) -> str:
    trace = timeline.trace.resolve()
    return trace.parent.name if trace.name == "trace.jsonl" else trace.stem


def _call(timeline: Timeline, together: int) -> dict[str, Any]:
    recorded = timeline.recorded_secs
    sent, unheard = _sent_peaks(timeline, PEAK_SECS * together)
    rows, more_rows = _rows(timeline.messages)
    return {
        "name": _name(timeline),
        "started": str(timeline.header.get("started", ""))[:_TEXT],
        "secs": _t(timeline.secs),
        "until": _t(_until(timeline)),
        "ended": timeline.ended or "not known: the trace stops",
        "peaks": {
            "caller": _packed(_coarser(timeline.caller.peaks, together)),
            "heard": _packed(_coarser(timeline.heard.peaks, together)),
            "sent": _packed(sent),
            "unheard": _packed(unheard),
        },
        "caller": _spans(timeline.caller_spells),
        "heard": _spans(timeline.heard_spells),
        "believed": _spans(timeline.believed_spells or []),
        "turns": [
            [_t(turn.caller_ended), _t(turn.until), bool(turn.answered)] for turn in timeline.turns
        ],
        "barge_ins": [[_t(each.at_secs), _t(each.until)] for each in timeline.barge_ins],
        "marks": [[_t(mark.at_secs), mark.name[:_NAME], mark.cleared] for mark in timeline.marks],
        "clears": [[_t(c.arrived), _t(c.silent), c.samples] for c in timeline.clears],
        "underruns": [[_t(each.at_secs), _t(each.secs)] for each in timeline.underruns],
        "stalls": [[_t(each.at_secs), _t(each.secs)] for each in timeline.stalls],
        "keys": [[_t(at), key] for at, key in timeline.keys],
        "words": [
            [
                _t(word.at_secs),
                (word.text or "")[:_TEXT] or "·" * min(word.letters, 12),
                word.in_context,
                word.heard,
            ]
            for word in timeline.words
        ],
        "account": [
            [_t(m.at_secs), _t(m.fields.get("secs") or 0), m.kind, m.event, _status(m)]
            for m in sorted([*timeline.rest, *timeline.webhooks], key=lambda m: m.at_secs)
        ],
        "verdicts": [[_t(v.at_secs), v.kind, v.text, v.bad] for v in timeline.verdicts],
        "rows": rows,
        "more_rows": more_rows,
        "within": timeline.merged_within_secs,
        "audio": b64encode(embedded(timeline.recording)).decode()
        if recorded and recorded <= EMBEDDED_SECS
        else None,
        "recording": str(timeline.recording.resolve()) if recorded else None,
    }


def _status(message: Message) -> str | None:
    status = message.fields.get("status")
    return None if status is None else str(status)[:_TEXT]


def _rows(messages: list[Message]) -> tuple[list[list[Any]], int]:
    """The list of messages: media that follow each other in one row.

    Returns:
        A list a row: time, kind, event, text, and how many messages it stands for; and how many
        messages are left out.
    """
    rows: list[list[Any]] = []
    runs: dict[tuple[str, str, str], tuple[list[Any], list[float]]] = {}
    for number, message in enumerate(messages):
        if len(rows) >= MAX_ROWS:
            return rows, len(messages) - number
        like = (message.kind, message.stream, message.fate)
        if message.event != "media":
            if message.kind in ("to_bot", "from_bot"):
                runs = {key: run for key, run in runs.items() if key[0] != message.kind}
            text = " · ".join(_told(message))[:_ROW_TEXT]
            rows.append([_t(message.at_secs), message.kind, message.event, text, 1])
            continue
        row, run = runs.get(like, ([], []))
        if not run or message.at_secs - run[1] > ROW_GAP_SECS:
            row, run = (
                [_t(message.at_secs), message.kind, "media", "", 0],
                [message.at_secs, 0.0, 0.0],
            )
            rows.append(row)
            runs[like] = row, run
        run[1] = message.at_secs
        run[2] += message.samples / 24
        row[4] += 1
        row[3] = (
            f"{message.fate}, {run[2]:.0f} ms of audio within {(run[1] - run[0]) * 1000:.0f} ms"
        )
    return rows, 0


def _told(message: Message) -> Iterator[str]:
    """What a row says: values that speak for themselves, without what every message has."""
    for name, value in message.fields.items():
        if isinstance(value, dict):
            yield from (str(part) for part in value.values())
        elif isinstance(value, bool):
            yield name if value else f"not {name}"
        elif isinstance(value, int | float):
            yield f"{name} {value}"
        elif name not in _ON_EVERY_MESSAGE and value is not None:
            yield str(value)
    if message.fate:
        yield message.fate


def _sent_peaks(
    timeline: Timeline, peak_secs: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The loudness of what was sent where it was played, and of the rest where it would have been."""
    size = int(_until(timeline) / peak_secs) + 1
    sent, unheard = np.zeros(size, np.int32), np.zeros(size, np.int32)
    for piece in timeline.pieces:
        for peaks, start, end in (
            (sent, piece.starts, piece.heard_until),
            (unheard, piece.heard_until, piece.ends),
        ):
            part = peaks[max(0, round(start / peak_secs)) : max(0, round(end / peak_secs))]
            np.maximum(part, piece.peak, out=part)
    return sent, unheard


def _until(timeline: Timeline) -> float:
    """The end of what is shown: what was still to be played belongs to it, as far as it counts."""
    last = timeline.pieces[-1].ends if timeline.pieces else 0.0
    return max(timeline.secs, min(last, timeline.secs + _TAIL_SECS))


def _coarser(peaks: NDArray[np.int32], together: int) -> NDArray[np.int32]:
    """The loudest of each so many peaks."""
    padded = np.pad(peaks, (0, -len(peaks) % together))
    coarser: NDArray[np.int32] = padded.reshape(-1, together).max(axis=1)
    return coarser


def _packed(peaks: NDArray[np.int32]) -> str:
    """A byte a peak, as the root of its share of the loudest, so that quiet speech shows."""
    shares = np.sqrt(np.minimum(peaks, 32_768) / 32_768)
    return b64encode(np.rint(shares * 255).astype(np.uint8).tobytes()).decode()


def _spans(spells: list[tuple[float, float]]) -> list[list[float]]:
    return [[_t(start), _t(end)] for start, end in spells]


def _t(secs: float) -> float:
    return round(float(secs), 4)
