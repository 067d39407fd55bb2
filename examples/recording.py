"""A call that is recorded: left the caller, right what the caller *heard*.

Elsewhere a recorder notes what a bot has sent, and after a barge-in it has words that nobody heard.
Behind a `WavixTransport`'s output all audio comes when the caller hears it, and what a barge-in has
cut off does not come at all. So Pipecat's `AudioBufferProcessor` needs nothing but its place there.

You hear a story, sentence by sentence: say something, and the bot tells the next one. Cut in, and
it stops. `recordings/CALL_ID.wav` is written when the call is over, whoever ends it. Until then it
is kept in memory, 4 MB a minute: for long calls, `AudioBufferProcessor(buffer_size=...)` hands it
over in pieces.

Key: `CARTESIA_API_KEY`, in `.env` (see env.example). On the emulator, each in a terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[cartesia]'
    pipecat-wavix emulate --out calls
    python examples/recording.py -t wavix
    pipecat-wavix dial +12025550100 --say "Go on" --barge-in-say "Stop"

Compare it with `calls/CALL_ID/recording.wav`, which the emulator has made at the caller's end: the
same was said and heard. When it was, is true to 50 ms and the network: the caller's voice is
recorded as it arrives, and Pipecat's recorder fills with silence whichever side comes late (with 40
ms of jitter, about 10 ms an answer). On a number of your own: set `WAVIX_API_KEY` as well, and run
it with `-t wavix -x your.host.name --configure-number +1...`.
"""

import asyncio
import os
import wave
from pathlib import Path

from dotenv import load_dotenv
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import EndFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

RECORDINGS = Path("recordings")
# One rate for all: the recorder would resample one side otherwise, and have it late.
SAMPLE_RATE = 16_000
STORY = [
    "This call is recorded. Say something, and I go on.",
    "A tortoise and a hare agreed to run a race, and a fox was asked to be the judge of it.",
    "The hare ran so far ahead that it lay down beside the road, and soon it was fast asleep.",
    "The tortoise walked on without a rest, and won. Goodbye!",
]

transport_params = {"wavix": lambda: WavixParams()}


def save(path: Path, audio: bytes, sample_rate: int, channels: int) -> None:
    """Write a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as wav:
        wav.setparams((channels, 2, sample_rate, 0, "NONE", ""))
        wav.writeframes(audio)
    logger.info(f"Recorded: {path}")


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call, and record it."""
    call = runner_args.call_data
    recording_path = RECORDINGS / f"{call.call_id if call else 'call'}.wav"
    turns = UserTurnProcessor(
        user_turn_strategies=UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False)],
        )
    )
    tts = CartesiaTTSService(
        api_key=os.environ["CARTESIA_API_KEY"],
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    recorder = AudioBufferProcessor(num_channels=2, auto_start_recording=True)
    pipeline = Pipeline(
        [
            transport.input(),
            VADProcessor(vad_analyzer=SileroVADAnalyzer()),
            turns,
            tts,
            transport.output(),
            recorder,
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE, audio_out_sample_rate=SAMPLE_RATE),
    )
    story = iter(STORY)

    async def tell() -> None:
        if sentence := next(story, None):
            await worker.queue_frame(TTSSpeakFrame(sentence))
            if sentence is STORY[-1]:
                await worker.queue_frame(EndFrame())

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: object) -> None:
        await tell()

    @turns.event_handler("on_user_turn_stopped")
    async def on_user_turn_stopped(turns: UserTurnProcessor, strategy: object) -> None:
        await tell()

    @recorder.event_handler("on_audio_data")
    async def on_audio_data(
        recorder: AudioBufferProcessor, audio: bytes, sample_rate: int, channels: int
    ) -> None:
        await asyncio.to_thread(save, recording_path, audio, sample_rate, channels)

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
