"""Live help for an agent: what two people say to each other is written down, with suggestions.

This is no bot. Somebody else answers the call: an agent, or another bot. When it is answered, Wavix
is asked for two streams more, each of one person alone: `oneway`, on the channels `inbound` (the
customer) and `outbound` (whom the customer hears). On neither can anything be said, and none of it
ends the call. Who speaks needs no guessing, for each has a transcription of their own; and whenever
the customer has said something, a language model suggests what to do.

Keys: `DEEPGRAM_API_KEY`, `OPENAI_API_KEY`, in `.env` (see env.example). On the emulator, each in a
terminal; the parrot is the agent::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[deepgram,openai]'
    pipecat-wavix emulate
    python examples/parrot.py -t wavix --port 7861
    python examples/agent_assist.py +12025550100
    pipecat-wavix dial +12025550100 --say "I have lost my card."

On a number of your own: set `WAVIX_API_KEY` as well, and run it behind a public name with
`--public-url https://your.host.name +1...`. It takes the number's webhook.
"""

import argparse
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import uvicorn
from dotenv import load_dotenv
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from pipecat.frames.frames import Frame, TranscriptionFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixCall, WavixClient, WavixParams, WavixTransport, wait_for_start
from pipecat_wavix.client import BASE_URL
from pipecat_wavix.runner import EMULATOR_KEY, EMULATOR_URL
from pipecat_wavix.webhooks import read_webhook

load_dotenv(override=True)

Channel = Literal["inbound", "outbound"]
CHANNELS: dict[Channel, str] = {"inbound": "Customer", "outbound": "Agent"}
INSTRUCTION = (
    "You help the agent of a bank's hotline. You are given a call so far, as it is transcribed. "
    "Suggest to the agent what to do or ask next, in one sentence of at most twenty words."
)
SAMPLE_RATE = 8000  # a telephone has no more, and there are two streams to send


class Conversation:
    """What was said on one call, by whom, and what is suggested."""

    def __init__(self) -> None:
        self._llm = OpenAILLMService(
            api_key=os.environ["OPENAI_API_KEY"],
            settings=OpenAILLMService.Settings(model="gpt-4.1-mini"),
        )
        self._context = LLMContext()

    async def add(self, who: str, text: str) -> None:
        """Show what somebody has said; if it was the customer, with a suggestion."""
        print(f"{who}: {text}", flush=True)
        self._context.add_message({"role": "user", "content": f"{who}: {text}"})
        if who == "Customer":
            suggestion = await self._llm.run_inference(
                self._context, system_instruction=INSTRUCTION
            )
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
            await self._conversation.add(self._who, frame.text)


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

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def application(wavix: WavixClient, number: str, public_url: str) -> FastAPI:
    """Make the server that listens to all calls of a number."""
    key = secrets.token_urlsafe(32)  # a stranger's webhook would not know it
    calls: set[str] = set()  # webhooks may come twice
    legs: dict[str, tuple[Channel, Conversation]] = {}  # by what makes their address a secret

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with wavix:
            found = await wavix.find_number(number)
            await wavix.set_number_webhook(found.id, f"{public_url}/webhook/{key}")
            yield

    app = FastAPI(lifespan=lifespan)

    async def listen_in(call_id: str) -> None:
        conversation = Conversation()
        for channel in CHANNELS:
            token = secrets.token_urlsafe(32)
            legs[token] = (channel, conversation)
            url = f"{public_url.replace('http', 'ws', 1)}/leg/{token}"
            await wavix.start_stream(
                call_id, stream_url=url, stream_type="oneway", stream_channel=channel
            )

    @app.post("/webhook/{sent_key}")
    async def webhook(sent_key: str, request: Request, later: BackgroundTasks) -> None:
        if not secrets.compare_digest(sent_key.encode(), key.encode()):
            raise HTTPException(404)
        try:
            call = read_webhook(await request.body())
        except ValueError:
            raise HTTPException(400) from None
        if not isinstance(call, WavixCall):
            return
        if call.event_type == "answered" and call.id not in calls:
            calls.add(call.id)
            later.add_task(listen_in, call.id)  # Wavix is answered first
        elif call.completed_at:
            calls.discard(call.id)

    @app.websocket("/leg/{token}")
    async def leg(websocket: WebSocket, token: str) -> None:
        if token not in legs:
            await websocket.close()  # before it is accepted: 403
            return
        channel, conversation = legs.pop(token)
        await websocket.accept()
        await transcribe(websocket, channel, conversation)

    return app


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description="Listens to the calls of a number.")
    parser.add_argument("number", help="in E.164, such as +12025550100")
    parser.add_argument("--public-url", default="http://127.0.0.1:7860")
    arguments = parser.parse_args()
    key = os.environ.get("WAVIX_API_KEY")
    base_url = os.environ.get("WAVIX_BASE_URL") or (BASE_URL if key else EMULATOR_URL)
    wavix = WavixClient(key or EMULATOR_KEY, base_url=base_url)
    # Paths are secrets here, and uvicorn would log them.
    app = application(wavix, arguments.number, arguments.public_url)
    uvicorn.run(app, port=7860, log_level="warning", ws_per_message_deflate=False)


if __name__ == "__main__":
    main()
