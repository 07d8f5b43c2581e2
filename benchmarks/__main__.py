"""`python -m benchmarks`: the command line."""

import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from twisted.internet.defer import ensureDeferred

from benchmarks import compare, counted, machine, porcupine, properties, secured, wires
from benchmarks.beside import measure_beside
from benchmarks.contenders import CHECKOUT, WORLDS, Contender, contenders, missing_packages
from benchmarks.errors import CannotMeasure
from benchmarks.histories import SIZES, histories_report, measure_histories, measure_sizes, porcupine_figures
from benchmarks.plan import CONNECTIONS, KINDS, Plan, full_plan, quick_plan
from benchmarks.plot import write_svg
from benchmarks.profiling import HOWS, Spent, profile
from benchmarks.report import Run, read_json, write_json, write_markdown
from benchmarks.results import Measurement, Results
from benchmarks.run import measure
from benchmarks.simulation import measure_simulation
from benchmarks.targets import MET, NOT_MET, VOID, TargetResult, judge

SUBJECTS = ("atomic", "classic")
"""Whose targets are judged, and who climbs the ladder: the first of these that was measured."""

SCRATCH = Path("/var/tmp")  # noqa: S108 - in a directory of our own there; /tmp may be in memory
DOCS = CHECKOUT / "docs" / "measured"
BUILD = CHECKOUT / "build" / "bench"
CANNOT_SAY = 2
TOP = 40

HERE, ABSENT = contenders()
NAMES = tuple(one.name for one in HERE)


def _listed(*known: str) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    """Reads an option that is a comma-separated list of known words."""

    def read(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(value.split(",")))
        strange = [word for word in words if word not in known]
        if strange:
            raise click.BadParameter(f"{strange[0]!r} is none of {', '.join(known)}")
        return words

    return read


def _counts(_: click.Context, __: click.Parameter, value: str) -> tuple[int, ...]:
    words = value.split(",")
    if not all(word.isascii() and word.isdigit() and int(word) for word in words):
        raise click.BadParameter(f"{value!r} is no comma-separated list of numbers from 1")
    return tuple(sorted({int(word) for word in words}))


