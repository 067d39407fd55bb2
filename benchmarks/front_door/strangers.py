"""Who has no business at a bot's door: connections that are half opened, and tokens that are bad.

It knows HTTP and WebSocket as far as a stranger needs them, byte by byte. It refuses to know what
comes of it but for what the server answers.
"""

import asyncio
import base64
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from random import Random
from typing import Final
from uuid import uuid4

from pipecat_wavix.tokens import StreamPass, Tokens

from . import bot

HALF_OPEN: Final = 500
FLOOD_A_SEC: Final = 50
"""Of handshakes with forged tokens, and as many of webhooks with a wrong key."""

SLOW_BYTE_SECS = 1.0
RETRY_SECS = 2.0
ANSWER_TIMEOUT_SECS = 20.0
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

MINT: Final = Tokens(bot.SECRET)


def good_token(*, now: float | None = None) -> str:
    """A token as the bot makes them, of a call that nobody knows."""
    content = StreamPass(call_id=str(uuid4()), direction="inbound", to_number=bot.PLAIN)
    return MINT.issue(content, now=time.time() if now is None else now)


def forged_token(random: Random) -> str:
    """A token as somebody makes them who knows their look."""
    return "gAAAAA" + "".join(random.choices(_ALPHABET, k=random.randrange(1, 400)))


def altered_token(random: Random, good: str) -> str:
    """A good token, but for some bits."""
    raw = bytearray(base64.urlsafe_b64decode(good))
    raw[random.randrange(len(raw))] ^= random.randrange(1, 256)
    return base64.urlsafe_b64encode(raw).decode()


def start_of(call_id: str) -> str:
    """Wavix's `start`."""
    start = {"event": "start", "call_id": call_id, "stream_id": "s", "sequence_number": 1}
    start.update(stream_type="twoway", channel="inbound", event_time="2026-01-01T00:00:00Z")
    return json.dumps(start)


@asynccontextmanager
async def _connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _upgrade(token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /wavix/media/{token} HTTP/1.1\r\nHost: bot\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def _post(path: str, content_length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n"
        f"Content-Length: {content_length}\r\n\r\n"
    ).encode()


async def _status(reader: asyncio.StreamReader) -> int:
    """Read an answer's head; 0 if the connection was closed without any."""
    head = await reader.readline()
    while await reader.readline() not in (b"\r\n", b""):
        pass
    return int(head.split()[1]) if head else 0


async def handshake(port: int, token: str) -> int:
    """Try to open a socket; answer the HTTP status."""
    async with asyncio.timeout(ANSWER_TIMEOUT_SECS), _connected(port) as (reader, writer):
        writer.write(_upgrade(token))
        return await _status(reader)


async def webhook(port: int, path: str) -> int:
    """Send a webhook; answer the HTTP status."""
    body = json.dumps({"id": str(uuid4()), "event_type": "call_setup"}).encode()
    async with asyncio.timeout(ANSWER_TIMEOUT_SECS), _connected(port) as (reader, writer):
        writer.write(_post(path, len(body)) + body)
        return await _status(reader)


class Siege:
    """Holds connections half open, and knocks without end; an async context manager.

    Args:
        port: The bot's.
        webhook_path: Of its webhook: the worst stranger knows it.
        open_secs: How long it takes until all are there; 0: they come at once.

    Attributes:
        open: How many connections are held, by kind.
        seen: How often what was answered, by kind.
    """

    def __init__(self, port: int, webhook_path: str, open_secs: float) -> None:
        self._open_secs = open_secs
        self._port = port
        self._webhook_path = webhook_path
        self._random = Random(7)
        self._tasks: set[asyncio.Task[None]] = set()
        self.open: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    async def __aenter__(self) -> "Siege":
        """Begin."""
        kinds = (self._silence, self._slow_headers, self._endless_body, self._no_start)
        for number in range(HALF_OPEN):
            after_secs = number / HALF_OPEN * self._open_secs
            self._do(self._hold(kinds[number % len(kinds)], after_secs))
        self._do(self._flood("forged token", self._knock))
        self._do(self._flood("wrong key", self._ring))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and let go of all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(
        self,
        kind: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[str]],
        after_secs: float,
    ) -> None:
        await asyncio.sleep(after_secs)
        name = kind.__name__.strip("_").replace("_", " ")
        while True:
            try:
                async with _connected(self._port) as (reader, writer):
                    self.open[name] += 1
                    try:
                        answer = await kind(reader, writer)
                    finally:
                        self.open[name] -= 1
            except OSError as error:
                answer = type(error).__name__
            self.seen[f"{name}: {answer}"] += 1
            await asyncio.sleep(RETRY_SECS)

    async def _silence(self, reader: asyncio.StreamReader, _writer: object) -> str:
        await reader.read()
        return "closed"

    async def _slow_headers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        writer.write(f"POST {self._webhook_path} HTTP/1.1\r\nHost: bot\r\nX-Slow: ".encode())
        reading = asyncio.create_task(_status(reader))
        try:
            while not reading.done():
                await asyncio.wait([reading], timeout=SLOW_BYTE_SECS)
                writer.write(b"a")
            return str(reading.result())
        finally:
            reading.cancel()

    async def _endless_body(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        writer.write(_post(self._webhook_path, 1000) + b'{"id": "')
        return str(await _status(reader))

    async def _no_start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(_upgrade(good_token()))
        status = await _status(reader)
        if status != 101:
            return str(status)
        await reader.read()
        return "101, closed"

    async def _flood(self, name: str, once: Callable[[], Awaitable[int]]) -> None:
        async def one() -> None:
            try:
                answer = str(await once())
            except OSError as error:
                answer = type(error).__name__
            self.seen[f"{name}: {answer}"] += 1

        while True:
            self._do(one())
            await asyncio.sleep(1 / FLOOD_A_SEC)

    async def _knock(self) -> int:
        return await handshake(self._port, forged_token(self._random))

    async def _ring(self) -> int:
        wrong = self._webhook_path[:-4] + "".join(self._random.choices(_ALPHABET, k=4))
        return await webhook(self._port, wrong)


def besiege(pipe: Connection, port: int, webhook_path: str) -> None:
    """Be a process that lays siege whenever it is told to, and lifts it when told so.

    Args:
        pipe: A number begins a siege and says its `open_secs`; whatever comes then ends it, and what
            was held and seen goes out.
        port: The bot's.
        webhook_path: Of its webhook.
    """
    asyncio.run(_besiege(pipe, port, webhook_path))


async def _besiege(pipe: Connection, port: int, webhook_path: str) -> None:
    with suppress(EOFError):
        while True:
            open_secs = await asyncio.to_thread(pipe.recv)
            async with Siege(port, webhook_path, open_secs) as siege:
                await asyncio.to_thread(pipe.recv)
                held = dict(siege.open)
            pipe.send((held, dict(siege.seen)))
