"""The routes by which Wavix, an operator and a monitor reach a bot.

It knows HTTP and sockets: paths, bodies, limits, status codes. It refuses to know what a call is;
that is the switchboard's.
"""

import asyncio
import gc
import json
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request, Response, WebSocket
from loguru import logger
from pipecat.runner.types import WebSocketRunnerArguments
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.websockets import WebSocketState

from pipecat_wavix.client import WavixClient
from pipecat_wavix.errors import (
    WavixAPIError,
    WavixError,
    WavixOutcomeUnknown,
    WavixRateLimited,
    WavixStreamError,
)
from pipecat_wavix.server.call import WavixCallData
from pipecat_wavix.server.drain import drained_on_sigterm
from pipecat_wavix.server.logs import PREFIX, keep_secret_paths_out_of_logs
from pipecat_wavix.server.metrics import CONTENT_TYPE
from pipecat_wavix.server.settings import WavixSettings
from pipecat_wavix.server.switchboard import Bot, BusyError, OnCallEnded, Screen, Switchboard
from pipecat_wavix.tokens import Burnt, DialPass, StreamPass, same
from pipecat_wavix.transport.connection import wait_for_start
from pipecat_wavix.webhooks import e164, read_webhook

_BODY_TIMEOUT_SECS: Final = 5.0
"""How long a body may take to come in."""

_DIAL_TOKEN_TTL_SECS: Final = 24 * 60 * 60
"""How long the webhook of an outbound call is good for: longer than a call lasts."""

_AFTER_CALL_SECS: Final = 60.0
"""How long a bot may go on after its call, such as to write it down."""

_LOOK_SECS: Final = 1.0

_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
_TRY_AGAIN_LATER: Final = 1013


class DialRequest(BaseModel):
    """The body of `POST /wavix/calls`.

    Parameters:
        to: Whom to call, in E.164.
        from_: The caller id, in E.164; by default the server's.
        body: For the bot, as `runner_args.body`.
        tag: What tells this call from every other.
        voicemail_detection: Whether Wavix shall tell a machine from a person.
        ring_timeout_secs: How long it may ring.
    """

    model_config = ConfigDict(extra="forbid")

    to: str
    from_: str | None = Field(default=None, alias="from")
    body: dict[str, Any] = {}
    tag: str | None = Field(default=None, min_length=1, max_length=128)
    voicemail_detection: bool = False
    ring_timeout_secs: int | None = Field(default=None, ge=1, le=600)

    @field_validator("to", "from_")
    @classmethod
    def _is_number(cls, value: str | None) -> str | None:
        number = e164(value) if value is not None else None
        if value is not None and not number:
            raise ValueError("give a number in E.164, like +12025550100")
        return number


class WavixRouter(APIRouter):
    """What `wavix_router` answers: a FastAPI router that knows its own addresses.

    Attributes:
        webhook_url: What to set as the webhook of a number or an account; a secret.
    """

    webhook_url: str


def wavix_router(
    bot: Bot,
    client: WavixClient,
    settings: WavixSettings,
    *,
    screen: Screen | None = None,
    on_call_ended: OnCallEnded | None = None,
) -> WavixRouter:
    """Make the routes by which calls reach a bot.

    Mount them on any FastAPI application::

        settings = WavixSettings.from_env()
        app.include_router(wavix_router(bot, WavixClient(api_key), settings))

    - `POST /wavix/webhook/{secret}`: Wavix's webhooks. Calls that come in are answered.
    - `/wavix/media/{token}`: a call's media socket; the bot runs on it.
    - `POST /wavix/calls`: makes a call (Bearer `settings.operator_key`).
    - `GET /live`, `GET /ready`, `GET /metrics` (the last as the one before).

    Args:
        bot: Run for each call, as Pipecat's runners run it; `create_transport` of
            `pipecat_wavix.runner` makes its transport.
        client: Wavix's REST API; opened and closed with the application.
        settings: How the router is reached, and how much it takes on.
        screen: Asked about each incoming call before it is answered; it has 5 s to accept or
            reject it.
        on_call_ended: Told how each call that was dialled from here ended: busy, rejected, not
            answered, voicemail (`machine_detected`), completed. At least once.
    """
    board = Switchboard(client, settings, screen=screen, on_call_ended=on_call_ended)
    door = _Door(bot, board, settings)
    keep_secret_paths_out_of_logs()

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        drained = drained_on_sigterm(board.drain) if settings.drain_secs else nullcontext()
        with _imports_are_not_collected(), drained:
            async with client:
                board.open()
                try:
                    yield
                finally:
                    await board.close()

    router = WavixRouter(lifespan=lifespan)
    router.webhook_url = board.webhook_url

    def add(path: str, method: str, endpoint: Any) -> None:
        router.add_api_route(path, endpoint, methods=[method], include_in_schema=False)

    add(f"{PREFIX}/webhook/{{key}}", "POST", door.webhook)
    add(f"{PREFIX}/webhook/{{key}}/{{token}}", "POST", door.webhook)
    add("/live", "GET", door.live)
    add("/ready", "GET", door.ready)
    if settings.operator_key:
        add(f"{PREFIX}/calls", "POST", door.dial)
        add("/metrics", "GET", door.metrics)
    router.add_api_websocket_route(f"{PREFIX}/media/{{token}}", door.media)
    return router


