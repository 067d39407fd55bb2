"""`pipecat-wavix phone`: the emulator's handset, in the browser of this machine.

It knows where a handset is to be had, and how a browser is opened. It refuses to know the page.
"""

import asyncio
import os
import sys
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

from loguru import logger

from pipecat_wavix.cli.emulate import stop_signal
from pipecat_wavix.cli.folders import made
from pipecat_wavix.emulator.numbers import e164
from pipecat_wavix.emulator.platform_settings import DEFAULT_PORT, EmulatorSettings

if TYPE_CHECKING:
    import typer

DEFAULT_PHONE_PORT: Final = DEFAULT_PORT + 1
"""Always the same, since a browser remembers by the address that the microphone is allowed."""

ASK_TIMEOUT_SECS: Final = 5.0
"""How long an emulator may take to say that it is there."""


def add_phone(app: "typer.Typer") -> None:
    """Add the subcommand.

    Args:
        app: The command.
    """
    import typer

    @app.command()
    def phone(
        to: Annotated[
            str | None,
            typer.Argument(
                help="A bot's media socket, ws:// or wss://, or a number of a running emulator."
            ),
        ] = None,
        emulator: Annotated[
            str, typer.Option(help="Where `pipecat-wavix emulate` serves, for a number.")
        ] = f"http://127.0.0.1:{DEFAULT_PORT}",
        port: Annotated[
            int,
            typer.Option(help="Where to serve the page, for a socket.", min=0, max=65535),
        ] = DEFAULT_PHONE_PORT,
        out: Annotated[
            Path | None,
            typer.Option(help="Folder for recordings and traces, for a socket.", file_okay=False),
        ] = None,
    ) -> None:
        """Call a bot by hand: opens a page with a telephone, unless HEADLESS=1."""
        if to is not None and "://" not in to:
            try:
                e164(to)
            except ValueError:
                raise typer.BadParameter(
                    f"{to!a} is neither a media socket, as in ws://localhost:7860/ws, nor a number "
                    "in E.164, as in +12025550100"
                ) from None
            _show_page_of(emulator.rstrip("/"), to)
            return
        if to is not None and not to.startswith(("ws://", "wss://")):
            raise typer.BadParameter("give a media socket, ws:// or wss://, or a number")
        if out:
            made(out)
        settings = EmulatorSettings(port=port, recordings=out, handset_to=to)
        try:
            asyncio.run(_serve(settings))
        except OSError as error:
            typer.echo(f"pipecat-wavix: {error.strerror or error}; give another --port", err=True)
            raise typer.Exit(1) from error
        except ModuleNotFoundError as error:
            if error.name != "uvicorn":
                raise
            typer.echo("pipecat-wavix: pip install 'pipecat-wavix[emulator]'", err=True)
            raise typer.Exit(1) from error


def can_open_browser() -> bool:
    """Whether a page can be shown to somebody here: there is a screen, and `HEADLESS` is not set."""
    if os.environ.get("HEADLESS", "0") != "0":
        return False
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        return False  # what is found there are browsers for a terminal
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _show(url: str) -> None:
    print(f"The handset is at {url}", flush=True)  # noqa: T201 - it is what the command is for
    if can_open_browser():
        webbrowser.open(url)


def _show_page_of(emulator: str, number: str) -> None:
    import typer

    from pipecat_wavix.emulator.handset import PATH

    page = emulator + PATH
    try:
        with urllib.request.urlopen(f"{page}/options", timeout=ASK_TIMEOUT_SECS):  # noqa: S310
            pass  # the user's own URL, and a file:// would show a file to the user alone
    except (OSError, ValueError) as error:
        message = (
            f"no emulator answers there ({type(error).__name__}): run pipecat-wavix emulate, or "
            "give its URL with --emulator"
        )
        typer.echo(f"pipecat-wavix: {message}", err=True)
        raise typer.Exit(1) from error
    _show(f"{page}#to={quote(number)}")


async def _serve(settings: EmulatorSettings) -> None:
    # Here, and not for a number: it brings a web server.
    from pipecat_wavix.emulator.app import Emulator

    stopped = stop_signal()
    logger.remove()
    logger.add(sys.stderr, level="INFO", format="{time:HH:mm:ss.SSS} {message}")
    async with Emulator(settings) as emulator:
        _show(emulator.handset_url)
        await stopped.wait()
