"""Requests to the REST API: one session, one time limit, tries, and errors by their cause.

It knows what was sent and what came back, and when a request may be sent again. It refuses to know
what is asked for. Where a connection was made, a request counts as sent: only what was provably
not sent is repeated whatever it is.

An error is raised where nothing else is being handled, and so carries no context: aiohttp's own
errors hold the request's headers, and the key among them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final, Literal

import aiohttp
from loguru import logger
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)
from tenacity.wait import wait_base

from pipecat_wavix import __version__
from pipecat_wavix.client.answers import read_json, refusal
from pipecat_wavix.errors import (
    WavixAPIError,
    WavixNotSent,
    WavixOutcomeUnknown,
    WavixUnreachable,
)

TRIES: Final = 3
"""How often a request is sent at most."""

MAX_BODY_BYTES: Final = 1024 * 1024
"""How much of an answer is read."""

RETRY_WAIT: wait_base = wait_random_exponential(multiplier=0.2, max=1)
"""How long to wait between tries, unless Wavix asks for longer."""

Asked = tuple[str, str, int | Literal["no answer"]]
"""A request as it is counted: method, route template, status."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request.

    Attributes:
        method: GET, POST, PATCH or DELETE.
        route: The path's template: what is logged and counted.
        ids: What fills it; checked already.
        query: Behind the `?`.
        body: The JSON object.
        answered: Whether it is of use only with an answer that was read whole.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    route: str
    ids: Mapping[str, str | int] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    answered: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is doing it once: both PATCHes of ours set a value."""
        return self.method != "POST"

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


@dataclass(slots=True)
class _Course:
    """A request on its way, all tries together."""

    deadline: float
    limit_secs: float
    sent: bool = False
    """Whether any of the tries may have been acted on, though no answer says so."""


class Http:
    """What sends requests.

    Args:
        api_key: The Bearer key.
        base_url: Where the API lives, without a slash at the end.
        timeout_secs: How long a request may take, all tries together.
    """

    def __init__(self, api_key: str, *, base_url: str, timeout_secs: float):
        self._api_key = api_key
        self._base_url = base_url
        self._timeout_secs = timeout_secs
        self._session: aiohttp.ClientSession | None = None
        self._users = 0
        self.requests: Counter[Asked] = Counter()

    def open(self) -> None:
        """Keep one session, and its connections, until all who opened it have left."""
        self._users += 1
        self._session = self._session or self._new_session()

    async def leave(self) -> None:
        """Close the session if nobody else has it open."""
        self._users = max(0, self._users - 1)
        if not self._users:
            await self.close()

    async def close(self) -> None:
        """Close the session. Requests on their way end; calling it again changes nothing."""
        self._users = 0
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, request: Request, *, limit_secs: float | None = None) -> Any:
        """Send a request, again if that is safe and of use.

        Args:
            request: The request.
            limit_secs: How long it may take, all tries together; None: as the client was told.

        Returns:
            The JSON of the answer; None if it is not JSON.

        Raises:
            WavixAPIError: If Wavix refused.
            WavixNotSent: If no connection was made in any of the tries.
            WavixOutcomeUnknown: If there was no answer to what may have been sent.
        """
        limit_secs = self._timeout_secs if limit_secs is None else limit_secs
        course = _Course(asyncio.get_running_loop().time() + limit_secs, limit_secs)
        retrying = AsyncRetrying(
            # What would begin beyond the limit is not waited for.
            stop=stop_after_attempt(TRIES) | stop_before_delay(limit_secs),
            wait=_wait,
            retry=retry_if_exception(_may_pass if request.repeatable else _was_not_sent),
            reraise=True,
        )
        return await retrying(self._try, request, course)

    async def _try(self, request: Request, course: _Course) -> Any:
        async with nullcontext(self._session) if self._session else self._new_session() as session:
            return await self._ask(session, request, course)

    async def _ask(self, session: aiohttp.ClientSession, request: Request, course: _Course) -> Any:
        began = time.monotonic()
        trace = SimpleNamespace(connected=False)
        failure, response = "", None
        try:
            async with asyncio.timeout_at(course.deadline):
                response = await session.request(
                    request.method,
                    self._base_url + request.route.format_map(request.ids),
                    params=request.query,
                    json=request.body,
                    allow_redirects=False,
                    trace_request_ctx=trace,
                )
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            failure = _describe(error, course)
        if response is None:
            course.sent |= trace.connected
            raise self._no_answer(request, course, failure, began)
        async with response:
            body, failure = await _read(response, course)
            status = response.status
            retry_after = response.headers.get("Retry-After")
        done = 200 <= status < 300
        if done and request.answered and failure:
            course.sent = True
            raise self._no_answer(request, course, failure, began)
        self._note(request, status, began)
        if not done:
            course.sent |= status >= 500
            now, key = datetime.now(UTC), self._api_key
            refused = refusal(str(request), status, body, retry_after=retry_after, now=now, key=key)
            # On a line of its own: tracebacks may show the values of the line that raises.
            raise refused
        return read_json(body)

    def _no_answer(
        self, request: Request, course: _Course, failure: str, began: float
    ) -> WavixUnreachable:
        self._note(request, "no answer", began)
        if course.sent:
            return WavixOutcomeUnknown(f"no answer to {request}: {failure}")
        return WavixNotSent(f"{request} was not sent, for no connection was made: {failure}")

    def _note(self, request: Request, status: int | Literal["no answer"], began: float) -> None:
        self.requests[request.method, request.route, status] += 1
        logger.debug(f"Wavix: {request}: {status}, {(time.monotonic() - began) * 1000:.0f} ms")

    def _new_session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_note_connected)
        trace.on_connection_reuseconn.append(_note_connected)
        session = aiohttp.ClientSession(
            headers={
                "Authorization": f"Bearer {self._api_key}",
                "Accept": "application/json",
                "User-Agent": f"pipecat-wavix/{__version__}",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # the limit is on all tries together
            trace_configs=[trace],
        )
        # aiohttp would repeat a GET or a DELETE once by itself, uncounted; it has no public switch.
        session._retry_connection = False
        return session


async def _note_connected(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.connected = True


async def _read(response: aiohttp.ClientResponse, course: _Course) -> tuple[bytes | None, str]:
    """Read a body: None if it is too long or cut off, and then why it was cut off."""
    body = bytearray()
    failure = ""
    try:
        async with asyncio.timeout_at(course.deadline):
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    response.close()
                    return None, ""
    except (aiohttp.ClientError, OSError) as error:
        response.close()
        failure = _describe(error, course)
    return (None, failure) if failure else (bytes(body), "")


def _describe(error: Exception, course: _Course) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came within {course.limit_secs} s"
    return type(error).__name__


def _was_not_sent(error: BaseException) -> bool:
    return isinstance(error, WavixNotSent)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, WavixAPIError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, WavixUnreachable)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_secs if isinstance(error, WavixAPIError) else None
    return max(asked or 0.0, RETRY_WAIT(state))
