r"""A reminder of an appointment: the bot calls, and learns whether a person or a machine answers.

A person is told of the appointment, and confirms it by pressing 1 or by saying "yes". Words are
taken only if they leave no doubt: "no problem" is no cancellation, and neither is a machine's "no
one can take your call". Wavix itself looks out for voicemail; when it is sure, it hangs up, so no
message can be left there: the bot is told (`on_voicemail_detected`) and stops. `on_call_ended` is
told how each call ended, also those that nobody took: that is where a real one would try again
later, or send a message. Who calls the number back is told that nobody listens there.

Keys: `DEEPGRAM_API_KEY`, `CARTESIA_API_KEY`, in `.env` (see env.example). On the emulator, each in
a terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[cartesia,deepgram]'
    pipecat-wavix emulate --out calls
    WAVIX_OPERATOR_KEY=not-a-secret-but-long-enough-for-one python examples/reminder.py -t wavix
    curl localhost:8400/_emulator/callees -d '{"say": ["Yes, I will be there."]}'
    curl localhost:7860/wavix/calls -d '{
        "to": "+12025550199", "from": "+12025550100", "voicemail_detection": true,
        "body": {"name": "Ms Lee", "time": "on Tuesday at ten"}}' \
        -H "Authorization: Bearer not-a-secret-but-long-enough-for-one"

The first `curl` says who picks up; `{"outcome": "machine"}` is voicemail, and `{"outcome": "busy"}`
is what it says. You hear it in `calls/CALL_ID/recording.wav`: the reminder, which "yes" cuts short,
and thanks; then the bot hangs up. To call from a number of your own, set `WAVIX_API_KEY` as well,
and run it with `-t wavix -x your.host.name`; the last `curl` goes there.
"""

import os
import re
from collections.abc import Awaitable, Callable

from dotenv import load_dotenv
from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixCall, WavixParams, WavixTransport
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

REMINDER = (
    "Hello {name}, this is your dentist. You have an appointment {time}. "
    "To confirm it, press one or say yes. To cancel it, press two or say no."
)
ANSWERS = {
    "1": "Thank you, we look forward to seeing you. Goodbye!",
    "2": "It is cancelled. Thank you for telling us. Goodbye!",
}
NO_ANSWER = "We will call you again. Goodbye!"
UNCLEAR = "Please say yes or no, or press one or two."
CALLED_BACK = "You have reached the reminders of your dentist, where nobody listens. Goodbye!"
DOUBTS = {"no", "not", "cannot", "t", "but"}  # with one of these ("can't"), "yes" confirms nothing
UNCLEAR_ANSWERS = 3  # as often they are asked about: a machine would go on for ever
PATIENCE_SECS = 30  # for a key, since the call was answered

transport_params = {"wavix": lambda: WavixParams()}


def meaning(text: str) -> str:
    """Tell which key words stand for; empty if that is not beyond doubt."""
    words = re.findall(r"\w+", text.lower())
    if words == ["no"]:
        return "2"
    return "1" if "yes" in words and not DOUBTS.intersection(words) else ""


class Ears(FrameProcessor):
    """Hands the words of the person on."""

    def __init__(self, hear: Callable[[str], Awaitable[None]]) -> None:
        super().__init__()
        self._hear = hear

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look for what was understood."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            await self._hear(frame.text)
        await self.push_frame(frame, direction)


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    assert isinstance(transport, WavixTransport)  # others do not collect keys
    appointment = runner_args.body or {}  # of who has us call; a call that comes in has none
    answered = False
    unclear = 0

    async def answer(key: str) -> None:
        nonlocal answered
        if answered:
            return
        answered = True
        logger.info(f"The appointment {appointment['time']}: {key or 'no answer'}")
        text = ANSWERS.get(key, NO_ANSWER)
        await worker.queue_frames([InterruptionFrame(), TTSSpeakFrame(text), EndFrame()])

    async def hear(text: str) -> None:
        nonlocal unclear
        if answered or not appointment:
            return
        if key := meaning(text):
            await answer(key)
        elif unclear < UNCLEAR_ANSWERS:
            unclear += 1
            await worker.queue_frame(TTSSpeakFrame(UNCLEAR))

    stt = DeepgramSTTService(api_key=os.environ["DEEPGRAM_API_KEY"])
    tts = CartesiaTTSService(
        api_key=os.environ["CARTESIA_API_KEY"],
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    worker = PipelineWorker(Pipeline([transport.input(), stt, Ears(hear), tts, transport.output()]))

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: WavixTransport, client: object) -> None:
        if not appointment:
            await worker.queue_frames([TTSSpeakFrame(CALLED_BACK), EndFrame()])
            return
        await worker.queue_frame(TTSSpeakFrame(REMINDER.format(**appointment)))
        keys = await transport.collect_dtmf(
            max_digits=1, timeout_secs=PATIENCE_SECS, when_heard=False
        )
        if keys.outcome != "hung_up":
            await answer(keys.digits)

    @transport.event_handler("on_voicemail_detected")
    async def on_voicemail_detected(transport: WavixTransport) -> None:
        logger.info("A machine has answered")
        await worker.cancel()

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


async def bot(runner_args: RunnerArguments) -> None:
    """Hold the call that the runner hands over."""
    await run_bot(await create_transport(runner_args, transport_params), runner_args)


async def on_call_ended(call: WavixCall) -> None:
    """Take note of how a call ended."""
    outcome = "voicemail" if call.machine_detected else call.event_type
    logger.info(f"Call {call.id} is over: {outcome}")


if __name__ == "__main__":
    main(on_call_ended=on_call_ended)
