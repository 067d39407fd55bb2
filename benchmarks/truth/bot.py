"""The bot, in a process of its own: Pipecat's parts around one of two transports.

The assistant's context is filled by Pipecat's own aggregator. A director plays the far end's script,
and recorders on either side of the output note what the pipeline is told, and when.
"""

import asyncio
import gc
import random
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, Literal

import numpy as np
import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    StartFrame,
    TTSSpeakFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import (
    CallStatistics,
    WavixFrameSerializer,
    WavixParams,
    WavixTransport,
    wait_for_start,
)

from . import speech
from .plan import (
    Action,
    AwaitCaller,
    Believed,
    End,
    HungUp,
    Interrupt,
    Log,
    Pause,
    Plan,
    Say,
)
from .pulse import Pulse
from .voices import RequestTTS, StreamingTTS

LOUD = 1_000
QUIET_SECS = 0.3  # a caller who was quiet for so long speaks up anew


class Director(FrameProcessor):
    """Plays the script, and interrupts the bot when the caller speaks up."""

    def __init__(self, plan: Plan, log: Log) -> None:
        super().__init__()
        self._plan = plan
        self._log = log
        self._loud_at = -QUIET_SECS
        self._caller_spoke = asyncio.Event()
        self.worker: PipelineWorker
        self._script: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass everything on; listen to the caller."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self._listen(frame)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._script = self.create_task(self._play())

    async def cleanup(self) -> None:
        """Stop the script."""
        await super().cleanup()
        if self._script:
            await self.cancel_task(self._script)

    async def _listen(self, frame: InputAudioRawFrame) -> None:
        level = np.abs(np.frombuffer(frame.audio, "<i2").astype(np.int32)).max(initial=0)
        if level < LOUD:
            return
        now = time.monotonic()
        was_quiet_secs, self._loud_at = now - self._loud_at, now
        if was_quiet_secs >= QUIET_SECS:
            await self._interrupt()
            self._caller_spoke.set()

    async def _interrupt(self) -> None:
        self._log.interruptions.append(time.monotonic())
        await self.broadcast_interruption()

    async def _play(self) -> None:
        for action in self._plan.script:
            await self._act(action)

    async def _act(self, action: Action) -> None:
        match action:
            case Say(sentences=sentences, how="reply"):
                await self.push_frame(LLMFullResponseStartFrame())
                for first, end in sentences:
                    for token in speech.text(range(first, end)).split():
                        await self.push_frame(LLMTextFrame(token + " "))
                await self.push_frame(LLMFullResponseEndFrame())
            case Say(sentences=sentences, how=how):
                for first, end in sentences:
                    speak = TTSSpeakFrame(speech.text(range(first, end)))
                    speak.interruptible = how != "protected"
                    await self.push_frame(speak)
            case Pause(secs=secs):
                await asyncio.sleep(secs)
            case Interrupt():
                await self._interrupt()
            case AwaitCaller(timeout_secs=timeout_secs):
                try:
                    await asyncio.wait_for(self._caller_spoke.wait(), timeout_secs)
                except TimeoutError:
                    self._log.error = "the caller never spoke up"
                self._caller_spoke.clear()
            case End():
                await self.worker.queue_frame(EndFrame())


