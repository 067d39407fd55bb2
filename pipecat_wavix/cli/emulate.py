"""`pipecat-wavix emulate`: Wavix on this machine, until it is stopped.

It knows options and what to tell whoever starts it. It refuses to know how an emulator works.
"""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from loguru import logger

from pipecat_wavix.cli.folders import made
from pipecat_wavix.emulator.leg import LegKind
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.platform_settings import (
    DEFAULT_NUMBER,
    DEFAULT_PORT,
    EmulatorSettings,
)
from pipecat_wavix.emulator.settings import CallSettings

if TYPE_CHECKING:
    import typer


def add_emulate(app: "typer.Typer") -> None:
    """Add the subcommand.

    Args:
        app: The command.
    """
    import typer

    @app.command()
    def emulate(
        host: Annotated[
            str, typer.Option(help="Where to listen. Whoever reaches it can control it.")
        ] = "127.0.0.1",
        port: Annotated[
            int, typer.Option(help="Where to listen; 0 for a free port.", min=0, max=65535)
        ] = DEFAULT_PORT,
        number: Annotated[
            list[str] | None,
            typer.Option(help=f"A number of the account, in E.164. [default: {DEFAULT_NUMBER}]"),
        ] = None,
        webhook: Annotated[
            str | None, typer.Option(help="The first number's call_status_url.")
        ] = None,
        api_key: Annotated[str, typer.Option(help="The account's key.")] = "emulator",
        out: Annotated[
            Path | None,
            typer.Option(
                help="Folder for recordings and traces, a folder a call.", file_okay=False
            ),
        ] = None,
        seed: Annotated[
            int | None,
            typer.Option(help="Of all that is random, ids too. [default: other ids each time]"),
        ] = None,
        delay_ms: Annotated[float, typer.Option(help="Of the network, one way.")] = 0,
        leg: Annotated[
            str, typer.Option(help="The telephone leg: g711u, g711a or clean.")
        ] = "g711u",
    ) -> None:
        """Be Wavix: serve its REST API, send its webhooks, stream calls to bots."""
        try:
            settings = EmulatorSettings(
                host=host,
                port=port,
                api_key=api_key,
                numbers=number or (DEFAULT_NUMBER,),
                call_status_url=webhook,
                recordings=out,
                seed=seed,
                call=CallSettings(
                    leg=cast(LegKind, leg),  # checked by the settings
                    network=NetworkSettings(delay_ms=delay_ms),
                ),
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        if out:
            made(out)
        try:
            asyncio.run(_emulate(settings))
        except OSError as error:
            typer.echo(f"pipecat-wavix: {error.strerror or error}", err=True)
            raise typer.Exit(1) from error
        except ModuleNotFoundError as error:
            if error.name != "uvicorn":
                raise
            typer.echo("pipecat-wavix: pip install 'pipecat-wavix[emulator]'", err=True)
            raise typer.Exit(1) from error


def stop_signal() -> asyncio.Event:
    """An event that is set when the process is to end: by Ctrl-C, or by whoever started it."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows, where Ctrl-C cancels instead
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _emulate(settings: EmulatorSettings) -> None:
    # Here, and not for the other subcommands: it brings a web server.
    from pipecat_wavix.emulator.app import Emulator

    stopped = stop_signal()
    logger.remove()
    logger.add(sys.stdout, level="INFO", format="{time:HH:mm:ss.SSS} {message}")
    async with Emulator(settings) as emulator:
        numbers = ", ".join(number.number for number in emulator.numbers)
        for line in (
            f"Wavix is emulated at {emulator.base_url}, numbers: {numbers}",
            "For your bot:",
            f"    export WAVIX_BASE_URL={emulator.base_url}",
            f"    export WAVIX_API_KEY={settings.api_key}",
            f"Call it: pipecat-wavix dial {next(iter(emulator.numbers)).number}"
            f" --emulator {emulator.base_url} --say hello",
            f"Or by hand: {emulator.handset_url}",
        ):
            print(line, flush=True)  # noqa: T201 - it is what the command is for
        await stopped.wait()
