"""Pipecat's development runner, with `-t wavix`.

A bot file keeps its form; two imports change::

    from pipecat_wavix.runner import create_transport, main

    async def bot(runner_args: RunnerArguments):
        transport = await create_transport(runner_args, {"wavix": lambda: WavixParams(), ...})
        ...

    if __name__ == "__main__":
        main()

Everything but Wavix is Pipecat's: its arguments, its server, its other transports. It knows how the
two are joined. It refuses to know calls.
"""

import argparse
import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from pipecat.runner import utils
from pipecat.runner.types import RunnerArguments, WebSocketRunnerArguments
from pipecat.transports.base_transport import BaseTransport, TransportParams
from starlette.datastructures import State
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketClose, WebSocketDisconnect

from pipecat_wavix.client import BASE_URL, WavixClient
from pipecat_wavix.errors import WavixError
from pipecat_wavix.protocol import Connected, Start, parse
from pipecat_wavix.server import WavixCallData, WavixSettings, wavix_router
from pipecat_wavix.server.switchboard import Bot, OnCallEnded, Screen
from pipecat_wavix.transport.params import WavixParams
from pipecat_wavix.transport.transport import WavixTransport

EMULATOR_URL: Final = "http://127.0.0.1:8400"
"""Where `pipecat-wavix emulate` listens; used where no account is configured."""

EMULATOR_KEY: Final = "emulator"

_HANDSHAKE: Final = 4
"""How many messages tell whose socket it is: Wavix's `start` is the second."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


async def create_transport(
    runner_args: RunnerArguments, transport_params: dict[str, Callable[[], Any]]
) -> BaseTransport:
    """Create a transport from runner arguments, as Pipecat's function of this name does.

    Args:
        runner_args: Arguments from the runner.
        transport_params: Dict mapping transport names to parameter factory functions. "wavix" makes
            a `WavixParams`, or any other `TransportParams`, of which it takes what it has in common.

    Returns:
        A `WavixTransport` for a call of Wavix; for anything else, what Pipecat makes.

    Raises:
        ValueError: If there are no parameters for the transport.
    """
    if isinstance(runner_args, WebSocketRunnerArguments):
        websocket = runner_args.websocket
        session = getattr(getattr(websocket, "state", State()), "wavix", None)
        if session:
            transport = WavixTransport(
                websocket,
                stream_id=session.stream_id,
                call_id=session.call_id,
                params=_params(transport_params),
                client=session,
            )
            session.listen(transport.on_webhook)
            return transport
        if runner_args.transport_type is None and (start := await _wavix_start(websocket)):
            # Nobody vouches for this socket, so there is no client: it may end no call.
            runner_args.transport_type = "wavix"
            runner_args.call_data = WavixCallData(stream_id=start.stream_id, call_id=start.call_id)
            return WavixTransport(
                websocket, stream_id=start.stream_id, params=_params(transport_params)
            )
    return await utils.create_transport(runner_args, transport_params)


def _params(transport_params: dict[str, Callable[[], Any]]) -> WavixParams:
    if "wavix" not in transport_params:
        raise ValueError(
            "Missing transport params for 'wavix'. "
            "Add 'wavix': lambda: WavixParams() to your transport_params dict."
        )
    params = transport_params["wavix"]()
    if isinstance(params, WavixParams):
        return params
    if not isinstance(params, TransportParams):
        raise ValueError(f"transport_params['wavix'] made a {type(params).__name__}: WavixParams?")
    # What was set for another carrier's WebSocket, but for what only that has, such as a serializer.
    common = params.model_fields_set & set(WavixParams.model_fields)
    return WavixParams(**{name: getattr(params, name) for name in common})


async def _wavix_start(websocket: WebSocket) -> Start | None:
    """Read a socket of no known kind as far as Wavix's `start`; else let Pipecat read it anew."""
    messages: list[str] = []
    event: object = None
    closed = False
    try:
        # Others begin with `connected` as well, but none with a `start` like Wavix's.
        while not messages or (isinstance(event, Connected) and len(messages) < _HANDSHAKE):
            messages.append(await websocket.receive_text())
            event = parse(messages[-1])
    except (WebSocketDisconnect, KeyError):  # it is closed, or the message is binary
        closed = True
    if isinstance(event, Start):
        return event
    rest = websocket.iter_text

    async def iter_text() -> AsyncIterator[str]:
        for message in messages:
            yield message
        if not closed:
            async for message in rest():
                yield message

    websocket.iter_text = iter_text  # type: ignore[method-assign]  # how Pipecat reads it
    return None


