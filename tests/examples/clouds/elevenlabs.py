"""ElevenLabs' text to speech: audio and the times of its characters, context after context.

The WebSocket /v1/text-to-speech/{voice_id}/multi-stream-input of ElevenLabs' API reference.
"""

import asyncio
import base64
from typing import Any

import pytest
from aiohttp import web
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService

from . import with_arguments
from .speech import WORD_SECS, spoken

KEY = "canary-elevenlabs_api_key"
VOICE = "canary-elevenlabs_voice_id"

_PARAMETERS = {
    *(
        "model_id",
        "language_code",
        "output_format",
        "auto_mode",
        "enable_logging",
        "sync_alignment",
    ),
    *("enable_ssml_parsing", "apply_text_normalization", "inactivity_timeout", "seed"),
}
_FORMATS = {f"pcm_{rate}": rate for rate in (8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)}
_FIELDS = {"text", "context_id", "voice_settings", "flush", "close_context", "close_socket"}


class ElevenLabs:
    """Speaks each text, faster than in real time.

    Attributes:
        texts: What it was given to speak, in order.
        refused: Why connections or messages were refused.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.get("/v1/text-to-speech/{voice}/multi-stream-input", self._connect)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here."""
        with_arguments(patch, ElevenLabsTTSService, url=f"ws://{host}")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("xi-api-key") != KEY:
            self.refused.append("the key")
            return web.Response(status=401, text="invalid_api_key")
        unknown = set(request.query) - _PARAMETERS
        rate = _FORMATS.get(request.query.get("output_format", ""))
        if unknown or rate is None or request.match_info["voice"] != VOICE:
            self.refused.append(f"{request.path_qs}")
            return web.Response(status=400, text="invalid parameters")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        contexts: dict[str, _Context] = {}
        try:
            async for message in socket:
                body = message.json()
                if unknown := set(body) - _FIELDS:
                    self.refused.append(f"fields {unknown}")
                    await socket.close(code=1008, message=b"invalid message")
                if body.get("close_socket"):
                    break
                if name := body.get("context_id"):
                    if name not in contexts:
                        contexts[name] = _Context(name, socket, rate)
                    self._take(body, contexts[name])
        finally:
            for context in contexts.values():
                await context.cancel()
        await socket.close()
        return socket

    def _take(self, body: dict[str, Any], context: "_Context") -> None:
        if text := body.get("text", "").strip():
            self.texts.append(text)
            context.texts.put_nowait(text)
        if body.get("close_context"):
            context.texts.put_nowait(None)


class _Context:
    """Texts that are spoken one behind the other, until there is no more."""

    def __init__(self, name: str, socket: web.WebSocketResponse, sample_rate: int) -> None:
        self._name = name
        self._socket = socket
        self._sample_rate = sample_rate
        self.texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._speak(), name="a context of ElevenLabs")

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _speak(self) -> None:
        while text := await self.texts.get():
            for word in text.split():
                audio = base64.b64encode(spoken(word, self._sample_rate)).decode()
                times = _alignment(word)
                await self._send(audio=audio, alignment=times, normalizedAlignment=times)
                await asyncio.sleep(0.01)
        await self._send(isFinal=True)

    async def _send(self, **fields: object) -> None:
        if not self._socket.closed:
            await self._socket.send_json({**fields, "contextId": self._name})


def _alignment(word: str) -> dict[str, list[Any]]:
    """When each character begins, and how long it is, from the begin of this audio."""
    each = WORD_SECS * 1000 / (len(word) + 1)
    return {
        "chars": [*word, " "],
        "charStartTimesMs": [round(number * each) for number in range(len(word) + 1)],
        "charDurationsMs": [round(each)] * (len(word) + 1),
    }
