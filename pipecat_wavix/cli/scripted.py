"""Scripted calls from a terminal: one after another, each judged by what its script expects.

It knows scripts, what is printed of them, and what is left behind where one failed. It refuses to
know how a call is made: whoever makes it answers with its summary and where it was recorded.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipecat_wavix.emulator.junit import Outcome, check_junit, write_junit
from pipecat_wavix.emulator.scenario import Scenario, judge, load_scenario
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.summary import CallSummary

if TYPE_CHECKING:
    from rich.console import Console

Held = tuple[CallSummary, Path | None]
"""A call's summary, and the folder where it was recorded, or `None`."""


class NoCallError(Exception):
    """There was no call; the message says why."""


def load_all(paths: Sequence[Path], settings: CallSettings | None = None) -> list[Scenario]:
    """Read all scripts before the first call is made.

    Args:
        paths: Their files.
        settings: Of all calls; what a script says of the network comes over them.

    Raises:
        BadParameter: One is no script, cannot be read, or has another's name.
    """
    import typer

    try:
        scenarios = [load_scenario(path, settings) for path in paths]
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise typer.BadParameter(str(error)) from error
    if len({path.stem for path in paths}) < len(paths):
        raise typer.BadParameter("two scripts have the same name: rename one, or run it alone")
    return scenarios


def hold_all(
    scenarios: Sequence[Scenario],
    hold: Callable[[Scenario], Coroutine[Any, Any, Held]],
    console: "Console",
    junit: Path | None,
) -> bool:
    """Make one call after another, judge each, print what came of it.

    Args:
        scenarios: The scripts.
        hold: Makes a call; raises `NoCallError` where there was none.
        console: Where to print.
        junit: Where to write the same as JUnit XML, or `None`. It is written whatever happens.

    Returns:
        Whether all was as expected.

    Raises:
        OSError: The XML cannot be written; that is found out before the first call.
    """
    if junit:
        check_junit(junit)
    outcomes: list[Outcome] = []
    try:
        for scenario in scenarios:
            try:
                outcomes.append(_outcome(scenario, hold, console))
            except BaseException as error:  # Ctrl-C above all
                outcomes.append(_broken_off(scenario, error))
                raise
            finally:
                _show(console, outcomes[-1])
    finally:
        if junit:
            write_junit(outcomes, junit)
    return all(outcome.passed for outcome in outcomes)


def _broken_off(scenario: Scenario, error: BaseException) -> Outcome:
    why = "interrupted"
    if isinstance(error, Exception):
        why = f"{type(error).__name__}: {error}"
    return Outcome(name=scenario.name, file=str(scenario.path), error=why)


def _outcome(
    scenario: Scenario, hold: Callable[[Scenario], Coroutine[Any, Any, Held]], console: "Console"
) -> Outcome:
    name, file = scenario.name, str(scenario.path)
    try:
        summary, folder = asyncio.run(hold(scenario))
    except NoCallError as error:
        return Outcome(name=name, file=file, error=str(error))
    failures = judge(scenario, summary, folder)
    report = _report(folder, console) if failures and folder else None
    return Outcome(name=name, file=file, secs=summary.secs, failures=failures, report=report)


def _report(folder: Path, console: "Console") -> Path | None:
    # Here, for only a call that failed needs its picture.
    from pipecat_wavix.timeline import read_timeline, write_report

    path = folder / "report.html"
    try:
        write_report(read_timeline(folder / "trace.jsonl", folder / "recording.wav"), path)
    except (OSError, ValueError) as error:
        console.print(f"There is no report: {error}", highlight=False, markup=False)
        return None
    return path


def _show(console: "Console", outcome: Outcome) -> None:
    count = len(outcome.failures)
    failed = f"{count} expectation{'s' if count > 1 else ''} not met"
    verdict = "as expected" if outcome.passed else outcome.error or failed
    lines = [
        f"{outcome.file}: {outcome.name}: {verdict} ({outcome.secs:.1f} s)",
        *(f"  {failure}" for failure in outcome.failures),
        *([f"  {outcome.report}"] if outcome.report else []),
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
