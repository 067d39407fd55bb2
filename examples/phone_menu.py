"""A phone menu: keys and spoken words do the same, at any time, without a language model.

Wavix's stream carries no keys, so the bot has Wavix collect them by REST: one for a choice, four
for an order's number (`transport.collect_dtmf`). It does so from the start, while the menu is still
being read out, and listens for words beside that. Whichever comes first is taken, and stops what is
being said. A key that the menu does not have begins it again; words that it does not know are let
pass.

Keys: `DEEPGRAM_API_KEY`, `CARTESIA_API_KEY`, in `.env` (see env.example). On the emulator, each in
a terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[cartesia,deepgram]'
    pipecat-wavix emulate
    python examples/phone_menu.py -t wavix
    pipecat-wavix phone +12025550100

On a number of your own: set `WAVIX_API_KEY` as well, and run it with
`-t wavix -x your.host.name --configure-number +1...`.

You hear the menu. Press 2 in the middle of it, then four digits; or say "order", and the digits.
"""

import os
import re
from collections.abc import Awaitable, Callable

from dotenv import load_dotenv
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

from pipecat_wavix import WavixParams, WavixTransport
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

MENU = "For our opening hours, press one or say hours. For an order, press two or say order."
HOURS = "We are open from nine to six, every day but Sunday."
WHICH_ORDER = "Please key in or say the four digits of your order."
ORDER = "Order {} is on its way to you."
GOODBYE = "Thank you for calling. Goodbye!"
# And the keys that they stand for. They are looked for as whole words: there is an order in "border".
WORDS = {"hours": "1", "open": "1", "order": "2", "bye": "9", "goodbye": "9"}
ORDER_DIGITS = 4
PATIENCE_SECS = 25  # for a key, since it was asked for; the menu takes less than that

transport_params = {"wavix": lambda: WavixParams()}


class Menu:
    """What keys and words do, and what is wanted next.

    Attributes:
        taken: How many times it was told something.
    """

    def __init__(self, answer: Callable[..., Awaitable[None]]) -> None:
        self._answer = answer
        self._order: str | None = None  # the digits so far, once there is to be an order
        self.taken = 0

    @property
    def prompt(self) -> str:
        """What to say to a caller who is silent."""
        return MENU if self._order is None else WHICH_ORDER

    @property
    def keys_wanted(self) -> int:
        """How many keys make the next answer."""
        return 1 if self._order is None else ORDER_DIGITS - len(self._order)

    async def press(self, keys: str) -> None:
        """Take keys, pressed or said."""
        self.taken += 1
        if self._order is not None:
            self._order = (self._order + keys)[:ORDER_DIGITS]
            if not self.keys_wanted:
                number, self._order = " ".join(self._order), None
                await self._answer(ORDER.format(number), MENU)
        elif keys == "1":
            await self._answer(HOURS, MENU)
        elif keys == "2":
            self._order = ""
            await self._answer(WHICH_ORDER)
        elif keys == "9":
            await self._answer(GOODBYE, end=True)
        else:
            await self._answer(MENU)

    async def hear(self, text: str) -> None:
        """Take words: the digits of an order, or what stands for a key of the menu."""
        digits = "".join(re.findall(r"\d", text))
        words = re.findall(r"\w+", text.lower())
        key = next((WORDS[word] for word in words if word in WORDS), "")
        if digits and self._order is not None:
            await self.press(digits)
        elif key:
            self._order = None
            await self.press(key)


class Ears(FrameProcessor):
    """Hands the caller's words on."""

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

    async def answer(*texts: str, end: bool = False) -> None:
        await worker.queue_frame(InterruptionFrame())
        await worker.queue_frames([TTSSpeakFrame(text) for text in texts])
        if end:
            await worker.queue_frame(EndFrame())

    menu = Menu(answer)
    stt = DeepgramSTTService(
        api_key=os.environ["DEEPGRAM_API_KEY"],
        settings=DeepgramSTTService.Settings(numerals=True),  # "four seven" comes as "47"
    )
    tts = CartesiaTTSService(
        api_key=os.environ["CARTESIA_API_KEY"],
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    pipeline = Pipeline([transport.input(), stt, Ears(menu.hear), tts, transport.output()])
    worker = PipelineWorker(pipeline)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: WavixTransport, client: object) -> None:
        await answer(MENU)
        silences = 0
        while silences < 2:
            if silences:
                await answer(menu.prompt)
            taken = menu.taken
            keys = await transport.collect_dtmf(
                max_digits=menu.keys_wanted, timeout_secs=PATIENCE_SECS, when_heard=False
            )
            if keys.outcome == "hung_up":
                return
            if keys.digits:
                await menu.press(keys.digits)
            silences = silences + 1 if menu.taken == taken else 0
        await answer(GOODBYE, end=True)

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