def main(
    parser: argparse.ArgumentParser | None = None,
    *,
    screen: Screen | None = None,
    on_call_ended: OnCallEnded | None = None,
) -> None:
    """Start Pipecat's development runner, which also knows `-t wavix`.

    With `-t wavix` it serves Wavix's calls, and nothing of its other transports, behind a public
    host name::

        python bot.py -t wavix -x bot.example.com --configure-number +12025550100

    `WAVIX_API_KEY` is the account's key. Without one, calls are the emulator's: start it with
    `pipecat-wavix emulate`.

    Args:
        parser: As for Pipecat's `main`: for arguments of the bot's own.
        screen: See `wavix_router`.
        on_call_ended: See `wavix_router`.
    """
    from pipecat.runner import run

    parser = parser or argparse.ArgumentParser(description="Pipecat Development Runner")
    parser.add_argument(
        "--configure-number",
        metavar="NUMBER",
        help="With -t wavix: set the webhook of this number of the account (E.164)",
    )
    if "wavix" not in run.TELEPHONY_TRANSPORTS:
        run.TELEPHONY_TRANSPORTS.append("wavix")
    parse_known_args = parser.parse_known_args

    def parse_and_mount(*args: Any, **kwargs: Any) -> tuple[argparse.Namespace, list[str]]:
        # Pipecat's main() makes its arguments, parses and serves in one go: this is between.
        parsed, rest = parse_known_args(*args, **kwargs)
        if parsed.transport == "wavix" and not parsed.direct:
            _mount(run, parsed, screen, on_call_ended)
        return parsed, rest

    parser.parse_known_args = parse_and_mount  # type: ignore[method-assign, assignment]
    run.main(parser)


def _mount(
    run: Any, args: argparse.Namespace, screen: Screen | None, on_call_ended: OnCallEnded | None
) -> None:
    """Put the router, and nothing else of ours, on Pipecat's application."""
    try:
        client, settings, emulator = _configuration(args)
        _check_port(args.host, args.port)
        router = wavix_router(
            _bot(args), client, settings, screen=screen, on_call_ended=on_call_ended
        )
        told = asyncio.run(_configure(client, router.webhook_url, args.configure_number, emulator))
    except (ValueError, WavixError) as error:
        sys.exit(f"-t wavix: {error}")
    run.app.include_router(router)
    # What Pipecat adds from here on belongs to other transports, and asks nobody for a token.
    docs = {run.app.openapi_url, run.app.docs_url, run.app.redoc_url}
    routes = [r for r in run.app.routes if getattr(r, "path", None) not in docs]
    run.app.add_middleware(_OnlyTheseRoutes, routes=routes)
    # The one private name: what it prints of a telephony transport are routes that are closed here.
    run._print_startup_message = lambda _args: print(  # noqa: T201 - for the developer's terminal
        "\n".join(["", "🚀 Bot ready! (Wavix)", *told, *_operation(settings), ""]), flush=True
    )


