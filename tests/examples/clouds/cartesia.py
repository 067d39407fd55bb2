"""Cartesia's text to speech: chunks of audio and word times, context after context.

The WebSocket /tts/websocket of Cartesia's API reference.
"""

import asyncio
import base64
import re
from typing import Any

import pytest
from aiohttp import web
from pipecat.services.cartesia.tts import CartesiaTTSService

from . import with_arguments
from .language import RefusedError, refuse_unless
from .speech import spoken, words_of

KEY = "canary-cartesia_api_key"

_RATES = {8000, 16_000, 22_050, 24_000, 44_100, 48_000}
_FIELDS = {
    *("model_id", "transcript", "voice", "language", "context_id", "output_format", "continue"),
    *("add_timestamps", "use_normalized_timestamps", "max_buffer_delay_ms", "generation_config"),
    *("pronunciation_dict_id", "flush", "duration", "add_phoneme_timestamps"),
}


class Cartesia:
    """Speaks each text, faster than in real time.

    Attributes:
        texts: What it was given to speak, in order.
        refused: Why connections or requests were refused.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.get("/tts/websocket", self._connect)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here."""
        with_arguments(patch, CartesiaTTSService, url=f"ws://{host}/tts/websocket")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-API-Key") != KEY:
            self.refused.append("the key")
            return web.Response(status=401, text="Unauthorized")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", request.headers.get("Cartesia-Version", "")):
            self.refused.append("the version")
            return web.Response(status=400, text="Cartesia-Version is required")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        contexts: dict[str, _Context] = {}
        try:
            async for message in socket:
                await self._take(message.json(), socket, contexts)
        finally:
            for context in contexts.values():
                await context.cancel()
        return socket

    async def _take(
        self,
        message: dict[str, Any],
        socket: web.WebSocketResponse,
        contexts: dict[str, "_Context"],
    ) -> None:
        name = message.get("context_id", "")
        if message.get("cancel"):
            if name in contexts:
                await contexts.pop(name).cancel()
            return
        try:
            _check(message)
        except RefusedError as error:
            self.refused.append(str(error))
            failure = {"title": "Invalid request", "message": str(error), "status_code": 400}
            await socket.send_json({"type": "error", "done": True, "context_id": name, **failure})
            return
        if message["transcript"].strip():
            self.texts.append(message["transcript"])
        if name not in contexts:
            contexts[name] = _Context(name, socket)
        contexts[name].requests.put_nowait(message)


class _Context:
    """Texts that are spoken one behind the other; their word times count from the first."""

    def __init__(self, name: str, socket: web.WebSocketResponse) -> None:
        self._name = name
        self._socket = socket
        self.requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task = asyncio.create_task(self._speak(), name="a context of Cartesia")

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _speak(self) -> None:
        at, more, flushes = 0.0, True, 0
        while more:
            request = await self.requests.get()
            rate = request["output_format"]["sample_rate"]
            for word in words_of(request["transcript"], after=at):
                pcm = spoken(word.text, rate)
                at += len(pcm) / 2 / rate
                await self._send("chunk", data=base64.b64encode(pcm).decode(), step_time=20)
                if request.get("add_timestamps"):
                    times = {"words": [word.text], "start": [word.start], "end": [word.end]}
                    await self._send("timestamps", word_timestamps=times)
                await asyncio.sleep(0.01)
            if request.get("max_buffer_delay_ms") == 0 and request["transcript"]:
                flushes += 1
                await self._send("flush_done", flush_done=True, flush_id=flushes)
            more = request.get("continue", False)
        await self._send("done", done=True)

    async def _send(self, kind: str, *, done: bool = False, **fields: object) -> None:
        envelope = {"type": kind, "done": done, "status_code": 206, "context_id": self._name}
        if not self._socket.closed:
            await self._socket.send_json({**envelope, **fields})


def _check(message: dict[str, Any]) -> None:
    unknown = set(message) - _FIELDS
    refuse_unless(not unknown, f"unknown fields: {unknown}")
    refuse_unless(message.get("model_id"), "model_id is required")
    refuse_unless(message.get("context_id"), "context_id is required to continue")
    voice = message.get("voice") or {}
    refuse_unless(voice.get("mode") == "id" and voice.get("id"), "voice: an id is required")
    output = message.get("output_format") or {}
    refuse_unless(output.get("container") == "raw", "output_format.container: only raw")
    refuse_unless(output.get("encoding") == "pcm_s16le", "output_format.encoding: only pcm_s16le")
    refuse_unless(output.get("sample_rate") in _RATES, "output_format.sample_rate is not supported")
