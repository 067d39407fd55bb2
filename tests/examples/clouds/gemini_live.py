"""Google's Gemini Live: a conversation by speech, as JSON messages over a WebSocket.

It generates faster than in real time, assumes that it is played in real time, and ends its turn
only then; whoever speaks before interrupts it. Messages both ways are held against the models of
Google's own SDK, which know no other fields. Protocol: "Live API - WebSockets API reference"
(BidiGenerateContent) of the Gemini API.
"""

import asyncio
import base64
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from google.genai import live
from google.genai.types import (
    Blob,
    Content,
    LiveClientMessage,
    LiveClientSetup,
    LiveServerMessage,
    Modality,
)
from pydantic import ValidationError

from .language import RefusedError, Replies, refuse_unless, tokens
from .speech import WORD_SECS, Script, spoken
from .vad import Turned, Vad

KEY = "canary-google_api_key"
GOOGLE = "wss://generativelanguage.googleapis.com/"

RATE = 24_000
TIMES_FASTER = 5
"""How much faster than in real time it generates."""

_PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
_INVALID = 1007  # the code with which it closes what it refuses


class GeminiLive:
    """A model that speaks one scripted text a turn.

    Args:
        hears: What it takes the caller's turns for.
        says: What it says.

    Attributes:
        sessions: The connections that were set up.
        refused: Why any were closed.
    """

    def __init__(self, *, hears: Iterable[str] = (), says: Iterable[str] = ()) -> None:
        self.script = Script(hears)
        self.replies = Replies(says)
        self.sessions: list[Session] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.get(_PATH, self._connect)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Google's SDK here; it would take another host, but none without TLS."""
        connect = live.ws_connect

        def connect_here(uri: str, **arguments: Any) -> Any:
            assert uri.startswith(GOOGLE)
            path = uri.removeprefix(GOOGLE).lstrip("/")  # the SDK writes two slashes
            return connect(f"ws://{host}/{path}", **{**arguments, "ssl": None})

        patch.setattr(live, "ws_connect", connect_here)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            given = request.headers.get("x-goog-api-key")
            refuse_unless(given == KEY, "API key not valid. Please pass a valid API key.")
            setup = _parsed(await socket.receive_str()).setup
            session = Session(self, socket, _accepted(setup))
            self.sessions.append(session)
            await session.run()
        except (RefusedError, ValidationError) as error:
            self.refused.append(str(error))
            await socket.close(code=_INVALID, message=str(error).encode()[:120])
        return socket


@dataclass
class Session:
    """One connection.

    Attributes:
        setup: As it was set up.
        history: What the client said of the conversation, in `clientContent`.
        interrupted: How often the caller has cut in.
        ear: What hears the caller, at the rate that was declared.
    """

    service: GeminiLive
    socket: web.WebSocketResponse
    setup: LiveClientSetup
    history: list[Content] = field(default_factory=list)
    interrupted: int = 0
    ear: Vad | None = None
    _speaking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Hold the conversation until the client leaves."""
        try:
            await self._send(setupComplete={})
            async for message in self.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._take(_parsed(message.data))
        finally:
            await self._stop()

    async def _take(self, message: LiveClientMessage) -> None:
        if message.client_content:
            # With `initialHistoryInClientContent`, that alone makes no answer.
            self.history += message.client_content.turns or []
        elif message.realtime_input and message.realtime_input.audio:
            await self._hear(message.realtime_input.audio)
        elif message.realtime_input and message.realtime_input.text:
            await self._begin_turn()

    async def _hear(self, audio: Blob) -> None:
        mime = re.fullmatch(r"audio/pcm;rate=(\d+)", audio.mime_type or "")
        if not mime:
            raise RefusedError(f"Unsupported MIME type {audio.mime_type}")
        self.ear = self.ear or Vad(int(mime[1]))
        refuse_unless(self.ear.sample_rate == int(mime[1]), "the sample rate has changed")
        for turned in self.ear.hear(audio.data or b""):
            await self._on_turn(turned)

    async def _on_turn(self, turned: Turned) -> None:
        if turned.what == "stopped":
            for token in tokens(self.service.script.next()):
                await self._send(serverContent={"inputTranscription": {"text": token}})
            await self._begin_turn()
        elif self._speaking and not self._speaking.done():
            await self._stop()
            self.interrupted += 1
            await self._send(serverContent={"interrupted": True})
            await self._send(serverContent={"turnComplete": True}, usageMetadata=_usage())

    async def _begin_turn(self) -> None:
        await self._stop()
        speaking = self._speak(self.service.replies.next())
        self._speaking = asyncio.create_task(speaking, name="gemini-live-turn")

    async def _stop(self) -> None:
        if self._speaking:
            self._speaking.cancel()
            await asyncio.wait([self._speaking])

    async def _speak(self, text: str) -> None:
        words = tokens(text)
        for token in words:
            data = base64.b64encode(spoken(token, RATE)).decode()
            blob = {"mimeType": f"audio/pcm;rate={RATE}", "data": data}
            turn = {"role": "model", "parts": [{"inlineData": blob}]}
            await self._send(serverContent={"modelTurn": turn})
            await self._send(serverContent={"outputTranscription": {"text": token}})
            await asyncio.sleep(WORD_SECS / TIMES_FASTER)
        await self._send(serverContent={"generationComplete": True})
        await asyncio.sleep(len(words) * WORD_SECS * (1 - 1 / TIMES_FASTER))
        await self._send(serverContent={"turnComplete": True}, usageMetadata=_usage())

    async def _send(self, **message: Any) -> None:
        LiveServerMessage.model_validate(message)
        with suppress(ConnectionError):  # the client has left
            await self.socket.send_bytes(json.dumps(message).encode())


def _parsed(message: str | bytes) -> LiveClientMessage:
    return LiveClientMessage.model_validate_json(message)


def _accepted(setup: LiveClientSetup | None) -> LiveClientSetup:
    if setup is None or setup.generation_config is None:
        raise RefusedError("the first message is the setup")
    refuse_unless(setup.model and setup.model.startswith("models/"), "unexpected model name format")
    modalities = setup.generation_config.response_modalities
    refuse_unless(modalities == [Modality.AUDIO], f"this stand-in only speaks, not {modalities}")
    history = setup.history_config
    refuse_unless(history and history.initial_history_in_client_content, "no history was announced")
    return setup


def _usage() -> dict[str, int]:
    return {"promptTokenCount": 1, "responseTokenCount": 1, "totalTokenCount": 2}
