"""Anthropic's messages: scripted texts and tool uses, streamed as the real one does.

POST /v1/messages of Anthropic's API reference, with server-sent events.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

from .language import Call, RefusedError, Replies, Reply, refuse_unless, tokens

KEY = "canary-anthropic_api_key"

_FIELDS = {
    *("model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "metadata"),
    *("temperature", "top_k", "top_p", "stop_sequences", "thinking", "service_tier"),
    "output_config",
}


class Anthropic:
    """A model that gives one scripted reply a request.

    Attributes:
        requests: The bodies of all requests that were not refused.
        refused: Why others were.
    """

    def __init__(self, replies: Iterable[Reply] = ()) -> None:
        self._replies = Replies(replies)
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.post("/v1/messages", self._answer)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here: its SDK takes the URL from the environment."""
        patch.setenv("ANTHROPIC_BASE_URL", f"http://{host}")

    def said(self, number: int) -> list[tuple[str, str]]:
        """What a request tells that was said so far: (role, text), without tools."""
        return [
            (message["role"], block["text"])
            for message in self.requests[number]["messages"]
            for block in _blocks(message)
            if block["type"] == "text"
        ]

    def result(self, number: int) -> str:
        """What the last tool of a request has answered."""
        return json.dumps(_blocks(self.requests[number]["messages"][-1])[0]["content"])

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-Api-Key") != KEY:
            return self._refuse(401, "authentication_error", "invalid x-api-key")
        try:
            refuse_unless("anthropic-version" in request.headers, "anthropic-version: is required")
            body = await request.json()
            _check(body)
            reply = self._replies.next()
            if isinstance(reply, Call):
                offered = [tool["name"] for tool in body.get("tools", [])]
                refuse_unless(reply.name in offered, f"the script calls {reply.name}: {offered}")
        except (RefusedError, ValueError) as error:
            return self._refuse(400, "invalid_request_error", str(error))
        self.requests.append(body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.force_close()  # Pipecat's service leaves its connections open for good
        await response.prepare(request)
        with suppress(ConnectionError):  # it was interrupted
            async for event in _streamed(body, reply, f"toolu_{len(self.requests)}"):
                data = json.dumps(event)
                await response.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
        return response

    def _refuse(self, status: int, kind: str, message: str) -> web.Response:
        self.refused.append(message)
        error = {"type": "error", "error": {"type": kind, "message": message}}
        return web.json_response(error, status=status)


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _check(body: Mapping[str, Any]) -> None:
    unknown = set(body) - _FIELDS
    refuse_unless(not unknown, f"{unknown}: Extra inputs are not permitted")
    refuse_unless(body.get("model"), "model: Field required")
    refuse_unless(body.get("max_tokens", 0) > 0, "max_tokens: Field required")
    refuse_unless(body.get("stream"), "this stand-in only streams")
    refuse_unless(body.get("messages"), "messages: at least one message is required")
    used: set[str] = set()
    for message in body["messages"]:
        refuse_unless(message["role"] in ("user", "assistant"), f"role: {message['role']!r}")
        blocks = _blocks(message)
        refuse_unless(blocks, "messages: content must be non-empty")
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        refuse_unless(all(map(str.strip, texts)), "text content blocks must be non-empty")
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        refuse_unless(
            answered == used, "each `tool_use` must have a `tool_result` in the next message"
        )
        used = {block["id"] for block in blocks if block["type"] == "tool_use"}
    refuse_unless(
        body["messages"][-1]["role"] == "user",
        "This model does not support assistant message prefill.",
    )
    for tool in body.get("tools", []):
        refuse_unless(tool["input_schema"]["type"] == "object", "input_schema.type: not 'object'")


async def _streamed(
    body: Mapping[str, Any], reply: Reply, call_id: str
) -> AsyncIterator[dict[str, Any]]:
    usage = {"input_tokens": 9, "output_tokens": 1}
    envelope = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    ends = {"stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": {**envelope, **ends, "content": [], "usage": usage}}
    if isinstance(reply, Call):
        block: dict[str, Any] = {"type": "tool_use", "id": call_id, "name": reply.name, "input": {}}
        pieces = tokens(json.dumps(reply.arguments))
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    else:
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": token} for token in tokens(reply)]
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "ping"}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    ends["stop_reason"] = "tool_use" if isinstance(reply, Call) else "end_turn"
    yield {"type": "message_delta", "delta": ends, "usage": {"output_tokens": len(deltas)}}
    yield {"type": "message_stop"}