def _check_port(host: str, port: int) -> None:
    """See to it that nobody listens there, before that one's calls are taken away."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ValueError(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _bot(args: argparse.Namespace) -> Bot:
    bot = getattr(sys.modules["__main__"], "bot", None)
    if bot is None:
        raise ValueError("there is no function bot(runner_args) in the file that was started")

    async def with_arguments(runner_args: RunnerArguments) -> None:
        runner_args.cli_args = args
        await bot(runner_args)

    return with_arguments


def _configuration(args: argparse.Namespace) -> tuple[WavixClient, WavixSettings, str | None]:
    """What to be, and the emulator's address if it is the emulator's calls that we take."""
    env = dict(os.environ)
    if not env.get("WAVIX_API_KEY"):
        env.setdefault("WAVIX_BASE_URL", EMULATOR_URL)
    base_url = env.get("WAVIX_BASE_URL") or BASE_URL
    if is_emulator := urlsplit(base_url).hostname in _LOOPBACK:
        env["WAVIX_API_KEY"] = env.get("WAVIX_API_KEY") or EMULATOR_KEY
    if not env.get("WAVIX_API_KEY"):
        raise ValueError(f"WAVIX_API_KEY is not set. Set it to your account's key at {base_url}")
    if args.proxy:
        host = args.proxy.split("://")[-1].rstrip("/")
        env["WAVIX_PUBLIC_URL"] = f"https://{host}"
    elif is_emulator and not env.get("WAVIX_PUBLIC_URL"):
        host = _reachable(args.host)
        env["WAVIX_PUBLIC_URL"] = f"http://{f'[{host}]' if ':' in host else host}:{args.port}"
    if not env.get("WAVIX_PUBLIC_URL"):
        raise ValueError(
            "Wavix has to reach this bot: give its public host name with -x, or set "
            "WAVIX_PUBLIC_URL to https://..."
        )
    # For as long as this process lives: who restarts it, configures the number again.
    for name in ("WAVIX_SECRET", "WAVIX_OPERATOR_KEY"):
        env[name] = env.get(name) or secrets.token_urlsafe(32)
    client = WavixClient(env["WAVIX_API_KEY"], base_url=base_url)
    return client, WavixSettings.from_env(env), base_url if is_emulator else None


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - a comparison


async def _configure(
    client: WavixClient, webhook_url: str, number: str | None, emulator: str | None
) -> list[str]:
    """Have Wavix send its webhooks here; answer what to tell the developer."""
    if number:
        found = await client.find_number(number)
        await client.set_number_webhook(found.id, webhook_url)
        return [f"   → Calls to {number} come here"]
    if not emulator:
        await client.list_calls()  # a wrong key is better known now than at the first call
        return [
            f"   → Webhook, a secret:  {webhook_url}",
            "   → Set it on your number, or start with --configure-number +1...",
        ]
    # A proxy to the real API may be on this machine too: its account's webhook is not ours to set.
    if not await _is_emulator(emulator):
        raise ValueError(
            f"no emulator at {emulator}. Start it with `pipecat-wavix emulate`, or set "
            "WAVIX_API_KEY for real calls"
        )
    await client.create_webhook("on-call", webhook_url)
    return [
        f"   → Calls of the emulator at {emulator} come here",
        "   → Call it:  pipecat-wavix dial +12025550100 --say 'Hello'",
    ]


async def _is_emulator(base_url: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
            http.get(f"{base_url.rstrip('/')}/_emulator/state") as response,
        ):
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _operation(settings: WavixSettings) -> Iterable[str]:
    if settings.operator_key and not os.environ.get("WAVIX_OPERATOR_KEY"):
        yield f"   → Dial out:  POST {settings.public_url}/wavix/calls"
        yield f"     with the header  Authorization: Bearer {settings.operator_key.get_secret_value()}"


class _OnlyTheseRoutes:
    """Middleware: to anything but these routes, there is nothing here."""

    def __init__(self, app: ASGIApp, routes: list[BaseRoute]):
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or any(
            route.matches(scope)[0] is Match.FULL for route in self._routes
        ):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008)(scope, receive, send)
        else:
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
