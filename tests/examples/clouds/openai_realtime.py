"""OpenAI's Realtime API (GA): a conversation by speech, as JSON events over a WebSocket.

It keeps the conversation as OpenAI's server does: who said what, and where it was truncated. It
hears by energy alone, and says what it was given to say. Events both ways are held against the
models of OpenAI's own SDK; what these do not know is refused. Protocol: OpenAI's API reference,
"Realtime", client and server events.
"""

import asyncio
import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, get_args

import pytest
from aiohttp import WSMsgType, web
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pydantic import BaseModel, ValidationError

from . import with_arguments
from .language import RefusedError, Replies, refuse_unless, tokens
from .speech import WORD_SECS, Script, spoken
from .vad import Turned, Vad

KEY = "canary-openai_api_key"

RATE = 24_000
TIMES_FASTER = 5
"""How much faster than it is spoken an answer comes: the real one does not wait for the ear."""

_CHUNK_BYTES = RATE // 10 * 2

_DETAILS = {"text_tokens": 1, "audio_tokens": 1, "cached_tokens": 0}
_USAGE = {
    **{"total_tokens": 4, "input_tokens": 2, "output_tokens": 2},
    "input_token_details": _DETAILS,
    "output_token_details": {"text_tokens": 1, "audio_tokens": 1},
}


def _by_type(events: Any) -> dict[str, type[BaseModel]]:
    models = get_args(get_args(events)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models}


_CLIENT_EVENTS = _by_type(RealtimeClientEvent)
_SERVER_EVENTS = _by_type(RealtimeServerEvent)


def _unknown(value: Any, path: str = "") -> Iterator[str]:
    """What the SDK's models have no name for: they let it pass."""
    if isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for each in value:
            yield from _unknown(each, path)


@dataclass
class Item:
    """One message of the conversation.

    Attributes:
        role: Whose it is.
        text: What was said; None once it was truncated: the server forgets the words then.
        audio_ms: How much audio there is of it.
        heard_ms: How much of it was heard, as the server was told; None: it was not.
    """

    role: str
    text: str | None
    audio_ms: int = 0
    heard_ms: int | None = None


