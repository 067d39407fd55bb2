"""A call in one process: a far end that plays through `PhoneLine`, and the bot's pipeline on it."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from random import Random

import numpy as np
from pipecat.frames.frames import Frame, StartFrame, SystemFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams, WavixTransport
from pipecat_wavix.phoneline import Cleared, LineSettings, MarkPlayed, PhoneLine, Step
from pipecat_wavix.protocol import Clear, PlaceMark, PlayMedia, parse_command

RATE = 24_000


class FarEnd:
    """Wavix, as a bot's server sees it: a Starlette WebSocket with a telephone line behind it.

    Its clock is the loop's; a network of `one_way` seconds lies between.
    """

    def __init__(self, one_way=0.05, *, mark_loss=0.0, doubled=0.0, jitter=0.0, line=None, seed=1):
        self.one_way, self.mark_loss, self.doubled, self.jitter = (
            one_way,
            mark_loss,
            doubled,
            jitter,
        )
        self.random = Random(seed)
        self.loop = asyncio.get_running_loop()
        self.line = PhoneLine(self.loop.time() + 0.007, line or LineSettings())
        self.inbox = asyncio.Queue()
        self.sent = []  # (time, command) as the bot sent them
        self.steps = []
        self.cleared = []
        self.closed_at = None
        self.hung_up_at = None
        self.reads = asyncio.Event()  # whether it reads what the bot sends
        self.reads.set()
        self.fail_hang_ups = 0
        self._arrives = self._returns = 0.0
        self._sequence = 1
        self._tick = self.loop.call_at(self.line.next_step_at, self._advance)

    # -- what a Starlette WebSocket does

    async def receive(self):
        return await self.inbox.get()

    async def send_text(self, text):
        await self.reads.wait()
        if self.closed_at is not None:
            raise RuntimeError("closed")
        command = parse_command(text)
        now = self.loop.time()
        self.sent.append((now, command))
        self._arrives = max(self._arrives + 1e-7, now + self.one_way + self._jitter())
        self.loop.call_at(self._arrives, self._arrive, command)

    async def close(self, code=1000):
        if self.closed_at is None:
            self.closed_at = self.loop.time()
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": code})

    # -- what a WavixClient does

    async def hang_up(self, call_id):
        if self.fail_hang_ups:
            self.fail_hang_ups -= 1
            raise RuntimeError("the API is down")
        self.hung_up_at = self.loop.time()

    # -- the line

    def _jitter(self):
        return self.random.uniform(0, self.jitter)

    def _arrive(self, command):
        now = self.loop.time()
        match command:
            case PlayMedia():
                assert len(command.media.payload) == 960
                self.line.play(now, command.media.payload)
            case PlaceMark():
                self.line.mark(now, command.mark.name)
            case Clear():
                self.line.clear(now)
        self._advance()

    def _advance(self):
        self._tick.cancel()
        now = self.loop.time()
        # Up to but not including now: what arrives now is in time for the step that begins now.
        for event in self.line.advance(now - 1e-6):
            if isinstance(event, Step):
                self.steps.append(event)
            elif isinstance(event, Cleared):
                self.cleared.append(event)
            elif isinstance(event, MarkPlayed) and self.random.random() >= self.mark_loss:
                for _ in range(1 + (self.random.random() < self.doubled)):
                    self._return(max(now, event.at), event.name)
        self._tick = self.loop.call_at(max(self.line.next_event_at, now) + 2e-6, self._advance)

    def _return(self, at, name):
        self._returns = max(self._returns + 1e-7, at + self.one_way + self._jitter())
        self.loop.call_at(self._returns, self.say, {"event": "mark", "mark": {"name": name}})

    def say(self, message):
        """Have Wavix send a message now."""
        self._sequence += 1
        text = json.dumps({"sequence_number": self._sequence, **message})
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self):
        self._tick.cancel()
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})

    # -- the truth

    def heard(self):
        """Everything that was heard: (time of each sample, its value), for samples of the bot."""
        times, values = [], []
        for step in self.steps:
            n = step.heard_samples
            times.append(step.at + np.arange(n) / RATE)
            values.append(np.frombuffer(step.pcm, "<i2")[:n])
        return np.concatenate(times or [[]]), np.concatenate(values or [[]])

    def spans(self, *, pause=0.1):
        """When something audible was heard: [(from, to), ...]."""
        times, values = self.heard()
        times = times[np.abs(values.astype(int)) > 100]
        if not len(times):
            return []
        gaps = np.flatnonzero(np.diff(times) > pause)
        return list(zip(times[[0, *(gaps + 1)]], times[[*gaps, -1]] + 1 / RATE, strict=True))

    def commands(self, kind):
        return [(at, command) for at, command in self.sent if isinstance(command, kind)]


class Recorder(FrameProcessor):
    """Notes what passes it, and when."""

    def __init__(self):
        super().__init__(enable_direct_mode=True)
        self.seen = []

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        self.seen.append((time.monotonic(), frame, direction))
        await self.push_frame(frame, direction)

    def times(self, kind, direction=FrameDirection.DOWNSTREAM):
        return [t for t, frame, d in self.seen if isinstance(frame, kind) and d is direction]

    def frames(self, kind, direction=FrameDirection.DOWNSTREAM):
        return [frame for _, frame, d in self.seen if isinstance(frame, kind) and d is direction]


@dataclass
class Call:
    far: FarEnd
    transport: WavixTransport
    worker: PipelineWorker
    before: Recorder
    after: Recorder
    events: list = field(default_factory=list)
    running: asyncio.Task | None = None

    async def say(self, *frames: Frame):
        await self.worker.queue_frames(frames)

    async def ended(self):
        await asyncio.wait_for(asyncio.shield(self.running), 600)


@contextlib.asynccontextmanager
async def call(
    *processors, far=None, params=None, out_rate=RATE, in_rate=16_000, idle=None, ahead=(), **kwargs
):
    """A bot on a call: [input, *ahead, recorder, output, recorder, *processors]."""
    far = far or FarEnd()
    transport = WavixTransport(
        far,
        stream_id="str-456",
        call_id="abc-123",
        params=params or WavixParams(),
        client=kwargs.pop("client", far),
        **kwargs,
    )
    before, after = Recorder(), Recorder()
    worker = PipelineWorker(
        Pipeline([transport.input(), *ahead, before, transport.output(), after, *processors]),
        params=PipelineParams(audio_in_sample_rate=in_rate, audio_out_sample_rate=out_rate),
        enable_rtvi=False,
        idle_timeout_secs=idle,
    )
    this = Call(far, transport, worker, before, after)
    for name in ("on_client_connected", "on_client_disconnected", "on_session_timeout"):
        transport.add_event_handler(name, _noting(this, name))
    for name in ("on_mark", "on_call_ended"):
        transport.add_event_handler(name, _noting(this, name))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    this.running = asyncio.create_task(runner.run())
    while not after.frames(StartFrame):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    try:
        yield this
    finally:
        if not this.running.done():
            await worker.cancel()
            await asyncio.wait_for(this.running, 60)
        far._tick.cancel()


def _noting(this, name):
    async def handler(_transport, *args):
        this.events.append((name, *args))

    return handler


def is_system(frame):
    return isinstance(frame, SystemFrame)


def speech(secs, *, rate=RATE, hz=440):
    """A tone: audible from its first sample on."""
    t = np.arange(round(secs * rate)) / rate
    return (8000 * np.cos(2 * np.pi * hz * t)).astype("<i2").tobytes()
