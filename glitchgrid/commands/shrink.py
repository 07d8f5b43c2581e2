"""``glitchgrid shrink``: the smallest plan and workload that still fail in the same way."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from attrs import frozen
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from glitchgrid.commands.drawing import NO_DRAWINGS, Drawings
from glitchgrid.commands.ending import VIOLATION, run_to_its_end
from glitchgrid.commands.files import prepare_directory
from glitchgrid.commands.planfile import glitch_for, read_plan, shown_plan
from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.campaign import run_campaign
from glitchgrid.lab.campaign.shrink import NothingToShrink, Shrunk, shrink
from glitchgrid.lab.campaign.tasks import Task
from glitchgrid.lab.campaign.workers import workers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.register.plans import grid_of, habits_of
from glitchgrid.lab.verdict import Verdict

FAULTS_TOLD_MAX = 20


@frozen
class Settings:
    """What is to be shrunk: a plan, or the run of a seed, or the first of `seeds` that fails."""

    seeds: range
    seed: int | None
    plan: Path | None
    wanted: Wanted
    glitch: str | None
    out: Path
    oracle: str | None = None
    jobs: int = 1
    dask: str | None = None
    drawings: Drawings = NO_DRAWINGS


def shrink_command(settings: Settings) -> NoReturn:
    """Shrink what was asked for, and exit with 1: it fails still."""
    run_to_its_end(partial(_shrink, settings))


def _shrink(settings: Settings) -> int:
    settings.drawings.prepare()
    prepare_directory(settings.out)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("looking for a run that fails", total=None, said="")
        plan = _plan(settings, lambda seeds: progress.update(bar, said=f"{seeds} seeds"))
        glitch = glitch_for(plan, settings.glitch)
        oracle = settings.oracle or plan.found_with.oracle or None
        began_with = max(1, len(plan.faults))
        progress.update(bar, description="shrinking", total=began_with)

        def went_on(runs: int, faults: int) -> None:
            progress.update(bar, completed=began_with - faults, said=f"{runs} runs, {faults} faults left")

        try:
            with interruption.heeded():
                shrunk = shrink(plan, glitch, went_on, oracle)
        except NothingToShrink as error:
            raise CannotRun(_nothing(str(error), oracle)) from error
    path = settings.out / f"seed-{plan.seed}.shrunk.json"
    path.write_text(encode_plan(shrunk.result.plan), encoding="utf-8")
    again = shown_plan(path, shrunk.result.plan, glitch)
    settings.drawings.draw(shrunk.result, again, glitch)
    _show(plan, shrunk, again)
    return VIOLATION


def _plan(settings: Settings, looked_at: Callable[[int], object]) -> Plan:
    """The plan that is to be shrunk. `looked_at` is told how many seeds were run to find it."""
    if settings.plan is not None:
        if settings.seed is not None:
            raise CannotRun("a plan has its seed: --seed and --plan exclude each other")
        return read_plan(settings.plan)
    seeds = settings.seeds if settings.seed is None else range(settings.seed, settings.seed + 1)
    tasks = (Task(seed, settings.wanted.layout(str(seed)), glitch=settings.glitch) for seed in seeds)
    results = run_campaign(tasks, workers(min(settings.jobs, len(seeds)), settings.dask))
    for count, result in enumerate(results, start=1):
        looked_at(count)
        if result.verdict is Verdict.VIOLATION and result.is_found_by(settings.oracle):
            results.close()
            return result.plan
    if settings.seed is not None:
        raise CannotRun(_nothing(result.verdict.value, settings.oracle))
    by = f" by the oracle {settings.oracle}" if settings.oracle else ""
    raise CannotRun(f"there is nothing to shrink: none of these {len(seeds)} runs fails{by}")


def _nothing(verdict: str, oracle: str | None) -> str:
    by = f", and the oracle {oracle} finds nothing in it" if oracle else ""
    return f"there is nothing to shrink: this run's verdict is {verdict}{by}"


def _show(plan: Plan, shrunk: Shrunk, again: str) -> None:
    small, finding = shrunk.result.plan, shrunk.finding
    print(f"{finding.oracle}: {finding.message}")
    print(f"was:  {_size(plan)} (seed {plan.seed})")
    stopped = "; interrupted, it may get smaller still" if shrunk.is_interrupted else ""
    print(f"is:   {_size(small)}, after {shrunk.runs} runs{stopped}")
    for planned in small.faults[:FAULTS_TOLD_MAX]:
        print(f"  at {planned.at_ms / 1000:g} s, for {planned.for_ms / 1000:g} s: {planned.fault}")
    if len(small.faults) > FAULTS_TOLD_MAX:
        print(f"  and {len(small.faults) - FAULTS_TOLD_MAX} more, which are in the plan")
    print(f"first difference: {shrunk.first_difference}")
    print(f"  {again}")


def _size(plan: Plan) -> str:
    layout = grid_of(plan)
    return (
        f"faults {len(plan.faults)}, vaults {layout.vaults}, controls {layout.controls},"
        f" clients {habits_of(plan).clients}, writes {layout.steps}"
    )
