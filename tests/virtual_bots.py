"""Bots without sockets: what an emulated stream reaches when it dials in virtual time."""

import asyncio
import base64
import json

from pipecat_wavix.emulator import CannotConnectError


class VirtualBot:
    """One connection that was accepted: what it got and when, and what it says."""

    unread_bytes = 0

    def __init__(self, on_message, on_close, path):
        self.path = path
        self.got = []
        self.times = []
        self.opened_at = asyncio.get_running_loop().time()
        self.closed_at = None
        self._on_message = on_message
        self._on_close = on_close

    # What a stream does with a socket

    def send(self, text):
        if self.closed_at is not None:
            return False
        self.got.append(json.loads(text))
        self.times.append(asyncio.get_running_loop().time())
        return True

    async def close(self, timeout):
        if self.closed_at is None:
            self.closed_at = asyncio.get_running_loop().time()

    # What a bot does

    def say(self, event, **fields):
        text = json.dumps({"event": event, **fields})
        self._on_message(text.encode(), asyncio.get_running_loop().time())

    def play(self, pcm):
        self.say("media", media={"payload": base64.b64encode(pcm).decode()})

    def mark(self, name):
        self.say("mark", mark={"name": name})

    def leave(self):
        self.closed_at = asyncio.get_running_loop().time()
        self._on_close(self.closed_at)

    # What it got

    @property
    def names(self):
        """The events in order, with `media` once for any number in a row."""
        names = [event["event"] for event in self.got]
        return [name for n, name in enumerate(names) if name != "media" or names[n - 1] != "media"]

    def events(self, name):
        return [event for event in self.got if event["event"] == name]

    def audio(self, track="inbound"):
        media = [event["media"] for event in self.events("media")]
        payloads = [each["payload"] for each in media if each["track"] == track]
        return b"".join(map(base64.b64decode, payloads))


class Exchange:
    """Stands in for `BotSocket`: every URL is answered after `secs`, but for those that refuse.

    A URL whose path is in `refusals` is refused that often; `on_accept` is called with each bot.
    The process stands still for `stall_secs` before it takes in that a bot has accepted.
    """

    def __init__(self):
        self.secs = 0.005
        self.stall_secs = 0
        self.refusals = {}
        self.dialled = []
        self.bots = []
        self.on_accept = lambda bot: None

    async def open(self, url, *, on_open, on_message, on_close, timeout):
        loop = asyncio.get_running_loop()
        path = url.rpartition("/")[2]
        self.dialled.append((loop.time(), path))
        await asyncio.sleep(self.secs)
        if self.refusals.get(path, 0):
            self.refusals[path] -= 1
            raise CannotConnectError("ws://bot refused the call: HTTP 403", 403)
        loop.now += self.stall_secs
        bot = VirtualBot(on_message, on_close, path)
        self.bots.append(bot)
        on_open(bot, loop.time())
        self.on_accept(bot)
        return bot

    @property
    def bot(self):
        return self.bots[-1]
