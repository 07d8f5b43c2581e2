"""The results as a picture: small panels of bars on a logarithmic scale, as SVG, by matplotlib.

Every bar has its number, so nobody has to read a logarithmic axis; a thin line spans the rounds.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from attrs import frozen
from matplotlib.figure import Figure as Drawing

from benchmarks.report import Run
from benchmarks.results import NOT_MEASURED, Cell, Figure, Quantity, p99_ms, per_s

PANEL_INCHES = (6.2, 3.1)
COMPARED_CONNECTIONS = 64
THOUSAND, TEN = 1000, 10
GROUP_WIDTH = 0.8
"""Of the way from one group of bars to the next."""

ROOM_BELOW, ROOM_ABOVE = 0.7, 1.6
"""Factors of the smallest and of the largest value, so that every bar is seen, and every number is beside its bar."""

COLOURS = {"atomic": "#0b5fa5", "classic": "#77b4dc", "threaded": "#9a9a94", "etcd": "#d9820f"}
"""Apart for those who see no red or no green, too."""

STYLE: Any = {
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "glitchgrid",  # the same results are the same file
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
    """Draw the results of a run into a file."""
    shown = rows(run)
    width, height = PANEL_INCHES
    with mpl.rc_context(STYLE):
        columns = max(len(row) for row in shown)
        drawing = Drawing(figsize=(width * columns, height * len(shown) + 1), layout="constrained")
        drawing.suptitle(f"Glitch Grid, measured beside others\n{_subtitle(run)}")
        for panels, axes in zip(shown, drawing.subplots(len(shown), columns, squeeze=False), strict=True):
            limits = _limits([figure for panel in panels for figure in panel.figures])
            for panel, place in zip(panels, axes, strict=False):
                _draw(panel, place, limits)
        keys = [mpl.patches.Patch(color=COLOURS[name], label=label) for name, label in run.labels.items()]
        drawing.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False)
        drawing.savefig(path, format="svg", metadata={"Date": None})


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


def _subtitle(run: Run) -> str:
    rounds = len({one.round for one in run.measurements})
    noun = "round" if rounds == 1 else "rounds"
    return f"{run.machine['machine']}; logarithmic scales; medians of {rounds} {noun}; {run.when}"


def _limits(figures: Sequence[Figure]) -> tuple[float, float]:
    """The panels of a row have one scale."""
    values = [value for one in figures for value in (one.least, one.median, one.most) if 0 < value < math.inf]
    return min(values) * ROOM_BELOW, max(values) * ROOM_ABOVE


def _draw(panel: Panel, axes: Any, limits: tuple[float, float]) -> None:
    axes.set_title(panel.title, loc="left", fontweight="bold")
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    axes.set_xlabel(panel.under)
    axes.set_xticks(range(len(panel.groups)), [name for name, _ in panel.groups])
    axes.yaxis.set_major_formatter(lambda value, _place: _short(value))
    for place, (_, bars) in enumerate(panel.groups):
        width = GROUP_WIDTH / len(bars)
        for number, bar in enumerate(bars):
            _draw_bar(bar, axes, place - GROUP_WIDTH / 2 + (number + 0.5) * width, width * 0.94, limits)


def _draw_bar(bar: Bar, axes: Any, middle: float, width: float, limits: tuple[float, float]) -> None:
    figure = bar.figure
    if figure.void == NOT_MEASURED:
        return
    if not _is_shown(figure):
        text = "void" if figure.void else "none"
        axes.text(middle, limits[0] * 1.1, text, rotation=90, ha="center", va="bottom", fontsize=7, color="#626a75")
        return
    axes.bar(middle, figure.median, width, color=COLOURS[bar.contender])
    most = min(figure.most, limits[1])
    if figure.least != figure.most:
        axes.plot([middle, middle], [max(figure.least, limits[0]), most], color="#1c1f24", linewidth=0.8)
    axes.text(middle, most * 1.05, _short(figure.median), ha="center", va="bottom", fontsize=7)


def _is_shown(figure: Figure) -> bool:
    return not figure.void and 0 < figure.median < math.inf


def _short(value: float) -> str:
    """As few characters as a bar is wide: 4.7k, 33, 1.2."""
    if value >= TEN * THOUSAND:
        return f"{value / THOUSAND:.0f}k"
    if value >= THOUSAND:
        return f"{value / THOUSAND:.1f}k".replace(".0k", "k")
    return f"{value:.0f}" if value >= TEN else f"{value:.1f}".removesuffix(".0")
