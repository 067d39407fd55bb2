"""The format of a trace, of either side: lines of JSON become messages.

It knows what a line may hold (`emulator.recording` has the line's half, `transport.trace` the
bot's), and how much of it is taken in, for a trace may be broken, or somebody's joke. It refuses to
know what the messages mean.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from pipecat_wavix.timeline.model import SAMPLE_RATE, Message

FORMAT: Final = 1
"""The version of a trace that can be read."""

LONGEST_SECS: Final = 7 * 86_400
"""No call lasts for so long: its trace is broken."""

MAX_LINE_BYTES: Final = 256 * 1024
"""A longer line is left out: no message may be so long, and without its audio one has 200 bytes."""

MAX_LINES: Final = 1_000_000
"""More are left out: an hour of a call has some 400,000."""

_MOST = LONGEST_SECS * SAMPLE_RATE
_NAME_LETTERS = 100


def read_trace(path: Path, left_out: Counter[str]) -> tuple[dict[str, Any], list[Message]]:
    """Read one trace, of either side.

    Args:
        path: A file of JSON lines.
        left_out: Told what is too much to be taken in, and how many.

    Returns:
        Its header, and its messages by time.

    Raises:
        ValueError: It is no trace; the message names file and line.
        OSError: It cannot be read.
    """
    lines = _lines(path, left_out)
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
            raise ValueError(f"{path}:{number}: no line of a trace: {str(what)[:200]}") from error
        if message.event == "start" and not first_stream:
            first_stream = message.stream
        messages.append(message)
    return header, sorted(messages, key=lambda message: message.at_secs)


def _lines(path: Path, left_out: Counter[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        number = 0
        while text := file.readline(MAX_LINE_BYTES):
            number += 1
            if len(text) == MAX_LINE_BYTES and not text.endswith(b"\n"):
                _skip_line(file)
                if number > 1:
                    left_out[f"lines of more than {MAX_LINE_BYTES // 1024} KB"] += 1
                    continue
            if number > MAX_LINES:
                left_out[f"lines after the first {MAX_LINES:,}"] += 1
                continue
            try:
                line = json.loads(text)
            except (ValueError, RecursionError) as error:
                if not text.endswith(b"\n") and number > 1:
                    return  # the process was killed while it wrote
                raise ValueError(f"{path}:{number}: not JSON: {str(error)[:200]}") from error
            if not isinstance(line, dict):
                raise ValueError(f"{path}:{number}: no line of a trace: not an object")
            yield number, line


def _skip_line(file: BinaryIO) -> None:
    while (text := file.readline(MAX_LINE_BYTES)) and not text.endswith(b"\n"):
        pass


def _message(line: dict[str, Any], first_stream: str) -> Message:
    at, kind = line.pop("t"), line.pop("dir")
    _number(at)
    match kind:
        case "to_bot" | "from_bot":
            return _wire_message(at, kind, line, first_stream)
        case "line" | "bot" | "webhook":
            event = str(line.pop("event"))[:_NAME_LETTERS]
        case "rest":
            event = str(line.pop("route"))[:_NAME_LETTERS]
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
    stream = str(line.get("stream") or first_stream)[:_NAME_LETTERS]
    if not stream and kind == "to_bot":
        stream = str(fields.get("stream_id", ""))[:_NAME_LETTERS]
    number = fields.get("sequence_number")
    if number is not None:
        _number(number)
    samples = 0
    event = str(fields.pop("event", fields.get("kind", "")))[:_NAME_LETTERS]
    if event == "media":
        payload = fields["media"]["payload"]
        if not (isinstance(payload, int) and 0 <= payload <= _MOST):
            raise ValueError(f"payload is {payload!r}: a length in bytes")
        samples = payload // 2
        peak = line.get("peak", 32_768)
        _number(peak)
        fields = {"peak": min(max(int(peak), 0), 32_768)} if kind == "from_bot" else {}
    fate = str(line.get("fate", ""))[:_NAME_LETTERS]
    return Message(at, kind, event, fate, samples, number, stream, fields)


def _number(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    if not abs(value) <= _MOST:
        raise ValueError(f"{str(value)[:20]} is more than a call can have")
