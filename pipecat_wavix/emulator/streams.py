"""The streams of one call: which there are, how many there may be, and the tasks that run them.

It knows streams that are alive, those whose bots have left, and the one that talks. It refuses to
know what they carry, and why one starts or ends.
"""

import asyncio
from collections.abc import Callable
from typing import Final, get_args

from pipecat_wavix.emulator.settings import Channel, StreamType
from pipecat_wavix.emulator.stream import Stream

MAX_STREAMS: Final = {"twoway": 1, "oneway": 5}
"""How many streams of each type a call may have at a time: Wavix's limits."""


class Streams:
    """The streams of one call.

    Args:
        on_error: Called with what a stream's task raised, which it should not.

    Attributes:
        alive: Those that were started and have not ended, by id.
        abandoned: Those whose bots have left, in a call that is about to end for it: they are fed
            in vain, as a call that knows no better does.
        talker: The twoway stream, once it is open: the line is its own.
        started: How many there have been.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._tasks: dict[Stream, asyncio.Task[None]] = {}
        self.alive: dict[str, Stream] = {}
        self.abandoned: list[Stream] = []
        self.talker: Stream | None = None
        self.started = 0

    @property
    def fed(self) -> list[Stream]:
        """All that get what is said and heard."""
        return [*self.alive.values(), *self.abandoned]

    def check(self, stream_id: str, stream_type: StreamType, channel: Channel) -> None:
        """See that one more of a type may start.

        Raises:
            ValueError: It may not, or a value is none of its choices.
        """
        if stream_type not in get_args(StreamType):
            raise ValueError(f"stream_type is {stream_type!r}: give twoway or oneway")
        if channel not in get_args(Channel):
            raise ValueError(f"channel is {channel!r}: give inbound, outbound or both")
        if stream_id in self.alive:
            raise ValueError(f"stream_id is {stream_id!r}, which the call has: give another")
        same = sum(each.stream_type == stream_type for each in self.alive.values())
        if same >= MAX_STREAMS[stream_type]:
            raise ValueError(
                f"the call has {same} of {MAX_STREAMS[stream_type]} {stream_type} streams:"
                " stop one first"
            )

    def add(self, stream: Stream) -> None:
        """Take a stream in; it does not run yet."""
        self.alive[stream.stream_id] = stream
        self.started += 1

    def launch(self, stream: Stream) -> None:
        """Run a stream in a task that ends with it."""
        task = asyncio.create_task(stream.run(), name=f"stream {stream.stream_id}")
        self._tasks[stream] = task
        task.add_done_callback(lambda task: self._note_done(stream, task))

    def remove(self, stream: Stream) -> None:
        """Count a stream no longer among those alive."""
        del self.alive[stream.stream_id]
        if stream is self.talker:
            self.talker = None

    def abandon(self, stream: Stream) -> None:
        """Count a stream among those whose bots have left, and feed it nevertheless."""
        del self.alive[stream.stream_id]
        self.abandoned.append(stream)

    def let_go(self, stream: Stream, at: float) -> None:
        """End a stream: an open one says `stop` in its own time, another is gone at once."""
        stream.end(at)
        task = self._tasks.get(stream)
        if task and not stream.is_open:
            task.cancel()

    def let_abandoned_go(self, at: float) -> None:
        """End those whose bots have left."""
        while self.abandoned:
            self.let_go(self.abandoned.pop(), at)

    async def finished(self) -> None:
        """Wait until no task is left; a cancellation makes them hurry, and is raised then."""
        cancelled = False
        while self._tasks:
            try:
                await asyncio.wait(self._tasks.values())
            except asyncio.CancelledError:
                cancelled = True
                for task in self._tasks.values():
                    task.cancel()
        if cancelled:
            raise asyncio.CancelledError

    def _note_done(self, stream: Stream, task: asyncio.Task[None]) -> None:
        del self._tasks[stream]
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._on_error(error)
