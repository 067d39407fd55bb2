"""One picture of the figures, as an SVG that is readable on a light page and on a dark one.

It brings its own background, in the reader's preferred scheme, so that it never depends on the page.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from typing import Any, Final

from .report import Result

WIDTH: Final = 900
MARGIN: Final = 36
GUTTER: Final = 56
PANEL: Final = (WIDTH - 2 * MARGIN - GUTTER) // 2
LABEL: Final = 104  # of a group, left of its bars
VALUE: Final = 74  # behind the longest bar
BAR: Final = 13
GROUP: Final = 44

# Light first, without variables: what cannot read the second scheme still draws the first.
STYLE: Final = """
  text { font-family: -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
  .page { fill: #ffffff; stroke: #d8dee4 }
  .title { font-size: 21px; font-weight: 600; fill: #1f2328 }
  .head { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .soft { font-size: 12.5px; fill: #656d76 }
  .label { font-size: 12.5px; fill: #1f2328; text-anchor: end }
  .value { font-size: 12.5px; fill: #656d76 }
  .best { font-size: 12.5px; font-weight: 600; fill: #08796a }
  .end { text-anchor: end }
  .stock { fill: #cbb08c }
  .ours { fill: #0a8f7c }
  .axis { stroke: #d8dee4 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d }
    .title, .head, .label { fill: #e6edf3 }
    .soft, .value { fill: #9198a1 }
    .best { fill: #2dc9ae }
    .stock { fill: #8d7350 }
    .ours { fill: #2dc9ae }
    .axis { stroke: #30363d }
  }
"""


@dataclass(frozen=True)
class Panel:
    """A question, and both answers to it: the shorter bar is the better one.

    Attributes:
        head: What went wrong, in few words.
        soft: The same, exactly.
        groups: For each label, the stock transport's figure and ours.
        unit: Writes a figure.
    """

    head: str
    soft: str
    groups: dict[str, tuple[float, float]]
    unit: Callable[[float], str]

    @property
    def height(self) -> int:
        """In pixels."""
        return 62 + GROUP * len(self.groups)


def draw(results: list[Result]) -> str:
    """Draw the panels for which there are figures.

    Args:
        results: Of the benchmark.

    Returns:
        The SVG.
    """
    panels = list(panels_of({result.name: result.figures for result in results}))
    rows = [panels[at : at + 2] for at in range(0, len(panels), 2)]
    top = 108
    body: list[str] = []
    for row in rows:
        for column, panel in enumerate(row):
            body += draw_panel(panel, MARGIN + column * (PANEL + GUTTER), top)
        top += max(panel.height for panel in row) + 26
    height = top + 22
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img"'
            ' aria-label="What a bot believes its caller hears, against what the caller hears">',
            f"<style>{STYLE}</style>",
            f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>',
            f'<text class="title" x="{MARGIN}" y="46">'
            "What the bot believes, against what the caller hears</text>",
            f'<rect class="stock" x="{MARGIN}" y="64" width="13" height="13" rx="3"/>',
            f'<text class="soft" x="{MARGIN + 20}" y="75">Pipecat\'s FastAPIWebsocketTransport</text>',
            f'<rect class="ours" x="{MARGIN + 284}" y="64" width="13" height="13" rx="3"/>',
            f'<text class="soft" x="{MARGIN + 304}" y="75">WavixTransport</text>',
            f'<text class="soft end" x="{WIDTH - MARGIN}" y="75">'
            "worst of each case; shorter is better</text>",
            *body,
            f'<text class="soft" x="{MARGIN}" y="{height - 22}">Both in one run of '
            "benchmarks/truth, over real sockets; what was heard is decoded from the samples."
            f" pipecat-ai {escape(version('pipecat-ai'))}.</text>",
            "</svg>",
            "",
        ]
    )


def panels_of(figures: Mapping[str, list[dict[str, Any]]]) -> Iterator[Panel]:
    """Make the panels for which there are figures."""
    if rows := [row for row in figures.get("speaking", []) if row["lead_secs"] is None]:
        yield Panel(
            "The bot is wrong about when it speaks",
            "error of started / stopped after the greeting, by one-way delay",
            grouped(rows, one_way, lambda row: worst_of(row["started_ms"] + row["stopped_ms"])),
            lambda value: f"{value:.0f} ms",
        )
    if rows := figures.get("goodbye", []):
        yield Panel(
            "The end of a goodbye is never heard",
            "share of 3.6 s cut off by the hang-up, by one-way delay",
            grouped(rows, one_way, lambda row: 100 * (1 - min(row["shares"]))),
            lambda value: f"{value:.1f} %" if value >= 0.05 else "0",
        )
    if rows := [row for row in figures.get("context", []) if row["lead_secs"] is None]:
        yield Panel(
            "The context is not what was heard",
            "words too many or too few in the context after a barge-in",
            grouped(
                rows,
                lambda row: "word times" if row["timed"] else "no word times",
                lambda row: abs(row["worst"]),
            ),
            lambda value: f"{value:.1f} words",
        )
    if rows := [row for row in figures.get("stalls", []) if 0 < row["stall_ms"] < 500]:
        yield Panel(
            "The caller hears gaps when the bot stalls",
            "silence in a minute of speech, by a stall once a second",
            grouped(
                rows,
                lambda row: f"{row['stall_ms']:.0f} ms",
                lambda row: row["silence_ms_a_minute"] / 1000,
            ),
            lambda value: f"{value:.1f} s" if value >= 0.05 else "0",
        )


def one_way(row: dict[str, Any]) -> str:
    """A row's delay, as a label."""
    return f"{row['delay_ms']} ms"


def worst_of(errors: list[float]) -> float:
    """The largest error, whichever its sign."""
    return max(map(abs, errors), default=0.0)


def grouped(
    rows: list[dict[str, Any]],
    label: Callable[[dict[str, Any]], str],
    figure: Callable[[dict[str, Any]], float],
) -> dict[str, tuple[float, float]]:
    """The worst figure of each transport, by label."""
    groups: dict[str, dict[str, float]] = {}
    for row in rows:
        group = groups.setdefault(label(row), {"stock": 0.0, "wavix": 0.0})
        group[row["transport"]] = max(group[row["transport"]], figure(row))
    return {name: (group["stock"], group["wavix"]) for name, group in groups.items()}


def draw_panel(panel: Panel, left: int, top: int) -> Iterator[str]:
    """Draw a panel at a place."""
    longest = max(max(pair) for pair in panel.groups.values()) or 1.0
    axis = left + LABEL
    scale = (PANEL - LABEL - VALUE) / longest
    yield f'<text class="head" x="{left}" y="{top + 16}">{escape(panel.head)}</text>'
    yield f'<text class="soft" x="{left}" y="{top + 36}">{escape(panel.soft)}</text>'
    bottom = top + 50 + GROUP * len(panel.groups)
    yield f'<line class="axis" x1="{axis}" x2="{axis}" y1="{top + 50}" y2="{bottom}"/>'
    for number, (label, pair) in enumerate(panel.groups.items()):
        y = top + 57 + number * GROUP
        yield f'<text class="label" x="{axis - 10}" y="{y + BAR + 5}">{escape(label)}</text>'
        for kind, value in zip(("stock", "ours"), pair, strict=True):
            width = max(2.0, value * scale)
            text = "best" if kind == "ours" else "value"
            yield (
                f'<rect class="{kind}" x="{axis}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>'
            )
            yield (
                f'<text class="{text}" x="{axis + width + 8:.1f}" y="{y + BAR - 2}">'
                f"{escape(panel.unit(value))}</text>"
            )
            y += BAR + 3
