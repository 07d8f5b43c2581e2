"""``glitchgrid simulate``: runs of the real grid in a simulated world, one for each seed."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NoReturn

from attrs import frozen
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from glitchgrid.commands.drawing import NO_DRAWINGS, Drawings
from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION, fail, run_to_its_end
from glitchgrid.commands.planfile import read_plan, shown_plan
from glitchgrid.glitches import switched_on
from glitchgrid.lab.campaign.campaign import Summary, Task, compared, run_campaign
from glitchgrid.lab.campaign.plan import Wanted, encode_plan
from glitchgrid.lab.campaign.reach import LINES
from glitchgrid.lab.campaign.run import Result, Verdict, run_plan, run_seed
from glitchgrid.lab.campaign.workers import workers
from glitchgrid.lab.errors import CannotRun


@frozen
class Settings:
    """What was asked for. With `seed` or `plan` it is one run, with its trace; else a campaign over `seeds`."""

    seeds: range
    seed: int | None
    plan: Path | None
    wanted: Wanted
    jobs: int = 1
    dask: str | None = None
    check_determinism: bool = False
    require_reach: bool = False
    as_json: bool = False
    out: Path | None = None
    glitch: str | None = None
    drawings: Drawings = NO_DRAWINGS


def simulate(settings: Settings) -> NoReturn:
    """Run what was asked for, and exit with the verdict."""
    is_one = settings.plan is not None or settings.seed is not None
    run_to_its_end(partial(_replay if is_one else _campaign, settings))


def _replay(settings: Settings) -> int:
    """One run, every line of its trace, and the verdict."""
    if settings.plan is None:
        seed = str(settings.seed)
        run = partial(run_seed, seed, settings.wanted.layout(seed))
    elif settings.seed is None:
        run = partial(run_plan, read_plan(settings.plan))
    else:
        raise CannotRun("a plan has its seed: --seed and --plan exclude each other")
    with switched_on(settings.glitch):
        result = run(keep_trace=True)
        if settings.check_determinism:
            result = compared(result, run())
    settings.drawings.draw(result, _again(settings, result), settings.glitch)
    if settings.as_json:
        print(json.dumps(_as_json(Summary().and_also(result), [result], settings.glitch)))
    else:
        sys.stdout.writelines(result.trace)
        for assumption in result.plan.breaks:
            print(f"the plan breaks an assumption: {assumption}")
        print(f"{result.verdict.value}: digest {result.digest}, {result.operations} operations, {result.events} events")
        for finding in result.findings:
            print(f"{finding.oracle}: {finding.message}")
    if settings.out is not None:
        _keep(settings.out, result)
    return _status(Summary().and_also(result))


def _again(settings: Settings, result: Result) -> str:
    if settings.plan is None:
        return replay_line(result, settings.glitch)
    return shown_plan(settings.plan, settings.glitch)


def _campaign(settings: Settings) -> int:
    tasks = [
        Task(
            seed,
            settings.wanted.layout(str(seed)),
            settings.check_determinism,
            settings.out is not None,
            settings.glitch,
        )
        for seed in settings.seeds
    ]
    summary = Summary()
    failures: list[Result] = []
    for result in _shown(settings, run_campaign(tasks, workers(settings.jobs, settings.dask))):
        summary = summary.and_also(result)
        if result.verdict is Verdict.VIOLATION:
            failures.append(result)
            if settings.out is not None:
                _keep(settings.out, result)
    if settings.as_json:
        print(json.dumps(_as_json(summary, failures, settings.glitch)))
    else:
        _show(summary, failures, settings.glitch)
    if failures and settings.drawings.are_wanted:
        _draw_first(settings, failures[0])
    status = _status(summary)
    if status == GOOD and settings.require_reach and summary.unreached:
        fail(f"never reached: {'; '.join(summary.unreached)}")
    return status


def _draw_first(settings: Settings, failure: Result) -> None:
    """Run the first failure again, to draw it."""
    with switched_on(settings.glitch):
        result = run_plan(failure.plan, keep_trace=True)
    settings.drawings.draw(result, replay_line(result, settings.glitch), settings.glitch)


def _shown(settings: Settings, results: Iterator[Result]) -> Iterator[Result]:
    """The results as they come; a bar counts them where somebody looks."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(
            "{task.fields[per_second]:.1f} seeds/s, {task.fields[operations]} operations, "
            "{task.fields[faults]} faults, {task.fields[failures]} failures"
        ),
        TimeRemainingColumn(),
    )
    operations = faults = failures = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("seeds", total=len(settings.seeds), per_second=0.0, operations=0, faults=0, failures=0)
        began_s = monotonic()
        for count, result in enumerate(results, start=1):
            operations += result.operations
            faults += result.faults
            failures += result.verdict is Verdict.VIOLATION
            per_second = count / (monotonic() - began_s)
            progress.update(
                bar, completed=count, per_second=per_second, operations=operations, faults=faults, failures=failures
            )
            yield result


def _show(summary: Summary, failures: list[Result], glitch: str | None) -> None:
    said = ", ".join(f"{summary.verdicts[verdict]} {verdict.value}" for verdict in Verdict if summary.verdicts[verdict])
    print(f"{summary.seeds} seeds: {said}")
    print(f"{summary.operations} operations, {summary.faults.total()} faults; how often runs reached what they should:")
    for line in LINES:
        print(f"{summary.reached[line] or 'never':>9}  {line}")
    for result in failures:
        for finding in result.findings:
            print(f"seed {result.plan.seed}, {finding.oracle}: {finding.message}")
        print(f"  {replay_line(result, glitch)}")
    print(f"digest {summary.digest}")


def replay_line(result: Result, glitch: str | None) -> str:
    """The command that shows one run again."""
    layout = result.plan.layout
    return (
        f"glitchgrid simulate --seed {result.plan.seed} --steps {layout.steps} --vaults {layout.vaults}"
        f" --controls {layout.controls} --protocol {layout.protocol}" + (f" --glitch {glitch}" if glitch else "")
    )


def _as_json(summary: Summary, failures: list[Result], glitch: str | None) -> dict[str, object]:
    return {
        "seeds": summary.seeds,
        "verdicts": {verdict.value: summary.verdicts[verdict] for verdict in Verdict},
        "operations": summary.operations,
        "faults": summary.faults,
        "reach": {line: summary.reached[line] for line in LINES},
        "violations": [
            {
                "seed": result.plan.seed,
                "oracle": finding.oracle,
                "message": finding.message,
                "replay": replay_line(result, glitch),
            }
            for result in failures
            for finding in result.findings
        ],
        "digest": summary.digest,
    }


def _status(summary: Summary) -> int:
    if summary.verdicts[Verdict.VIOLATION]:
        return VIOLATION
    return GOOD if summary.verdicts[Verdict.PASSED] else CANNOT_SAY


def _keep(out: Path, result: Result) -> None:
    """Leave a run's plan, history and trace in files."""
    out.mkdir(parents=True, exist_ok=True)
    stem = f"seed-{result.plan.seed}"
    (out / f"{stem}.plan.json").write_text(encode_plan(result.plan), encoding="utf-8")
    (out / f"{stem}.history.jsonl").write_text(result.history, encoding="utf-8")
    (out / f"{stem}.trace").write_text("".join(result.trace), encoding="utf-8", errors="backslashreplace")
