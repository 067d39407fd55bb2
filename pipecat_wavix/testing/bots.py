"""How a test reaches its bot: a URL, an ASGI application, or a function `bot(runner_args)`.

It knows how to serve a bot on a free port for the length of a call, and what became of it. It
refuses to know the call. A function is run as by the socket `/ws` of Pipecat's runner.
"""

import asyncio
import contextlib
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Final, cast
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

Bot = str | ASGIApp | Callable[[Any], Awaitable[None]]
"""A `ws://` or `wss://` URL, an ASGI application, or a function that takes runner arguments."""

START_TIMEOUT_SECS: Final = 60.0
"""How long an application may take to start, its models included."""

BOT_END_SECS: Final = 10.0
"""How long a bot may go on after its call; then it is stopped, and the test fails."""

# Of an application that does not end when it is told to.
_STOP_SECS: Final = 5.0
_SHUTDOWN_SECS: Final = 1

# Whose frames are between a server and a bot.
_NOT_THE_BOTS: Final = {"pipecat_wavix", "starlette", "fastapi", "contextlib"}


class BotStillRunsError(AssertionError):
    """The call is over and the bot is not: it would run on, and cost, after every call."""


class Reached:
    """A bot that can be called.

    Attributes:
        url: Of its media socket.
        errors: What it raised, in order.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.errors: list[Exception] = []


@contextlib.asynccontextmanager
async def reached(bot: Bot, path: str) -> AsyncIterator[Reached]:
    """Make a bot reachable; on leaving, it is let end and then stopped.

    Args:
        bot: The bot.
        path: Of an application's media socket.

    Raises:
        TypeError: It is none of the three.
        RuntimeError: The application did not start.
    """
    if isinstance(bot, str):
        yield Reached(bot)
        return
    parameters = _parameters(bot)
    if parameters == 1:
        path = "/ws"
        app: ASGIApp = _runner(cast(Callable[[Any], Awaitable[None]], bot))
    elif parameters == 3:
        app = cast(ASGIApp, bot)
    else:
        raise TypeError(
            f"{bot!r} is no bot: give a URL, an ASGI application, or a function bot(runner_args)"
        )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = Reached(f"ws://127.0.0.1:{listening.getsockname()[1]}{path}")
        watched = _Watched(app, there.errors)
        async with _served(watched, listening):
            try:
                yield there
            finally:
                await watched.end()


def _parameters(bot: object) -> int:
    try:
        parameters = inspect.signature(bot).parameters.values()  # type: ignore[arg-type]  # it tells
    except (TypeError, ValueError):
        return 0
    return sum(each.default is each.empty for each in parameters)


def _runner(bot: Callable[[Any], Awaitable[None]]) -> ASGIApp:
    from pipecat.runner.types import WebSocketRunnerArguments

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await bot(WebSocketRunnerArguments(websocket=websocket, session_id=str(uuid4())))

    return Starlette(routes=[WebSocketRoute("/ws", endpoint)])


class _Watched:
    """An application, and which of its sockets are still at work."""

    def __init__(self, app: ASGIApp, errors: list[Exception]) -> None:
        self._app = app
        self._errors = errors
        self._working: set[asyncio.Task[Any]] = set()
        self._stopped: set[asyncio.Task[Any]] = set()
        self.start_error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "websocket" or task is None:
            try:
                await self._app(scope, receive, send)
            except Exception as error:
                self.start_error = error  # or it has no lifespan, and starts without
                raise
            return
        self._working.add(task)
        try:
            await self._app(scope, receive, send)
        except WebSocketDisconnect:
            pass  # the caller hung up while the bot listened: how a call ends
        except Exception as error:
            # The test raises it: the server would only log it, at length.
            self._errors.append(error.with_traceback(_of_the_bot(error.__traceback__)))
            await _close(send)
        except asyncio.CancelledError:
            if task not in self._stopped:
                raise
        finally:
            self._working.discard(task)

    async def end(self) -> None:
        """Let the bot end with its call, or stop it."""
        if self._working:
            await asyncio.wait(set(self._working), timeout=BOT_END_SECS)
        if not (stuck := set(self._working)):
            return
        self._stopped |= stuck
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck, timeout=_STOP_SECS)
        self._errors.append(
            BotStillRunsError(
                f"the bot still ran {BOT_END_SECS:g} s after its call, and was stopped: end it "
                "when its client disconnects, as with worker.cancel() in on_client_disconnected"
            )
        )


def _of_the_bot(traceback: TracebackType | None) -> TracebackType | None:
    """The part that is of the user's code, from its first frame on; all, if there is none."""
    part = traceback
    while part and part.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_BOTS:
        part = part.tb_next
    return part or traceback


async def _close(send: Send) -> None:
    # As a server closes the socket of an application that fails.
    with contextlib.suppress(Exception):
        await send({"type": "websocket.close", "code": 1011})


class _Server(uvicorn.Server):
    """A server whose process is the test's: it leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _served(app: _Watched, listening: socket.socket) -> AsyncIterator[None]:
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECS,
        )
    )

    async def serve() -> None:
        # uvicorn exits where an application does not start; in a task that would end the loop.
        with contextlib.suppress(SystemExit):
            await server.serve([listening])

    serving = asyncio.create_task(serve(), name="a bot's server")
    try:
        async with asyncio.timeout(START_TIMEOUT_SECS):
            while not server.started:
                if serving.done():
                    await serving
                    raise RuntimeError("the application did not start") from app.start_error
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving, _STOP_SECS)
