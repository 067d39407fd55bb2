"""The command `pipecat-wavix`: an emulated telephone for a bot, from a terminal.

It knows the grammar of the command, and the subcommand `call`; the others have a file each. It
refuses to know how a call works, and does nothing that the emulator's own API does not offer.
"""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from loguru import logger

from pipecat_wavix import __version__
from pipecat_wavix.cli.progress import Progress
from pipecat_wavix.cli.table import show
from pipecat_wavix.emulator.callers import ScriptedCaller, conversation, load_wav
from pipecat_wavix.emulator.leg import LegKind
from pipecat_wavix.emulator.media import Call
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.recording import Recording
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.voice import speak
from pipecat_wavix.phoneline import LineSettings

if TYPE_CHECKING:
    import typer

_INSTALL = "pipecat-wavix: the command needs an extra: pip install 'pipecat-wavix[emulator]'"


def main() -> None:
    """Run the command line: exit status 0 for success, 1 for failure, 2 for wrong usage."""
    try:
        app = _app()
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit(_INSTALL)
    app()


def _app() -> "typer.Typer":
    import typer

    from pipecat_wavix.cli.dial import add_dial
    from pipecat_wavix.cli.emulate import add_emulate

    app = typer.Typer(
        help="Wavix on your own machine: test a bot by telephone, with no account.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )

    def show_version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"pipecat-wavix {__version__}")
            raise typer.Exit

    @app.callback()
    def options(
        version: Annotated[
            bool,
            typer.Option("--version", callback=show_version, is_eager=True, help="Show it, exit."),
        ] = False,
    ) -> None:
        """Take the options that stand before a subcommand."""

    @app.command()
    def call(
        url: Annotated[str, typer.Argument(help="The bot's media socket, ws:// or wss://.")],
        out: Annotated[
            Path, typer.Option(help="Folder for the recording and the trace.", file_okay=False)
        ],
        caller: Annotated[
            list[Path] | None,
            typer.Option(help="A turn of the caller: a WAV file.", exists=True, dir_okay=False),
        ] = None,
        say: Annotated[
            list[str] | None,
            typer.Option(help="A turn of the caller, to be spoken; after those of --caller."),
        ] = None,
        barge_in: Annotated[
            Path | None,
            typer.Option(
                help="What to say into the last answer: a WAV file.", exists=True, dir_okay=False
            ),
        ] = None,
        barge_in_say: Annotated[str | None, typer.Option(help="The same, to be spoken.")] = None,
        barge_in_after_ms: Annotated[
            int, typer.Option(help="How much of that answer to let pass.", min=0)
        ] = 800,
        delay_ms: Annotated[float, typer.Option(help="Of the network, one way.")] = 0,
        jitter_ms: Annotated[float, typer.Option(help="Of the network: up to this more.")] = 0,
        loss: Annotated[float, typer.Option(help="Share of lost media, 0 to 1.")] = 0,
        seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
        leg: Annotated[
            str, typer.Option(help="The telephone leg: g711u, g711a or clean.")
        ] = "g711u",
        clear_latency_ms: Annotated[
            float, typer.Option(help="From a clear's arrival to its effect.")
        ] = 60,
        max_secs: Annotated[float, typer.Option(help="Hang up then.")] = 300,
        strict: Annotated[
            bool, typer.Option("--strict", help="Report media that is not 20 ms long.")
        ] = False,
    ) -> None:
        """Call a bot: hear its greeting, speak and listen, perhaps barge in, hang up."""
        if barge_in and barge_in_say:
            raise typer.BadParameter("give --barge-in or --barge-in-say, not both")
        try:
            turns = [load_wav(path) for path in caller or []] + [speak(text) for text in say or []]
            interruption = load_wav(barge_in) if barge_in else None
            if barge_in_say:
                interruption = speak(barge_in_say)
            settings = CallSettings(
                leg=cast(LegKind, leg),  # checked by the settings
                line=LineSettings(clear_latency_secs=clear_latency_ms / 1000),
                network=NetworkSettings(
                    delay_ms=delay_ms, jitter_ms=jitter_ms, loss=loss, seed=seed
                ),
                max_secs=max_secs,
                strict=strict,
            )
        except (ValueError, ModuleNotFoundError) as error:
            raise typer.BadParameter(str(error)) from error
        script = conversation(
            turns, barge_in=interruption, barge_in_after_secs=barge_in_after_ms / 1000
        )
        try:
            asyncio.run(_call(url, ScriptedCaller(script), settings, out))
        except OSError as error:
            typer.echo(f"pipecat-wavix: {error}", err=True)
            raise typer.Exit(1) from error

    add_emulate(app)
    add_dial(app)
    return app


async def _call(url: str, caller: ScriptedCaller, settings: CallSettings, out: Path) -> None:
    """Make one call, with its progress shown, recorded, and summed up."""
    from rich.console import Console

    console = Console()
    logger.remove()
    if console.is_terminal:
        logger.add(lambda line: console.print(line, end="", markup=False), level="WARNING")
    else:
        logger.add(sys.stderr, level="INFO", format="{time:HH:mm:ss.SSS} {message}")
    with (
        Recording(out, url, asdict(settings)) as recording,
        console.status("dialling") as status,
    ):
        progress = Progress(status)
        summary = await Call(url, caller, settings, [recording.observe, progress.observe]).run()
    show(console, summary, (recording.wav_path, recording.trace_path))
