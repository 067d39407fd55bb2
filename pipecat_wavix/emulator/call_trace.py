"""The recording and the trace of one call, from its set-up on: before there is a line as well.

It knows when there is something to record to. It refuses to know what is recorded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from pipecat_wavix.emulator.events import Began, Notified, Observation, Requested
from pipecat_wavix.emulator.recording import Recording


class CallTrace:
    """What is kept of a call.

    Args:
        folder: Where to, or `None` to keep nothing.

    Attributes:
        folder: The same; `None` if it could not be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._recording: Recording | None = None
        self._early: list[Requested | Notified] | None = []

    def open(self, call_id: str, settings: Mapping[str, Any]) -> None:
        """Begin to record: the call is answered. What cannot be written is logged and let be."""
        if self.folder is None:
            return
        try:
            self._recording = Recording(self.folder, "", settings)
        except OSError as error:
            self.folder = None
            logger.error(f"Call {call_id}: it is not recorded: {error.strerror}")

    def observe(self, observation: Observation) -> None:
        """Take in what the line observes; give this to a telephone as an observer."""
        if self._recording is None:
            return
        self._recording.observe(observation)
        if isinstance(observation, Began):
            # Now there is a time from which the times of the trace are counted.
            early, self._early = self._early or [], None
            for before in early:
                self._recording.observe(before)

    def note(self, observation: Requested | Notified) -> None:
        """Take in what happens beside the line."""
        if self._early is not None:
            self._early.append(observation)
        elif self._recording:
            try:
                self._recording.observe(observation)
            except OSError as error:
                logger.error(f"The trace of a call is not written on: {error.strerror}")
                self._recording = None

    def close(self) -> None:
        """Close the files; what comes after is not kept."""
        recording, self._recording, self._early = self._recording, None, None
        if recording:
            recording.close()
