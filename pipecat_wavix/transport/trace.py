"""The bot's half of a call's trace: what it got, sent and believed, as JSON lines.

It knows the file and how to write it without holding up the call. It refuses to know audio, and
texts unless it is asked to. The line's half is the emulator's (`emulator.recording`, which documents
the lines of messages); `timeline` merges the two. The first line is the header:

    {"trace": 1, "side": "bot", "call": ..., "stream": ..., "started": ISO 8601, "version": ...}

Every other has `t`, seconds since the transport was made on the bot's own clock, and `dir`:

    {"t": 1.020113, "dir": "to_bot", "message": {"event": "media", "media": {"payload": 960, ...}}}
    {"t": 1.020513, "dir": "from_bot", "message": {"event": "clear", ...}}
    {"t": 1.120000, "dir": "bot", "event": "started"}
    {"t": 1.220000, "dir": "bot", "event": "words", "heard": true, "position": 9600, "letters": 5}

Messages are as on the wire, with the length in bytes in place of audio; `to_bot` has what came,
`from_bot` what left, but for texts that a bot's author sends as they are. Of the bot there are `started` and `stopped` (it is believed to be heard),
`words` (`heard`: they go into the context; otherwise they were cut; `position`: where they stand in
the audio that was sent, in samples at 24 kHz; `text` with `trace_texts` only), `interrupted`
(`clear`: whether one was sent), `user_started`, `user_stopped`, `stall` (secs; it ended at `t`),
`missing` (count: lines that could not be written in time) and `ended`.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import uuid4

from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

from pipecat_wavix import __version__
from pipecat_wavix.protocol import (
    Command,
    Event,
    Mark,
    Media,
    PlaceMark,
    PlayMedia,
    Rejected,
    Stop,
)

TRACE_FORMAT: Final = 1
"""The version of the trace's format, in its header."""

STALL_SECS: Final = 0.05
"""A loop that comes back so late has stood still."""

WRITE_EVERY_SECS: Final = 0.5
"""A killed process loses at most what it said in this time."""

MAX_WAITING: Final = 10_000
"""Lines that may wait for the disk: well over a minute of a call. What is more is counted only."""

CLOSE_TIMEOUT_SECS: Final = 1.0
"""How long the end of a call may wait for the disk."""

_TICK_SECS = 0.025
_Wire = Event | Command | Rejected
_Waiting = tuple[float, str, _Wire | dict[str, Any]]
_NOTED: Final[dict[type[Frame], str]] = {
    BotStartedSpeakingFrame: "started",
    BotStoppedSpeakingFrame: "stopped",
    UserStartedSpeakingFrame: "user_started",
    UserStoppedSpeakingFrame: "user_stopped",
}


