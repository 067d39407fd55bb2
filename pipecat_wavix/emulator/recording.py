"""What a call leaves behind: a stereo recording and a trace of every message.

It knows WAV and JSON lines. It refuses to know how a call works: it observes one. It writes no
telephone number, and of the URL no path and no query, which may hold a token.

`recording.wav` is PCM16 at 24 kHz: left the caller as the caller said it, right what the caller
*heard*, both after the telephone leg and aligned to the sample from the start of the call on.

`trace.jsonl` holds one JSON object a line. The first is the header:

    {"trace": 1, "version": ..., "url": "ws://host:port", "started": ISO 8601, "settings": {...}}

Every other has `t`, seconds since the start of the call with six digits, and `dir`; a call that is
one stream starts with it:

    {"t": 1.020113, "dir": "to_bot", "fate": "sent", "message": {"event": "media", ...}}
    {"t": 1.020413, "dir": "from_bot", "fate": "used", "peak": 812, "message": {"event": "media", ...}}
    {"t": 1.020513, "dir": "from_bot", "fate": "used", "message": {"event": "clear", ...}}
    {"t": 1.020913, "dir": "from_bot", "fate": "rejected", "message": {"kind": ..., "reason": ...}}
    {"t": 1.080000, "dir": "line", "event": "cleared", "samples": 9600, "arrived": 1.020513}

`message` is as on the wire, but in place of audio it has its length in bytes, and counters are
always integers; `fate` is what became of it (`events.SentFate`, `events.Fate`), and `peak` the
loudest sample of audio that the bot has sent, for what is never heard is in no recording. Where a call has
had several streams, the messages of all but the first have `stream` besides, the stream's id. Of
the line there are `mark_played` (name, cleared), `cleared` (samples, arrived), `underrun` (secs; it
ended at `t`), `pressed` (key), `step` (number: a scripted caller begins it), `network` (its settings
from then on), and at the end `ended` (reason). What goes to and comes from the bot carries the time
of the socket, the rest the line's own: with network delay, or in a busy process, neighbours may be
out of order by that much.

A call of the emulated platform also has what its account's server asked for and was told, before
`t` 0 as well, each with when it began and how long it took:

    {"t": -0.001, "dir": "rest", "route": "POST /v1/calls/{id}/answer", "status": 200, "secs": 0.01}
    {"t": -0.100, "dir": "webhook", "event": "ringing", "scope": "call", "status": 200, "secs": 0.1}
"""

import json
import wave
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from pipecat_wavix import __version__
from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    NetworkChanged,
    Notified,
    Observation,
    Pressed,
    Received,
    Requested,
    Sent,
    Sound,
    StepBegan,
)
from pipecat_wavix.emulator.websocket import origin_of
from pipecat_wavix.emulator.wire import without_audio
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Underrun
from pipecat_wavix.protocol import (
    SAMPLE_RATE,
    PlayMedia,
    Rejected,
)

TRACE_FORMAT: Final = 1
"""The version of the trace's format, in its header."""

# A killed process loses at most what it said in this time.
_WRITE_EVERY_STEPS: Final = 50


class Recording:
    """Records the call that it observes; closed by leaving its context.

    Args:
        folder: Where `recording.wav` and `trace.jsonl` are written, over older ones; made if it
            does not exist.
        url: The bot's URL, of which only scheme, host and port are written.
        settings: What the trace's header says of the call's settings; no secrets.

    Raises:
        OSError: The files cannot be written.
    """

    def __init__(self, folder: Path, url: str, settings: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.wav_path = folder / "recording.wav"
        self.trace_path = folder / "trace.jsonl"
        self._started_at = 0.0
        self._first_stream_id = ""
        self._steps: list[bytes] = []
        with ExitStack() as files:
            self._trace = files.enter_context(self.trace_path.open("w", encoding="utf-8"))
            wav_file = files.enter_context(self.wav_path.open("wb"))
            self._wav = files.enter_context(wave.open(wav_file, "wb"))
            self._files = files.pop_all()
        self._wav.setnchannels(2)
        self._wav.setsampwidth(2)
        self._wav.setframerate(SAMPLE_RATE)
        header = {
            "trace": TRACE_FORMAT,
            "version": __version__,
            "url": origin_of(url),
            "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "settings": settings,
        }
        self._trace.write(_compact(header) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def observe(self, observation: Observation) -> None:
        """Record one observation; give this to a call as an observer."""
        match observation:
            case Began():
                self._started_at = observation.at
            case Sound():
                self._steps.append(_interleaved(observation.said, observation.heard))
                if len(self._steps) >= _WRITE_EVERY_STEPS:
                    self._write_out()
            case Sent() | Received():
                self._write_at(observation.at, self._wire_line(observation))
            case Requested() | Notified():
                self._write_at(observation.at, _account_line(observation))
            case _:
                self._write_at(observation.at, self._line_line(observation))

    def close(self) -> None:
        """Write what is left and close both files; a second time does nothing."""
        if not self._trace.closed:
            self._write_out()
            self._files.close()

    def _wire_line(self, observation: Sent | Received) -> dict[str, Any]:
        message, stream_id = observation.message, observation.stream_id
        self._first_stream_id = self._first_stream_id or stream_id
        return {
            "dir": "to_bot" if isinstance(observation, Sent) else "from_bot",
            **({"stream": stream_id} if stream_id != self._first_stream_id else {}),
            "fate": observation.fate,
            **({"peak": _peak(message.media.payload)} if isinstance(message, PlayMedia) else {}),
            "message": {"kind": message.kind, "reason": message.reason}
            if isinstance(message, Rejected)
            else without_audio(message),
        }

    def _line_line(
        self,
        event: MarkPlayed | Cleared | Underrun | Pressed | StepBegan | NetworkChanged | Ended,
    ) -> dict[str, Any]:
        match event:
            case MarkPlayed(name=name, cleared=cleared):
                what = {"event": "mark_played", "name": name, "cleared": cleared}
            case Cleared(samples=samples, arrived_at=arrived_at):
                arrived = round(arrived_at - self._started_at, 6)
                what = {"event": "cleared", "samples": samples, "arrived": arrived}
            case Underrun(secs=secs):
                what = {"event": "underrun", "secs": round(secs, 6)}
            case Pressed(key=key):
                what = {"event": "pressed", "key": key}
            case StepBegan(number=number):
                what = {"event": "step", "number": number}
            case NetworkChanged(network=network):
                what = {"event": "network", **asdict(network)}
            case _:
                what = {"event": "ended", "reason": event.reason}
        return {"dir": "line", **what}

    def _write_at(self, at: float, line: Mapping[str, Any]) -> None:
        self._trace.write(f'{{"t":{at - self._started_at:.6f},{_compact(line)[1:]}\n')

    def _write_out(self) -> None:
        # `writeframes` also brings the header's length up to date, and flushes by doing so.
        self._wav.writeframes(b"".join(self._steps))
        self._steps.clear()
        self._trace.flush()


def _compact(line: Mapping[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":"))


def _account_line(observation: Requested | Notified) -> dict[str, Any]:
    what: dict[str, Any]
    if isinstance(observation, Requested):
        what = {"dir": "rest", "route": observation.route}
    else:
        what = {"dir": "webhook", "event": observation.event, "scope": observation.scope}
    return {**what, "status": observation.status, "secs": round(observation.secs, 6)}


def _peak(pcm: bytes) -> int:
    return int(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max(initial=0))


def _interleaved(left: bytes, right: bytes) -> bytes:
    return np.stack([np.frombuffer(left, "<i2"), np.frombuffer(right, "<i2")], axis=1).tobytes()