@contextmanager
def _imports_are_not_collected() -> Iterator[None]:
    """Keep the garbage collector from going through all that was imported.

    That is most of what there is, and takes 100 ms, in which no call is heard or spoken to.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Door:
    """The endpoints of one router."""

    def __init__(self, bot: Bot, board: Switchboard, settings: WavixSettings):
        self._bot = bot
        self._board = board
        self._settings = settings
        self._burnt = Burnt(settings.token_ttl_secs)
        self._waiting = 0

    # ---- webhooks

    async def webhook(self, request: Request, key: str, token: str | None = None) -> Response:
        if not self._board.tokens.is_webhook_key(key):
            self._board.metrics.webhook("foreign")
            raise HTTPException(404)
        dial = None
        if token is not None:
            dial = self._board.tokens.open(
                token, DialPass, ttl_secs=_DIAL_TOKEN_TTL_SECS, now=time.time()
            )
            if not dial:
                self._board.metrics.webhook("foreign")
                raise HTTPException(404)
        body = await self._read(request)
        try:
            self._board.take(read_webhook(body), dial)
        except ValueError as error:
            self._board.metrics.webhook("unreadable")
            logger.warning(f"A webhook was not understood: {error}")
            raise HTTPException(400, "not a call's webhook") from None
        except BusyError as error:
            raise HTTPException(503, str(error)) from None
        return Response(status_code=200)

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_SECS):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._settings.max_body_bytes:
                        raise HTTPException(413, f"at most {self._settings.max_body_bytes} bytes")
        except TimeoutError:
            raise HTTPException(408, f"more than {_BODY_TIMEOUT_SECS} s") from None
        return bytes(body)

    # ---- operators

    def _authorize(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        expected = self._settings.operator_key
        if (
            not expected
            or scheme.lower() != "bearer"
            or not same(key.strip(), expected.get_secret_value())
        ):
            raise HTTPException(401, "give the operator's key", {"WWW-Authenticate": "Bearer"})

    async def dial(self, request: Request) -> Response:
        self._authorize(request)
        try:
            wanted = DialRequest.model_validate_json(await self._read(request))
            from_number = wanted.from_ or self._settings.from_number
            if not from_number:
                raise HTTPException(422, "from: give a number, or set WAVIX_FROM_NUMBER")
            call = await self._board.dial(
                to_number=wanted.to,
                from_number=from_number,
                body=wanted.body,
                tag=wanted.tag,
                voicemail_detection=wanted.voicemail_detection,
                ring_timeout_secs=wanted.ring_timeout_secs,
            )
        except ValidationError as error:
            # Its own text repeats the input, and the number is in there.
            wrong = {".".join(map(str, e["loc"])): e["msg"] for e in error.errors()}
            raise HTTPException(422, wrong) from None
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        except BusyError as error:
            raise HTTPException(503, str(error)) from None
        except WavixRateLimited as error:
            later = {"Retry-After": f"{error.retry_after_secs or 1:.0f}"}
            raise HTTPException(503, f"Wavix refused: {error}", later) from None
        except WavixAPIError as error:
            raise HTTPException(502, f"Wavix refused: {error}") from None
        except WavixOutcomeUnknown as error:
            unknown = {"message": f"Whether Wavix calls is not known: {error}", "tag": error.tag}
            raise HTTPException(504, unknown) from None
        except WavixError as error:
            raise HTTPException(504, f"Wavix does not call: {error}") from None
        content = json.dumps({"call_id": call.id, "tag": call.tag})
        return Response(content, status_code=201, media_type="application/json")

    async def live(self) -> Response:
        return Response("live\n", media_type="text/plain")

    async def ready(self) -> Response:
        if self._board.ready:
            return Response("ready\n", media_type="text/plain")
        return Response("takes no more calls\n", status_code=503, media_type="text/plain")

    async def metrics(self, request: Request) -> Response:
        self._authorize(request)
        return Response(self._board.metrics.text(), media_type=CONTENT_TYPE)

    # ---- media

    async def media(self, websocket: WebSocket, token: str) -> None:
        content = self._board.admit(token)
        if content is None or content in self._burnt:
            await self._turn_away(websocket, "token" if content is None else "used")
            return
        if self._waiting >= self._settings.max_calls:
            await self._turn_away(websocket, "busy", _TRY_AGAIN_LATER)
            return
        stream_id = await self._shake_hands(websocket, content)
        if stream_id:
            await self._run(websocket, content, stream_id)

    async def _shake_hands(self, websocket: WebSocket, content: StreamPass) -> str | None:
        """Accept a socket and wait for its `start`; None: it was not the call's."""
        self._waiting += 1
        try:
            await websocket.accept()
            start = await wait_for_start(websocket, timeout_secs=self._settings.start_timeout_secs)
        except WavixStreamError as error:
            logger.warning(f"Call {content.call_id}: {error}")
            await self._turn_away(websocket, "start")
            return None
        finally:
            self._waiting -= 1
        if start.call_id != content.call_id:
            logger.warning(f"Call {content.call_id}: its socket is another call's")
            await self._turn_away(websocket, "call")
            return None
        if not self._burnt.burn(content, now=time.time()):
            await self._turn_away(websocket, "used")
            return None
        return start.stream_id

    async def _turn_away(
        self, websocket: WebSocket, reason: str, code: int = _POLICY_VIOLATION
    ) -> None:
        self._board.metrics.refused(reason)
        await _close(websocket, code)

    async def _run(self, websocket: WebSocket, content: StreamPass, stream_id: str) -> None:
        session = self._board.begin(content, stream_id, lambda: _close(websocket))
        websocket.state.wavix = session
        arguments = WebSocketRunnerArguments(
            websocket=websocket,
            transport_type="wavix",
            session_id=content.call_id,
            body=content.body,
            call_data=WavixCallData(
                stream_id=stream_id,
                call_id=content.call_id,
                **{"from": content.from_number, "to": content.to_number},
                direction=content.direction,
                tag=content.tag,
                body=content.body,
            ),
        )
        logger.info(f"Call {content.call_id}: its bot begins")
        bot = asyncio.create_task(self._run_bot(arguments), name=f"wavix-bot-{content.call_id}")
        try:
            while not bot.done() and not _is_closed(websocket):
                await asyncio.wait([bot], timeout=_LOOK_SECS)
            await self._board.end(session)
            await asyncio.wait([bot], timeout=_AFTER_CALL_SECS)
            if not bot.done():
                logger.error(
                    f"Call {content.call_id}: its bot goes on {_AFTER_CALL_SECS:g} s after the "
                    "call and is stopped. Leave what takes longer to a task of your own"
                )
        finally:
            bot.cancel()
            await self._board.end(session)
            await _close(websocket)

    async def _run_bot(self, arguments: WebSocketRunnerArguments) -> None:
        try:
            await self._bot(arguments)
        except (Exception, SystemExit):  # one bot's end is not the server's
            # Not `logger.exception`: loguru would show the values of variables.
            logger.error(f"Call {arguments.session_id}: its bot failed:\n{traceback.format_exc()}")


def _is_closed(websocket: WebSocket) -> bool:
    return WebSocketState.DISCONNECTED in (websocket.client_state, websocket.application_state)


async def _close(websocket: WebSocket, code: int = 1000) -> None:
    if websocket.application_state is WebSocketState.DISCONNECTED:
        return
    try:
        await websocket.close(code)
    except (RuntimeError, OSError):  # it is closed already
        return
