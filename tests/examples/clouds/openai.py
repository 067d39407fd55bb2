"""OpenAI's chat completions: scripted texts and function calls, streamed as the real one does.

POST /v1/chat/completions of OpenAI's API reference, with server-sent events.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from pipecat.services.openai.llm import OpenAILLMService

from . import with_arguments
from .language import Call as Call, RefusedError, Replies, Reply, refuse_unless, tokens

KEY = "canary-openai_api_key"

_FIELDS = {
    *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "temperature"),
    *("top_p", "max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty"),
    *("seed", "service_tier", "response_format", "parallel_tool_calls", "user"),
    *("reasoning_effort", "verbosity", "stop", "metadata", "store", "prompt_cache_key"),
}
_ROLES = {"system", "developer", "user", "assistant", "tool"}


class OpenAI:
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
        return [web.post("/v1/chat/completions", self._complete)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here."""
        with_arguments(patch, OpenAILLMService, base_url=f"http://{host}/v1")

    def said(self, number: int) -> list[tuple[str, str]]:
        """What a request tells that was said so far: (role, text), without function calls."""
        return [
            (message["role"], message["content"])
            for message in self.requests[number]["messages"]
            if message["role"] in ("user", "assistant") and message.get("content")
        ]

    def result(self, number: int) -> str:
        """What the last function of a request has answered."""
        return str(self.requests[number]["messages"][-1]["content"])

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self._refuse(401, "Incorrect API key provided", "invalid_api_key")
        try:
            body = await request.json()
            _check(body)
            reply = self._replies.next()
            if isinstance(reply, Call):
                _check_call(reply, body)
        except (RefusedError, ValueError) as error:
            return self._refuse(400, str(error), None)
        self.requests.append(body)
        if not body.get("stream"):
            return web.json_response(_whole(body, reply))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.force_close()  # Pipecat's service leaves its connections open for good
        await response.prepare(request)
        with suppress(ConnectionError):  # it was interrupted
            async for event in _streamed(body, reply, f"call_{len(self.requests)}"):
                await response.write(f"data: {event}\n\n".encode())
        return response

    def _refuse(self, status: int, message: str, code: str | None) -> web.Response:
        self.refused.append(message)
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        return web.json_response({"error": error}, status=status)


def _check(body: Mapping[str, Any]) -> None:
    unknown = set(body) - _FIELDS
    refuse_unless(not unknown, f"Unrecognized request argument supplied: {unknown}")
    refuse_unless(isinstance(body.get("model"), str), "you must provide a model parameter")
    refuse_unless(body.get("messages"), "[] is too short - 'messages'")
    refuse_unless(
        body.get("stream") or "stream_options" not in body,
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    )
    _check_messages(body["messages"])
    for tool in body.get("tools", []):
        refuse_unless(tool["type"] == "function", f"Invalid value: {tool['type']!r}")
        refuse_unless(tool["function"].get("name"), "Missing 'tools[0].function.name'")
        refuse_unless(
            tool["function"].get("parameters", {}).get("type") == "object", "Invalid schema"
        )


def _check_messages(messages: list[dict[str, Any]]) -> None:
    owed: list[str] = []  # answers to function calls
    for message in messages:
        refuse_unless(message.get("role") in _ROLES, f"Invalid value: {message.get('role')!r}")
        if message["role"] == "tool":
            refuse_unless(
                message.get("tool_call_id") in owed,
                "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
            )
            owed.remove(message["tool_call_id"])
            continue
        refuse_unless(
            not owed,
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'",
        )
        owed = [call["id"] for call in message.get("tool_calls") or []]
        refuse_unless(
            owed or isinstance(message.get("content"), str | list),
            f"Invalid value for 'content': {message.get('content')!r}",
        )
    refuse_unless(not owed, "tool messages are missing for some 'tool_call_id'")


def _check_call(call: Call, body: Mapping[str, Any]) -> None:
    offered = [tool["function"]["name"] for tool in body.get("tools", [])]
    refuse_unless(call.name in offered, f"the script calls {call.name}, offered are {offered}")


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def _whole(body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(reply, Call):
        function = {"name": reply.name, "arguments": json.dumps(reply.arguments)}
        message["tool_calls"] = [{"id": "call_0", "type": "function", "function": function}]
    else:
        message["content"] = reply
    reason = "tool_calls" if isinstance(reply, Call) else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {**_envelope(body, "chat.completion"), "choices": [choice], "usage": _usage()}


async def _streamed(body: Mapping[str, Any], reply: Reply, call_id: str) -> AsyncIterator[str]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return json.dumps({**_envelope(body, "chat.completion.chunk"), "choices": [choice]})

    if isinstance(reply, Call):
        call = {"index": 0, "id": call_id, "type": "function"}
        function = {"name": reply.name, "arguments": ""}
        yield chunk(
            {"role": "assistant", "content": None, "tool_calls": [{**call, "function": function}]}
        )
        for piece in tokens(json.dumps(reply.arguments)):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        yield chunk({}, "tool_calls")
    else:
        yield chunk({"role": "assistant", "content": "", "refusal": None})
        for token in tokens(reply):
            yield chunk({"content": token})
        yield chunk({}, "stop")
    if body.get("stream_options", {}).get("include_usage"):
        envelope = _envelope(body, "chat.completion.chunk")
        yield json.dumps({**envelope, "choices": [], "usage": _usage()})
    yield "[DONE]"


def _envelope(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body["model"]}
