"""`pipecat-wavix report`: what happened on a call, in words and as a page.

It knows options and what to print. It refuses to know how a call is judged, or drawn.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    import typer


def add_report(app: "typer.Typer") -> None:
    """Add the subcommand.

    Args:
        app: The command.
    """
    import typer

    @app.command()
    def report(
        trace: Annotated[
            Path, typer.Argument(help="A call's trace.jsonl, or its folder.", exists=True)
        ],
        bot: Annotated[
            Path | None,
            typer.Option(help="The bot's half: what WavixParams.trace has written.", exists=True),
        ] = None,
        against: Annotated[
            Path | None, typer.Option(help="Another call's trace, to compare.", exists=True)
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="The page. [default: report.html beside the trace]", dir_okay=False),
        ] = None,
        strict: Annotated[
            bool, typer.Option("--strict", help="Exit with status 1 if there is a defect.")
        ] = False,
    ) -> None:
        """Say what was wrong with a call, and write a page that shows it."""
        # Here, and not for the other subcommands: it brings the page.
        from pipecat_wavix.timeline import read_timeline, write_report

        path = _trace(trace)
        out = out or path.with_name("report.html")
        try:
            timeline = read_timeline(path, bot_trace=bot)
            other = read_timeline(_trace(against)) if against else None
            write_report(timeline, out, against=other)
        except (ValueError, OSError) as error:
            typer.echo(f"pipecat-wavix: {error}", err=True)
            raise typer.Exit(1) from error
        for verdict in timeline.verdicts:
            word = "defect" if verdict.bad else "look"
            typer.echo(f"{verdict.at_secs:8.2f} s  {word:6}  {verdict.text}")
        if not timeline.verdicts:
            typer.echo("Nothing to report: a good call.")
        typer.echo(str(out))
        if strict and any(verdict.bad for verdict in timeline.verdicts):
            raise typer.Exit(1)


def _trace(path: Path) -> Path:
    return path / "trace.jsonl" if path.is_dir() else path