_directory: Any = click.Path(exists=True, file_okay=False, path_type=Path)
_scratch = click.option("--scratch", type=_directory, default=SCRATCH, help="Where the data is while it runs: a disk.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """How fast the grid is, beside a threaded one and etcd, with wrk.

    Exit status: 0 it was measured, whatever the figures say; 2 it could not be.
    """
    # A killed benchmark ends by an exception, so that its servers and directories go with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@main.command()
@click.option(
    "--quick", is_flag=True, help="Two minutes: a choice of loads of its own, one short round, not into docs/measured/."
)
@click.option("--contenders", "names", callback=_listed(*NAMES), default=",".join(NAMES))
@click.option("--worlds", callback=_listed(*WORLDS), default=",".join(WORLDS), help="What one of the vaults does.")
@click.option("--kinds", callback=_listed(*KINDS), default=",".join(KINDS), help="mixed: nine reads to a write.")
@click.option("--connections", callback=_counts, default=",".join(map(str, CONNECTIONS)))
@click.option("--ladder/--no-ladder", default=True, help="1 to 1,024 connections, for the grid.")
@click.option(
    "--seconds", type=click.IntRange(1, 600), help="Of each cell.  [default: 5; quick: 2]", show_default=False
)
@click.option("--rounds", type=click.IntRange(1, 100), help="[default: 3; quick: 1]", show_default=False)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the report goes.  [default: docs/measured; quick: build/bench]",
    show_default=False,
)
@_scratch
def run(
    quick: bool,
    names: tuple[str, ...],
    worlds: tuple[str, ...],
    kinds: tuple[str, ...],
    connections: tuple[int, ...],
    ladder: bool,
    seconds: int | None,
    rounds: int | None,
    output: Path | None,
    scratch: Path,
) -> None:
    """Measure, and write performance-table.md, performance.svg and performance.json."""
    _refuse_without(missing_packages(names))
    climber = _subject(names) if ladder else ""
    if quick:
        plan = quick_plan(names, seconds or 2, rounds or 1)
    else:
        plan = full_plan(names, worlds, kinds, connections, climber, seconds or 5, rounds or 3)
    console = Console()
    notes = [f"{name} is left out: this checkout has no such protocol" for name in ABSENT]
    console.print(f"{plan.count} cells of {plan.seconds} s, about {plan.estimated_s / 60:.0f} min.", highlight=False)
    for note in notes:
        console.print(f"Note: {note}.", highlight=False)
    load_before = f"{os.getloadavg()[0]:.1f} before"
    started_s = time.monotonic()
    measurements, trouble = _measured(plan, scratch, console)
    if not measurements:
        _give_up(trouble)
    if trouble:
        notes.append(f"UNFINISHED: {trouble}")
    took = f"{plan.rounds} round(s) of {plan.seconds} s a cell, {(time.monotonic() - started_s) / 60:.1f} min in all"
    subject = _subject(names)
    finished = Run(
        command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        when=time.strftime("%Y-%m-%d"),
        machine=machine.described(scratch, names, CHECKOUT) | {"load average": load_before, "run": took},
        labels={one.name: one.label for one in HERE if one.name in names},
        subject=subject,
        notes=tuple(notes),
        measurements=tuple(measurements),
        verdicts=tuple(judge(Results(measurements), subject)),
    )
    # What is not whole never takes the place of figures that are.
    directory = BUILD if trouble else output or (BUILD if quick else DOCS)
    _write(finished, directory)
    console.print(_verdicts(finished.verdicts, subject))
    console.print(
        f"{directory}: performance-table.md, performance.svg, performance.json", highlight=False, soft_wrap=True
    )
    if trouble:
        _give_up(trouble)


@main.command()
@click.argument("directory", type=_directory, default=DOCS)
def render(directory: Path) -> None:
    """Write table and picture anew from the performance.json in DIRECTORY."""
    _write(read_json(directory / "performance.json"), directory)


@main.command("profile")
@click.option("--protocol", type=click.Choice([name for name in NAMES if name in SUBJECTS]), default=None)
@click.option("--world", type=click.Choice(WORLDS), default="healthy")
@click.option("--kind", type=click.Choice(KINDS), default="get")
@click.option("--connections", type=click.IntRange(1, 10_000), default=64)
@click.option("--seconds", type=click.IntRange(1, 600), default=10)
@click.option("--how", type=click.Choice(HOWS), default="sample", help="cprofile counts calls too, and distorts.")
@click.option("--top", type=click.IntRange(1, 1000), default=TOP, help="How many functions are listed.")
@_scratch
def profile_command(
    protocol: str | None, world: str, kind: str, connections: int, seconds: int, how: str, top: int, scratch: Path
) -> None:
    """Where control's time goes under load: by function and by package."""
    _refuse_without(missing_packages(()))
    try:
        found = profile(protocol or _subject(NAMES), world, kind, connections, seconds, how, scratch)
    except CannotMeasure as error:
        _give_up(str(error))
    load = found.load
    # Wide enough for whole names where the output goes into a file.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(_spent("Packages, by their own time", sorted(found.packages, key=lambda one: -one.own)))
    console.print(_spent("Functions, by their own time", sorted(found.functions, key=lambda one: -one.own)[:top]))
    by_inclusive = sorted(found.functions, key=lambda one: -one.inclusive)[:top]
    console.print(_spent("Functions, by the time below them too", by_inclusive))
    console.print(
        f"{load.ok / load.seconds:.0f} req/s, p50 {load.p50_ms:.1f} ms, p99 {load.p99_ms:.1f} ms, while it was watched",
        highlight=False,
    )


@main.command("simulation")
@click.option("--seeds", type=click.IntRange(10, 100_000), default=1000, help="Runs of 20 writes; a tenth are of 100.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=DOCS,
    help="Where simulation-speed.md goes.",
)
def simulation_command(seeds: int, output: Path) -> None:
    """How many simulated runs a minute of processor time is good for, where it goes, and whether memory grows."""
    console = Console()
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        found = measure_simulation(seeds, lambda done, total: progress.update(task, completed=done, total=total))
    output.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["scripts/bench", *sys.argv[1:]])
    report = found.as_markdown(command, time.strftime("%Y-%m-%d"), machine.processor(), machine.interpreter())
    (output / "simulation-speed.md").write_text(report, encoding="utf-8")
    click.echo(report)


