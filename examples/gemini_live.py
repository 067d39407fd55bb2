"""Speech to speech with Gemini Live.

Gemini takes PCM at 16 kHz and gives it at 24 kHz. A Wavix stream carries 24 kHz both ways, so one
thing is resampled: the caller's voice, from 24 to 16 kHz, by the transport, which delays it by 1 ms.
A telephone's band ends far below what 16 kHz can carry. Gemini's voice reaches Wavix as it is.

Google hears when the caller begins and ends to speak: there is no VAD here. When the caller cuts
in, Gemini says so, and Wavix forgets the rest of the answer. What the context keeps of it is what
the caller has heard; Gemini itself assumes that it is heard as fast as it is spoken.

Key: `GOOGLE_API_KEY`, in the environment or in `.env` (see env.example). On the emulator, each in a
terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[google]'
    pipecat-wavix emulate
    python examples/gemini_live.py -t wavix
    pipecat-wavix phone +12025550100

On a number of your own: set `WAVIX_API_KEY` as well, and run it with
`-t wavix -x your.host.name --configure-number +1...`.

You hear a greeting as soon as the call is up; then talk, and cut in whenever you like.
"""

import os

from dotenv import load_dotenv
from loguru import logger
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    UserTurnMessageAddedMessage,
)
from pipecat.runner.types import RunnerArguments
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

transport_params = {
    "wavix": lambda: WavixParams(),
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
}


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    llm = GeminiLiveLLMService(
        api_key=os.environ["GOOGLE_API_KEY"],
        settings=GeminiLiveLLMService.Settings(
            voice="Kore",
            system_instruction=(
                "You are a friendly assistant on the telephone. Answer in one or two short "
                "sentences. The line is narrow: if you have not understood a name or a number, "
                "ask for it again."
            ),
        ),
    )
    context = LLMContext([{"role": "developer", "content": "Greet the caller, and offer to help."}])
    user, assistant = LLMContextAggregatorPair(context)
    pipeline = Pipeline([transport.input(), user, llm, transport.output(), assistant])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=24_000),
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: object) -> None:
        await worker.queue_frame(LLMRunFrame())

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: object) -> None:
        await worker.cancel()

    @user.event_handler("on_user_turn_message_added")
    async def on_user_turn_message_added(_: object, message: UserTurnMessageAddedMessage) -> None:
        logger.info(f"The caller said: {message.content}")

    @assistant.event_handler("on_assistant_turn_stopped")
    async def on_assistant_turn_stopped(_: object, message: AssistantTurnStoppedMessage) -> None:
        logger.info(f"The caller heard: {message.content}")

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


async def bot(runner_args: RunnerArguments) -> None:
    """Hold the call that the runner hands over."""
    await run_bot(await create_transport(runner_args, transport_params), runner_args)


if __name__ == "__main__":
    main()
