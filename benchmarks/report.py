"""The results as files: raw figures in JSON, a page of tables in Markdown."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from benchmarks.results import BASELINE, NOT_MEASURED, Cell, Figure, Measurement, Results, p50_ms, p99_ms, per_s
from benchmarks.targets import VOID, TargetResult

HUNDRED = 100
RATIOS_TO = (BASELINE, "etcd")


@frozen
class Run:
    """A finished run, or one that was interrupted: what was measured, on what, how."""

    command: str
    when: str
    machine: dict[str, str]
    labels: dict[str, str]
    subject: str
    notes: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    verdicts: tuple[TargetResult, ...]

    @property
    def results(self) -> Results:
        return Results(self.measurements)


def write_json(run: Run, path: Path) -> None:
    path.write_text(json.dumps(asdict(run), indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Run:
    """What `write_json` wrote, so that tables and pictures can be made again."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    measurements = tuple(Measurement(Cell(**one.pop("cell")), **one) for one in raw.pop("measurements"))
    verdicts = tuple(TargetResult(**one) for one in raw.pop("verdicts"))
    return Run(**raw | {"notes": tuple(raw["notes"])}, measurements=measurements, verdicts=verdicts)


def write_markdown(run: Run, path: Path, picture: str) -> None:
    path.write_text("\n".join(_page(run, picture)) + "\n", encoding="utf-8")


def _page(run: Run, picture: str) -> Iterator[str]:
    yield from ("# What `make bench` measured", "")
    yield f"Written by `{run.command}` on {run.when}; `performance.json` has every figure of every round."
    yield ""
    yield from (f"- {name}: {text}" for name, text in run.machine.items())
    yield from (f"- {note}" for note in run.notes)
    yield from ("", f"![Requests a second and p99]({picture})", "", "## Targets", "")
    yield from targets_table(run.verdicts)
    yield from ("", "## Figures", "")
    yield (
        "Medians of the rounds. req/s counts right answers with status 200 and nothing else; p50 and p99 are of all"
        " answers. Ratios are of the same round (median; least to most). Errors are other statuses, broken"
        " connections and time-outs, of all rounds."
    )
    for world in dict.fromkeys(cell.world for cell in run.results.cells):
        yield from ("", f"### {world.capitalize()}", "")
        yield from _cells_table(run, world)
    yield from ("", "## Memory and processors", "")
    yield (
        "The most that was resident after any cell, in MB; the busiest that it was over a cell, in cores. wrk has one"
        " thread: where it comes near to 1 it is wrk that was measured."
    )
    yield ""
    yield from _processes_table(run)


def targets_table(verdicts: Sequence[TargetResult]) -> Iterator[str]:
    yield from ("| target | measured | |", "|---|---|---|")
    for one in verdicts:
        verdict = one.verdict if one.verdict == VOID else f"**{one.verdict}**"
        yield f"| {one.target} | {_plain(one.measured)} | {verdict} |"


def _cells_table(run: Run, world: str) -> Iterator[str]:
    results = run.results
    present = [name for name in RATIOS_TO if name in run.labels]
    ratios = "".join(f" / {name} |" for name in present)
    yield f"| connections | | | req/s | p50 ms | p99 ms | 400s | errors |{ratios}"
    yield "|---|---|---|---|---|---|---|---|" + "---|" * len(present)
    order = list(run.labels)
    cells = [cell for cell in results.cells if cell.world == world]
    for cell in sorted(cells, key=lambda cell: (_kind_order(cell), cell.connections, order.index(cell.contender))):
        yield _line(run, cell, present)


def _line(run: Run, cell: Cell, ratios_to: Sequence[str]) -> str:
    results = run.results
    rounds = results.rounds(cell)
    head = f"| {cell.connections} | {cell.kind.upper()} | {run.labels[cell.contender]} |"
    void = results.void(cell)
    if void:
        return f"{head} void: {_plain(void.partition(': ')[2])} |" + " |" * (4 + len(ratios_to))
    figures = [
        f"{results.figure(cell, per_s).median:.0f}",
        _latency(results.figure(cell, p50_ms).median),
        _latency(results.figure(cell, p99_ms).median),
        str(sum(one.refused for one in rounds)),
        str(sum(one.errors for one in rounds)),
    ]
    figures += [
        "" if cell.contender == name else _ratio(results.ratio(cell, cell.by(name), per_s)) for name in ratios_to
    ]
    return f"{head} {' | '.join(figures)} |"


def _latency(ms: float) -> str:
    return "none" if ms == math.inf else f"{ms:.1f}"


def _ratio(figure: Figure) -> str:
    if figure.void:
        return "void" if figure.void != NOT_MEASURED else ""
    spread = f" ({_short(figure.least)} to {_short(figure.most)})" if figure.least != figure.most else ""
    return f"{_short(figure.median)}{spread}"


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= HUNDRED else f"{ratio:.2f}"


def _processes_table(run: Run) -> Iterator[str]:
    yield from ("| | process | MB | cores |", "|---|---|---|---|")
    for contender, label in run.labels.items():
        theirs = [one for one in run.measurements if one.cell.contender == contender]
        for name in sorted({name for one in theirs for name in one.busy}):
            cores = max(one.busy.get(name, 0.0) for one in theirs)
            held = max(one.resident_mb.get(name, 0.0) for one in theirs)
            yield f"| {label} | {name} | {f'{held:.1f}' if held else ''} | {cores:.2f} |"


def _kind_order(cell: Cell) -> int:
    return ("get", "post", "mixed").index(cell.kind)


def _plain(text: str) -> str:
    return text.replace("|", "/")
