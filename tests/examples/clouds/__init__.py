"""Stand-ins for cloud services: servers on this machine that speak the services' own wire protocols.

An example runs as it is shipped; only where its services connect to is changed, in one place.
"""

import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import pytest
from aiohttp import web


def without_internet(patch: pytest.MonkeyPatch) -> None:
    """Tell whoever looks for another machine, in this process, that there is none."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str | bytes | None, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (None, "", "localhost", socket.gethostname()):
            try:
                ipaddress.ip_address(name)
            except ValueError:
                raise socket.gaierror(socket.EAI_NONAME, f"No internet: {name}") from None
        return look_up(host, *args, **kwargs)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)


class StandIn(Protocol):
    """One provider's server, on a port of its own."""

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's services of this provider to `host`, which is "127.0.0.1:port"."""


def with_arguments(
    patch: pytest.MonkeyPatch, service: Callable[..., Any], **arguments: Any
) -> None:
    """Have a service constructed with these keyword arguments, whatever else it is given."""
    construct = service.__init__  # type: ignore[misc]

    def construct_here(self: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **{**kwargs, **arguments})

    patch.setattr(service, "__init__", construct_here)


@web.middleware
async def _close_behind(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Not all clients close what they keep alive, and warnings are errors here."""
    response = await handler(request)
    if not response.prepared:
        response.force_close()
    return response


@asynccontextmanager
async def served(patch: pytest.MonkeyPatch, *stand_ins: StandIn) -> AsyncIterator[None]:
    """Start stand-ins, and send Pipecat's services there."""
    async with AsyncExitStack() as stack:
        for stand_in in stand_ins:
            application = web.Application(client_max_size=16 << 20, middlewares=[_close_behind])
            application.add_routes(stand_in.routes())
            runner = web.AppRunner(application, shutdown_timeout=1)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            stand_in.redirect(f"{host}:{port}", patch)
        yield
