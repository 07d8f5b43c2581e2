"""What the properties cost that control and the vaults state of themselves: the grid with and without them, in turns.

They are evaluated at every request, and written down nowhere (no ANTITHESIS_SDK_LOCAL_OUTPUT), as in production.
"""

import functools
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.contenders import Contender, start_grid, twistd
from benchmarks.dialects import GridDialect
from benchmarks.plan import Load, Plan
from benchmarks.results import Cell, Figure, Measurement, Quantity, Results, per_s
from benchmarks.run import measure

WITH, WITHOUT = "with", "without"
CONNECTIONS = 64
KINDS = ("get", "post", "mixed")
LOSS_MAX = 0.03
TURNS = 8
"""So often the two are compared before they are started anew: what a start brings along stays with it."""

RESAMPLES = 2000
CONFIDENCE = 0.95


def _program(which: str, program: str, port: int, vaults: Sequence[int], directory: Path) -> list[str]:
    command = twistd("atomic")(program, port, vaults, directory)
    return [sys.executable, "-m", "benchmarks.bare", which, *command[1:]]


def contenders() -> dict[str, Contender]:
    return {
        name: Contender(
            name,
            f"grid, {name} properties",
            GridDialect(),
            True,
            functools.partial(start_grid, functools.partial(_program, name)),
        )
        for name in (WITH, WITHOUT)
    }


def plan(seconds: int, rounds: int) -> Plan:
    return Plan(tuple(Load("healthy", kind, CONNECTIONS, (WITH, WITHOUT)) for kind in KINDS), seconds, rounds)


def servers_us(measurement: Measurement) -> float:
    """Microseconds of a core that control and the vaults together spend on an answer."""
    busy = sum(share for name, share in measurement.busy.items() if name != "wrk")
    return busy * measurement.seconds * 1e6 / max(1, measurement.ok)


@frozen
class Cost:
    """Of one kind of load. Ratios are with / without, each of one round."""

    kind: str
    with_per_s: float
    without_per_s: float
    throughput: Figure
    processor: Figure


def measured_cost(planned: Plan, scratch: Path, show: Callable[[Measurement], None]) -> list[Cost]:
    """:raises CannotMeasure: when a grid does not come up."""
    measurements: list[Measurement] = []

    def keep(one: Measurement) -> None:
        measurements.append(one)
        show(one)

    measure(planned, contenders(), scratch, keep, TURNS)
    results = Results(measurements)
    costs: list[Cost] = []
    for kind in KINDS:
        with_, without = (Cell("healthy", kind, CONNECTIONS, name) for name in (WITH, WITHOUT))
        costs.append(
            Cost(
                kind,
                results.figure(with_, per_s).median,
                results.figure(without, per_s).median,
                spread(results, with_, without, per_s),
                spread(results, with_, without, servers_us),
            )
        )
    return costs


def spread(results: Results, above: Cell, below: Cell, quantity: Quantity) -> Figure:
    """The median of the ratios, each of one turn, and its interval of confidence: 95%, by the percentile bootstrap."""
    void = results.void(above) or results.void(below)
    if void:
        return Figure(void=void)
    ratios = [
        quantity(one) / quantity(other)
        for one, other in zip(results.rounds(above), results.rounds(below), strict=True)
        if quantity(other) > 0
    ]
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    tail = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return Figure(statistics.median(ratios), medians[tail], medians[-1 - tail])


def as_markdown(costs: Sequence[Cost], command: str, when: str, machine: Sequence[str], planned: Plan) -> str:
    lines = [
        "# What the properties cost",
        "",
        (
            f"Written by `{command}` on {when}: {planned.rounds} starts, {TURNS} times {planned.seconds} s a cell after"
            f" each, {CONNECTIONS} connections, the grid with its properties and without (taken out of the source as it"
            " is loaded,"
            " conditions and details too) up side by side and measured in turns. No output is configured."
        ),
        "",
        *(f"- {line}" for line in machine),
        "",
        (
            "Ratios are with / without, of two cells that follow one another: the median of all, and in brackets"
            " where it would lie, 95 times in 100, if as many were drawn from these again (bootstrap)."
        ),
        "",
        "| load | req/s with | req/s without | throughput | processor time of the servers for an answer |",
        "|---|---|---|---|---|",
    ]
    for cost in costs:
        cells = (cost.kind.upper(), f"{cost.with_per_s:.0f}", f"{cost.without_per_s:.0f}")
        lines.append(f"| {' | '.join(cells)} | {_shown(cost.throughput)} | {_shown(cost.processor)} |")
    worst = min((cost.throughput.median for cost in costs if not cost.throughput.void), default=0.0)
    met = "met" if worst >= 1 - LOSS_MAX else "**not met**"
    lines += ["", f"Target: at most {LOSS_MAX:.0%} of throughput. At worst {1 - worst:.1%} here: {met}.", ""]
    return "\n".join(lines)


def _shown(figure: Figure) -> str:
    return figure.void or f"{figure.median:.3f} ({figure.least:.3f} to {figure.most:.3f})"
