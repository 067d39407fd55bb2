"""The bot, in a process of its own: the router as its user serves it, and a stopwatch around it.

It serves as uvicorn does by default, and logs as Pipecat does by default, to nowhere. The number
that is called says what kind of bot answers.
"""

import asyncio
import base64
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np
import uvicorn
from fastapi import FastAPI
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, StartFrame, TTSAudioRawFrame, TTSStartedFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipecat_wavix import WavixClient, WavixParams
from pipecat_wavix.runner import create_transport
from pipecat_wavix.server import WavixSettings, wavix_router

PLAIN: Final = "+12025550100"
SILERO: Final = "+12025550101"
SPARE: Final = "+12025550102"
TALKER: Final = "+12025550103"
NUMBERS: Final = (PLAIN, SILERO, SPARE, TALKER)
"""Whoever is called greets with a tone. Two have Silero in the pipeline: one loads it at each call,
one has it ready. The last never stops talking."""

API_KEY: Final = "an-api-key"
SECRET: Final = "a-secret-that-is-long-enough-to-be-one"  # noqa: S105 - of this benchmark alone

BACKLOG: Final = 2048
"""uvicorn's own default."""

_RATE = 24_000
_GREETING_SECS = 1
_TALK_SECS = 600


@dataclass
class Order:
    """How a bot is to be.

    Attributes:
        wavix_url: Where it finds Wavix's API.
        public_port: Where it says that it is reached; by default where it listens.
        timed: Whether calls are timed, one at a time.
        shows_logs: Whether its logs are shown.
    """

    wavix_url: str
    public_port: int | None = None
    timed: bool = True
    shows_logs: bool = False


@dataclass
class Ready:
    """It serves.

    Attributes:
        port: Where it listens.
        webhook_path: Of its webhook.
        loop: Whose event loop it runs on.
    """

    port: int
    webhook_path: str
    loop: str


@dataclass
class Ran:
    """Its function was called for a call."""

    call_id: str


@dataclass
class Laps:
    """When what happened on the way to a call's first audio, on the monotonic clock."""

    at: dict[str, float]


class Stopwatch:
    """ASGI middleware that notes when what of a call's beginning happens; one call at a time."""

    def __init__(self, app: ASGIApp, tell: Callable[[object], None]) -> None:
        self._app = app
        self._tell = tell
        self._at: dict[str, float] = {}

    def note(self, lap: str) -> None:
        """Note the first time that something happens."""
        self._at.setdefault(lap, time.monotonic())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] == "http" and scope["path"].startswith("/wavix/webhook/"):
            await self._app(scope, self._webhook(receive), send)
        elif scope["type"] == "websocket":
            self.note("socket")
            await self._app(scope, self._from_wavix(receive), self._to_wavix(send))
        else:
            await self._app(scope, receive, send)

    def _webhook(self, receive: Receive) -> Receive:
        came_at = time.monotonic()

        async def receive_body() -> Message:
            message = await receive()
            if b'"call_setup"' in message.get("body", b""):
                self._at = {"webhook": came_at}
            return message

        return receive_body

    def _from_wavix(self, receive: Receive) -> Receive:
        async def receive_event() -> Message:
            message = await receive()
            if "start" not in self._at and '"start"' in (message.get("text") or ""):
                self.note("start")
            return message

        return receive_event

    def _to_wavix(self, send: Send) -> Send:
        async def send_command(message: Message) -> None:
            await send(message)
            if message["type"] == "websocket.accept":
                self.note("accepted")
            elif "audio" not in self._at and _is_audible(message.get("text") or ""):
                self.note("audio")
                self._tell(Laps(self._at))

        return send_command


def _is_audible(text: str) -> bool:
    """Whether it is media that is not the silence by which the transport learns the round trip."""
    if '"media"' not in text:
        return False
    return any(base64.b64decode(json.loads(text)["media"]["payload"]))


class TimedClient(WavixClient):
    """Notes when it asks and is answered."""

    note: Callable[[str], None]

    async def get_call(self, call_id: str) -> Any:
        """See `WavixClient.get_call`."""
        self.note("asks")
        call = await super().get_call(call_id)
        self.note("told")
        return call

    async def answer(self, call_id: str, **options: Any) -> None:
        """See `WavixClient.answer`."""
        self.note("answers")
        await super().answer(call_id, **options)


class Speaker(FrameProcessor):
    """Says a tone as soon as the pipeline runs."""

    def __init__(self, secs: int, note: Callable[[str], None]) -> None:
        super().__init__()
        self._secs = secs
        self._note = note

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass everything on."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._note("pipeline")
            await self.push_frame(TTSStartedFrame())
            for _ in range(self._secs):
                await self.push_frame(TTSAudioRawFrame(_TONE, _RATE, 1))


_TONE = (8000 * np.sin(2 * np.pi * 600 / _RATE * np.arange(_RATE))).astype("<i2").tobytes()


class Bot:
    """What runs on a call."""

    def __init__(self, tell: Callable[[object], None], note: Callable[[str], None]) -> None:
        self._tell = tell
        self._note = note
        self._spare = SileroVADAnalyzer()

    async def __call__(self, runner_args: RunnerArguments) -> None:
        """Hold a call."""
        call = runner_args.call_data
        assert call
        self._tell(Ran(call.call_id or ""))
        transport = await create_transport(runner_args, {"wavix": WavixParams})
        secs = _TALK_SECS if call.to_number == TALKER else _GREETING_SECS
        parts: list[FrameProcessor] = [Speaker(secs, self._note), transport.output()]
        if call.to_number == SILERO:
            parts.insert(0, VADProcessor(vad_analyzer=SileroVADAnalyzer()))
        elif call.to_number == SPARE:
            parts.insert(0, VADProcessor(vad_analyzer=self._spare))
        worker = PipelineWorker(Pipeline([transport.input(), *parts]))

        @transport.event_handler("on_client_disconnected")
        async def on_client_disconnected(transport: BaseTransport, websocket: object) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()
        if call.to_number == SPARE:
            self._spare = await asyncio.to_thread(SileroVADAnalyzer)


def serve(pipe: Connection, order: Order) -> None:
    """Take calls until the process is ended; `Ready` is the first thing told.

    Args:
        pipe: Where to tell what happens.
        order: How to be.
    """
    if not order.shows_logs:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    # As uvicorn's own: only with the protocol named does asyncio switch off Nagle's delay.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    port = listener.getsockname()[1]
    settings = WavixSettings(
        public_url=f"http://127.0.0.1:{order.public_port or port}",
        secret=SECRET,  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
    )
    app = FastAPI()
    stopwatch = Stopwatch(app, pipe.send)
    client = TimedClient(API_KEY, base_url=order.wavix_url)
    client.note = stopwatch.note
    router = wavix_router(Bot(pipe.send, stopwatch.note), client, settings)
    app.include_router(router)

    async def and_tell(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            path = router.webhook_url.removeprefix(settings.public_url)
            loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
            pipe.send(Ready(port, path, loop))
            await app(scope, receive, send)
        else:
            await (stopwatch if order.timed else app)(scope, receive, send)

    config = uvicorn.Config(and_tell, ws_per_message_deflate=False)
    uvicorn.Server(config).run([listener])
