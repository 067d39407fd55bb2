"""The emulator: Wavix on this machine, served on a port, for a test or for a terminal.

It knows how to serve, and who may ask. It refuses to know routes and calls.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pipecat_wavix.emulator.call import EmulatedCall
from pipecat_wavix.emulator.callees import Callees
from pipecat_wavix.emulator.callers import Caller
from pipecat_wavix.emulator.control import Control
from pipecat_wavix.emulator.faults import Faults
from pipecat_wavix.emulator.handset import PATH as HANDSET_PATH
from pipecat_wavix.emulator.handset.routes import Handset
from pipecat_wavix.emulator.numbers import Numbers
from pipecat_wavix.emulator.platform import DEFAULT_CALLER, Platform
from pipecat_wavix.emulator.platform_settings import EmulatorSettings
from pipecat_wavix.emulator.prompts import is_loopback
from pipecat_wavix.emulator.rest import RestApi

SHUTDOWN_TIMEOUT_SECS: Final = 1
"""How long requests that are under way may take when the emulator ends."""

MAX_HANDSET_MESSAGE_BYTES: Final = 64 * 1024
"""The longest message of a handset's page: over a second of its voice."""


class Emulator:
    """Wavix on this machine; an async context manager that serves while it is entered.

    Args:
        settings: How it behaves.
    """

    def __init__(self, settings: EmulatorSettings | None = None) -> None:
        self.settings = settings or EmulatorSettings()
        self.platform = Platform(self.settings)
        self._stack = contextlib.AsyncExitStack()
        self._port = 0

    @property
    def base_url(self) -> str:
        """Where its REST API lives: what a client takes as its base URL."""
        host = self.settings.host
        if host in ("0.0.0.0", "::", ""):  # noqa: S104 - it is compared, not bound
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    @property
    def handset_url(self) -> str:
        """Where its handset is: a page for a browser."""
        return self.base_url + HANDSET_PATH

    @property
    def numbers(self) -> Numbers:
        """The account's numbers."""
        return self.platform.numbers

    @property
    def callees(self) -> Callees:
        """Who picks up when the account calls, by number."""
        return self.platform.callees

    @property
    def faults(self) -> Faults:
        """What goes wrong; to be changed at any time."""
        return self.platform.faults

    @property
    def calls(self) -> dict[str, EmulatedCall]:
        """All calls that are remembered, by id, in order of their begin."""
        return self.platform.calls

    async def dial(
        self, number: str, caller: Caller, *, from_number: str = DEFAULT_CALLER
    ) -> EmulatedCall:
        """Call a number of the account.

        Args:
            number: In E.164.
            caller: Who calls.
            from_number: From where, in E.164.

        Returns:
            The call, as it is being set up; `await call.finished()` waits for its end.

        Raises:
            ValueError: The number is not the account's, or one of both is none.
        """
        return self.platform.dial(number, caller, from_number)

    async def __aenter__(self) -> Self:
        if self.settings.recordings:
            self.settings.recordings.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            listening = stack.enter_context(_bound(self.settings.host, self.settings.port))
            self._port = listening.getsockname()[1]
            server = _Server(
                uvicorn.Config(
                    self._app(),
                    lifespan="off",
                    ws="websockets-sansio",
                    ws_max_size=MAX_HANDSET_MESSAGE_BYTES,
                    ws_per_message_deflate=False,
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECS,
                )
            )
            serving = asyncio.create_task(server.serve([listening]), name="the emulator's server")
            stack.push_async_callback(_stopped, server, serving)
            # Left first, so that bots can still ask while their calls are hung up.
            await stack.enter_async_context(self.platform)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _app(self) -> ASGIApp:
        routes: list[BaseRoute] = [
            *Control(self.platform).routes,
            *Handset(self.platform).routes,
            *RestApi(self.platform).routes,
        ]
        app: ASGIApp = Starlette(routes=routes)
        return _LocalOnly(app) if is_loopback(self.settings.host) else app


class _Server(uvicorn.Server):
    """A server whose process is another's: it leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _LocalOnly:
    """Refuses what a web page in a browser on this machine could send.

    A page of another site may have its own name point to 127.0.0.1, or post a form; then `Host` or
    `Origin` tell.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in scope["headers"]:
            if name == b"host" and not _is_local(f"//{value.decode('latin-1')}"):
                what = "Host"
            elif name == b"origin" and not _is_local(value.decode("latin-1")):
                what = "Origin"
            else:
                continue
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})  # not accepted: a bare 403
                return
            message = f"The emulator listens for this machine alone; {what} is another's"
            response = JSONResponse({"success": False, "message": message}, 403)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname)
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its protocol asyncio knows TCP, and sends what is small at once; else a reply takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # From here on clients are let in, also before the server's first turn.
        listening.listen()
    except OSError as error:
        listening.close()
        raise OSError(
            error.errno, f"the emulator cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    return listening


async def _stopped(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    server.should_exit = True
    await serving
