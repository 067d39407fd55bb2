"""A receptionist on the telephone: she knows the opening hours and books appointments.

It needs no keys, and downloads nothing when it runs: Silero hears when you speak, pocketsphinx what
you say, a few rules in the place of a language model answer, and eSpeak speaks. Cut in whenever you
like. Ask "Are you open on Saturday?", say "I'd like to book an appointment", "tomorrow at ten", spell
your name with alfa, bravo, charlie, say or key in a number, or ask for a person. She understands
these things and little else, and says so.

Run the emulator, the bot, and a telephone in the browser, each in a terminal (or all: `make demo`)::

    pip install 'pipecat-wavix[demo]'
    pipecat-wavix emulate
    python examples/receptionist.py -t wavix
    pipecat-wavix phone +12025550100

On a number of your own: set `WAVIX_API_KEY`, and run it with
`-t wavix -x your.host.name --configure-number +1...`. In a browser: `-t webrtc`, after
`pip install 'pipecat-ai[webrtc]'`.

With the internet she can be better: `--stt whisper` or `moonshine`, `--tts piper` or `kokoro`
(Pipecat's own services, of Pipecat's extras of these names; they download their models), and `--llm
http://localhost:11434/v1 --llm-model llama3.2`, which is Ollama, or any URL that speaks like OpenAI
(with its key in `OPENAI_API_KEY`).
"""

from loguru import logger
from offline.choices import RATE_OUT, make_llm, make_stt, make_tts, switches
from offline.clerk import Clerk, without_numbers
from offline.desk import GREETING
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.evals.transport import EvalTransportParams
from pipecat.frames.frames import InputDTMFFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.runner.types import RunnerArguments
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams, WavixTransport
from pipecat_wavix.runner import create_transport, main

RATE_IN = 16_000

transport_params = {
    "wavix": lambda: WavixParams(),
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    "eval": lambda: EvalTransportParams(audio_in_enabled=True, audio_out_enabled=True),
}


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    arguments = runner_args.cli_args or switches().parse_args([])
    stt, tts = make_stt(arguments.stt), make_tts(arguments.tts)
    llm = make_llm(arguments, stt)
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.4)),
            # Nobody says more within 0.7 s who has not said "uh": short answers are quick ones.
            user_turn_strategies=UserTurnStrategies(
                stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)]
            ),
        ),
    )
    pipeline = Pipeline(
        [
            transport.input(),
            stt,
            DTMFAggregator(),
            user,
            llm,
            tts,
            transport.output(),
            assistant,
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=RATE_IN, audio_out_sample_rate=RATE_OUT),
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: object) -> None:
        await worker.queue_frame(TTSSpeakFrame(GREETING))

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: object) -> None:
        await worker.cancel()

    @user.event_handler("on_user_turn_stopped")
    async def on_user_turn_stopped(
        user: object, strategy: object, message: UserTurnStoppedMessage
    ) -> None:
        logger.info(f"Caller: {without_numbers(message.content or '')}")

    @assistant.event_handler("on_assistant_turn_stopped")
    async def on_assistant_turn_stopped(
        assistant: object, message: AssistantTurnStoppedMessage
    ) -> None:
        # What was heard of it, after a barge-in: that is what the transport lets through.
        logger.info(f"Desk: {message.content}{' ...' if message.interrupted else ''}")

    if isinstance(llm, Clerk):

        @llm.event_handler("on_keys_wanted")
        async def on_keys_wanted(llm: Clerk) -> None:
            # Wavix tells of keys when it is asked to; other carriers do by themselves.
            if isinstance(transport, WavixTransport):
                try:
                    keys = await transport.collect_dtmf(max_digits=15, timeout_secs=30)
                except RuntimeError as error:
                    logger.info(f"No keys: {error}")
                    return
                if keys.digits:  # the aggregator waits for the hash key, which is not among them
                    await worker.queue_frame(InputDTMFFrame(button=KeypadEntry.POUND))

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


async def bot(runner_args: RunnerArguments) -> None:
    """Hold the call that the runner hands over."""
    await run_bot(await create_transport(runner_args, transport_params), runner_args)


if __name__ == "__main__":
    # Models are loaded, and what is missing is missed, before anybody calls.
    chosen, _ = switches(add_help=False).parse_known_args()
    make_stt(chosen.stt), make_tts(chosen.tts)
    main(switches())
