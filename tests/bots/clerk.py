"""A bot for whole calls: it greets, listens, says goodbye when it heard something, and hangs up.

Calls to the number that ends in 1 are asked for keys first. Speech is anything loud, so that no
model has to load. What happens is printed, a line of JSON each.
"""

import asyncio
import json

import numpy as np
from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams
from pipecat_wavix.runner import create_transport, main

RATE = 16_000
GREETING_HZ, GOODBYE_HZ = 600, 900
GREETING_SECS, GOODBYE_SECS = 0.4, 1.0
QUIET_SECS = 0.4

transport_params = {
    "wavix": WavixParams,
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
}


def tell(what, **fields):
    print(json.dumps({"told": what, **fields}), flush=True)  # noqa: T201 - read by the test


def tone(hz, secs):
    t = np.arange(int(secs * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


class Clerk(FrameProcessor):
    def __init__(self, listening):
        super().__init__()
        self.listening = listening
        self.heard_secs = self.quiet_secs = 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self.say(tone(GREETING_HZ, GREETING_SECS))
        elif isinstance(frame, InputDTMFFrame):
            tell("key", key=frame.button.value)
        elif isinstance(frame, InputAudioRawFrame) and self.listening:
            await self.listen(frame)

    async def listen(self, frame):
        secs = len(frame.audio) / 2 / frame.sample_rate
        if np.abs(np.frombuffer(frame.audio, "<i2").astype(int)).max(initial=0) > 1000:
            self.heard_secs += secs
            self.quiet_secs = 0.0
        else:
            self.quiet_secs += secs
        if self.heard_secs > 0.3 and self.quiet_secs > QUIET_SECS:
            self.listening = False
            tell("heard", secs=round(self.heard_secs, 2))
            await self.say(tone(GOODBYE_HZ, GOODBYE_SECS))
            await self.push_frame(EndWorkerFrame())

    async def say(self, audio):
        await self.push_frame(TTSStartedFrame())
        await self.push_frame(TTSAudioRawFrame(audio, RATE, 1))
        await self.push_frame(TTSStoppedFrame())


async def bot(runner_args):
    transport = await create_transport(runner_args, transport_params)
    call = runner_args.call_data
    tell(
        "call",
        call_id=call.call_id,
        direction=call.get("direction"),
        caller=call.from_number[-4:] if call.from_number else None,
        body=call.body,
    )
    asks_for_keys = bool(call.to_number and call.to_number.endswith("1"))
    clerk = Clerk(listening=not asks_for_keys)
    worker = PipelineWorker(
        Pipeline([transport.input(), clerk, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport, client):
        if asks_for_keys:
            result = await transport.collect_dtmf(max_digits=4, timeout_secs=10)
            tell("collected", digits=result.digits, outcome=result.outcome)
            clerk.listening = True

    @transport.event_handler("on_voicemail_detected")
    async def on_voicemail_detected(transport):
        tell("voicemail")

    @transport.event_handler("on_call_ended")
    async def on_call_ended(transport, statistics):
        tell("ended", heard=statistics.fully_heard, hung_up=statistics.hung_up)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport, client):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def on_call_ended(call):
    tell("over", event=call.event_type, machine=call.machine_detected)
    await asyncio.sleep(0)


if __name__ == "__main__":
    main(on_call_ended=on_call_ended)