class BotTrace:
    """The trace of one stream.

    Whoever tells it something only appends to a list; a thread makes lines of that and writes them.
    What cannot be written is logged once and let be: the call goes on.
    """

    def __init__(self, folder: Path, *, call_id: str | None, stream_id: str, texts: bool):
        """Take note from now on, and write from `begin` on.

        Args:
            folder: Where to; made if it does not exist.
            call_id: The call's id; it names the file.
            stream_id: The stream's.
            texts: Whether words are written, or only how long they are.
        """
        self._folder = folder
        self._texts = texts
        self._name = call_id or stream_id
        self._header = {
            "trace": TRACE_FORMAT,
            "side": "bot",
            "call": call_id,
            "stream": stream_id,
            "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        self._began_at = time.monotonic()
        self._waiting: list[_Waiting] = []
        self._missing = 0
        self._file: TextIO | None = None
        self._failed = self._closed = self._given_up = False
        self._over = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None

    # ---- what happens: all of it in the event loop

    def received(self, message: Event | Rejected) -> None:
        """Note a message from Wavix."""
        self._add(time.monotonic(), "to_bot", message)

    def sent(self, message: Command, at: float) -> None:
        """Note a message to Wavix, which began to leave at `at`."""
        self._add(at, "from_bot", message)

    def note(self, event: str, **fields: Any) -> None:
        """Note something else."""
        self._add(time.monotonic(), "bot", {"event": event, **fields})

    def passed(self, frame: Frame) -> None:
        """Note a frame that tells of the user or of the bot, when it is believed."""
        event = _NOTED.get(type(frame))
        if event:
            self.note(event)

    def words(self, frame: Frame, position: int, *, heard: bool) -> None:
        """Note text that leaves for the context, or that was cut before."""
        if isinstance(frame, TTSTextFrame) and frame.append_to_context:
            text = {"text": frame.text} if self._texts else {}
            self.note("words", heard=heard, position=position, letters=len(frame.text), **text)

    def _add(self, at: float, direction: str, what: _Wire | dict[str, Any]) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._missing += 1
        elif not (self._closed or self._failed):
            self._waiting.append((at - self._began_at, direction, what))

    # ---- life

    def begin(self) -> None:
        """Begin to write. Calling it again changes nothing."""
        if self._writing is None and not self._closed:
            self._writing = asyncio.create_task(self._write_on(), name=f"wavix-trace-{self._name}")
            self._tick(time.monotonic())

    async def close(self) -> None:
        """Write what is left, within a second. Calling it again changes nothing."""
        if self._closed:
            return
        self.note("ended")
        self._closed = True
        if self._ticking:
            self._ticking.cancel()
        self._over.set()
        if self._writing:
            _, late = await asyncio.wait([self._writing], timeout=CLOSE_TIMEOUT_SECS)
            if late:
                self._given_up = True
                self._writing.cancel()
                logger.warning("The trace of a call could not be finished in time")

    def _tick(self, due: float) -> None:
        now = time.monotonic()
        if now - due > STALL_SECS:
            self.note("stall", secs=round(now - due, 6))
        loop = asyncio.get_running_loop()
        self._ticking = loop.call_later(_TICK_SECS, self._tick, now + _TICK_SECS)

    async def _write_on(self) -> None:
        last = False
        while not (last or self._failed):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), WRITE_EVERY_SECS)
            last = self._over.is_set()
            waiting, self._waiting = self._waiting, []
            missing, self._missing = self._missing, 0
            if missing:
                waiting.append((waiting[-1][0], "bot", {"event": "missing", "count": missing}))
            try:
                await asyncio.to_thread(self._write, waiting, last=last)
            except OSError as error:
                self._failed = True
                logger.error(f"The trace of a call is not written: {error.strerror}")

    # ---- in a thread

    def _write(self, waiting: list[_Waiting], *, last: bool) -> None:
        if self._file is None:
            self._file = self._opened()
            self._file.write(_compact({**self._header, "version": __version__}) + "\n")
        try:
            for at, direction, what in waiting:
                fields = what if isinstance(what, dict) else {"message": _without_audio(what)}
                line = _compact({"dir": direction, **fields})
                self._file.write(f'{{"t":{at:.6f},{line[1:]}\n')
            self._file.flush()
        finally:
            if last or self._given_up:
                self._file.close()

    def _opened(self) -> TextIO:
        """A file of its own, also for a call whose stream was started anew."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # It comes from the network: what is not an id does not name a file.
        is_id = re.fullmatch(r"[\w-]{1,64}", self._name, re.ASCII)
        name = self._name if is_id else uuid4().hex
        streams = 1
        while True:
            suffix = f"-{streams}" if streams > 1 else ""
            with suppress(FileExistsError):
                return (self._folder / f"{name}{suffix}.bot.jsonl").open("x", encoding="utf-8")
            streams += 1


def _compact(line: Mapping[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":"))


def _without_audio(message: _Wire) -> dict[str, Any]:
    if isinstance(message, Rejected):
        return {"kind": message.kind, "reason": message.reason}
    fields: dict[str, Any] = {"event": str(message.__struct_config__.tag)}
    if isinstance(message, Media | PlayMedia):
        fields["media"] = {"payload": len(message.media.payload)}
    elif isinstance(message, Mark | PlaceMark):
        fields["mark"] = {"name": message.mark.name}
    if isinstance(message, Media | Mark | Stop) and message.sequence_number is not None:
        fields["sequence_number"] = message.sequence_number
    return fields
