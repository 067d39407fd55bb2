"""A parrot on the telephone: it greets with a tone and repeats what the caller says.

It needs no keys, and downloads nothing when it runs. Speak while it repeats and it stops: the
barge-in sends one `clear` to Wavix, which forgets the audio that it has not played yet.

Run the emulator, the bot, and a caller, each in a terminal::

    pip install 'pipecat-wavix[demo]'
    pipecat-wavix emulate
    python examples/parrot.py -t wavix
    pipecat-wavix dial +12025550100 --say "Hello, parrot"

On a number of your own: set `WAVIX_API_KEY`, and run the bot with
`-t wavix -x your.host.name --configure-number +1...`. In a browser: `-t webrtc`, after
`pip install 'pipecat-ai[webrtc]'`.

You hear two tones, and then yourself whenever you pause.
"""

from collections import deque

import numpy as np
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams
from pipecat_wavix.runner import create_transport, main

SAMPLE_RATE = 16_000
CHUNK_BYTES = SAMPLE_RATE // 10 * 2
# What was heard before Silero was sure that it is speech; and the longest phrase a parrot learns.
PREROLL_CHUNKS = 25
PHRASE_CHUNKS = 1500

transport_params = {
    "wavix": lambda: WavixParams(),
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
}


class Parrot(FrameProcessor):
    """Records the caller's turn and says it again."""

    def __init__(self) -> None:
        super().__init__()
        self._listening = False
        self._heard: deque[bytes] = deque(maxlen=PREROLL_CHUNKS)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Listen to the caller, and answer at the end of each turn."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

        if isinstance(frame, StartFrame):
            await self._say(tone(660, secs=0.2) + tone(880, secs=0.3))
        elif isinstance(frame, InputAudioRawFrame):
            self._heard.append(frame.audio)
        elif isinstance(frame, UserStartedSpeakingFrame):
            self._listening = True
            self._heard = deque(self._heard, maxlen=PHRASE_CHUNKS)
        elif isinstance(frame, UserStoppedSpeakingFrame) and self._listening:
            phrase = b"".join(self._heard)
            self._listening = False
            self._heard = deque(maxlen=PREROLL_CHUNKS)
            logger.info(f"Repeating {len(phrase) / 2 / SAMPLE_RATE:.1f} s")
            await self._say(phrase)
        elif isinstance(frame, InterruptionFrame):
            logger.info("The caller speaks")

    async def _say(self, audio: bytes) -> None:
        await self.push_frame(TTSStartedFrame())
        for start in range(0, len(audio), CHUNK_BYTES):
            chunk = audio[start : start + CHUNK_BYTES]
            await self.push_frame(TTSAudioRawFrame(chunk, SAMPLE_RATE, 1))
        await self.push_frame(TTSStoppedFrame())


def tone(hz: float, *, secs: float) -> bytes:
    """A sine that fades in and out, as PCM16 mono at `SAMPLE_RATE`."""
    t = np.arange(int(secs * SAMPLE_RATE)) / SAMPLE_RATE
    fade = np.minimum(1, np.minimum(t, secs - t) / 0.02)
    return (8000 * fade * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    turns = UserTurnProcessor(
        user_turn_strategies=UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[
                SpeechTimeoutUserTurnStopStrategy(
                    user_speech_timeout=0.4, wait_for_transcript=False
                )
            ],
        )
    )
    pipeline = Pipeline(
        [
            transport.input(),
            VADProcessor(vad_analyzer=SileroVADAnalyzer()),
            turns,
            Parrot(),
            transport.output(),
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE, audio_out_sample_rate=SAMPLE_RATE),
    )

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


async def bot(runner_args: RunnerArguments) -> None:
    """Hold the call that the runner hands over."""
    await run_bot(await create_transport(runner_args, transport_params), runner_args)


if __name__ == "__main__":
    main()
