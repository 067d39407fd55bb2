"""One call of a page: its socket, the caller whose voice comes over it, and the call.

It knows what a page may say and in which order. It refuses to know what the page shows. The first
message says whom to call, and the socket is closed when the call is over:

    {"do": "call", "to": "ws://..." or "+1...", "network": {"delay_ms", "jitter_ms", "loss"}}
    {"do": "network", "network": {...}}
    {"do": "press", "key": "5"}
    {"do": "hang_up"}

Bytes are the caller's voice, PCM16 at 24 kHz. The page is told what `bulletin` says, and at last

    {"kind": "over", "problem": ..., "text": ...}

where `problem` is `null`, or `unreachable`, `refused`, `unanswered`, `wrong` (the request) or `error`.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from loguru import logger
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipecat_wavix.emulator.call_trace import CallTrace
from pipecat_wavix.emulator.callers import LiveCaller
from pipecat_wavix.emulator.handset.bulletin import Bulletin
from pipecat_wavix.emulator.media import Call
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.platform import Platform
from pipecat_wavix.emulator.summary import CallSummary
from pipecat_wavix.emulator.websocket import CannotConnectError

VOICE_BUFFER_SECS: Final = 0.3
VOICE_PREBUFFER_SECS: Final = 0.04
"""How much of the page's voice is kept at most, and awaited at first: frames come unevenly."""

UNREAD_LIMIT: Final = 1000
"""How many messages may wait for a page that does not read, about 15 s: then it is hung up."""

CLOSE_TIMEOUT_SECS: Final = 2.0
"""How long the call may take to end when the page has gone, and the page to take the last word."""


@dataclass(frozen=True)
class _Dialled:
    """What a call to a socket and a call to a number have in common."""

    ended: Callable[[], Coroutine[Any, Any, CallSummary | None]]
    hang_up: Callable[[], None]
    change_network: Callable[[NetworkSettings], None]
    unanswered: Callable[[], str]


class Session:
    """One page and its call; `run` it once.

    Args:
        platform: Who is called through.
        websocket: The page's, not yet accepted.
    """

    def __init__(self, platform: Platform, websocket: WebSocket) -> None:
        self._platform = platform
        self._websocket = websocket
        self._caller = LiveCaller(VOICE_BUFFER_SECS, VOICE_PREBUFFER_SECS)
        self._network = platform.settings.call.network
        self._dialled: _Dialled | None = None
        self._call: asyncio.Task[CallSummary | None] | None = None
        self._writing: asyncio.Task[None]
        self._outbox: asyncio.Queue[bytes | dict[str, Any] | None] = asyncio.Queue()

    async def run(self) -> None:
        """Hold the socket until the call is over, the page leaves or the emulator ends."""
        await self._websocket.accept()
        self._writing = asyncio.create_task(self._write(), name="a handset's writer")
        tasks = [
            self._writing,
            asyncio.create_task(self._read(), name="a handset's reader"),
            asyncio.create_task(self._platform.closing.wait(), name="a handset's end"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._dialled and self._call:
                self._dialled.hang_up()
                await asyncio.wait([self._call], timeout=CLOSE_TIMEOUT_SECS)
                self._call.cancel()
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_SECS):
                    await self._websocket.close()

    async def _read(self) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            try:
                if (voice := message.get("bytes")) is not None:
                    self._caller.feed(voice)
                else:
                    self._obey(json.loads(message["text"]))
            except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
                if self._call is None:
                    self._tell_over("wrong", str(error))
                else:
                    logger.debug(f"A handset: not understood: {type(error).__name__}")

    async def _write(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # the page has left
            while (message := await self._outbox.get()) is not None:
                if isinstance(message, bytes):
                    await self._websocket.send_bytes(message)
                else:
                    await self._websocket.send_text(json.dumps(message))

    def _obey(self, order: dict[str, Any]) -> None:
        match order["do"]:
            case "call" if self._call is None:
                self._set_network(order.get("network", {}))
                self._dialled = self._dial(order["to"])
                self._call = asyncio.create_task(self._dialled.ended(), name="a handset's call")
                self._call.add_done_callback(self._note_end)
            case "network":
                self._set_network(order["network"])
            case "press":
                self._caller.press(order["key"])
            case "hang_up" if self._dialled:
                self._dialled.hang_up()
            case what:
                raise ValueError(f"{what!a} cannot be done now")

    def _set_network(self, changes: dict[str, Any]) -> None:
        now = self._network
        self._network = replace(
            now,
            delay_ms=float(changes.get("delay_ms", now.delay_ms)),
            jitter_ms=float(changes.get("jitter_ms", now.jitter_ms)),
            loss=float(changes.get("loss", now.loss)),
        )
        if self._dialled:
            self._dialled.change_network(self._network)

    def _dial(self, to: str) -> _Dialled:
        bulletin = Bulletin(self._tell)
        if "://" in to:
            return self._dial_socket(to, bulletin)
        call = self._platform.dial(to, self._caller)
        call.change_network(self._network)
        call.observers.append(bulletin.observe)
        return _Dialled(call.finished, call.hang_up, call.change_network, lambda: call.phase)

    def _dial_socket(self, url: str, bulletin: Bulletin) -> _Dialled:
        if not url.startswith(("ws://", "wss://")):
            raise ValueError("a bot is called at ws:// or wss://, or by a number of the emulator")
        settings = self._platform.settings
        call_id = self._platform.new_id()
        media = replace(settings.call, call_id=call_id, network=self._network)
        trace = CallTrace(settings.recordings / call_id if settings.recordings else None)
        call = Call(url, self._caller, media, [bulletin.observe, trace.observe])

        async def held() -> CallSummary:
            trace.open(call_id, asdict(media))
            try:
                return await call.run()
            finally:
                trace.close()

        def hang_up() -> None:
            if self._call and not bulletin.has_begun:
                self._call.cancel()  # nobody has picked up: there is no line to hang up
            else:
                call.hang_up("the caller hung up")

        return _Dialled(held, hang_up, call.change_network, lambda: "")

    def _note_end(self, call: asyncio.Task[CallSummary | None]) -> None:
        if call.cancelled():
            self._tell_over(None, "hung up")
            return
        match call.exception():
            case CannotConnectError() as error:
                self._tell_over("unreachable" if error.status is None else "refused", str(error))
            case None if summary := call.result():
                self._tell_over(None, summary.end_reason)
            case None:
                assert self._dialled  # noqa: S101 - there is no call without
                self._tell_over("unanswered", self._dialled.unanswered())
            case error:
                logger.error(
                    f"A handset: its call ended by an error: {type(error).__name__}: {error}"
                )
                self._tell_over("error", f"{type(error).__name__}: {error}")

    def _tell(self, message: bytes | dict[str, Any]) -> None:
        if self._outbox.qsize() < UNREAD_LIMIT:
            self._outbox.put_nowait(message)
        else:
            self._writing.cancel()

    def _tell_over(self, problem: str | None, text: str) -> None:
        self._tell({"kind": "over", "problem": problem, "text": text})
        self._outbox.put_nowait(None)
