"""A bot behind `wavix_router` on an emulated Wavix: calls by number, webhooks and keys."""

import asyncio
import socket
import wave
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby

import aiohttp
import numpy as np
import uvicorn
from fastapi import FastAPI

from pipecat_wavix import WavixClient, WavixSettings, wavix_router

NUMBER = "+12025550100"
CALLER = "+12025550199"
SECRET = "canary-secret-that-is-long-enough-to-be-one"
OPERATOR_KEY = "canary-operator-key-that-is-long-enough"
PATIENCE_SECS = 60

CALLER_SIDE, BOT_SIDE = 0, 1
_STEP_SECS = 0.01
_AUDIBLE_RMS = 250
_PAUSE_SECS = 0.3


class Line:
    """What is served, and who serves it.

    Attributes:
        emulator: The emulated Wavix.
        url: Of the bot's server.
    """

    def __init__(self, emulator, url):
        self.emulator = emulator
        self.url = url

    async def dial_out(self, **body):
        """Have the bot call somebody, as its operator; the call, as Wavix has it."""
        headers = {"Authorization": f"Bearer {OPERATOR_KEY}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{self.url}/wavix/calls", json={"to": CALLER, **body}) as response,
        ):
            assert response.status == 201, await response.text()
            return self.emulator.calls[(await response.json())["call_id"]]

    def spells(self, call, side):
        """When somebody was heard on a call that is over."""
        return spells(self._recording(call), side)

    def audible_secs(self, call, side):
        """How long somebody was heard on a call that is over."""
        return audible_secs(self._recording(call), side)

    def _recording(self, call):
        return self.emulator.settings.recordings / call.id / "recording.wav"


@asynccontextmanager
async def serving(bot, emulate, *, emulator_settings=None, **hooks):
    """Serve a bot, and have the emulator send it all calls.

    Args:
        bot: The function.
        emulate: The fixture `wavix_emulator`.
        emulator_settings: For it.
        hooks: For `wavix_router`.
    """
    app = FastAPI()
    with listening() as listener:
        async with emulate(**emulator_settings or {}) as emulator:
            settings = WavixSettings(
                public_url=url_of(listener),
                secret=SECRET,
                operator_key=OPERATOR_KEY,
                from_number=NUMBER,
            )
            client = WavixClient(emulator.settings.api_key, base_url=emulator.base_url)
            router = wavix_router(bot, client, settings, **hooks)
            app.include_router(router)
            async with served_on(listener, app):
                await client.create_webhook("on-call", router.webhook_url)
                yield Line(emulator, url_of(listener))


def listening():
    """A socket on a free port: its address is known before who is served on it."""
    return socket.create_server(("127.0.0.1", 0))


def url_of(listener):
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def served_on(listener, app):
    """Serve an application, its lifespan included."""
    config = uvicorn.Config(
        app, log_config=None, ws_per_message_deflate=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        async with asyncio.timeout(PATIENCE_SECS):
            while not server.started:
                if serving.done():
                    await serving
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        async with asyncio.timeout(PATIENCE_SECS):
            await serving


def spells(path, side):
    """When somebody was heard in a stereo recording, as (from, to) in seconds, without short pauses."""
    found, at = [], 0.0
    for loud, alike in groupby(_audible(path, side)):
        began, at = at, at + len(list(alike)) * _STEP_SECS
        if loud and found and began - found[-1][1] < _PAUSE_SECS:
            found[-1] = (found[-1][0], at)
        elif loud:
            found.append((began, at))
    return found


def audible_secs(path, side):
    """How long somebody was heard in a stereo recording, pauses and gaps left out."""
    return float(_audible(path, side).sum()) * _STEP_SECS


@dataclass
class Turn:
    """What one side said before the other did.

    Attributes:
        side: `CALLER_SIDE` or `BOT_SIDE`.
        began: In seconds, in the recording.
        secs: How long it was heard: a gap in it, for want of time on a busy machine, does not count.
    """

    side: int
    began: float
    secs: float


def turns(path):
    """Who was heard in a stereo recording, one after the other."""
    audible = {side: _audible(path, side) for side in (CALLER_SIDE, BOT_SIDE)}
    both = sorted((*spell, who) for who in audible for spell in spells(path, who))
    found = []
    for began, end, side in both:
        steps = slice(round(began / _STEP_SECS), round(end / _STEP_SECS))
        secs = float(audible[side][steps].sum()) * _STEP_SECS
        if found and found[-1].side == side:
            found[-1].secs += secs
        else:
            found.append(Turn(side, began, secs))
    return found


def _audible(path, side):
    """Which steps of a stereo recording somebody is heard in."""
    with wave.open(str(path)) as recording:
        assert recording.getnchannels() == 2
        step = round(recording.getframerate() * _STEP_SECS)
        audio = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    samples = audio[side::2].astype(float)
    steps = samples[: len(samples) // step * step].reshape(-1, step)
    return np.sqrt(np.mean(steps**2, axis=1)) > _AUDIBLE_RMS