class Recorder(FrameProcessor):
    """Notes what passes: what the pipeline believes, and when."""

    def __init__(self, log: Log, side: FrameDirection) -> None:
        super().__init__()
        self._log = log
        self._side = side

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note the frame, and pass it on."""
        await super().process_frame(frame, direction)
        kinds = (
            BotStartedSpeakingFrame,
            BotStoppedSpeakingFrame,
            TTSTextFrame,
            InterruptionFrame,
            EndFrame,
            CancelFrame,
        )
        if direction is self._side and isinstance(frame, kinds):
            side: Literal["down", "up"] = "down" if direction is FrameDirection.DOWNSTREAM else "up"
            text = frame.text if isinstance(frame, TTSTextFrame) else ""
            self._log.believed.append(Believed(time.monotonic(), type(frame).__name__, side, text))
        await self.push_frame(frame, direction)


class HangsUp:
    """Ends calls, as `WavixClient` does, and tells the far end of it."""

    def __init__(self, call_id: str, tell: Callable[[object], None]) -> None:
        self._call_id = call_id
        self._tell = tell

    async def hang_up(self, call_id: str) -> None:
        """End the call now; whatever has not been heard by now never will be."""
        self._tell(HungUp(self._call_id, time.monotonic()))

    async def hang_up_this(self) -> None:
        """The same, as the serializer wants it."""
        await self.hang_up(self._call_id)


def watch_output(output: FrameProcessor, log: Log) -> None:
    """Note when the output is handed an interruption."""
    process_frame = output.process_frame

    async def watched(frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame) and direction is FrameDirection.DOWNSTREAM:
            log.reached.append(time.monotonic())
        await process_frame(frame, direction)

    output.process_frame = watched  # type: ignore[method-assign]


def watch_wire(websocket: WebSocket, log: Log) -> None:
    """Note when messages are on the wire."""
    send_text: Callable[[str], Awaitable[None]] = websocket.send_text

    async def watched(data: str) -> None:
        if '"media"' in data[:200]:
            log.media.append(time.monotonic())
        await send_text(data)
        if '"clear"' in data[:200]:
            log.clears.append(time.monotonic())

    websocket.send_text = watched  # type: ignore[method-assign]


def make_transport(
    websocket: WebSocket, plan: Plan, stream_id: str, hangs_up: HangsUp, call_id: str
) -> BaseTransport:
    """One of the two transports, as its documentation tells to set it up."""
    if plan.transport == "stock":
        serializer = WavixFrameSerializer(stream_id, hang_up=hangs_up.hang_up_this)
        return FastAPIWebsocketTransport(
            websocket,
            FastAPIWebsocketParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_out_10ms_chunks=2,
                serializer=serializer,
            ),
        )
    params = WavixParams()
    if plan.lead_secs is not None:
        params = WavixParams(speech_lead_secs=plan.lead_secs)
    return WavixTransport(
        websocket, stream_id=stream_id, call_id=call_id, client=hangs_up, params=params
    )


async def hold_call(websocket: WebSocket, plans: "Plans", tell: Callable[[object], None]) -> None:
    """Hold one call, and tell the log of it."""
    start = await wait_for_start(websocket)
    plan = await plans.of(start.call_id)
    log = Log(start.call_id)
    watch_wire(websocket, log)
    hangs_up = HangsUp(start.call_id, tell)
    transport = make_transport(websocket, plan, start.stream_id, hangs_up, start.call_id)
    watch_output(transport.output(), log)
    context = LLMContext()
    # The half before the TTS is not used, and its default would load a model, at 45 ms a call.
    turns = UserTurnStrategies(start=[], stop=[SpeechTimeoutUserTurnStopStrategy()])
    aggregators = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(user_turn_strategies=turns)
    )
    director = Director(plan, log)
    tts = StreamingTTS(plan.trailing_ms) if plan.timed else RequestTTS(plan.trailing_ms)
    pipeline = Pipeline(
        [
            transport.input(),
            director,
            tts,
            Recorder(log, FrameDirection.UPSTREAM),
            transport.output(),
            Recorder(log, FrameDirection.DOWNSTREAM),
            aggregators.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(
            audio_in_sample_rate=16_000, audio_out_sample_rate=speech.SAMPLE_RATE
        ),
    )
    director.worker = worker

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, websocket: WebSocket) -> None:
        await worker.cancel()

    if isinstance(transport, WavixTransport):

        @transport.event_handler("on_call_ended")
        async def on_call_ended(transport: BaseTransport, statistics: CallStatistics) -> None:
            log.statistics = str(statistics)

    stalling = asyncio.create_task(stall(plan.stall_ms / 1000)) if plan.stall_ms else None
    try:
        async with Pulse() as pulse:
            runner = WorkerRunner(handle_sigint=False)
            await runner.add_workers(worker)
            await runner.run()
        log.late_secs = pulse.late_secs
    except Exception as error:
        log.error = repr(error)
    finally:
        if stalling:
            stalling.cancel()
        log.finished_at = time.monotonic()
        messages: list[Any] = context.get_messages()
        log.context = [each["content"] for each in messages if each["role"] == "assistant"]
        tell(log)


async def stall(secs: float) -> None:
    """Let the event loop stand still once a second, as a garbage collection does."""
    await asyncio.sleep(random.Random(secs).random())
    while True:
        time.sleep(secs)  # noqa: ASYNC251 - this is the stall
        await asyncio.sleep(1 - secs % 1)


class Plans:
    """What the far end wants of each call: it says so beside the socket, before or after it dials."""

    def __init__(self) -> None:
        self._plans: dict[str, asyncio.Future[Plan]] = {}

    def of(self, call_id: str) -> asyncio.Future[Plan]:
        """The plan of a call, when it comes."""
        return self._plans.setdefault(call_id, asyncio.get_running_loop().create_future())

    def listen(self, pipe: Connection) -> None:
        """Take the next plan."""
        call_id, plan = pipe.recv()
        self.of(call_id).set_result(plan)


def serve(pipe: Connection, log_level: str) -> None:
    """Take calls until the process is ended; the port is the first thing told.

    Args:
        pipe: Where plans come from, and where to tell what happens.
        log_level: What of the bots' log is shown.
    """
    logger.remove()
    logger.add(sys.stderr, level=log_level, format="{time:HH:mm:ss.SSS} {level} {message}")
    gc.collect()
    gc.freeze()
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    app = FastAPI()
    plans = Plans()
    asyncio.get_running_loop().add_reader(pipe.fileno(), plans.listen, pipe)

    @app.websocket("/call")
    async def call(websocket: WebSocket) -> None:
        await websocket.accept()
        await hold_call(websocket, plans, pipe.send)

    # By its protocol asyncio knows TCP, and sends what is small at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # who has the port may call
    config = uvicorn.Config(app, ws_per_message_deflate=False, log_level="error", lifespan="off")
    pipe.send(listener.getsockname()[1])
    await uvicorn.Server(config).serve([listener])
