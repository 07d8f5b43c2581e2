"""What the grid is to reach, and whether it did."""

import itertools
from collections.abc import Callable, Iterator

from attrs import frozen

from benchmarks.results import BASELINE, NOT_MEASURED, Cell, Figure, Measurement, Results, p99_ms, per_s

CONTROL_MB_MAX = 60
VAULT_MB_MAX = 55
P99_MS_MAX = 50
KINDS = ("get", "post")
LADDER = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

SAME = 0.95
"""Less than this of the healthy throughput is a difference, if the rounds do not overlap."""

MET, NOT_MET, VOID = "met", "not met", "void"


@frozen
class TargetResult:
    target: str
    measured: str
    verdict: str


@frozen
class RatioTarget:
    """`above` / `below` of the same round, by contender or by world, is at least `least`, or at most `most`."""

    text: str
    kind: str
    connections: int
    below: str = "SUBJECT"
    world: str = "healthy"
    least: float | None = None
    most: float | None = None
    quantity: Callable[[Measurement], float] = per_s

    def judge(self, results: Results, subject: str) -> TargetResult:
        above = Cell(self.world, self.kind, self.connections, subject)
        below = above.within("healthy") if self.below == "SUBJECT" else above.by(self.below)
        ratio = results.ratio(above, below, self.quantity)
        good = (self.least is None or ratio.median >= self.least) and (self.most is None or ratio.median <= self.most)
        return _verdict(f"{self.kind.upper()}, {self.connections}: {self.text}", ratio, "{:.2f}", good)


def ratio_targets() -> Iterator[RatioTarget]:
    """Those that compare two cells of a round."""
    for connections, threaded, etcd in ((64, 12.0, 1.0), (256, 15.0, 0.9)):
        for kind in KINDS:
            yield RatioTarget(f">= {threaded:g} x threaded", kind, connections, BASELINE, least=threaded)
            yield RatioTarget(f">= {etcd:g} x etcd's gateway", kind, connections, "etcd", least=etcd)
    yield RatioTarget(">= 2 x threaded", "get", 1, BASELINE, least=2.0)
    yield RatioTarget(">= 1 x threaded", "post", 1, BASELINE, least=1.0)
    for kind in KINDS:
        yield RatioTarget(">= 0.8 of healthy, one vault silent", kind, 64, world="silent", least=0.8)
        yield RatioTarget(
            "p99 <= 1.5 of healthy, one vault silent", kind, 64, world="silent", most=1.5, quantity=p99_ms
        )


def judge(results: Results, subject: str) -> list[TargetResult]:
    """Every target, for the contender `subject`."""
    verdicts = [target.judge(results, subject) for target in ratio_targets()]
    for kind in KINDS:
        verdicts.append(closed_port(results, Cell("closed", kind, 64, subject)))
        verdicts.append(p99(results, Cell("healthy", kind, 64, subject)))
    verdicts += [memory(results, subject, "control", CONTROL_MB_MAX), memory(results, subject, "vault", VAULT_MB_MAX)]
    verdicts += [ladder(results, kind, subject) for kind in KINDS]
    return [*verdicts, no_errors(results, subject)]


def closed_port(results: Results, closed: Cell) -> TargetResult:
    """No measurable difference: all but the healthy throughput, or rounds of both that overlap."""
    healthy = closed.within("healthy")
    ratio = results.ratio(closed, healthy, per_s)
    rates = results.figure(closed, per_s)
    overlap = len(results.rounds(closed)) > 1 and rates.most >= results.figure(healthy, per_s).least
    text = f"{closed.kind.upper()}, {closed.connections}: no difference with one vault's port closed"
    return _verdict(text, ratio, "{:.2f} of healthy", ratio.median >= SAME or overlap)


def p99(results: Results, cell: Cell) -> TargetResult:
    figure = results.figure(cell, p99_ms)
    text = f"{cell.kind.upper()}, {cell.connections}: p99 <= {P99_MS_MAX} ms"
    return _verdict(text, figure, "{:.1f} ms", figure.median <= P99_MS_MAX)


def memory(results: Results, subject: str, program: str, most_mb: float) -> TargetResult:
    """The most that any process of that program held after any cell."""
    seen = [
        size_mb
        for one in results.all
        if one.cell.contender == subject
        for name, size_mb in one.resident_mb.items()
        if name.startswith(program)
    ]
    figure = Figure(max(seen), max(seen), max(seen)) if seen else Figure(void=NOT_MEASURED)
    return _verdict(
        f"{program} <= {most_mb:g} MB resident after any cell", figure, "{:.1f} MB", figure.median <= most_mb
    )


def ladder(results: Results, kind: str, subject: str) -> TargetResult:
    """Twice the connections never halve the throughput.

    Where a step is wider than that, four times the connections may quarter it; but then it can only be refuted.
    """
    cells = sorted(cell for cell in results.cells if cell == Cell("healthy", kind, cell.connections, subject))
    text = f"{kind.upper()}: twice the connections never halve the throughput"
    steps = [(less, more, results.ratio(more, less, per_s)) for less, more in itertools.pairwise(cells)]
    void = next((ratio.void for _, _, ratio in steps if ratio.void), "")
    if void or not steps:
        return TargetResult(text, void or NOT_MEASURED, VOID)
    # From 1/2 downwards is bad for a step of two, from 1/4 for one of four.
    slack, worst, median = min(
        (ratio.median * more.connections / less.connections, more.connections, ratio.median)
        for less, more, ratio in steps
    )
    counts = tuple(cell.connections for cell in cells)
    only = "" if counts == LADDER else "only "
    measured = f"{median:.2f} at worst, to {worst} ({only}{', '.join(map(str, counts))} measured)"
    if slack < 1:
        return TargetResult(text, measured, NOT_MET)
    return TargetResult(text, measured, MET if counts == LADDER else VOID)


def no_errors(results: Results, subject: str) -> TargetResult:
    """Neither errors nor 400s nor wrong answers, at any level, while all vaults are well."""
    healthy = [one for one in results.all if one.cell.contender == subject and one.cell.world == "healthy"]
    text = "no errors at any level, healthy"
    if not healthy:
        return TargetResult(text, NOT_MEASURED, VOID)
    bad = [one for one in healthy if one.errors or one.refused or one.wrong or one.trouble]
    if not bad:
        return TargetResult(text, f"none in {sum(one.ok for one in healthy)} answers", MET)
    worst = max(bad, key=lambda one: one.errors + one.refused + one.wrong)
    count = sum(one.errors + one.refused + one.wrong for one in bad)
    return TargetResult(text, f"{count} in {len(bad)} of {len(healthy)} measurements; most: {worst.cell}", NOT_MET)


def _verdict(text: str, figure: Figure, form: str, good: bool) -> TargetResult:
    if figure.void:
        return TargetResult(text, figure.void, VOID)
    measured = form.format(figure.median)
    if figure.least != figure.most:
        measured += f" ({figure.least:.3g} to {figure.most:.3g})"
    return TargetResult(text, measured, MET if good else NOT_MET)
