"""`pipecat-wavix report`: what happened on a call, in words and as a page.

It knows options and what to print. It refuses to know how a call is judged, or drawn.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    import typer
    from rich.console import Console

    from pipecat_wavix.timeline import Timeline


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
            bool,
            typer.Option(
                "--strict",
                help="Exit with status 1 if there is a defect, or not all of the call is known.",
            ),
        ] = False,
    ) -> None:
        """Say what was wrong with a call, and write a page that shows it."""
        from rich.console import Console

        # Here, and not for the other subcommands: it brings the page.
        from pipecat_wavix.timeline import read_timeline, write_report

        path = trace_in(trace)
        out = out or path.with_name("report.html")
        try:
            timeline = read_timeline(path, bot_trace=bot)
            other = read_timeline(trace_in(against)) if against else None
            write_report(timeline, out, against=other)
        except (ValueError, OSError) as error:
            typer.echo(f"pipecat-wavix: {error}", err=True)
            raise typer.Exit(1) from error
        say_verdicts(timeline)
        if other:
            show_differences(Console(), timeline, other, ("This call", "Against"))
        typer.echo(str(out))
        if strict and not timeline.passes:
            raise typer.Exit(1)


def trace_in(path: Path) -> Path:
    """The trace of a call: what is given, or what is in the folder that is given."""
    return path / "trace.jsonl" if path.is_dir() else path


def say_verdicts(timeline: "Timeline") -> None:
    """Print what is to be said of a call, a line each."""
    import typer

    for verdict in timeline.verdicts:
        word = "defect" if verdict.bad else "look"
        typer.echo(f"{verdict.at_secs:8.2f} s  {word:6}  {verdict.text}")
    if not timeline.verdicts:
        typer.echo("Nothing to report: a good call.")


def show_differences(
    console: "Console", one: "Timeline", other: "Timeline", names: tuple[str, str]
) -> None:
    """Print what differs between two calls.

    Args:
        console: Where to.
        one: A call.
        other: Another one.
        names: What they are called.
    """
    from rich.table import Table

    from pipecat_wavix.timeline.differences import differences

    table = Table("", *names, "Difference")
    for row in differences(one, other):
        table.add_row(*row)
    console.print(table)
