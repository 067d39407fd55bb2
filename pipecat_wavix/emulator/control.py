"""The emulator's own controls, over HTTP: what no Wavix has.

It knows routes under one reserved prefix, `/_emulator/`, and their JSON. It refuses to know how a
call works: it asks the platform. It asks for no key, which is why an emulator listens on this
machine alone unless it is told otherwise.

    GET  /_emulator/state                    numbers, calls, faults
    POST /_emulator/dial                     {"to", "from", "max_secs", "script": [...]}, or "say": [...]
    GET  /_emulator/calls/{id}?wait_secs=30  one call; waits so long for its end
    POST /_emulator/calls/{id}/press         {"keys": "12#"}
    POST /_emulator/calls/{id}/hang_up       {}: the person on the phone hangs up
    POST /_emulator/callees                  {"number", "outcome", "after_secs", "script", ...}
    POST /_emulator/faults                   {"webhooks": {...}, "rest": [{...}]}: replaces what it names

A script is as in `scripts`. Errors are {"success": false, "message": ...}.
"""

import asyncio
from collections.abc import Awaitable, Callable, Set as AbstractSet
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipecat_wavix.emulator.call import EmulatedCall
from pipecat_wavix.emulator.callees import Callee
from pipecat_wavix.emulator.callers import Action, ScriptedCaller, conversation
from pipecat_wavix.emulator.endpoint import AnswerError, json_body, not_found
from pipecat_wavix.emulator.faults import RestFault, WebhookFaults
from pipecat_wavix.emulator.platform import DEFAULT_CALLER, Platform
from pipecat_wavix.emulator.scripts import read_script
from pipecat_wavix.emulator.voice import speak

PREFIX: Final = "/_emulator"

MAX_WAIT_SECS: Final = 60.0
"""How long one request may wait for the end of a call."""

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""A longer body is refused: a script may hold 15 minutes of speech."""

Handler = Callable[[Request], Awaitable[Any]]


class Control:
    """The controls of a platform.

    Args:
        platform: What is controlled.

    Attributes:
        routes: All of its routes.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.routes = [
            _route("GET", "/state", self._state),
            _route("POST", "/dial", self._dial),
            _route("GET", "/calls/{call_id}", self._call),
            _route("POST", "/calls/{call_id}/press", self._press),
            _route("POST", "/calls/{call_id}/hang_up", self._hang_up),
            _route("POST", "/callees", self._set_callee),
            _route("POST", "/faults", self._set_faults),
        ]

    async def _state(self, _request: Request) -> Any:
        platform = self._platform
        numbers = [
            {"id": number.id, "number": number.number, "call_status_url": number.call_status_url}
            for number in platform.numbers
        ]
        return {
            "numbers": numbers,
            "calls": [_shown(call) for call in platform.calls.values()],
            "faults": self._faults(),
        }

    async def _dial(self, request: Request) -> Any:
        optional = {"from", "max_secs", "script", "say"}
        body = await _fields(request, required={"to"}, optional=optional)
        if "script" in body and "say" in body:
            raise AnswerError(400, "give script or say, not both")
        script = await asyncio.to_thread(_script, body)
        to, from_number = body["to"], body.get("from", DEFAULT_CALLER)
        if not (isinstance(to, str) and isinstance(from_number, str)):
            raise AnswerError(400, "to and from are strings: numbers in E.164")
        max_secs = body.get("max_secs")
        if not isinstance(max_secs, int | float | None):
            raise AnswerError(400, "max_secs is a number of seconds")
        return _shown(self._platform.dial(to, ScriptedCaller(script), from_number, max_secs))

    async def _call(self, request: Request) -> Any:
        call = self._found(request)
        try:
            wait_secs = min(float(request.query_params.get("wait_secs", "0")), MAX_WAIT_SECS)
            if not wait_secs >= 0:
                raise ValueError
        except ValueError:
            raise AnswerError(400, "wait_secs is a number of seconds") from None
        await self._platform.waited(call.over.wait(), wait_secs)
        return _shown(call)

    async def _press(self, request: Request) -> Any:
        body = await _fields(request, required={"keys"})
        if not isinstance(body["keys"], str):
            raise AnswerError(400, "keys is a string, such as '12#'")
        self._found(request).press(body["keys"])
        return {"success": True}

    async def _hang_up(self, request: Request) -> Any:
        await _fields(request)
        self._found(request).hang_up("person")
        return {"success": True}

    async def _set_callee(self, request: Request) -> Any:
        optional = {"number", "outcome", "after_secs", "early_media", "detected_after_secs"}
        body = await _fields(request, optional={*optional, "script", "say"})
        number = body.pop("number", None)
        body["script"] = await asyncio.to_thread(_script, body)
        body.pop("say", None)
        callee = Callee(**body)
        if number is None:
            self._platform.callees.default = callee
        elif isinstance(number, str):
            self._platform.callees[number] = callee
        else:
            raise AnswerError(400, "number is a string: a number in E.164")
        return {"success": True}

    async def _set_faults(self, request: Request) -> Any:
        body = await _fields(request, optional={"webhooks", "rest"})
        # Both are made before either is set: what is refused changes nothing.
        webhooks = WebhookFaults(**body["webhooks"]) if "webhooks" in body else None
        rest = [RestFault(**fault) for fault in body["rest"]] if "rest" in body else None
        if webhooks is not None:
            self._platform.faults.webhooks = webhooks
        if rest is not None:
            self._platform.faults.rest = rest
        return self._faults()

    def _faults(self) -> dict[str, Any]:
        faults = self._platform.faults
        return {
            "webhooks": asdict(faults.webhooks),
            "rest": [asdict(fault) for fault in faults.rest],
        }

    def _found(self, request: Request) -> EmulatedCall:
        call = self._platform.calls.get(request.path_params["call_id"])
        if call is None:
            raise not_found()
        return call


