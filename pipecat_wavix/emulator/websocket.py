"""The socket to the bot: a WebSocket client whose messages carry the moment they came in.

It knows TCP, TLS and WebSocket, through the I/O-free core of `websockets`. It refuses to know what
a message says. The library's own client queues messages for a task to fetch; here they are
delivered in the very callback that reads them from the kernel, so a busy event loop adds as
little as possible to their times. Compression is off, as on Wavix.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""A longer message ends the connection; it is far longer than any that is understood."""


class CannotConnectError(ConnectionError):
    """The bot's socket could not be opened; the message tells where and why.

    Attributes:
        status: The HTTP status of a refusal, or `None` if no answer came.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def origin_of(url: str) -> str:
    """The scheme, host and port of a URL, however malformed: all of it that holds no secret."""
    scheme, _, rest = url.partition("://")
    host = re.split("[/?#]", rest)[0].rpartition("@")[2]
    return f"{scheme}://{host}" if host else ""


class BotSocket(asyncio.Protocol):
    """A WebSocket connection to a bot; made by `open`.

    Args:
        protocol: The I/O-free core.
        on_open: Called once, with this socket and the time on the loop's clock, when the bot has
            accepted; it may send at once.
        on_message: Called with each message, text or binary, and its time.
        on_close: Called once with the time when the bot closes the socket or it breaks; not after
            `close`.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        on_open: Callable[["BotSocket", float], None],
        on_message: Callable[[bytes, float], None],
        on_close: Callable[[float], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._on_open = on_open
        self._on_message = on_message
        self._on_close = on_close
        self._transport: asyncio.Transport
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._listening = False
        self._fragments: list[bytes] = []

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        on_open: Callable[["BotSocket", float], None],
        on_message: Callable[[bytes, float], None],
        on_close: Callable[[float], None],
        timeout: float,
    ) -> "BotSocket":
        """Connect and shake hands.

        Args:
            url: `ws://` or `wss://`; path and query are sent unchanged.
            on_open: See the class.
            on_message: See the class.
            on_close: See the class.
            timeout: The longest that both may take, in seconds.

        Raises:
            CannotConnectError: The bot cannot be reached, refuses, or is silent for too long.
        """
        where = origin_of(url)
        try:
            uri = parse_uri(url)
        except (InvalidURI, ValueError):
            raise CannotConnectError(
                f"'{where}' is no URL of a socket: give ws:// or wss://"
            ) from None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, socket = await loop.create_connection(
                    lambda: cls(
                        ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES),
                        on_open,
                        on_message,
                        on_close,
                    ),
                    uri.host,
                    uri.port,
                    ssl=ssl.create_default_context() if uri.secure else None,
                )
                try:
                    await socket._handshake()
                except BaseException:
                    socket._transport.abort()
                    raise
                return socket
        except TimeoutError:
            raise CannotConnectError(f"{where} did not answer within {timeout:g} s") from None
        except InvalidStatus as error:
            status = error.response.status_code
            raise CannotConnectError(f"{where} refused the call: HTTP {status}", status) from None
        except (WebSocketException, EOFError, LookupError, ValueError) as error:
            raise CannotConnectError(f"{where} does not speak WebSocket: {error}") from None
        except OSError as error:
            raise CannotConnectError(f"{where} cannot be reached: {error}") from None

    @property
    def unread_bytes(self) -> int:
        """What was sent and waits in this process, because the bot does not read."""
        return self._transport.get_write_buffer_size()

    def send(self, text: str) -> bool:
        """Send a text message without waiting; tell whether the socket was open for it."""
        if self._protocol.state is not State.OPEN:
            return False
        self._protocol.send_text(text.encode())
        self._flush()
        return True

    async def close(self, timeout: float) -> None:
        """Close the socket, politely if the bot answers in time, and be rid of it in any case.

        Args:
            timeout: How long to wait for the bot, in seconds.
        """
        self._listening = False
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        try:
            async with asyncio.timeout(timeout):
                await self._gone.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()
        await self._gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the TCP connection is open."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's signature is wider
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what was read."""
        now = self._loop.time()
        self._protocol.receive_data(data)
        self._process(now)

    def eof_received(self) -> None:
        """Called by asyncio: the bot's side sends no more."""
        now = self._loop.time()
        self._protocol.receive_eof()
        self._process(now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the connection is gone."""
        self._answer(ConnectionResetError("the connection was lost in the handshake"))
        self._gone.set()
        self._notify_close(self._loop.time())

    async def _handshake(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        await self._answered

    def _answer(self, error: Exception | None) -> None:
        if self._answered.done():
            return
        if error:
            self._answered.set_exception(error)
        else:
            self._answered.set_result(None)

    def _process(self, now: float) -> None:
        events = self._protocol.events_received()
        self._flush()
        if self._protocol.handshake_exc:
            self._answer(self._protocol.handshake_exc)
            return
        for event in events:
            if isinstance(event, Response):
                self._answer(None)
                self._listening = True
                self._on_open(self, now)
            elif isinstance(event, Frame) and event.opcode in (
                Opcode.TEXT,
                Opcode.BINARY,
                Opcode.CONT,
            ):
                self._fragments.append(bytes(event.data))
                if event.fin:
                    message = b"".join(self._fragments)
                    self._fragments.clear()
                    self._on_message(message, now)
        if self._protocol.state is not State.OPEN:
            self._notify_close(now)

    def _notify_close(self, now: float) -> None:
        if self._listening:
            self._listening = False
            self._on_close(now)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                # TLS has no end of writing, and a broken connection has nothing to end.
                with contextlib.suppress(OSError, NotImplementedError):
                    self._transport.write_eof()
