"""The results as a picture: small panels of bars on a logarithmic scale, in SVG.

It is written by hand because it has to be read on light and on dark pages, and a style sheet in the file does that
without a program. Every bar has its number, so nobody has to read a logarithmic axis; a thin line spans the rounds.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from attrs import frozen

from benchmarks.report import Run
from benchmarks.results import NOT_MEASURED, Cell, Figure, Quantity, p99_ms, per_s

WIDTH = 960
MARGIN = 18
HEADING = 78
PANEL_WIDTH = 452
PANEL_HEIGHT = 232
PLOT_TOP, PLOT_BOTTOM, PLOT_LEFT = 40, 38, 44
GROUP_GAP = 0.22
BAR_GAP = 1.5
COMPARED_CONNECTIONS = 64
THOUSAND, TEN = 1000, 10
LEGEND_GAP, LEGEND_CHARACTER = 42, 6.6
ROOM_BELOW, ROOM_ABOVE = 0.15, 0.08
"""In decades, so that the shortest bar is seen, and the longest does not touch the title."""

BOLD = ' font-weight="600"'

Scale = Callable[[float], float]

COLOURS = {  # on light, on dark; apart for those who see no red or no green, too
    "atomic": ("#0b5fa5", "#5db4f5"),
    "classic": ("#77b4dc", "#2f78ab"),
    "threaded": ("#9a9a94", "#8d8d88"),
    "etcd": ("#d9820f", "#f0a63c"),
}


@frozen
class Bar:
    contender: str
    figure: Figure


@frozen
class Panel:
    """Groups of bars over names such as "64"."""

    title: str
    under: str
    groups: tuple[tuple[str, tuple[Bar, ...]], ...]

    @property
    def figures(self) -> list[Figure]:
        return [bar.figure for _, bars in self.groups for bar in bars if _is_shown(bar.figure)]


def write_svg(run: Run, path: Path) -> None:
    path.write_text("\n".join(_picture(run)) + "\n", encoding="utf-8")


def rows(run: Run) -> list[tuple[Panel, ...]]:
    """GET beside POST on one scale: throughput, p99, throughput in each world, and the ladder."""
    kinds = [kind for kind in ("get", "post") if any(cell.kind == kind for cell in run.results.cells)]
    found = [
        [_by_connections(run, kind, "requests a second", per_s) for kind in kinds],
        [_by_connections(run, kind, "p99 in milliseconds", p99_ms) for kind in kinds],
    ]
    if len({cell.world for cell in run.results.cells}) > 1:
        found.append([_by_world(run, kind) for kind in kinds])
    if _levels(run, {run.subject}) > _levels(run, set(run.labels) - {run.subject}):
        found.append([_ladder(run, kind) for kind in kinds])
    return [tuple(row) for row in found if any(panel.figures for panel in row)]


def _levels(run: Run, contenders: set[str]) -> set[int]:
    return {cell.connections for cell in run.results.cells if cell.contender in contenders and cell.world == "healthy"}


def _by_connections(run: Run, kind: str, what: str, quantity: Quantity) -> Panel:
    others = set(run.labels) - {run.subject} or {run.subject}
    counts = sorted(
        {
            cell.connections
            for cell in run.results.cells
            if _is(cell, kind, cell.connections) and cell.contender in others
        }
    )
    groups = [(str(count), _bars(run, Cell("healthy", kind, count, ""), quantity)) for count in counts]
    return Panel(f"{kind.upper()}, {what}", "connections", tuple(groups))


def _by_world(run: Run, kind: str) -> Panel:
    names = {"healthy": "all healthy", "silent": "one never answers", "closed": "one port closed"}
    measured = {cell.world for cell in run.results.cells}
    groups = [
        (name, _bars(run, Cell(world, kind, COMPARED_CONNECTIONS, ""), per_s))
        for world, name in names.items()
        if world in measured
    ]
    title = f"{kind.upper()}, requests a second with a bad vault"
    return Panel(title, f"{COMPARED_CONNECTIONS} connections", tuple(groups))


def _ladder(run: Run, kind: str) -> Panel:
    counts = sorted(
        cell.connections
        for cell in run.results.cells
        if _is(cell, kind, cell.connections) and cell.contender == run.subject
    )
    groups = tuple(
        (str(count), (Bar(run.subject, run.results.figure(Cell("healthy", kind, count, run.subject), per_s)),))
        for count in counts
    )
    return Panel(f"{kind.upper()}, requests a second, {run.labels[run.subject]}", "connections", groups)


def _is(cell: Cell, kind: str, count: int) -> bool:
    return (cell.world, cell.kind, cell.connections) == ("healthy", kind, count)


def _bars(run: Run, cell: Cell, quantity: Quantity) -> tuple[Bar, ...]:
    return tuple(Bar(name, run.results.figure(cell.by(name), quantity)) for name in run.labels)


def _picture(run: Run) -> Iterator[str]:
    shown = rows(run)
    height = HEADING + PANEL_HEIGHT * len(shown) + MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif"'
    yield f' width="{WIDTH}" height="{height}" role="img" aria-label="Requests a second and p99 of the contenders">'
    yield f"<style>{_style()}</style>"
    yield f'<rect class="paper" width="{WIDTH}" height="{height}"/>'
    yield _text("Glitch Grid, measured beside others", MARGIN, 30, 17, extra=BOLD)
    yield _text(_subtitle(run), MARGIN, 48, 11, "faint")
    yield from _legend(run)
    for row, panels in enumerate(shown):
        scale, decades = _scale([figure for panel in panels for figure in panel.figures])
        for column, panel in enumerate(panels):
            x = MARGIN + column * (WIDTH - 2 * MARGIN - PANEL_WIDTH)
            yield f'<g transform="translate({x} {HEADING + PANEL_HEIGHT * row})">'
            yield from _panel(panel, scale, decades)
            yield "</g>"
    yield "</svg>"


def _text(text: str, x: float, y: float, size: int, style: str = "ink", anchor: str = "start", extra: str = "") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{extra}'
    return f'<text class="{style}" {where}>{escape(text)}</text>'


def _subtitle(run: Run) -> str:
    rounds = len({one.round for one in run.measurements})
    noun = "round" if rounds == 1 else "rounds"
    return f"{run.machine['machine']}; logarithmic scales; medians of {rounds} {noun}; {run.when}"


def _style() -> str:
    light = "".join(f".{name}{{fill:{colours[0]}}}" for name, colours in COLOURS.items())
    dark = "".join(f".{name}{{fill:{colours[1]}}}" for name, colours in COLOURS.items())
    return (
        ".paper{fill:#ffffff}.ink{fill:#1c1f24}.faint{fill:#626a75}.grid{stroke:#dfe3e8}.span{stroke:#1c1f24}"
        + light
        + "@media (prefers-color-scheme: dark){"
        ".paper{fill:#0d1117}.ink{fill:#e6eaf0}.faint{fill:#98a2ae}.grid{stroke:#2b313a}.span{stroke:#e6eaf0}"
        + dark
        + "}"
    )


def _legend(run: Run) -> Iterator[str]:
    x = float(MARGIN)
    for name, label in run.labels.items():
        yield f'<rect class="{name}" x="{x:.0f}" y="58" width="12" height="12" rx="2"/>'
        yield _text(label, x + 17, 68, 12)
        x += LEGEND_GAP + LEGEND_CHARACTER * len(label)


def _panel(panel: Panel, scale: Scale, decades: Sequence[float]) -> Iterator[str]:
    bottom = PANEL_HEIGHT - PLOT_BOTTOM
    yield _text(panel.title, 0, 20, 13, extra=BOLD)
    for decade in decades:
        y = scale(decade)
        yield f'<line class="grid" x1="{PLOT_LEFT}" x2="{PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(_short(decade), PLOT_LEFT - 6, y + 3.5, 10, "faint", "end")
    width = (PANEL_WIDTH - PLOT_LEFT) / max(len(panel.groups), 1)
    for number, (name, bars) in enumerate(panel.groups):
        left = PLOT_LEFT + number * width
        yield _text(name, left + width / 2, bottom + 15, 11, anchor="middle")
        yield from _group(bars, left + width * GROUP_GAP / 2, width * (1 - GROUP_GAP) / len(bars), scale)
    yield _text(panel.under, (PLOT_LEFT + PANEL_WIDTH) / 2, bottom + 29, 10, "faint", "middle")


def _group(bars: Sequence[Bar], left: float, width: float, scale: Scale) -> Iterator[str]:
    bottom = PANEL_HEIGHT - PLOT_BOTTOM
    for number, bar in enumerate(bars):
        x, figure = left + number * width, bar.figure
        middle = x + (width - BAR_GAP) / 2
        if figure.void == NOT_MEASURED:
            continue
        if not _is_shown(figure):
            turned = f' transform="rotate(-90 {middle + 3:.1f} {bottom - 4})"'
            yield _text("void" if figure.void else "none", middle + 3, bottom - 4, 9, "faint", extra=turned)
            continue
        y, top, low = scale(figure.median), scale(figure.most), scale(figure.least)
        size = f'width="{width - BAR_GAP:.1f}" height="{bottom - y:.1f}"'
        yield f'<rect class="{bar.contender}" x="{x:.1f}" y="{y:.1f}" {size} rx="1.5"/>'
        if figure.least != figure.most:
            yield f'<line class="span" x1="{middle:.1f}" x2="{middle:.1f}" y1="{top:.1f}" y2="{low:.1f}"/>'
        yield _text(_short(figure.median), middle, top - 4, 9, anchor="middle")


def _is_shown(figure: Figure) -> bool:
    return not figure.void and 0 < figure.median < math.inf


def _scale(figures: Sequence[Figure]) -> tuple[Scale, list[float]]:
    """From a value to a height, and the decades, which get a line each."""
    values = [value for one in figures for value in (one.least, one.median, one.most) if 0 < value < math.inf]
    low = math.floor(math.log10(min(values)) - ROOM_BELOW)
    high = math.log10(max(values)) + ROOM_ABOVE
    top, bottom = PLOT_TOP, PANEL_HEIGHT - PLOT_BOTTOM

    def scale(value: float) -> float:
        exponent = low if value <= 0 else high if value == math.inf else math.log10(value)
        return bottom - (exponent - low) / (high - low) * (bottom - top)

    return scale, [10.0**decade for decade in range(low, math.floor(high) + 1)]


def _short(value: float) -> str:
    """As few characters as a bar is wide: 4.7k, 33, 1.2."""
    if value >= TEN * THOUSAND:
        return f"{value / THOUSAND:.0f}k"
    if value >= THOUSAND:
        return f"{value / THOUSAND:.1f}k".replace(".0k", "k")
    return f"{value:.0f}" if value >= TEN else f"{value:.1f}".removesuffix(".0")
