"""Tables for a terminal, figures for a file, and how late an event loop is."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import ceil
from typing import Any

import msgspec


class Result(msgspec.Struct, kw_only=True):
    """What one case has shown.

    Attributes:
        name: The case's name on the command line.
        title: What was measured, and in which unit.
        columns: The table's head.
        rows: The table.
        bar: What had to be reached.
        met: Whether it was.
        notes: What one must know to read the figures.
        figures: The figures themselves.
        secs: How long it took.
    """

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    bar: str
    met: bool
    notes: list[str]
    figures: list[dict[str, Any]]
    secs: float = 0.0

    @property
    def verdict(self) -> str:
        """The bar, and whether it was reached."""
        return f"{self.name}: {self.bar}: {'met' if self.met else 'NOT met'}"


def show(result: Result) -> None:
    """Print a case's table and its verdict."""
    table = [result.columns, *result.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(f"\n{result.title}")
    for number, row in enumerate(table):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  " + "  ".join(cells).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    for note in result.notes:
        print(f"  ({note})")
    print(f"  {result.verdict}   [{result.secs:.0f} s]", flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


@asynccontextmanager
async def lateness(into: list[float]) -> AsyncIterator[None]:
    """Watch the running event loop; add by how much it was late at most, in seconds.

    A machine that is busy otherwise shows here, and not as a finding.
    """
    worst = 0.0

    async def beat() -> None:
        nonlocal worst
        while True:
            due_at = time.monotonic() + 0.01
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - due_at)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        into.append(worst)
