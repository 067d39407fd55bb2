"""What a call amounted to, as a table on a terminal.

It knows rows and words. It refuses to know how the figures came about.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipecat_wavix.emulator.summary import CallSummary, ClearTimes

if TYPE_CHECKING:
    from rich.console import Console


def show(console: "Console", summary: CallSummary, files: Iterable[Path]) -> None:
    """Print the table, and where the call was recorded.

    Args:
        console: Where to.
        summary: The figures.
        files: What was recorded.
    """
    from rich.table import Table

    unused = {fate: n for fate, n in summary.fates.items() if fate not in ("used", "rejected")}
    answers = ", ".join(f"{secs * 1000:.0f} ms" for secs in summary.answers_secs)
    rows = [
        ("Length", f"{summary.secs:.2f} s, ended: {summary.end_reason}"),
        ("Speech", f"caller {summary.caller_secs:.2f} s, bot {summary.bot_secs:.2f} s"),
        ("Messages to the bot", _counted(summary.sent)),
        ("... not delivered", _counted(summary.unsent)),
        ("Messages from the bot", _counted(summary.received)),
        ("... rejected", _counted(summary.rejected)),
        ("... other than expected", _counted(unused)),
        ("Underruns", f"{summary.underruns}, {summary.underrun_secs * 1000:.0f} ms in all"),
        ("Marks", f"{summary.marks_played} played, {summary.marks_cleared} cleared"),
        ("First answer after", answers.partition(", ")[0] or "none"),
        ("All answers after", answers or "none"),
        *((f"Clear at {clear.arrived_secs:.2f} s", _timed(clear)) for clear in summary.clears),
    ]
    table = Table(show_header=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for path in files:
        console.print(str(path), soft_wrap=True, highlight=False, markup=False)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items()) or "none"


def _timed(clear: ClearTimes) -> str:
    silent = f"silent {clear.to_silence_secs * 1000:.0f} ms later"
    if clear.barge_in_to_silence_secs is None:
        return silent
    return f"{silent}, {clear.barge_in_to_silence_secs * 1000:.0f} ms after the caller cut in"
