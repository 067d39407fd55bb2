"""`pipecat-wavix dial`: a call through an emulator that runs elsewhere on this machine.

It knows the emulator's control API, as a client. It refuses to know how a call works.
"""

import asyncio
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import aiohttp

from pipecat_wavix.cli.scripted import Held, NoCallError, hold_all, load_all
from pipecat_wavix.cli.table import show
from pipecat_wavix.emulator.callers import (
    ANSWER_TIMEOUT_SECS,
    END_OF_SPEECH_SECS,
    SPEECH_TIMEOUT_SECS,
    Action,
    Press,
    WaitForBot,
    conversation,
    load_wav,
)
from pipecat_wavix.emulator.platform_settings import DEFAULT_PORT
from pipecat_wavix.emulator.scenario import Scenario
from pipecat_wavix.emulator.scripts import write_script
from pipecat_wavix.emulator.summary import CallSummary, ClearTimes, Spell
from pipecat_wavix.emulator.voice import speak

if TYPE_CHECKING:
    import typer
    from rich.console import Console

WAIT_SECS: Final = 30
"""How long one request waits for the end of the call."""


def add_dial(app: "typer.Typer") -> None:
    """Add the subcommand.

    Args:
        app: The command.
    """
    import typer

    @app.command()
    def dial(
        number: Annotated[str, typer.Argument(help="A number of the emulated account.")],
        emulator: Annotated[
            str, typer.Option(help="Where `pipecat-wavix emulate` serves.")
        ] = f"http://127.0.0.1:{DEFAULT_PORT}",
        from_: Annotated[
            str | None, typer.Option("--from", help="The caller's number, in E.164.")
        ] = None,
        caller: Annotated[
            list[Path] | None,
            typer.Option(help="A turn of the caller: a WAV file.", exists=True, dir_okay=False),
        ] = None,
        say: Annotated[
            list[str] | None,
            typer.Option(help="A turn of the caller, to be spoken; after those of --caller."),
        ] = None,
        press: Annotated[
            list[str] | None, typer.Option(help="Keys to press after that; a turn each.")
        ] = None,
        barge_in_say: Annotated[
            str | None, typer.Option(help="What to say into the answer to the last spoken turn.")
        ] = None,
        barge_in_after_ms: Annotated[
            int, typer.Option(help="How much of that answer to let pass.", min=0)
        ] = 800,
        max_secs: Annotated[float, typer.Option(help="Hang up so long after the answer.")] = 300,
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
    ) -> None:
        """Call a number of the emulator: hear the bot, speak and listen, press keys, hang up.

        Or do what scripts say: exit status 1 if a call was not as its script expects.
        """
        from rich.console import Console

        if script and (caller or say or press or barge_in_say):
            raise typer.BadParameter("a script says what the caller does: give --script alone")
        console = Console()

        async def call(actions: Sequence[Action]) -> dict[str, Any]:
            body = {"to": number, "script": write_script(actions), "max_secs": max_secs}
            if from_:
                body["from"] = from_
            return await _dialled(emulator, body, console)

        async def hold(scenario: Scenario) -> Held:
            answered = await call([scenario.network, *scenario.script])
            return _summary(answered["summary"]), _folder(answered)

        if script:
            scenarios = load_all(script)
            try:
                raise typer.Exit(not hold_all(scenarios, hold, console, junit))
            except OSError as error:
                typer.echo(f"pipecat-wavix: {error}", err=True)
                raise typer.Exit(1) from error
        try:
            turns = [load_wav(path) for path in caller or []] + [speak(text) for text in say or []]
            spoken = conversation(
                turns,
                barge_in=speak(barge_in_say) if barge_in_say else None,
                barge_in_after_secs=barge_in_after_ms / 1000,
            )
            actions = _with_keys(spoken, press or [])
        except (ValueError, ModuleNotFoundError) as error:
            raise typer.BadParameter(str(error)) from error
        try:
            _show(asyncio.run(call(actions)), console)
        except NoCallError as error:
            typer.echo(f"pipecat-wavix: {error}", err=True)
            raise typer.Exit(1) from error


def _with_keys(script: Sequence[Action], presses: Sequence[str]) -> list[Action]:
    *spoken, hang_up = script
    pressed: list[Action] = []
    for keys in presses:
        pressed += [
            Press(keys),
            WaitForBot("speaking", 0, ANSWER_TIMEOUT_SECS),
            WaitForBot("quiet", END_OF_SPEECH_SECS, SPEECH_TIMEOUT_SECS),
        ]
    return [*spoken, *pressed, hang_up]


async def _dialled(emulator: str, body: dict[str, Any], console: "Console") -> dict[str, Any]:
    """Make the call, and answer what the emulator says of it; `NoCallError` if there was none."""
    timeout = aiohttp.ClientTimeout(total=WAIT_SECS + 10)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        base = f"{emulator.rstrip('/')}/_emulator"
        call = await _asked(http, "POST", f"{base}/dial", body)
        url = f"{base}/calls/{call['id']}"
        try:
            with console.status("on the phone"):
                while not call["finished"]:
                    call = await _asked(http, "GET", f"{url}?wait_secs={WAIT_SECS}")
        finally:
            if not call["finished"]:
                await _asked(http, "POST", f"{url}/hang_up", {})
    phases = " -> ".join(call["phases"])
    console.print(f"Call {call['id']}: {phases}", highlight=False, soft_wrap=True)
    if call["error"]:
        raise NoCallError(f"the call ended by an error: {call['error']}")
    if call["summary"] is None:
        raise NoCallError(
            "the call was not answered. Does the bot run? An emulator that was started after it knows "
            "of no webhook: start the bot with -t wavix again"
        )
    return call


def _show(call: dict[str, Any], console: "Console") -> None:
    """Show what came of a call; `NoCallError` if the bot was not heard."""
    summary, folder = _summary(call["summary"]), _folder(call)
    files = [folder / name for name in ("recording.wav", "trace.jsonl")] if folder else []
    show(console, summary, files)
    if not summary.bot_secs:
        raise NoCallError(
            "the call was answered, and nothing was heard: see what the bot has logged"
        )


def _folder(call: dict[str, Any]) -> Path | None:
    return Path(call["folder"]) if call["folder"] else None


def _summary(fields: dict[str, Any]) -> CallSummary:
    read = {
        "clears": tuple(ClearTimes(**clear) for clear in fields["clears"]),
        "answers_secs": tuple(fields["answers_secs"]),
        "caller_spells": tuple(Spell(**spell) for spell in fields["caller_spells"]),
        "bot_spells": tuple(Spell(**spell) for spell in fields["bot_spells"]),
        "steps": tuple((number, secs) for number, secs in fields["steps"]),
    }
    return CallSummary(**{**fields, **read})


async def _asked(
    http: aiohttp.ClientSession, method: str, url: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    try:
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        async with http.request(method, url, data=data) as response:
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoCallError(
            f"no emulator answers there ({type(error).__name__}): run pipecat-wavix emulate, or "
            "give its URL with --emulator"
        ) from None
    if response.status != 200 or not isinstance(answer, dict):
        message = answer.get("message") if isinstance(answer, dict) else None
        raise NoCallError(message or f"the emulator answered {response.status}")
    return answer
