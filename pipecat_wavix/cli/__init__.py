"""The command `pipecat-wavix`: an emulated telephone for a bot, from a terminal.

It knows the grammar of the command; the subcommands have a file each. It refuses to know what they
do, and they do nothing that the emulator's own API does not offer.
"""

import sys
from typing import TYPE_CHECKING, Annotated

from pipecat_wavix import __version__

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

    from pipecat_wavix.cli.call import add_call
    from pipecat_wavix.cli.dial import add_dial
    from pipecat_wavix.cli.emulate import add_emulate
    from pipecat_wavix.cli.phone import add_phone
    from pipecat_wavix.cli.replay import add_replay
    from pipecat_wavix.cli.report import add_report

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

    add_call(app)
    add_emulate(app)
    add_dial(app)
    add_phone(app)
    add_replay(app)
    add_report(app)
    return app
