"""The media stream's socket, from the bot's end.

It owns the socket and the loop that reads it, until the output has finished: the marks of a goodbye
come when the pipeline's input has long been told to end. It knows how a stream opens, ends and is
hung up. It refuses to know what its audio means.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from loguru import logger

from pipecat_wavix.errors import WavixError, WavixStreamError
from pipecat_wavix.protocol import (
    Command,
    Connected,
    Mark,
    Media,
    Rejected,
    Start,
    Stop,
    dump,
    parse,
)
from pipecat_wavix.transport.socket import adapt
from pipecat_wavix.transport.trace import BotTrace

START_TIMEOUT_SECS: Final = 10.0
"""How long Wavix may take from opening the socket to `start`."""

SEND_TIMEOUT_SECS: Final = 5.0
"""How long one message may take to leave. A peer that reads nothing for so long is gone; Pipecat's
own limit, twice that, would disable the transport and leave the call up."""

CLOSE_TIMEOUT_SECS: Final = 0.5
"""How long a close may take. A call that ended must not wait for a dead peer."""

_MESSAGES_BEFORE_START = 8
"""Wavix sends one, `connected`. Who sends more than a few of anything else is not Wavix."""


class HangsUp(Protocol):
    """What is needed of a `WavixClient`."""

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        ...


async def wait_for_start(websocket: Any, *, timeout_secs: float = START_TIMEOUT_SECS) -> Start:
    """Read a fresh, accepted socket up to the `start` of its stream.

    Args:
        websocket: A Starlette or FastAPI `WebSocket`, or a connection of `websockets`. The caller
            has accepted it, and still owns it if this raises.
        timeout_secs: Seconds until `start` has to be here.

    Returns:
        The event: the call's and the stream's id, the stream's type and channel.

    Raises:
        WavixStreamError: If there is no `start` in time, or something else in its place.
        TypeError: If `websocket` is neither.
    """
    socket = adapt(websocket)
    try:
        async with asyncio.timeout(timeout_secs):
            for _ in range(_MESSAGES_BEFORE_START):
                message = await socket.receive()
                if message is None:
                    raise WavixStreamError("the socket closed before start")
                match parse(message):
                    case Start() as start:
                        return start
                    case Connected():
                        continue
                    case Rejected(kind=kind, reason=reason):
                        raise WavixStreamError(f"expected start, got {kind}: {reason}")
                    case event:
                        raise WavixStreamError(f"expected start, got {type(event).__name__}")
    except TimeoutError:
        raise WavixStreamError(
            f"no start within {timeout_secs} s of the socket's opening"
        ) from None
    raise WavixStreamError(f"no start among the first {_MESSAGES_BEFORE_START} messages")


class Connection:
    """One stream's socket.

    Attributes:
        stream_id: The stream's id.
        open: Whether anything can be sent: neither end has closed, and Wavix has not said `stop`.
        left: Whether it was the far end that closed or stopped.
        hung_up: Whether we hung up; False if that failed, None if it was not tried.
        rejected: How often each kind of message was rejected.
        gaps: Events that never came, by the gaps in their `sequence_number`.
        on_media: Called with each media event.
        on_mark: Called with each mark's name, at once.
        on_left: Called once when the far end has closed or stopped.
        trace: What is told of each message.
    """

    def __init__(
        self, websocket: Any, *, stream_id: str, call_id: str | None, client: HangsUp | None
    ):
        self._socket = adapt(websocket)
        self._call_id = call_id
        self._client = client
        self._receiving: asyncio.Task[None] | None = None
        self._hanging_up: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

        self.stream_id = stream_id
        self.open = True
        self.left = False
        self.hung_up: bool | None = None
        self.rejected: Counter[str] = Counter()
        self.gaps = 0
        self._last_number: int | None = None
        self.on_media: Callable[[Media], Awaitable[None]] | None = None
        self.on_mark: Callable[[str], None] | None = None
        self.on_left: Callable[[], Awaitable[None]] | None = None
        self.trace: BotTrace | None = None

    def start(self) -> None:
        """Begin to read. Calling it again changes nothing."""
        if self._receiving is None:
            self._receiving = asyncio.create_task(
                self._receive(), name=f"wavix-receive-{self.stream_id}"
            )

    async def _receive(self) -> None:
        while (message := await self._socket.receive()) is not None:
            event = parse(message)
            if self.trace:
                self.trace.received(event)
            if isinstance(event, Media | Mark | Stop):
                self._count(event.sequence_number)
            match event:
                case Media():
                    if self.on_media:
                        await self.on_media(event)
                case Mark():
                    if self.on_mark:
                        self.on_mark(event.mark.name)
                case Stop():
                    break
                case Rejected():
                    self.reject(event.kind, event.reason)
        await self._leave()

    def _count(self, number: int | None) -> None:
        if number is None:
            return
        if self._last_number is not None and number > self._last_number + 1:
            self.gaps += number - self._last_number - 1
        self._last_number = number

    def reject(self, kind: str, reason: str) -> None:
        """Count a message that cannot be used, and log the first of its kind.

        Args:
            kind: What was wrong, in one of few words.
            reason: The same at length, without anything of the message.
        """
        self.rejected[kind] += 1
        if self.rejected[kind] == 1:
            logger.warning(
                f"Wavix stream: dropped a message, {kind}: {reason} (logged once a kind)"
            )

    async def _leave(self) -> None:
        if not self.open:
            return
        self.open = False
        self.left = True
        if self.on_left:
            await self.on_left()

    async def send(self, command: Command) -> bool:
        """Send a command.

        Returns:
            False if it was not sent: the socket is closed, or the peer has stopped reading.
        """
        at = time.monotonic()
        sent = await self.send_text(dump(command))
        if sent and self.trace:
            self.trace.sent(command, at)
        return sent

    async def send_text(self, text: str) -> bool:
        """Send one text message, as `send` does."""
        if not self.open:
            return False
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECS):
                sent = await self._socket.send(text)
        except TimeoutError:
            logger.warning(f"Wavix has read nothing for {SEND_TIMEOUT_SECS} s: the stream is over")
            sent = False
        if not sent:
            await self._leave()
        return sent

    async def hang_up(self) -> None:
        """End the call by REST, once, within bounds; a failure is reported, not raised."""
        if self._client is None or self._call_id is None:
            return
        if self._hanging_up is None:
            self._hanging_up = asyncio.create_task(
                self._hang_up(self._client, self._call_id), name=f"wavix-hang-up-{self.stream_id}"
            )
        # Whoever waits here may be cancelled with its pipeline; the call must end all the same.
        await asyncio.shield(self._hanging_up)

    async def _hang_up(self, client: HangsUp, call_id: str) -> None:
        try:
            await client.hang_up(call_id)
            self.hung_up = True
        except WavixError as error:
            self.hung_up = False
            logger.error(f"Could not hang up: {error}")
        except Exception as error:  # a client of the bot's author may raise anything
            self.hung_up = False
            logger.exception(f"Could not hang up: {type(error).__name__}")

    async def close(self) -> None:
        """Close the socket and stop reading. Calling it again changes nothing."""
        self.open = False
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name=f"wavix-close-{self.stream_id}")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECS):
                await self._socket.close()
        except TimeoutError:
            logger.debug(f"Wavix did not answer the close within {CLOSE_TIMEOUT_SECS} s")
        if self._receiving:
            self._receiving.cancel()
            await asyncio.wait([self._receiving])
