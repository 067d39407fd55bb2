"""A hairdresser's appointments by telephone: Pipecat Flows, and a goodbye that is known to be heard.

The conversation is a flow of three nodes: the day, the time, and whether there is anything else. In
each the model has only that node's task and functions. At the end the bot says goodbye, waits until
the caller has heard it, and only then hangs up; who cuts in ("wait, one more thing") is listened to
instead.

Keys: `DEEPGRAM_API_KEY`, `OPENAI_API_KEY`, `CARTESIA_API_KEY`, in the environment or in `.env` (see
env.example). On the emulator, each in a terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[deepgram,openai,cartesia]'
    pipecat-wavix emulate
    python examples/appointments.py -t wavix
    pipecat-wavix phone +12025550100

On a number of your own: set `WAVIX_API_KEY` as well, and run it with
`-t wavix -x your.host.name --configure-number +1...`.

You hear a greeting at once. Ask for Tuesday, choose a time, and say that this was all; or cut into
the goodbye.
"""

import os
from typing import Any

from dotenv import load_dotenv
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.flows import NO_RESPONSE, ConsolidatedFunctionResult, FlowManager, NodeConfig
from pipecat.frames.frames import EndFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.types import RunnerArguments
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.llm_service import LLMService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams, WavixTransport
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

GREETING = "Hello, this is the hairdresser's. For which day would you like an appointment?"
ROLE = """\
You make appointments for a hairdresser on the telephone. What you write is spoken: one short
sentence, no lists, no symbols, numbers in words. Never promise a time that was not given to you.
"""
FREE = {"tuesday": ["nine", "half past three"], "thursday": ["ten", "eleven", "four"]}

transport_params = {
    "wavix": lambda: WavixParams(),
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
}


def ask_for_day() -> NodeConfig:
    """The first node. The greeting has asked already."""
    return {
        "name": "day",
        "role_message": ROLE,
        "task_messages": [{"role": "developer", "content": "Find out which day the caller wants."}],
        "functions": [choose_day],
        "respond_immediately": False,
    }


def ask_for_time() -> NodeConfig:
    """The second node."""
    task = "Offer the free times of {{ day }}, and find out which one the caller wants."
    return {
        "name": "time",
        "task_messages": [{"role": "developer", "content": task}],
        "functions": [choose_time, choose_day],
    }


def ask_for_more() -> NodeConfig:
    """The last node."""
    task = (
        "Say that the appointment is on {{ day }} at {{ time }}, and ask whether that is all. If it "
        "is, call end_call."
    )
    return {
        "name": "more",
        "task_messages": [{"role": "developer", "content": task}],
        "functions": [end_call, choose_day],
    }


async def choose_day(flow_manager: FlowManager, day: str) -> ConsolidatedFunctionResult:
    """Look up the free times of a day.

    Args:
        flow_manager: The flow.
        day: The day of the week, in English.
    """
    times = FREE.get(day.lower())
    if not times:
        days = [each for each, times in FREE.items() if times]
        return {"error": f"nothing is free on {day}", "free": days}, None
    flow_manager.state["day"] = day.lower()
    return {"free": times}, ask_for_time()


async def choose_time(flow_manager: FlowManager, time: str) -> ConsolidatedFunctionResult:
    """Make the appointment.

    Args:
        flow_manager: The flow.
        time: One of the free times, word by word.
    """
    times = FREE[flow_manager.state["day"]]
    if time not in times:
        return {"error": f"{time} is not free", "free": times}, None
    times.remove(time)
    flow_manager.state["time"] = time
    return {"status": "done"}, ask_for_more()


async def end_call(flow_manager: FlowManager, goodbye: str) -> ConsolidatedFunctionResult:
    """Say goodbye and hang up.

    Args:
        flow_manager: The flow.
        goodbye: The last sentence that the caller hears.
    """
    await flow_manager.worker.queue_frame(TTSSpeakFrame(goodbye))
    if isinstance(flow_manager.transport, WavixTransport):  # a browser's does not know
        heard = await flow_manager.transport.wait_until_heard(timeout=20)
        logger.info(f"The goodbye: {heard.outcome}")
        if heard.outcome == "interrupted":
            return {"status": "the caller has cut in; the call goes on"}, NO_RESPONSE
    await flow_manager.worker.queue_frame(EndFrame())
    return {"status": "done"}, NO_RESPONSE


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    stt = DeepgramSTTService(api_key=os.environ["DEEPGRAM_API_KEY"])
    llm: LLMService[Any] = OpenAILLMService(api_key=os.environ["OPENAI_API_KEY"])
    tts = CartesiaTTSService(
        api_key=os.environ["CARTESIA_API_KEY"],
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    aggregators = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    user, assistant = aggregators
    pipeline = Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant])
    worker = PipelineWorker(pipeline)
    flow = FlowManager(worker=worker, llm=llm, context_aggregator=aggregators, transport=transport)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: object) -> None:
        # No `tts_say` action: one that the caller cuts into never ends (Pipecat's issue 5263).
        await worker.queue_frame(TTSSpeakFrame(GREETING))
        await flow.initialize(ask_for_day())

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
