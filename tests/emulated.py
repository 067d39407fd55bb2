"""An account's server for tests of the emulator: its webhooks, its prompts and its bot, on sockets."""

import asyncio
import base64
import io
import json
import wave
from contextlib import asynccontextmanager

import numpy as np
from aiohttp import web
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from pipecat_wavix.emulator.app import Emulator
from pipecat_wavix.emulator.platform_settings import EmulatorSettings
from pipecat_wavix.emulator.settings import CallSettings

NUMBER = "+12025550100"
CALLEE = "+442079460123"
TONE = np.rint(8000 * np.sin(np.arange(480) * np.pi / 12)).astype("<i2").tobytes()

# Far more than any of it takes, on any machine.
PATIENCE_SECS = 20


def wav(pcm):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(24_000)
        writer.writeframes(pcm)
    return file.getvalue()


async def until(condition):
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_SECS):
        while not condition():
            await asyncio.sleep(0.005)


class Server:
    """What an account's server got, and where it listens.

    `on_webhook(body)` may act, and answers the status; `on_stream(websocket)` is the bot, by default
    one that only listens; `files` are served by name.
    """

    def __init__(self):
        self.webhooks = []
        self.streams = []
        self.files = {"tone.wav": wav(TONE * 10)}
        self.url = self.stream_url = ""
        self.on_webhook = self.on_stream = None

    def told(self, path="hook"):
        """The webhooks that came to one path."""
        return [body for where, body in self.webhooks if where == path]

    def events(self, path="hook"):
        return [body.get("event_type", "post-call") for body in self.told(path)]

    async def take_webhook(self, request):
        body = await request.json()
        self.webhooks.append((request.match_info["path"], body))
        status = await self.on_webhook(body) if self.on_webhook else None
        return web.Response(status=status or 200)

    async def give_file(self, request):
        return web.Response(body=self.files[request.match_info["name"]])

    async def take_stream(self, websocket):
        if self.on_stream:
            await self.on_stream(websocket)
            return
        stream = Stream(websocket)
        self.streams.append(stream)
        try:
            async for message in websocket:
                stream.got.append(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            stream.is_over = True


class Stream:
    """A stream as the bot's side has it."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.got = []
        self.is_over = False

    def events(self, name):
        return [event for event in self.got if event["event"] == name]

    @property
    def start(self):
        return self.events("start")[0]

    def heard(self, track="inbound"):
        media = [event["media"] for event in self.events("media")]
        return b"".join(base64.b64decode(m["payload"]) for m in media if m["track"] == track)

    async def say(self, pcm):
        payload = base64.b64encode(pcm).decode()
        await self.websocket.send(json.dumps({"event": "media", "media": {"payload": payload}}))


@asynccontextmanager
async def an_account():
    """Serve webhooks at `{url}/{path}`, files at `{url}/files/{name}`, and a bot."""
    server = Server()
    app = web.Application()
    app.router.add_post("/{path}", server.take_webhook)
    app.router.add_get("/files/{name}", server.give_file)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with serve(server.take_stream, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            server.stream_url = f"ws://127.0.0.1:{port}/TOKEN?key=TOKEN"
            yield server
    finally:
        await runner.cleanup()


def settings(**changes):
    """Of an emulator on a free port that loses no time."""
    values = {"port": 0, "setup_secs": 0.01, "call": CallSettings(leg="clean"), **changes}
    return EmulatorSettings(**values)


@asynccontextmanager
async def emulating(**changes):
    """Run an account's server, and an emulator whose first number reports to it."""
    async with (
        an_account() as account,
        Emulator(settings(call_status_url=f"{account.url}/hook", **changes)) as emulator,
    ):
        yield emulator, account
