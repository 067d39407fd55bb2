"""Live help for an agent: what two people say to each other is written down, with suggestions.

This is no bot. Somebody else answers the call: an agent, or another bot. When it is answered, Wavix
is asked for two streams more, each of one person alone: `oneway`, on the channels `inbound` (the
customer) and `outbound` (whom the customer hears). On neither can anything be said, and none of it
ends the call. Who speaks needs no guessing, for each has a transcription of their own; and whenever
the customer has said something, a language model suggests what to do. A suggestion that comes too
late for the next thing that the customer says is not shown.

Keys: `DEEPGRAM_API_KEY`, `OPENAI_API_KEY`, in `.env` (see env.example). On the emulator, each in a
terminal; the parrot is the agent::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[deepgram,openai]'
    pipecat-wavix emulate
    python examples/parrot.py -t wavix --port 7861
    python examples/agent_assist.py +12025550100
    pipecat-wavix dial +12025550100 --say "I have lost my card."

It prints who has said what, and what the agent could do; of the parrot::

    Customer: I have lost my card.
        → Offer to block the card at once.
    Agent: I have lost my card.

On a number of your own: set `WAVIX_API_KEY` as well, and run it behind a public name with
`--public-url https://your.host.name +1...`. It takes the number's own webhook, which
`--configure-number` takes for a bot as well: so whoever answers has to be reached otherwise. An
agent is at the SIP phone that the number's calls go to; a bot hears of them by the account's
webhook (`WavixClient.create_webhook("on-call", ...)`). When it stops, it puts back the webhook that
the number had.
"""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal, NamedTuple

import uvicorn
from dotenv import load_dotenv
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from loguru import logger
from openai import OpenAIError
from pipecat.frames.frames import Frame, TranscriptionFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixClient, WavixParams, WavixTransport, wait_for_start
from pipecat_wavix.client import BASE_URL
from pipecat_wavix.errors import WavixError
from pipecat_wavix.runner import EMULATOR_KEY, EMULATOR_URL
from pipecat_wavix.webhooks import CallBook, Change, read_webhook

load_dotenv(override=True)

Channel = Literal["inbound", "outbound"]
CHANNELS: dict[Channel, str] = {"inbound": "Customer", "outbound": "Agent"}
INSTRUCTION = (
    "You help the agent of a bank's hotline. You are given a call so far, as it is transcribed. "
    "Suggest to the agent what to do or ask next, in one sentence of at most twenty words."
)
SUGGESTION_SECS = 15  # later than that, it helps nobody
SAMPLE_RATE = 8000  # a telephone has no more, and there are two streams to send


class Conversation:
    """What was said on one call, by whom, and what is suggested."""

    def __init__(self) -> None:
        self._llm = OpenAILLMService(
            api_key=os.environ["OPENAI_API_KEY"],
            settings=OpenAILLMService.Settings(model="gpt-4.1-mini"),
        )
        self._context = LLMContext()
        self._suggesting: asyncio.Task[None] | None = None

    def add(self, who: str, text: str) -> None:
        """Show what somebody has said; if it was the customer, with a suggestion later."""
        print(f"{who}: {text}", flush=True)
        self._context.add_message({"role": "user", "content": f"{who}: {text}"})
        if who == "Customer":
            self.close()
            # Aside, so that a slow model does not hold back what is said next.
            self._suggesting = asyncio.create_task(self._suggest(), name="suggestion")

    def close(self) -> None:
        """Make no suggestion that was not made yet."""
        if self._suggesting:
            self._suggesting.cancel()

    async def _suggest(self) -> None:
        try:
            async with asyncio.timeout(SUGGESTION_SECS):
                suggestion = await self._llm.run_inference(
                    self._context, system_instruction=INSTRUCTION
                )
        except (OpenAIError, TimeoutError) as error:
            logger.warning(f"No suggestion: {type(error).__name__}")
        else:
            print(f"    → {suggestion}", flush=True)


class Minutes(FrameProcessor):
    """Takes down what one person says."""

    def __init__(self, who: str, conversation: Conversation) -> None:
        super().__init__()
        self._who = who
        self._conversation = conversation

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look for what was understood."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self._conversation.add(self._who, frame.text)


