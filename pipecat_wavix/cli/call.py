"""`pipecat-wavix call`: a call, or scripted calls, straight to a bot's media socket.

It knows options, and what is printed and left behind. It refuses to know how a call works.
"""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from pipecat_wavix.cli.folders import made
from pipecat_wavix.cli.holding import held
from pipecat_wavix.cli.scripted import Held, NoCallError, hold_all, load_all
from pipecat_wavix.cli.table import show
from pipecat_wavix.emulator.callers import ScriptedCaller, conversation, load_wav
from pipecat_wavix.emulator.leg import LegKind
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.scenario import Scenario
from pipecat_wavix.emulator.scenario_words import schema
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.voice import speak
from pipecat_wavix.phoneline import LineSettings

if TYPE_CHECKING:
    import typer


def add_call(app: "typer.Typer") -> None:
    """Add the subcommand.

    Args:
        app: The command.
    """
    import typer

    def show_schema(wanted: bool) -> None:
        if wanted:
            typer.echo(json.dumps(schema(), indent=2))
            raise typer.Exit

    @app.command()
    def call(
        url: Annotated[str, typer.Argument(help="The bot's media socket, ws:// or wss://.")],
        out: Annotated[
            Path,
            typer.Option(
                help="Folder for the recording and the trace; for scripts, a folder each in it.",
                file_okay=False,
            ),
        ],
        script: Annotated[
            list[Path] | None,
            typer.Option(
                help="What the caller does and what is expected: YAML, see docs/scripts.md.",
                exists=True,
                dir_okay=False,
            ),
        ] = None,
        junit: Annotated[
            Path | None,
            typer.Option(help="Where to write what came of the scripts, as XML.", dir_okay=False),
        ] = None,
        script_schema: Annotated[
            bool,
            typer.Option(
                "--script-schema",
                callback=show_schema,
                is_eager=True,
                help="Show the JSON Schema of scripts, exit.",
            ),
        ] = False,
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
        """Call a bot: hear its greeting, speak and listen, perhaps barge in, hang up.

        Or do what scripts say: exit status 1 if a call was not as its script expects.
        """
        from rich.console import Console

        if barge_in and barge_in_say:
            raise typer.BadParameter("give --barge-in or --barge-in-say, not both")
        if script and (caller or say or barge_in or barge_in_say):
            raise typer.BadParameter("a script says what the caller says: give --script alone")
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
        scenarios = load_all(script or [], settings)
        made(out)
        console = Console()

        async def hold(scenario: Scenario) -> Held:
            caller, folder = ScriptedCaller(scenario.script), out / scenario.path.stem
            try:
                return await held(url, caller, scenario.settings, folder, console), folder
            except OSError as error:
                raise NoCallError(str(error)) from error

        try:
            if scenarios:
                raise typer.Exit(not hold_all(scenarios, hold, console, junit))
            spoken = conversation(
                turns, barge_in=interruption, barge_in_after_secs=barge_in_after_ms / 1000
            )
            summary = asyncio.run(held(url, ScriptedCaller(spoken), settings, out, console))
        except OSError as error:
            typer.echo(f"pipecat-wavix: {error}", err=True)
            raise typer.Exit(1) from error
        show(console, summary, (out / name for name in ("recording.wav", "trace.jsonl")))