def _route(method: str, path: str, handler: Handler) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except AnswerError as error:
            return JSONResponse(error.body, error.status)
        except (ValueError, TypeError, ModuleNotFoundError, RuntimeError) as error:
            # The first two come of values that a call, a callee or a fault cannot have, the others
            # of a voice that is missing or fails, and of an emulator that is closing.
            return JSONResponse({"success": False, "message": str(error)}, 400)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it

    return Route(PREFIX + path, answer, methods=[method])


async def _fields(
    request: Request,
    *,
    required: AbstractSet[str] = frozenset(),
    optional: AbstractSet[str] = frozenset(),
) -> dict[str, Any]:
    body = await json_body(request, MAX_BODY_BYTES)
    if missing := required - set(body):
        raise AnswerError(400, f"{', '.join(sorted(missing))} must be given")
    if unknown := set(body) - required - optional:
        raise AnswerError(400, f"there is no {sorted(unknown)!a} here")
    return body


def _script(body: dict[str, Any]) -> list[Action]:
    if "say" not in body:
        return read_script(body.get("script", []))
    texts = body["say"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("say is a list of texts")
    return conversation([speak(text) for text in texts])


def _shown(call: EmulatedCall) -> dict[str, Any]:
    record = call.record
    return {
        "id": call.id,
        "direction": record.direction,
        "from": record.from_number,
        "to": record.to_number,
        "tag": record.tag,
        "phase": call.phase,
        "phases": record.phases,
        "streams": [
            {"id": stream.id, "type": stream.type, "channel": stream.channel, "over": stream.over}
            for stream in call.streams
        ],
        "finished": call.over.is_set(),
        "error": None if call.error is None else f"{type(call.error).__name__}: {call.error}",
        "folder": None if call.trace.folder is None else str(call.trace.folder),
        "summary": None if call.summary is None else asdict(call.summary),
    }
