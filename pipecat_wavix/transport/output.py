"""The bot's mouth: what goes downstream of it goes when the caller hears it.

It is Pipecat's output with its hooks overridden: audio goes to the `writer`, frames go through the
`gate`, and the end of a call waits for the last word to be heard.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pipecat.audio.dtmf.utils import load_dtmf_audio
from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ControlFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    StartFrame,
    SystemFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.processors.frameworks.rtvi import models as rtvi
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.utils.utils import obj_id

from pipecat_wavix.frames import WavixMarkFrame, WavixMarkReturnedFrame
from pipecat_wavix.playback import Cut, Playback
from pipecat_wavix.protocol import SAMPLE_RATE
from pipecat_wavix.transport.connection import Connection
from pipecat_wavix.transport.gate import Gate, is_for_the_ear, is_timed
from pipecat_wavix.transport.heard import Heard, UntilHeardFrame
from pipecat_wavix.transport.params import WavixParams
from pipecat_wavix.transport.speaking import Waiting
from pipecat_wavix.transport.statistics import CallStatistics
from pipecat_wavix.transport.writer import Writer

_DELIVERY_TIMEOUT_SECS = 0.1  # how long an interruption waits for heard words to be taken note of
_UNCONFIRMED_SECS = 0.3  # how much longer than expected to wait for a mark that proves it
_CLEAR_LATENCY_SECS = 0.075  # Wavix promises 50 to 100 ms
_POLL_SECS = 0.01
_SPEAKING_FRAMES = BotStartedSpeakingFrame | BotSpeakingFrame | BotStoppedSpeakingFrame


@dataclass
class _DeliveredFrame(ControlFrame):
    """Goes to the pipeline's end, to tell that all before it was taken note of."""

    interruptible: bool = field(default=False, init=False)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class WavixOutputTransport(BaseOutputTransport):
    """The output of a `WavixTransport`."""

    def __init__(
        self,
        connection: Connection,
        params: WavixParams,
        statistics: CallStatistics,
        *,
        on_mark: Callable[[str, bool | None], Awaitable[None]],
        on_ending: Callable[[], None],
        on_ended: Callable[[], Awaitable[None]],
        **kwargs: Any,
    ):
        """Initialize the output.

        Args:
            connection: The stream's socket.
            params: Transport configuration parameters.
            statistics: Where to count.
            on_mark: Called when the place of a `WavixMarkFrame` was heard, or cleared.
            on_ending: Called when nobody is waited for any more: the bot hangs up.
            on_ended: Called when the call is over.
            **kwargs: Additional arguments passed to parent class.
        """
        super().__init__(params, **kwargs)
        self._wavix = params
        self._connection = connection
        self._statistics = statistics
        self._tell_mark = on_mark
        self._tell_ending = on_ending
        self._tell_ended = on_ended
        self._playback: Playback[Waiting] = Playback(
            sample_rate=SAMPLE_RATE,
            mark_interval_secs=params.mark_interval_secs,
            clear_latency_secs=_CLEAR_LATENCY_SECS,
        )
        self._writer = Writer(connection, self._playback)
        self._gate = Gate(
            self._playback,
            push=super().push_frame,
            return_mark=self._return_mark,
            estimate_cut_sentences=params.estimate_cut_sentences,
            trace=connection.trace,
        )
        self._chunk_start = 0
        self._first_fresh_id = 0
        self._until_heard: dict[int, UntilHeardFrame] = {}
        self._gate_task: asyncio.Task[None] | None = None
        self._tone_tasks: set[asyncio.Task[None]] = set()
        self._dialling = asyncio.Lock()  # one number at a time, or their keys mix
        self._ended = False
        connection.on_mark = self._on_mark

    # ---- life

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set up the output at the pipeline's sample rate.

        Args:
            setup: Configuration object containing setup parameters.
        """
        await super().setup(setup)
        setup.pipeline_worker.add_reached_downstream_filter((_DeliveredFrame,))
        setup.pipeline_worker.add_event_handler("on_frame_reached_downstream", _on_delivered)

    async def start(self, frame: StartFrame) -> None:
        """Start the output, and learn the round trip before the first word.

        Args:
            frame: The start frame.
        """
        await super().start(frame)
        if self._gate_task is None:
            self._gate_task = self.create_task(self._gate.run(self._writer.mark_if_due), "gate")
        if self._wavix.audio_out_enabled:
            await self._writer.prime()
        await self.set_transport_ready(frame)

    async def stop(self, frame: EndFrame) -> None:
        """End the call when its last word was heard: drain, hang up, close.

        Args:
            frame: The end frame.
        """
        await super().stop(frame)  # all that was queued is written
        if self._tone_tasks:  # urgent keys are queued nowhere, and yet to be heard
            await asyncio.wait(list(self._tone_tasks))
        await self._drain()
        self._tell_ending()
        await self._connection.hang_up()
        await self._finish()

    async def cancel(self, frame: CancelFrame) -> None:
        """End the call at once: hang up first, for the caller is still listening.

        Args:
            frame: The cancel frame.
        """
        self._ended = True
        self._tell_ending()
        await self._connection.hang_up()
        await super().cancel(frame)
        await self._finish()

    async def cleanup(self) -> None:
        """Release all resources, whichever way the call ended."""
        await super().cleanup()
        await self._finish()

    async def _finish(self) -> None:
        self._ended = True
        self._tell_ending()
        self._interrupt_waiting(self._playback.ear.playhead(time.monotonic()))
        if self._gate_task:
            task, self._gate_task = self._gate_task, None
            await self.cancel_task(task)
        while self._tone_tasks:
            await self.cancel_task(self._tone_tasks.pop())
        await self._writer.close()
        await self._connection.close()
        ear, statistics = self._playback.ear, self._statistics
        statistics.media_out = self._writer.media_sent
        statistics.underruns = ear.underruns
        statistics.marks_returned = ear.marks_returned
        statistics.marks_lost = ear.marks_lost
        statistics.round_trip_secs = ear.round_trip_secs if ear.marks_returned else None
        await self._tell_ended()

    async def far_end_left(self) -> None:
        """Deliver what was heard, and what must not be lost: nobody hears any more."""
        await self._gate.void()
        self._interrupt_waiting(self._playback.sent)

    # ---- what leaves

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Write an audio frame when it is its time.

        Args:
            frame: The output audio frame to write.

        Returns:
            Whether it was sent: False if it was interrupted, or nobody is there to hear it.
        """
        # Pipecat may have taken it from its queue before an interruption, to write it after.
        overtaken = frame.interruptible and frame.id < self._first_fresh_id
        if self._ended or overtaken or self._is_stale(frame):
            return False
        background = type(frame) is OutputAudioRawFrame and self._wavix.audio_out_mixer is not None
        wavix = self._wavix
        start = await self._writer.write(
            frame.audio,
            sample_rate=frame.sample_rate,
            lead_secs=wavix.background_lead_secs if background else wavix.speech_lead_secs,
            protected=not frame.interruptible,
            speech=not background,
        )
        self._gate.wake()
        if start is None:
            return False
        self._chunk_start = start
        return True

    async def write_dtmf(self, frame: OutputDTMFFrame | OutputDTMFUrgentFrame) -> None:
        """Send keys as tones; Wavix's stream knows no other way.

        Each is 300 ms of tone and 200 ms of silence, as Pipecat has them. ITU-T Q.24 asks for 40.

        Args:
            frame: The DTMF frame to write.
        """
        epoch = self._playback.epoch
        async with self._dialling:
            for button in frame.buttons or []:
                tone = await load_dtmf_audio(button, sample_rate=SAMPLE_RATE)
                # Interrupted, it ends: half a number is worse than none.
                if self._is_stale(frame) or epoch != self._playback.epoch:
                    return
                start = await self._writer.write(
                    tone, sample_rate=SAMPLE_RATE, lead_secs=self._wavix.speech_lead_secs
                )
                if start is None:
                    return

    async def send_message(
        self, frame: OutputTransportMessageFrame | OutputTransportMessageUrgentFrame
    ) -> None:
        """Place a mark, or send a message as it is. RTVI's are not for Wavix.

        Args:
            frame: The transport message frame to send.
        """
        if self._is_stale(frame):
            return
        if isinstance(frame, WavixMarkFrame):
            await self._mark()
            if self._gate.place(frame):
                await self.push_frame(WavixMarkReturnedFrame(mark=frame.mark, heard=True))
        elif not (
            isinstance(frame.message, dict) and frame.message.get("label") == rtvi.MESSAGE_LABEL
        ):
            await self._connection.send_text(json.dumps(frame.message))

    async def _return_mark(self, frame: WavixMarkReturnedFrame) -> None:
        await self._tell_mark(frame.mark, frame.heard)
        await super().push_frame(frame, FrameDirection.DOWNSTREAM)
        upstream = WavixMarkReturnedFrame(mark=frame.mark, heard=frame.heard)
        await super().push_frame(upstream, FrameDirection.UPSTREAM)

    async def _mark(self) -> None:
        """Have a mark prove that all so far was heard, the last part of a frame included."""
        await self._writer.flush()
        await self._writer.mark()

    def _on_mark(self, name: str) -> None:
        if self._playback.ear.echo(time.monotonic(), name):
            self._gate.wake()

    # ---- frames

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Process a frame.

        Args:
            frame: The frame to process.
            direction: The direction of frame flow in the pipeline.
        """
        if self._connection.trace and direction is FrameDirection.DOWNSTREAM:
            self._connection.trace.passed(frame)
        if isinstance(frame, InterruptionFrame):
            await self._interrupt(frame, direction)
        elif isinstance(frame, OutputDTMFUrgentFrame):
            # In a task of its own: an interruption must not wait until the tone has been sent.
            await FrameProcessor.process_frame(self, frame, direction)
            task = self.create_task(self.write_dtmf(frame), "tones")
            self._tone_tasks.add(task)
            task.add_done_callback(self._tone_tasks.discard)
        elif direction is FrameDirection.UPSTREAM or self._ended:
            await super().process_frame(frame, direction)
        else:
            ahead = self._gate.note(frame, self.get_clock().get_time())
            if ahead:
                await super().process_frame(ahead, direction)
            if is_timed(frame):
                # Placed by its audio, not by the base's clock: that would also let an
                # interruption cancel a stop() which waits for the clock's task.
                await FrameProcessor.process_frame(self, frame, direction)
                await self._gate.hold_timed(frame, self.get_clock().get_time())
            else:
                await super().process_frame(frame, direction)

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Push a frame on when the caller has heard what comes before it.

        Args:
            frame: The frame to push.
            direction: The direction to push the frame.
        """
        if self._ended:
            await super().push_frame(frame, direction)
        elif not self._connection.open:
            if not is_for_the_ear(frame):
                await super().push_frame(frame, direction)
        elif isinstance(frame, _SPEAKING_FRAMES | WavixMarkReturnedFrame):
            if isinstance(frame, BotStoppedSpeakingFrame) and not self._gate.closed:
                await self._mark()
            await self._hold(frame, direction)
        elif direction is FrameDirection.UPSTREAM or isinstance(frame, SystemFrame | EndFrame):
            await super().push_frame(frame, direction)
        elif not self._is_stale(frame):
            if isinstance(frame, UntilHeardFrame):
                await self._mark()
            await self._hold(frame, direction)

    def _is_stale(self, frame: Frame) -> bool:
        """Whether an interruption that is being dealt with is about to drop a queued frame.

        Pipecat empties its queue when the InterruptionFrame has been pushed, and works on until
        then.
        """
        return self._gate.closed and frame.interruptible

    async def _hold(self, frame: Frame, direction: FrameDirection) -> None:
        chunk_end = self._playback.sent - self._writer.padding
        await self._gate.hold(frame, direction, chunk_start=self._chunk_start, chunk_end=chunk_end)

    async def _interrupt(self, frame: InterruptionFrame, direction: FrameDirection) -> None:
        """Stop the speech at the far end first, then tell the pipeline what of it was heard."""
        now = time.monotonic()
        self._gate.closed = True
        try:
            cut: Cut[Waiting] | None = None
            if not self._ended and self._connection.open:
                cut = await self._writer.interrupt(now)
                if cut.clear:
                    self._statistics.barge_ins += 1
                    self._statistics.clear_secs.append(time.monotonic() - now)
                if self._connection.trace:
                    self._connection.trace.note("interrupted", clear=cut.clear)
                await self._gate.cut(cut)
                if not cut.again and (cut.clear or cut.position >= self._playback.sent):
                    self._interrupt_waiting(cut.position)
                if time.monotonic() - self._gate.text_left_at < _DELIVERY_TIMEOUT_SECS:
                    await self._wait_until_delivered()
            await super().process_frame(frame, direction)
            if cut:
                await self._gate.mend(cut)
        finally:
            self._first_fresh_id = obj_id()
            self._gate.closed = False
        await self._gate.release()

    async def _wait_until_delivered(self) -> None:
        """An InterruptionFrame overtakes queued frames, and drops them: let the words get there."""
        delivered = _DeliveredFrame()
        await super().push_frame(delivered)
        try:
            async with asyncio.timeout(_DELIVERY_TIMEOUT_SECS):
                await delivered.arrived.wait()
        except TimeoutError:
            return

    # ---- until all is heard

    async def _drain(self) -> None:
        """Wait until the last word was heard, for a bounded time."""
        ear, began, epoch = self._playback.ear, time.monotonic(), self._playback.epoch
        await self._mark()
        expected = max(began, ear.heard_at(ear.sent) or 0) + ear.round_trip_secs / 2
        limit = expected + self._wavix.drain_grace_secs
        while self._connection.open and (now := time.monotonic()) < limit:
            if ear.confirmed or (not ear.marks_reliable and now > expected + _UNCONFIRMED_SECS):
                break
            await self._writer.mark_if_due()
            await asyncio.sleep(_POLL_SECS)
        self._statistics.drain_secs = time.monotonic() - began
        if not self._connection.open or epoch != self._playback.epoch:
            self._statistics.fully_heard = "cut"
        else:
            self._statistics.fully_heard = "confirmed" if ear.confirmed else "estimated"
        await self._gate.release()
        await self._gate.void()  # nothing is kept for ever

    async def wait_until_heard(self, timeout: float) -> Heard:
        """Wait until the caller has heard all that the pipeline was given so far.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            What became of it.
        """
        until = UntilHeardFrame()
        self._until_heard[until.id] = until
        try:
            async with asyncio.timeout(timeout) as limit:
                await self.pipeline_worker.queue_frame(until)
                heard, position = await until.answer
                if not heard:
                    return Heard("interrupted", position)
                limit.reschedule(None)
                return await self._confirm(position)
        except TimeoutError:
            return Heard("timed_out", self._playback.ear.playhead(time.monotonic()))
        finally:
            self._until_heard.pop(until.id, None)

    async def _confirm(self, position: int) -> Heard:
        ear = self._playback.ear
        patience = time.monotonic() + ear.round_trip_secs / 2 + _UNCONFIRMED_SECS
        while ear.floor < position and time.monotonic() < patience:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECS)
        return Heard("confirmed" if ear.floor >= position else "estimated", position)

    def _interrupt_waiting(self, position: int) -> None:
        while self._until_heard:
            _, until = self._until_heard.popitem()
            until.settle(heard=False, position=position)


async def _on_delivered(_worker: object, frame: Frame) -> None:
    if isinstance(frame, _DeliveredFrame):
        frame.arrived.set()