class OpenAIRealtime:
    """A model that speaks one scripted text a response.

    Args:
        hears: What it takes the caller's turns for.
        says: What it says.

    Attributes:
        sessions: The connections that it accepted.
        refused: Why others were refused.
    """

    def __init__(self, *, hears: Iterable[str] = (), says: Iterable[str] = ()) -> None:
        self.script = Script(hears)
        self.replies = Replies(says)
        self.sessions: list[Session] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.get("/v1/realtime", self._connect)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here."""
        with_arguments(patch, OpenAIRealtimeLLMService, base_url=f"ws://{host}/v1/realtime")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self._refuse(401, "invalid_api_key")
        if not request.query.get("model"):
            return self._refuse(400, "missing_model")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        session = Session(self, socket, request.query["model"])
        self.sessions.append(session)
        await session.run()
        return socket

    def _refuse(self, status: int, code: str) -> web.Response:
        self.refused.append(code)
        return web.json_response({"error": {"code": code}}, status=status)


@dataclass
class Session:
    """One connection, and its conversation.

    Attributes:
        config: The session's configuration, as it was last updated.
        items: The conversation, by id, in order.
        refused: Why events were refused.
        ear: What hears the caller.
    """

    service: OpenAIRealtime
    socket: web.WebSocketResponse
    model: str
    config: dict[str, Any] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    ear: Vad = field(default_factory=lambda: Vad(RATE))

    def __post_init__(self) -> None:
        self._ids = count(1)
        self._turn = ""
        self._responding: asyncio.Task[None] | None = None

    @property
    def said(self) -> list[Item]:
        """What the model has said, in order."""
        return [item for item in self.items.values() if item.role == "assistant"]

    async def run(self) -> None:
        """Hold the conversation until the client leaves."""
        try:
            session = {"type": "realtime", "model": self.model, "output_modalities": ["audio"]}
            await self._send("session.created", session=session)
            async for message in self.socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(json.loads(message.data))
        finally:
            if self._responding:
                self._responding.cancel()
                await asyncio.wait([self._responding])

    async def _take(self, event: dict[str, Any]) -> None:
        try:
            _check(event)
            name = "_on_" + event["type"].replace(".", "_")
            refuse_unless(hasattr(self, name), f"this stand-in knows no {event['type']}")
            await getattr(self, name)(event)
        except (RefusedError, ValidationError) as error:
            self.refused.append(str(error))
            told = {"type": "invalid_request_error", "message": str(error), "code": "invalid_value"}
            await self._send("error", error={**told, "event_id": event.get("event_id")})

    # ---- what the client asks for

    async def _on_session_update(self, event: dict[str, Any]) -> None:
        self.config = event["session"]
        for side in ("input", "output"):
            audio = self._audio(side).get("format") or {"type": "audio/pcm", "rate": RATE}
            refuse_unless(audio == {"type": "audio/pcm", "rate": RATE}, f"not here: {audio}")
        await self._send("session.updated", session=self.config)

    async def _on_conversation_item_create(self, event: dict[str, Any]) -> None:
        item = {"id": self._id("item"), **event["item"], "object": "realtime.item"}
        refuse_unless(item["type"] == "message", "this stand-in calls no functions")
        self.items[item["id"]] = Item(item["role"], item["content"][0]["text"])
        await self._add({**item, "status": "completed"})

    async def _on_conversation_item_truncate(self, event: dict[str, Any]) -> None:
        item, end_ms = self.items.get(event["item_id"]), event["audio_end_ms"]
        if item is None or item.role != "assistant":
            raise RefusedError("Only model output audio messages can be truncated")
        refuse_unless(
            end_ms <= item.audio_ms,
            f"Audio content of {item.audio_ms}ms is already shorter than {end_ms}ms",
        )
        item.heard_ms, item.text = end_ms, None
        where = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        await self._send("conversation.item.truncated", **where)

    async def _on_response_create(self, event: dict[str, Any]) -> None:
        refuse_unless(
            not self._responding or self._responding.done(),
            "Conversation already has an active response in progress",
        )
        self._respond()

    async def _on_input_audio_buffer_append(self, event: dict[str, Any]) -> None:
        pcm = base64.b64decode(event["audio"], validate=True)
        vad = self._audio("input").get("turn_detection", {"type": "server_vad"}) or {}
        refuse_unless(vad.get("type") == "server_vad", f"not here: {vad}")
        for turned in self.ear.hear(pcm, end_ms=vad.get("silence_duration_ms") or 500):
            await self._on_turn(turned)

    def _audio(self, side: str) -> dict[str, Any]:
        return (self.config.get("audio") or {}).get(side) or {}

    # ---- turns

    async def _on_turn(self, turned: Turned) -> None:
        name, where = f"input_audio_buffer.speech_{turned.what}", {"item_id": self._turn}
        if turned.what == "started":
            self._turn = self._id("item")
            await self._send(name, audio_start_ms=turned.at_ms, item_id=self._turn)
            return
        await self._send(name, audio_end_ms=turned.at_ms, **where)
        await self._send("input_audio_buffer.committed", **where)
        text = self.service.script.next()
        self.items[self._turn] = Item("user", text)
        content = {"type": "input_audio", "transcript": None}
        item = {"id": self._turn, "object": "realtime.item", "type": "message", "role": "user"}
        await self._add({**item, "status": "completed", "content": [content]})
        if self._responding:
            await self._responding  # interrupted, it ends at once
        self._respond()
        if self._audio("input").get("transcription"):
            name, where = (
                "conversation.item.input_audio_transcription",
                {**where, "content_index": 0},
            )
            await self._send(f"{name}.delta", delta=text, **where)
            usage = {"type": "duration", "seconds": 1}
            await self._send(f"{name}.completed", transcript=text, usage=usage, **where)

    def _respond(self) -> None:
        speaking = self._speak(self.service.replies.next())
        self._responding = asyncio.create_task(speaking, name="openai-realtime-response")

    async def _speak(self, text: str) -> None:
        response = {"id": self._id("resp"), "object": "realtime.response", "output": []}
        response |= {"status": "in_progress", "status_details": None}
        response |= {"output_modalities": ["audio"], "max_output_tokens": "inf", "usage": None}
        await self._send("response.created", response=response)
        item = {"id": self._id("item"), "object": "realtime.item", "status": "in_progress"}
        item |= {"type": "message", "role": "assistant", "content": []}
        said = self.items[item["id"]] = Item("assistant", "")
        output = {"response_id": response["id"], "output_index": 0}
        await self._send("response.output_item.added", item=item, **output)
        await self._send("conversation.item.added", item=item)
        where = {**output, "item_id": item["id"], "content_index": 0}
        part = {"type": "audio", "transcript": ""}
        await self._send("response.content_part.added", part=part, **where)

        for token in tokens(text):
            if self.ear.speaking:
                break
            part["transcript"] += token
            await self._send("response.output_audio_transcript.delta", delta=token, **where)
            audio = spoken(token, RATE)
            for at in range(0, len(audio), _CHUNK_BYTES):
                chunk = audio[at : at + _CHUNK_BYTES]
                said.audio_ms += len(chunk) * 1000 // (2 * RATE)
                delta = base64.b64encode(chunk).decode()
                await self._send("response.output_audio.delta", delta=delta, **where)
            await asyncio.sleep(WORD_SECS / TIMES_FASTER)
        words = part["transcript"]
        is_whole = words == text
        if said.heard_ms is None:
            said.text = words

        await self._send("response.output_audio.done", **where)
        await self._send("response.output_audio_transcript.done", transcript=words, **where)
        await self._send("response.content_part.done", part=part, **where)
        item["status"] = "completed" if is_whole else "incomplete"
        item["content"] = [{"type": "output_audio", "transcript": words}]
        await self._send("response.output_item.done", item=item, **output)
        await self._send("conversation.item.done", item=item)
        response |= {"status": "completed" if is_whole else "cancelled", "output": [item]}
        if not is_whole:
            response["status_details"] = {"type": "cancelled", "reason": "turn_detected"}
        response["usage"] = _USAGE
        await self._send("response.done", response=response)

    # ---- out

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._ids)}"

    async def _add(self, item: dict[str, Any]) -> None:
        await self._send("conversation.item.added", item=item)
        await self._send("conversation.item.done", item=item)

    async def _send(self, name: str, **fields: Any) -> None:
        event = {"type": name, "event_id": self._id("event"), **fields}
        unknown = list(_unknown(_SERVER_EVENTS[name].model_validate(event)))
        assert not unknown, f"OpenAI does not send {unknown} in {name}"
        with suppress(ConnectionError):  # the client has left
            await self.socket.send_str(json.dumps(event))


def _check(event: dict[str, Any]) -> None:
    model = _CLIENT_EVENTS.get(event.get("type", ""))
    if model is None:
        raise RefusedError(f"Invalid value: {event.get('type')!r}")
    unknown = list(_unknown(model.model_validate(event)))
    refuse_unless(not unknown, f"Unknown parameter: {unknown}")
