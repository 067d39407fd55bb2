"""One route of the emulated REST API: from an HTTP request to its answer, whatever goes wrong.

It knows keys, bodies, Wavix's error answers and the faults that are set. It refuses to know what a
route does. Source of the answers: Wavix's OpenAPI specification (2026-06-30).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipecat_wavix.emulator.bodies import Body, errors, parsed
from pipecat_wavix.emulator.call import EmulatedCall
from pipecat_wavix.emulator.events import Requested
from pipecat_wavix.emulator.platform import Platform
from pipecat_wavix.emulator.refused import RefusedError

MAX_BODY_BYTES: Final = 1024 * 1024
"""A longer body is refused."""


class AnswerError(Exception):
    """A request is answered with an error.

    Attributes:
        status: The HTTP status.
        body: What is answered.
    """

    def __init__(self, status: int, message: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"success": False, "message": message, **(fields or {})}


def not_found() -> AnswerError:
    """The id in the path is nobody's."""
    return AnswerError(404, "Record not found")


def invalid(wrong: Mapping[str, str]) -> AnswerError:
    """Fields of the body are wrong."""
    return AnswerError(400, "Validation error", {"errors": dict(wrong)})


def invalid_parameter(name: str) -> AnswerError:
    """The same, on the routes that tell only one."""
    return AnswerError(400, f"Missing or invalid parameter {name}")


def unauthorized() -> AnswerError:
    """The key is missing or wrong."""
    return AnswerError(401, "Unauthorized", {"error": True})


@dataclass(frozen=True)
class Reply:
    """What a route answers.

    Attributes:
        body: The JSON.
        status: The HTTP status.
        after: What is to happen when the reply has been sent.
        call: The call that it is about, if its id is not in the path.
    """

    body: Any
    status: int = 200
    after: Callable[[], None] | None = None
    call: EmulatedCall | None = None


SUCCESS: Final = Reply({"success": True})

Handler = Callable[[Request, dict[str, Any]], Awaitable[Reply]]


class Endpoint:
    """Answers the requests of one route.

    Args:
        platform: The platform.
        route: Its method and path, with `{id}` for an id, for faults and traces.
        handler: What it does, given the body.
        body: The fields of its body.
        tells_all: Whether a wrong body is answered with all that is wrong, by field, as the routes
            that control calls do.
    """

    def __init__(
        self,
        platform: Platform,
        route: str,
        handler: Handler,
        body: Body | None = None,
        *,
        tells_all: bool = True,
    ) -> None:
        self._platform = platform
        self._route = route
        self._handler = handler
        self._body = body
        self._tells_all = tells_all

    async def __call__(self, request: Request) -> Response:
        """Answer one request; unless a fault has it that there is no answer, that is at once."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        about = self._platform.calls.get(request.path_params.get("call_id", ""))
        fault = self._platform.faults.rest_fault(self._route)
        kind = fault.kind if fault else None
        if fault and kind == "late":
            await self._platform.waited(asyncio.sleep(fault.secs))
        reply: Reply | None = None
        response: Response
        if fault and kind == "status":
            headers = {}
            if fault.retry_after_secs is not None:
                headers["Retry-After"] = str(fault.retry_after_secs)
            failed = {"success": False, "message": "A fault of the emulator"}
            response = JSONResponse(failed, fault.status, headers)
        elif kind == "hang":
            response = Response(status_code=503)
        else:
            reply, response = await self._done(request)
        unanswered = kind in ("hang", "reply_lost")
        if call := about or (reply.call if reply else None):
            status = None if unanswered else response.status_code
            secs = loop.time() - began_at
            call.trace.note(Requested(began_at, self._route, status, secs))
        if unanswered:
            if reply and reply.after:
                reply.after()
            await self._platform.waited(_disconnected(request))
            # Nobody is there any more to read it, unless the emulator ends.
            return Response(status_code=503)
        if reply and reply.after:
            response.background = BackgroundTask(_called, reply.after)
        return response

    async def _done(self, request: Request) -> tuple[Reply | None, Response]:
        try:
            self._check_key(request)
            reply = await self._handler(request, await self._read(request))
        except AnswerError as error:
            return None, JSONResponse(error.body, error.status)
        except RefusedError as error:
            fields = {"errors": error.errors} if error.errors else None
            return None, JSONResponse(AnswerError(400, str(error), fields).body, 400)
        return reply, JSONResponse(reply.body, reply.status)

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        expected = self._platform.settings.api_key.encode()
        if scheme.lower() != "bearer" or not compare_digest(key.strip().encode(), expected):
            raise unauthorized()

    async def _read(self, request: Request) -> dict[str, Any]:
        if self._body is None:
            return {}
        value = await json_body(request)
        wrong = errors(self._body, value)
        if wrong:
            raise invalid(wrong) if self._tells_all else invalid_parameter(next(iter(wrong)))
        return value


async def json_body(request: Request, most_bytes: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """Read a body that must be a JSON object, or nothing at all.

    Args:
        request: Whose.
        most_bytes: How long it may be.

    Raises:
        AnswerError: It is something else, or too long.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most_bytes:
            raise AnswerError(400, f"The body is longer than {most_bytes} bytes")
    value = parsed(bytes(data))
    if value is None:
        raise AnswerError(400, "The body is not a JSON object")
    return value


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _called(after: Callable[[], None]) -> None:
    after()