async def transcribe(websocket: WebSocket, channel: Channel, conversation: Conversation) -> None:
    """Listen to one person until the call is over."""
    start = await wait_for_start(websocket)
    transport = WavixTransport(
        websocket,
        stream_id=start.stream_id,
        params=WavixParams(audio_out_enabled=False, audio_track=channel),
    )
    stt = DeepgramSTTService(api_key=os.environ["DEEPGRAM_API_KEY"])
    worker = PipelineWorker(
        Pipeline(
            [transport.input(), stt, Minutes(CHANNELS[channel], conversation), transport.output()]
        ),
        params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE),
        idle_timeout_secs=None,  # nobody speaks here, but on the telephone
    )

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)  # that is uvicorn's
    await runner.add_workers(worker)
    try:
        await runner.run()
    finally:
        conversation.close()


class Leg(NamedTuple):
    """A stream that Wavix was asked for, and that has not come yet."""

    call_id: str
    channel: Channel
    conversation: Conversation


def application(wavix: WavixClient, number: str, public_url: str) -> FastAPI:
    """Make the server that listens to all calls of a number."""
    key = secrets.token_urlsafe(32)  # a stranger's webhook would not know it
    book = CallBook()  # webhooks may come twice, and in any order
    legs: dict[str, Leg] = {}  # by what makes their address a secret

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with wavix:
            found = await wavix.find_number(number)
            await wavix.set_number_webhook(found.id, f"{public_url}/webhook/{key}")
            yield
            if found.call_status_url:
                await wavix.set_number_webhook(found.id, found.call_status_url)

    app = FastAPI(lifespan=lifespan)

    def forget(call_id: str) -> None:
        for token in [token for token, leg in legs.items() if leg.call_id == call_id]:
            del legs[token]

    async def listen_in(call_id: str) -> None:
        conversation = Conversation()
        streams = []
        try:
            for channel in CHANNELS:
                token = secrets.token_urlsafe(32)
                legs[token] = Leg(call_id, channel, conversation)
                url = f"{public_url.replace('http', 'ws', 1)}/leg/{token}"
                stream_id = await wavix.start_stream(
                    call_id, stream_url=url, stream_type="oneway", stream_channel=channel
                )
                streams.append(stream_id)
        except WavixError as error:
            logger.error(f"Nobody listens to call {call_id}: {error}")
            forget(call_id)
            for stream_id in streams:  # half a conversation would mislead
                with suppress(WavixError):
                    await wavix.stop_stream(call_id, stream_id)

    @app.post("/webhook/{sent_key}")
    async def webhook(sent_key: str, request: Request, later: BackgroundTasks) -> None:
        if not secrets.compare_digest(sent_key.encode(), key.encode()):
            raise HTTPException(404)
        try:
            news = read_webhook(await request.body())
        except ValueError:
            raise HTTPException(400) from None
        changes = book.note(news)
        if Change.ANSWERED in changes:
            later.add_task(listen_in, news.id)  # Wavix is answered first
        elif Change.ENDED in changes:
            forget(news.id)

    @app.websocket("/leg/{token}")
    async def leg(websocket: WebSocket, token: str) -> None:
        if token not in legs:
            await websocket.close()  # before it is accepted: 403
            return
        found = legs.pop(token)
        await websocket.accept()
        await transcribe(websocket, found.channel, found.conversation)

    return app


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description="Listens to the calls of a number.")
    parser.add_argument("number", help="in E.164, such as +12025550100")
    parser.add_argument("--public-url", default="http://127.0.0.1:7860")
    arguments = parser.parse_args()
    logger.remove()  # what Pipecat has to tell would hide what is said
    logger.add(sys.stderr, level="WARNING")
    key = os.environ.get("WAVIX_API_KEY")
    base_url = os.environ.get("WAVIX_BASE_URL") or (BASE_URL if key else EMULATOR_URL)
    wavix = WavixClient(key or EMULATOR_KEY, base_url=base_url)
    # Paths are secrets here, and uvicorn would log them.
    app = application(wavix, arguments.number, arguments.public_url)
    uvicorn.run(app, port=7860, log_level="warning", ws_per_message_deflate=False)


if __name__ == "__main__":
    main()
