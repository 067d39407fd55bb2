"""What differs between two calls, figure by figure.

It knows which figures are worth a row. It refuses to know which call is the better one.
"""

from collections import Counter
from statistics import median

from pipecat_wavix.timeline.model import Timeline


def differences(one: Timeline, other: Timeline) -> list[tuple[str, str, str, str]]:
    """Compare two calls.

    Args:
        one: A call.
        other: Another one.

    Returns:
        A row a figure: its name, each call's, and by how much the second is more.
    """
    rows = []
    for name, unit, first, second in _figures(one, other):
        more = "" if first is None or second is None else _signed(second - first, unit)
        rows.append((name, _shown(first, unit), _shown(second, unit), more))
    kinds = [Counter(verdict.kind for verdict in call.verdicts) for call in (one, other)]
    for kind in sorted({*kinds[0], *kinds[1]}):
        first, second = (count[kind] for count in kinds)
        name = f"Verdicts: {kind.replace('_', ' ')}"
        rows.append((name, str(first), str(second), _signed(second - first, "")))
    return rows


def _figures(one: Timeline, other: Timeline) -> list[tuple[str, str, float | None, float | None]]:
    first, second = _of(one), _of(other)
    return [(name, unit, first[name, unit], second[name, unit]) for name, unit in first]


def _of(call: Timeline) -> dict[tuple[str, str], float | None]:
    answers = [turn.secs for turn in call.turns if turn.secs is not None]
    clears = [clear.silent - clear.arrived for clear in call.clears]
    return {
        ("Length", "s"): call.secs,
        ("The caller spoke", "s"): sum(end - start for start, end in call.caller_spells),
        ("The bot was heard", "s"): sum(end - start for start, end in call.heard_spells),
        ("Turns", ""): len(call.turns),
        ("Median answer", "ms"): median(answers) * 1000 if answers else None,
        ("Slowest answer", "ms"): max(answers) * 1000 if answers else None,
        ("Barge-ins", ""): len(call.barge_ins),
        ("Slowest clear", "ms"): max(clears) * 1000 if clears else None,
        ("Silence from underruns", "ms"): sum(each.secs for each in call.underruns) * 1000,
    }


def _shown(figure: float | None, unit: str) -> str:
    if figure is None:
        return "none"
    return f"{figure:.1f} s" if unit == "s" else f"{figure:.0f} {unit}".strip()


def _signed(figure: float, unit: str) -> str:
    shown = _shown(abs(figure), unit)
    if shown == _shown(0, unit):
        return "="
    return f"{'+' if figure > 0 else '-'}{shown}"
