"""Wavix's REST API, as far as calls, streams, call webhooks and numbers go.

It knows routes and what each answers. It refuses to know how a call works: it asks the platform.
Source: Wavix's OpenAPI specification (2026-06-30). What that specification has and this API has not
is answered 501 and says so.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipecat_wavix.emulator import bodies
from pipecat_wavix.emulator.bodies import Body
from pipecat_wavix.emulator.call import EmulatedCall
from pipecat_wavix.emulator.call_streams import StreamState
from pipecat_wavix.emulator.collect import (
    DEFAULT_MAX_DIGITS,
    DEFAULT_TIMEOUT_SECS,
    Collection,
)
from pipecat_wavix.emulator.endpoint import (
    SUCCESS,
    AnswerError,
    Endpoint,
    Handler,
    Reply,
    invalid,
    invalid_parameter,
    not_found,
)
from pipecat_wavix.emulator.numbers import Number
from pipecat_wavix.emulator.platform import Platform
from pipecat_wavix.emulator.prompts import NoPromptError, fetch
from pipecat_wavix.emulator.voice import speak

MAX_PER_PAGE: Final = 100
DEFAULT_PER_PAGE: Final = 25
"""Wavix states neither."""

# eSpeak's languages for Wavix's.
_LANGUAGES: Final = {"en": "en-us", "ru": "ru", "sp": "es", "ge": "de"}


class RestApi:
    """The REST API of a platform.

    Args:
        platform: What it speaks for.

    Attributes:
        routes: All of its routes; the first that matches counts.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        # Literal paths first: `webhooks` is no call's id.
        self.routes = [
            self._route("GET", "/v1/calls/webhooks", self._list_webhooks),
            self._route(
                "POST", "/v1/calls/webhooks", self._set_webhook, bodies.WEBHOOK, brief=True
            ),
            self._route("DELETE", "/v1/calls/webhooks", self._delete_webhook),
            self._route("GET", "/v1/calls", self._list_calls),
            self._route("POST", "/v1/calls", self._start_call, bodies.START_CALL),
            *self._of_a_call("/v1/calls/{call_id}"),
            # The path in Wavix's announcement; its specification has the one above.
            *self._of_a_call("/v1/call/{call_id}"),
            self._route("GET", "/v1/numbers", self._list_numbers),
            self._route("GET", "/v1/numbers/{number_id}", self._get_number),
            self._route(
                *("PATCH", "/v1/numbers/{number_id}"),
                *(self._update_number, bodies.UPDATE_NUMBER),
                brief=True,
            ),
            Route("/{path:path}", self._anything_else, methods=_METHODS),
        ]

    def _of_a_call(self, call: str) -> list[Route]:
        return [
            self._route("GET", call, self._get_call),
            self._route("PATCH", call, self._update_call, bodies.UPDATE_CALL, brief=True),
            self._route("DELETE", call, self._hang_up),
            self._route("POST", f"{call}/answer", self._answer, bodies.ANSWER),
            self._route("POST", f"{call}/streams", self._start_stream, bodies.START_STREAM),
            self._route("DELETE", f"{call}/streams/{{stream_id}}", self._stop_stream),
            self._route("POST", f"{call}/play", self._play, bodies.PLAY),
            self._route("DELETE", f"{call}/audio", self._stop_audio),
            self._route("POST", f"{call}/collect", self._collect, bodies.COLLECT),
        ]

    def _route(
        self,
        method: str,
        path: str,
        handler: Handler,
        body: Body | None = None,
        *,
        brief: bool = False,
    ) -> Route:
        shown = path.replace("/v1/call/", "/v1/calls/")
        for name in ("call_id", "stream_id", "number_id"):
            shown = shown.replace(f"{{{name}}}", "{id}")
        endpoint = Endpoint(self._platform, f"{method} {shown}", handler, body, tells_all=not brief)

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it

        return Route(path, answer, methods=[method])

    # Calls.

    async def _list_calls(self, _request: Request, _body: dict[str, Any]) -> Reply:
        calls = [call.record.as_call() for call in self._platform.active_calls()]
        return Reply({"calls": calls, "success": True})

    async def _start_call(self, _request: Request, body: dict[str, Any]) -> Reply:
        if self._platform.numbers.get(body["from"]) is None:
            raise invalid({"from": "must be an active or verified phone number on the account"})
        if self._platform.closing.is_set():
            raise AnswerError(503, "The emulator is closing")
        call = self._platform.start_call(
            from_=body["from"],
            to=body["to"],
            callback_url=body["callback_url"],
            tag=body.get("tag", ""),
            ring_secs=body.get("timeout"),
            detect_machine=body.get("voicemail_detection", False),
        )
        return Reply(call.record.as_call(), call=call)

    async def _get_call(self, request: Request, _body: dict[str, Any]) -> Reply:
        call = self._platform.found_call(request.path_params["call_id"])
        if call is None:
            raise not_found()
        return Reply({"call": call.record.as_call(), "success": True})

    async def _update_call(self, request: Request, body: dict[str, Any]) -> Reply:
        self._active(request).record.tag = body["tag"]
        return SUCCESS

    async def _hang_up(self, request: Request, _body: dict[str, Any]) -> Reply:
        self._active(request).hang_up("account")
        return SUCCESS

    async def _answer(self, request: Request, body: dict[str, Any]) -> Reply:
        call = self._active(request)
        wants_stream = "stream_url" in body
        for name in ("stream_type", "stream_channel"):
            if name in body and not wants_stream:
                raise invalid({"stream_url": f"required with {name}"})
        call.answer()
        if not wants_stream:
            return SUCCESS
        stream = call.add_stream(
            body["stream_url"],
            body.get("stream_type", "twoway"),
            body.get("stream_channel", "inbound"),
        )
        return await self._launched(call, stream, {"success": True})

    # What happens on a call.

    async def _start_stream(self, request: Request, body: dict[str, Any]) -> Reply:
        call = self._active(request)
        stream = call.add_stream(body["stream_url"], body["stream_type"], body["stream_channel"])
        return await self._launched(call, stream, {"success": True, "stream_id": stream.id})

    async def _launched(
        self, call: EmulatedCall, stream: StreamState, body: Mapping[str, Any]
    ) -> Reply:
        if not self._platform.settings.stream_before_reply:
            return Reply(body, after=lambda: call.streams.launch(stream))
        call.streams.launch(stream)
        await stream.started.wait()
        return Reply(body)

    async def _stop_stream(self, request: Request, _body: dict[str, Any]) -> Reply:
        if not self._active(request).streams.stop(request.path_params["stream_id"]):
            raise not_found()
        return SUCCESS

    async def _play(self, request: Request, body: dict[str, Any]) -> Reply:
        call = self._active(request)
        pcm = await self._fetched(body["audio_file"], "audio_file")
        call.play(pcm)
        return SUCCESS

    async def _stop_audio(self, request: Request, _body: dict[str, Any]) -> Reply:
        self._active(request).stop_audio()
        return SUCCESS

    async def _collect(self, request: Request, body: dict[str, Any]) -> Reply:
        call = self._active(request)
        call.collect(
            Collection(
                max_digits=body.get("max_digits", DEFAULT_MAX_DIGITS),
                timeout_secs=body.get("timeout", DEFAULT_TIMEOUT_SECS),
                termination_character=body.get("termination_character"),
                max_attempts=body.get("max_attempts", 1),
            ),
            await self._prompt(body.get("prompt", {})),
        )
        return SUCCESS

    async def _prompt(self, prompt: Mapping[str, Any]) -> bytes | None:
        if "play" in prompt:
            return await self._fetched(prompt["play"], "prompt")
        if "say" not in prompt:
            return None
        say = prompt["say"]
        voice = _LANGUAGES[say.get("language", "en")]
        try:
            return await asyncio.to_thread(speak, say["text"], voice=voice)
        except (ModuleNotFoundError, RuntimeError, ValueError) as error:
            raise invalid({"prompt": str(error)}) from None

    async def _fetched(self, url: str, field: str) -> bytes:
        anywhere = self._platform.settings.prompts_from_anywhere
        try:
            return await fetch(self._platform.http, url, anywhere=anywhere)
        except NoPromptError as error:
            raise invalid({field: str(error)}) from None

    # The account's webhooks and numbers.

    async def _list_webhooks(self, _request: Request, _body: dict[str, Any]) -> Reply:
        webhooks = self._platform.webhooks.items()
        return Reply([{"event_type": event, "url": url} for event, url in webhooks])

    async def _set_webhook(self, _request: Request, body: dict[str, Any]) -> Reply:
        self._platform.webhooks[body["event_type"]] = body["url"]
        return Reply({"success": True, "event_type": body["event_type"], "url": body["url"]}, 201)

    async def _delete_webhook(self, request: Request, _body: dict[str, Any]) -> Reply:
        match request.query_params.get("event_type"):
            case "on-call" | "post-call" as event:
                if self._platform.webhooks.pop(event, None) is None:
                    raise AnswerError(422, f"There is no {event} webhook")
                return SUCCESS
            case _:
                raise invalid_parameter("event_type")

    async def _list_numbers(self, request: Request, _body: dict[str, Any]) -> Reply:
        query = request.query_params
        for name in ("city_id", "label", "label_present"):
            if name in query:
                raise AnswerError(501, f"{name} is not implemented by the emulator")
        return Reply(
            self._platform.numbers.page(
                query.get("search", ""),
                _whole(query.get("page", "1"), "page", 10**6),
                _whole(query.get("per_page", str(DEFAULT_PER_PAGE)), "per_page", MAX_PER_PAGE),
            )
        )

    async def _get_number(self, request: Request, _body: dict[str, Any]) -> Reply:
        return Reply(self._number(request).as_number())

    async def _update_number(self, request: Request, body: dict[str, Any]) -> Reply:
        number = self._number(request)
        number.change(body)
        return Reply(number.as_number())

    def _active(self, request: Request) -> EmulatedCall:
        call = self._platform.active_call(request.path_params["call_id"])
        if call is None:
            raise not_found()
        return call

    def _number(self, request: Request) -> Number:
        id_ = request.path_params["number_id"]
        number = self._platform.numbers.by_id(int(id_)) if _is_id(id_) else None
        if number is None:
            raise not_found()
        return number

    async def _anything_else(self, request: Request) -> Response:
        if request.url.path.startswith("/v1/"):
            what = f"{request.method} on this path is not implemented by the emulator"
            return JSONResponse({"success": False, "message": what}, 501)
        message = "There is nothing here: Wavix's API begins with /v1/"
        return JSONResponse({"success": False, "message": message}, 404)


_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _whole(text: str, name: str, most: int) -> int:
    if not _is_id(text) or not 1 <= int(text) <= most:
        raise invalid_parameter(name)
    return int(text)
