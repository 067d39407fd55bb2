"""Speech to speech with OpenAI Realtime, at 24 kHz from end to end.

A Wavix stream carries PCM at 24 kHz, and OpenAI Realtime takes and gives the same, so no audio is
converted on the way: what the caller says reaches the model bit by bit, and the model's voice
reaches Wavix so. OpenAI hears when the caller begins and ends to speak: there is no VAD here.

When the caller cuts in, Wavix forgets the rest of the answer, and Pipecat tells OpenAI how much of
it was heard (`conversation.item.truncate`), so that the model knows where it was stopped. Pipecat
counts from the answer's first audio on, and with this transport that is what the caller has heard,
to about a tenth of a second. It does not hold for a second answer that follows the first without a
pause, as around a function call: of that one, OpenAI is told nothing.

Key: `OPENAI_API_KEY`, in the environment or in `.env` (see env.example). On the emulator, each in a
terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[openai]'
    pipecat-wavix emulate
    python examples/openai_realtime.py -t wavix
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
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

# Wavix's rate and OpenAI's: as long as the pipeline has it too, nothing is resampled.
SAMPLE_RATE = 24_000

transport_params = {
    "wavix": lambda: WavixParams(),
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
}


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    llm = OpenAIRealtimeLLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        settings=OpenAIRealtimeLLMService.Settings(
            system_instruction=(
                "You are a friendly assistant on the telephone. Answer in one or two short "
                "sentences. The line is narrow: if you have not understood a name or a number, "
                "ask for it again."
            ),
            # OpenAI's own turn detection is on unless it is set otherwise.
            session_properties=SessionProperties(
                audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
            ),
        ),
    )
    context = LLMContext([{"role": "developer", "content": "Greet the caller, and offer to help."}])
    user, assistant = LLMContextAggregatorPair(context)
    pipeline = Pipeline([transport.input(), user, llm, transport.output(), assistant])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE, audio_out_sample_rate=SAMPLE_RATE),
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
