"""Tables for a terminal, and figures for a file."""

import statistics
from collections.abc import Sequence
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
        met: Whether ours did.
        notes: What one must know to read the figures.
        figures: The figures themselves, a mapping a row.
        secs: How long it took.
    """

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    bar: str
    met: bool
    notes: list[str] = []
    figures: list[dict[str, Any]] = []
    secs: float = 0.0


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
    print(f"  {result.name}: {result.bar}: {verdict(result)}   [{result.secs:.0f} s]", flush=True)


def verdict(result: Result) -> str:
    """Whether the bar was reached, in a word or two."""
    return "met" if result.met else "NOT met"


def worst(values: Sequence[float]) -> float:
    """The value that is farthest from 0; not a number if there is none."""
    return max(values, key=abs, default=float("nan"))


def median(values: Sequence[float]) -> float:
    """The median; not a number if there is none."""
    return statistics.median(values) if values else float("nan")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies, by nearest rank."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def ms(secs: float) -> float:
    """Milliseconds, to a tenth."""
    return round(secs * 1000, 1)


def spread(errors: Sequence[float]) -> str:
    """Median and worst of errors in seconds, as milliseconds with their sign."""
    return f"{ms(median(errors)):+.0f} / {ms(worst(errors)):+.0f}" if errors else "none"
