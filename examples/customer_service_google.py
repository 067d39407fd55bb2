"""A shop's customer service on the telephone: Google throughout.

It greets, answers, looks up an order, and hangs up when the caller has heard the goodbye. Who cuts
in is listened to: the model is then told only the words that were heard (an estimate: this voice
gives no word times).

Keys: `GOOGLE_API_KEY` for Gemini, and `GOOGLE_APPLICATION_CREDENTIALS`, the path of a service
account's key for Speech-to-Text and Text-to-Speech, in the environment or in `.env` (see
env.example). On the emulator, each in a terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[google]'
    pipecat-wavix emulate
    python examples/customer_service_google.py -t wavix
    pipecat-wavix dial +12025550100 --say "Where is my order, number one zero four?"

On a number of your own: set `WAVIX_API_KEY`, and run the bot with
`-t wavix -x your.host.name --configure-number +1...`. In a browser: `-t webrtc`, after
`pip install 'pipecat-ai[webrtc]'`.

You hear a greeting, and on your question that the order was sent and arrives tomorrow. Say that this
was all, and you hear a goodbye before it hangs up. With `pipecat-wavix phone +12025550100` in the
place of the last line you talk to it yourself.
"""

import os

from dotenv import load_dotenv
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.evals.transport import EvalTransportParams
from pipecat.frames.frames import EndWorkerFrame, FunctionCallResultProperties, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.types import RunnerArguments
from pipecat.services.google.llm import GoogleLLMService
from pipecat.services.google.stt import GoogleSTTService
from pipecat.services.google.tts import GoogleTTSService
from pipecat.services.llm_service import FunctionCallParams
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

GREETING = "Hello, this is the garden shop. How can I help you?"
INSTRUCTIONS = """\
You answer the telephone of a garden shop, which is open from nine to six, and on Sundays closed.
What you write is spoken: one or two short sentences, no lists, no symbols, numbers in words.
You know nothing about orders but what order_status tells you. When the caller has no further
question or says goodbye, call end_call and say nothing besides.
"""
ORDERS = {"104": "sent yesterday, arrives tomorrow", "105": "waits for a payment"}

transport_params = {
    "wavix": lambda: WavixParams(),
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    "eval": lambda: EvalTransportParams(audio_in_enabled=True, audio_out_enabled=True),
}


async def order_status(params: FunctionCallParams, number: str) -> None:
    """Look up an order.

    Args:
        params: Of the call of this function.
        number: The order's number, in digits.
    """
    await params.result_callback({"status": ORDERS.get(number, "there is no such order")})


async def end_call(params: FunctionCallParams, goodbye: str) -> None:
    """Say goodbye and hang up.

    Args:
        params: Of the call of this function.
        goodbye: The last sentence that the caller hears.
    """
    await params.result_callback(
        {"status": "done"}, properties=FunctionCallResultProperties(run_llm=False)
    )
    await params.llm.push_frame(TTSSpeakFrame(goodbye))
    # It ends the pipeline behind the goodbye, and the transport hangs up when that was heard.
    await params.llm.push_frame(EndWorkerFrame())


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    stt = GoogleSTTService(settings=GoogleSTTService.Settings(model="telephony"))
    llm = GoogleLLMService(
        api_key=os.environ["GOOGLE_API_KEY"],
        settings=GoogleLLMService.Settings(system_instruction=INSTRUCTIONS),
    )
    tts = GoogleTTSService(settings=GoogleTTSService.Settings(voice="en-US-Chirp3-HD-Charon"))
    context = LLMContext(tools=[order_status, end_call])
    user, assistant = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    pipeline = Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant])
    worker = PipelineWorker(pipeline, params=PipelineParams(enable_metrics=True))

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: object) -> None:
        await worker.queue_frame(TTSSpeakFrame(GREETING))

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
