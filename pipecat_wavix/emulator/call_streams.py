"""The streams of one call, as the account sees them.

It knows how many there may be, which have begun, and why they ended. It refuses to know sockets:
the telephone line runs them.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from loguru import logger

from pipecat_wavix.emulator.events import Observation, Sent
from pipecat_wavix.emulator.refused import RefusedError
from pipecat_wavix.emulator.settings import Channel, StreamType
from pipecat_wavix.emulator.telephone import Telephone
from pipecat_wavix.protocol import Start

MAX_ONEWAY_STREAMS: Final = 5
"""Beside one twoway stream; both as Wavix has it."""


@dataclass
class StreamState:
    """One stream.

    Attributes:
        id: A UUID.
        url: Where it goes; a secret.
        type: `twoway` or `oneway`.
        channel: What is captured.
        started: Set when the bot was sent its `start`, or when it is clear that it will not be.
        over: Why it ended, or `None`.
    """

    id: str
    url: str = field(repr=False)
    type: StreamType
    channel: Channel
    started: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    over: str | None = None


class CallStreams:
    """All streams of one call.

    Args:
        call_id: The call's, for the log.
        new_id: Makes a UUID.
    """

    def __init__(self, call_id: str, new_id: Callable[[], str]) -> None:
        self._call_id = call_id
        self._new_id = new_id
        self._streams: dict[str, StreamState] = {}
        self._telephone: Telephone | None = None

    def __iter__(self) -> Iterator[StreamState]:
        return iter(self._streams.values())

    def add(self, url: str, type_: StreamType, channel: Channel) -> StreamState:
        """Enter a stream, which does not begin before `launch`.

        Raises:
            RefusedError: There are as many as there can be.
        """
        alike = sum(stream.type == type_ and stream.over is None for stream in self)
        if alike >= (1 if type_ == "twoway" else MAX_ONEWAY_STREAMS):
            limit = "one twoway" if type_ == "twoway" else f"{MAX_ONEWAY_STREAMS} oneway"
            raise RefusedError(f"The call has its {limit} already", {"stream_type": "too many"})
        stream = StreamState(self._new_id(), url, type_, channel)
        self._streams[stream.id] = stream
        return stream

    def launch(self, stream: StreamState) -> None:
        """Let a stream begin."""
        if self._telephone is None or stream.over is not None:
            return
        try:
            self._telephone.start_stream(
                stream.url,
                stream_id=stream.id,
                stream_type=stream.type,
                channel=stream.channel,
                on_over=self._note_over,
            )
        except ValueError:
            # The call has ended since the stream was added.
            self._note_over(stream.id, "the call is over")

    def stop(self, stream_id: str) -> bool:
        """Stop a stream; `False` if there is none of this id."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.over is not None:
            return False
        if self._telephone:
            self._telephone.stop_stream(stream_id)
        self._note_over(stream_id, "stopped by the account")
        return True

    def open(self, telephone: Telephone) -> None:
        """Take note that the call is answered."""
        self._telephone = telephone

    def close(self) -> None:
        """Take note that the call is over."""
        self._telephone = None
        for stream in self:
            self._note_over(stream.id, "the call is over")

    def observe(self, observation: Observation) -> None:
        """Take in what the line observes; give this to a telephone as an observer."""
        if isinstance(observation, Sent) and isinstance(observation.message, Start):
            self._streams[observation.stream_id].started.set()

    def _note_over(self, stream_id: str, reason: str) -> None:
        stream = self._streams[stream_id]
        if stream.over is None:
            stream.over = reason
            stream.started.set()
            logger.info(f"Call {self._call_id}: a {stream.type} stream is over: {reason}")