@main.command("simulation-beside")
@click.argument("other", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seeds", type=click.IntRange(1, 10_000), default=50, help="Of the campaign.")
@click.option("--rounds", type=click.IntRange(1, 100), default=4, help="So often both run it, in turns.")
def simulation_beside_command(other: Path, seeds: int, rounds: int) -> None:
    """A campaign by this checkout and by OTHER, a checkout of another version, in turns."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        try:
            found = measure_beside(
                other, seeds, rounds, lambda done, total: progress.update(task, completed=done, total=total)
            )
        except CannotMeasure as error:
            _give_up(str(error))
    click.echo(found.as_text())


@main.command("properties")
@click.option("--seconds", type=click.IntRange(1, 600), default=1, help="Of each cell.")
@click.option("--rounds", type=click.IntRange(1, 100), default=10, help="So often all are started anew.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=DOCS,
    help="Where properties-cost.md goes.",
)
@_scratch
def properties_command(seconds: int, rounds: int, output: Path, scratch: Path) -> None:
    """What the properties cost that the servers state of themselves: the grid with and without them, in turns."""
    _refuse_without(missing_packages(()))
    planned = properties.plan(seconds, rounds)
    try:
        machine.must_be_a_disk(scratch)
        with _shown(Console(), planned.count * properties.TURNS) as show:
            costs = properties.measured_cost(planned, scratch, show)
    except CannotMeasure as error:
        _give_up(str(error))
    command = shlex.join(["scripts/bench", *sys.argv[1:]])
    where = (machine.processor(), machine.interpreter())
    report = properties.as_markdown(costs, command, time.strftime("%Y-%m-%d"), where, planned)
    output.mkdir(parents=True, exist_ok=True)
    (output / "properties-cost.md").write_text(report, encoding="utf-8")
    click.echo(report)


@main.command("histories")
@click.argument("directory", type=_directory, required=False)
@click.option(
    "--porcupine", "checkout", type=_directory, help="A checkout of github.com/anishathalye/porcupine, to compare with."
)
@click.option("--sizes", callback=_counts, default=",".join(map(str, SIZES)), help="Of random histories.")
@click.option("--record", is_flag=True, help="Keep Porcupine's figures, for where it is not there.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=DOCS,
    help="Where histories-speed.md goes.",
)
def histories_command(
    directory: Path | None, checkout: Path | None, sizes: tuple[int, ...], record: bool, output: Path
) -> None:
    """The checker: is it right on the histories of DIRECTORY, by its table of verdicts, and how fast is it?

    Exits with 1 when a verdict is another one than the table has.
    """
    console = Console()
    try:
        with porcupine.built(checkout) if checkout is not None else nullcontext() as beside:
            every = measure_histories(directory, beside, console) if directory is not None else []
            wholes = list(measure_sizes(sizes, beside))
    except CannotMeasure as error:
        _give_up(str(error))
    if record:
        porcupine.record(porcupine_figures(every, wholes))
    named = (" DIRECTORY" if directory else "") + (" --porcupine CHECKOUT" if checkout else "")
    about = [
        f"Written by `scripts/bench histories{named}` on {time.strftime('%Y-%m-%d')}.",
        f"{machine.processor()}; Python {machine.interpreter()}.",
    ]
    report = histories_report(every, wholes, porcupine.recorded(), about)
    output.mkdir(parents=True, exist_ok=True)
    (output / "histories-speed.md").write_text(report, encoding="utf-8")
    click.echo(report, nl=False)
    sys.exit(any(not each.agrees for each in every))


def _in_turns(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a comparison: two grids, side by side, in turns."""
    for option in (
        click.option("--connections", default="64", show_default=True, callback=_counts, help="A list, such as 1,64."),
        click.option("--seconds", type=click.IntRange(1, 600), default=1, show_default=True, help="Of each cell."),
        click.option(
            "--rounds",
            type=click.IntRange(1, 100),
            default=4,
            show_default=True,
            help="So often both are started anew.",
        ),
        _scratch,
    ):
        command = option(command)
    return command


@main.command("compare")
@click.argument("other", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@_in_turns
def compare_command(other: Path, connections: tuple[int, ...], seconds: int, rounds: int, scratch: Path) -> None:
    """This checkout beside OTHER, another checkout of the grid: requests a second, in turns, as a ratio.

    Exits with 1 where this one has less than 0.97 of the other's.
    """
    if not (other / "glitchgrid").is_dir():
        _give_up(f"{other} is no checkout of the grid: it has no glitchgrid/")
    planned = compare.plan(connections, seconds, rounds)
    _compare(planned, compare.contenders(CHECKOUT, other), scratch, compare.LEAST)


@main.command("metrics")
@click.option("--connections", default="64", callback=_counts, help="A list, such as 1,64.")
@click.option("--seconds", type=click.IntRange(10, 3600), default=60, help="Of each load.")
@_scratch
def metrics_command(connections: tuple[int, ...], seconds: int, scratch: Path) -> None:
    """A grid whose servers count in one quarter of a second and don't in the next: requests a second, as a ratio.

    Exits with 1 where they have less than 0.98 with metrics of what they have without.
    """
    _refuse_without(missing_packages(()))
    console = Console(stderr=True)
    costs: list[counted.Cost] = []
    try:
        machine.must_be_a_disk(scratch)
        with tempfile.TemporaryDirectory(prefix="glitchgrid-bench-", dir=scratch) as directory:
            for kind in counted.KINDS:
                for count in connections:
                    with console.status(f"{kind.upper()} over {count} connections, {seconds} s"):
                        costs.append(counted.measured(kind, count, seconds, Path(directory)))
                    click.echo(str(costs[-1]))
    except CannotMeasure as error:
        _give_up(str(error))
    sys.exit(any(each.throughput.median < counted.LEAST for each in costs))


@main.command("machines")
@click.option("--rounds", type=click.IntRange(1, 100), default=3)
def machines_command(rounds: int) -> None:
    """Real machines of our own: what the switch between them carries, how late, and what a disk of FUSE takes.

    Exits with 1 below 300 Mbit/s or 20,000 frames a second, or where the switch adds more than 0.3 ms.
    """
    from twisted.internet.task import react  # noqa: PLC0415 - it installs a reactor

    async def measure(reactor: Any) -> None:
        try:
            found = await wires.measured(reactor, rounds)
        except CannotMeasure as error:
            _give_up(str(error))
        click.echo(str(found))
        sys.exit(not found.are_met)

    react(lambda reactor: ensureDeferred(measure(reactor)))


@main.command("tls")
@_in_turns
def tls_command(connections: tuple[int, ...], seconds: int, rounds: int, scratch: Path) -> None:
    """A grid with TLS everywhere beside one without: requests a second, in turns, as a ratio.

    Exits with 1 where it has less than 0.6 of the other's.
    """
    with tempfile.TemporaryDirectory() as certificates:
        two = secured.contenders(Path(certificates))
        _compare(secured.plan(connections, seconds, rounds), two, scratch, secured.LEAST)


def _compare(planned: Plan, two: Mapping[str, Contender], scratch: Path, least: float) -> NoReturn:
    """Measure, print the ratios, and exit with 1 where the first one has less than that of the second one's."""
    _refuse_without(missing_packages(()))
    try:
        machine.must_be_a_disk(scratch)
        with _shown(Console(), planned.count * compare.TURNS) as show:
            found = compare.compared(planned, two, scratch, show)
    except CannotMeasure as error:
        _give_up(str(error))
    for each in found:
        click.echo(str(each))
    sys.exit(any(not each.ratio.void and each.ratio.median < least for each in found))


def _subject(names: Sequence[str]) -> str:
    return next((name for name in SUBJECTS if name in names), names[0])


def _write(finished: Run, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    write_json(finished, directory / "performance.json")
    write_svg(finished, directory / "performance.svg")
    write_markdown(finished, directory / "performance-table.md", "performance.svg")


def _measured(plan: Plan, scratch: Path, console: Console) -> tuple[list[Measurement], str]:
    """What was measured, and why that is not all; empty where it is."""
    measurements: list[Measurement] = []
    try:
        machine.must_be_a_disk(scratch)
        with _shown(console, plan.count) as show:

            def keep(one: Measurement) -> None:
                measurements.append(one)
                show(one)

            measure(plan, {one.name: one for one in HERE}, scratch, keep)
    except CannotMeasure as error:
        return measurements, str(error)
    except KeyboardInterrupt:
        return measurements, "interrupted"
    return measurements, ""


@contextmanager
def _shown(console: Console, total: int) -> Iterator[Callable[[Measurement], None]]:
    """Shows each measurement: a line, and on a terminal a bar below the lines."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)

        def show(one: Measurement) -> None:
            what = f"round {one.round + 1}  {one.cell.world:8}{one.cell.kind:6}{one.cell.connections:>5}  "
            figures = f"{one.per_s:7.0f} req/s  p50 {one.p50_ms:7.1f}  p99 {one.p99_ms:7.1f} ms"
            troubles = {"400s": one.refused, "errors": one.errors}
            seen = "".join(f"  {count} {name}" for name, count in troubles.items() if count)
            line = f"{what}{one.cell.contender:9}{figures}{seen}" + (f"  VOID: {one.void}" if one.void else "")
            progress.console.print(Text(line, "red" if one.void else ""), soft_wrap=True)
            progress.advance(task)

        yield show


def _verdicts(verdicts: Sequence[TargetResult], subject: str) -> Table:
    table = Table(title=f"Targets, for {subject}", title_justify="left")
    for heading in ("target", "measured", ""):
        table.add_column(heading, overflow="fold")
    styles = {MET: "green", NOT_MET: "red", VOID: "yellow"}
    for one in verdicts:
        table.add_row(one.target, Text(one.measured), Text(one.verdict, styles[one.verdict]))
    return table


def _spent(title: str, lines: Sequence[Spent]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("own", "with below", "calls", ""):
        table.add_column(heading, justify="left" if not heading else "right", overflow="fold")
    for one in lines:
        table.add_row(f"{one.own:.1%}", f"{one.inclusive:.1%}", str(one.calls or "-"), Text(one.name))
    return table


def _refuse_without(packages: Sequence[str]) -> None:
    if packages:
        _give_up(f"missing packages, as root: apt-get install --no-install-recommends {' '.join(packages)}")


def _give_up(reason: str) -> NoReturn:
    click.echo(f"bench: {reason}", err=True)
    sys.exit(CANNOT_SAY)


if __name__ == "__main__":
    main()
