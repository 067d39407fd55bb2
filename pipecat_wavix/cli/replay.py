"""`pipecat-wavix replay`: a recorded caller calls again, and both calls are compared.

It knows options and what is printed. It refuses to know how a call is replayed or compared.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pipecat_wavix.cli.holding import held
from pipecat_wavix.cli.report import say_verdicts, show_differences, trace_in
from pipecat_wavix.cli.table import show
from pipecat_wavix.emulator.replay import replay_of

if TYPE_CHECKING:
    import typer


def add_replay(app: "typer.Typer") -> None:
    """Add the subcommand.

    Args:
        app: The command.
    """
    import typer

    @app.command()
    def replay(
        trace: Annotated[
            Path,
            typer.Argument(
                help="The recorded call's trace.jsonl, or its folder; its recording.wav is beside it.",
                exists=True,
            ),
        ],
        url: Annotated[str, typer.Argument(help="The bot's media socket, ws:// or wss://.")],
        out: Annotated[
            Path,
            typer.Option(help="Folder for the recording, the trace, the report.", file_okay=False),
        ],
        delay_ms: Annotated[
            float | None, typer.Option(help="Of the network, one way. [default: as it was]")
        ] = None,
        jitter_ms: Annotated[
            float | None, typer.Option(help="Of the network: up to this more. [default: as it was]")
        ] = None,
        loss: Annotated[
            float | None, typer.Option(help="Share of lost media, 0 to 1. [default: as it was]")
        ] = None,
        seed: Annotated[
            int | None, typer.Option(help="Of all that is random. [default: as it was]")
        ] = None,
        strict: Annotated[
            bool,
            typer.Option(
                "--strict",
                help="Exit with status 1 if there is a defect in the new call, or not all of it is "
                "known.",
            ),
        ] = False,
    ) -> None:
        """Have a recorded caller call again: the same voice, keys and times, the same network."""
        from rich.console import Console

        from pipecat_wavix.timeline import read_timeline, write_report

        options = {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "loss": loss, "seed": seed}
        given = {name: value for name, value in options.items() if value is not None}
        trace = trace_in(trace)
        if out.resolve() == trace.resolve().parent:
            raise typer.BadParameter("--out is the recorded call's own folder: give another")
        try:
            before = read_timeline(trace)
            recorded = replay_of(before)
            network = replace(recorded.settings.network, **given)  # type: ignore[arg-type]  # by name
            settings = replace(recorded.settings, network=network)
        except (ValueError, OSError) as error:
            raise typer.BadParameter(str(error)) from error
        console = Console()
        files = [out / name for name in ("recording.wav", "trace.jsonl", "report.html")]
        try:
            summary = asyncio.run(held(url, recorded.caller, settings, out, console))
            again = read_timeline(files[1])
            write_report(before, files[2], against=again)
        except (ValueError, OSError) as error:
            typer.echo(f"pipecat-wavix: {error}", err=True)
            raise typer.Exit(1) from error
        show_differences(console, before, again, ("Recorded", "Again"))
        say_verdicts(again)
        show(console, summary, files)
        if strict and not again.passes:
            raise typer.Exit(1)
