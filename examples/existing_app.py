"""A web application that exists already, and now has a telephone: `wavix_router` beside its routes.

The application stays what it is, with its routes, its lifespan and its server; the router brings
the routes under `/wavix`, and `/live`, `/ready` and `/metrics`. Web and telephone use the same
functions. A caller is known by number before the call is answered: `screen` refuses whom the shop
does not know, which costs nothing, and hands the customer on to the bot.

Keys: `CARTESIA_API_KEY`, `WAVIX_API_KEY`, and from docs/calls.md `WAVIX_SECRET` and
`WAVIX_PUBLIC_URL`, all in `.env`. Run it behind that public URL, and set what it prints as the
webhook of your number::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[cartesia]'
    python examples/existing_app.py

On the emulator, `.env` has besides a `WAVIX_SECRET` of 32 characters::

    WAVIX_BASE_URL=http://127.0.0.1:8400
    WAVIX_API_KEY=emulator
    WAVIX_PUBLIC_URL=http://127.0.0.1:7860

and, each in a terminal::

    python examples/existing_app.py
    pipecat-wavix emulate --webhook THE_URL_THAT_IT_PRINTS
    pipecat-wavix dial +12025550100 --from +12025550199

You hear where your order is, and the shop hangs up; from any other number, nobody answers. A
browser is told the same by http://127.0.0.1:7860/orders/1001.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from dotenv import load_dotenv
from fastapi import FastAPI, HTTPException
from loguru import logger
from pipecat.frames.frames import EndFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.runner.types import RunnerArguments
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import (
    Accept,
    Reject,
    WavixCall,
    WavixClient,
    WavixParams,
    WavixSettings,
    wavix_router,
)
from pipecat_wavix.client import BASE_URL
from pipecat_wavix.runner import create_transport
from pipecat_wavix.server.router import WavixRouter

load_dotenv(override=True)

# ---- what the shop had before

CUSTOMERS = {"+12025550199": 1001}  # by telephone number, the order that is under way
ORDERS = {1001: "is on its way, and arrives tomorrow", 1002: "waits for you in the shop"}


def status_of(order: int) -> str:
    """Tell where an order is, in words."""
    return f"Your order {order} {ORDERS[order]}."


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the shop, and close it."""
    logger.info("The shop is open")
    yield
    logger.info("The shop is closed")


app = FastAPI(lifespan=lifespan)


@app.get("/orders/{order}")
async def order_status(order: int) -> dict[str, str]:
    """Tell a browser where an order is."""
    if order not in ORDERS:
        raise HTTPException(404)
    return {"status": status_of(order)}


# ---- its telephone


async def screen(call: WavixCall) -> Accept | Reject:
    """Take the calls of customers, and tell the bot which order it is about."""
    order = CUSTOMERS.get(call.from_number or "")
    return Accept(body={"order": order}) if order else Reject()


async def bot(runner_args: RunnerArguments) -> None:
    """Tell the caller where the order is, and hang up when that was heard."""
    transport = await create_transport(runner_args, {"wavix": lambda: WavixParams()})
    tts = CartesiaTTSService(
        api_key=os.environ["CARTESIA_API_KEY"],
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    worker = PipelineWorker(Pipeline([transport.input(), tts, transport.output()]))

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: object) -> None:
        assert runner_args.body  # it is what `screen` has accepted with
        status = status_of(runner_args.body["order"])
        await worker.queue_frames([TTSSpeakFrame(f"{status} Goodbye!"), EndFrame()])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


def add_telephone(app: FastAPI) -> WavixRouter:
    """Add the telephone's routes to an application; before it is served."""
    settings = WavixSettings.from_env()  # refuses if something is missing, and says what
    base_url = os.environ.get("WAVIX_BASE_URL", BASE_URL)
    client = WavixClient(os.environ["WAVIX_API_KEY"], base_url=base_url)
    router = wavix_router(bot, client, settings, screen=screen)
    app.include_router(router)
    return router


if __name__ == "__main__":
    print("The number's webhook, a secret:", add_telephone(app).webhook_url)
    # Audio does not compress, and a bot that does not end must not hold up the server.
    uvicorn.run(
        app,
        port=7860,
        ws_per_message_deflate=False,
        ws_max_size=262144,
        timeout_graceful_shutdown=30,
    )
