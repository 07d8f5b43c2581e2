"""``glitchgrid simulate``: runs of the real grid in a simulated world, one for each seed."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen

from glitchgrid.commands.bar import shown
from glitchgrid.commands.calling import command
from glitchgrid.commands.drawing import NO_DRAWINGS, Drawings
from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION, fail, run_to_its_end, tell
from glitchgrid.commands.files import prepare_directory
from glitchgrid.commands.keeping import keep_run, plan_name
from glitchgrid.commands.planfile import glitch_for, read_plan, shown_plan
from glitchgrid.commands.summary import Report, replay_line
from glitchgrid.http.status import VERSIONS
from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.campaign import Summary, run_campaign
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.campaign.tasks import Task, compared, found_with
from glitchgrid.lab.campaign.workers import workers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.place.environment import another_hash_seed
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.report.report import CAMPAIGN
from glitchgrid.lab.verdict import Verdict


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
    baseline: Path | None = None
    as_json: bool = False
    out: Path | None = None
    glitch: str | None = None
    drawings: Drawings = NO_DRAWINGS
    coverage: bool = False
    quiet: bool = False


def simulate(settings: Settings) -> NoReturn:
    """Run what was asked for, and exit with the verdict."""
    is_one = settings.plan is not None or settings.seed is not None
    run_to_its_end(partial(_replay if is_one else _campaign, settings))


def _replay(settings: Settings) -> int:
    """One run, every line of its trace, and the verdict."""
    run, glitch, again = _the_run(settings)
    _prepare_files(settings)
    with interruption.heeded():
        result = run(keep_trace=True)
        if settings.check_determinism:
            result = compared(result, run(hash_seed=another_hash_seed()))
    result = result if settings.plan is not None else found_with(result, glitch)
    again = again or replay_line(result, glitch)
    settings.drawings.draw(result, again, glitch)
    report = Report(glitch)
    report.take(result)
    if settings.as_json:
        print(json.dumps(report.as_json() | {"violations": [each | {"replay": again} for each in report.violations]}))
    else:
        if not settings.quiet and not settings.drawings.are_wanted:  # a picture has it
            sys.stdout.writelines(result.trace)
        for assumption in result.plan.breaks:
            print(f"the plan breaks an assumption: {assumption}")
        print(f"{result.verdict.value}: digest {result.digest}, {result.operations} operations, {result.events} events")
        for finding in result.findings:
            print(f"{finding.oracle}: {finding.message}")
    if settings.out is not None:
        keep_run(settings.out, result)
    return _status(report.summary)


def _the_run(settings: Settings) -> tuple[Callable[..., Result], str | None, str]:
    """What runs it, the glitch that is on, and the command that runs it again; empty where only the result tells."""
    if settings.plan is None:
        seed = str(settings.seed)
        return partial(run_seed, seed, settings.wanted.layout(seed), glitch=settings.glitch), settings.glitch, ""
    if settings.seed is not None:
        raise CannotRun("a plan has its seed: --seed and --plan exclude each other")
    plan = read_plan(settings.plan)
    glitch = glitch_for(plan, settings.glitch)
    return partial(run_plan, plan, glitch=glitch), glitch, shown_plan(settings.plan, plan, glitch)


def _campaign(settings: Settings) -> int:
    _prepare_files(settings)
    tasks = (
        Task(
            seed,
            settings.wanted.layout(str(seed)),
            settings.check_determinism,
            settings.out is not None,
            settings.glitch,
        )
        for seed in settings.seeds
    )
    baseline = None if settings.baseline is None else read_baseline(settings.baseline)
    report = Report(settings.glitch)
    is_whole = _run_all(settings, tasks, report)
    if settings.out is not None:
        kept = report.as_json() | report.stated() | {"about": _about(settings)}
        (settings.out / CAMPAIGN).write_text(json.dumps(kept), encoding="utf-8")
    if report.first is not None and is_whole:
        _draw_first(settings, report.first)
    if settings.as_json:
        print(json.dumps(report.as_json()))
    else:
        written = list(_kept(settings, report, is_whole=is_whole))
        report.show(coverage=settings.coverage, quiet=settings.quiet, kept=written)
    status = _status(report.summary)
    if not is_whole:
        tell(f"interrupted: {report.summary.seeds} of {len(settings.seeds)} seeds were run")
        return status if status == VIOLATION else CANNOT_SAY
    lost = [] if baseline is None else report.summary.lost(baseline)
    for each in lost:
        tell(f"reached before, and not any more: {each}")
    if lost:
        return VIOLATION
    if status == GOOD and settings.require_reach and report.summary.unreached:
        fail(f"never reached: {'; '.join(report.summary.unreached)}")
    return status


def _kept(settings: Settings, report: Report, *, is_whole: bool) -> Iterator[str]:
    """What was written, and where; and what can be done next, ready to be run."""
    out, first = settings.out, report.first
    if out is not None:
        runs = report.summary.verdicts[Verdict.VIOLATION]
        yield f"written: {out / CAMPAIGN}" + (f", and plan, history and trace of {runs} runs in {out}" if runs else "")
    if first is not None and is_whole and settings.drawings.are_wanted:
        yield f"drawn: seed {first.plan.seed}, in {settings.drawings}"
        if settings.drawings.html is not None:
            yield f"  {settings.drawings.html.absolute().as_uri()}"
    if first is None:
        return
    yield "next:"
    if out is not None:
        yield f"  {command('shrink', '--plan', str(out / plan_name(first.plan)), '--oracle', first.findings[0].oracle)}"
        yield f"  {command('report', str(out), '--html', str(out / 'report.html'))}"
    else:
        replay = replay_line(first, settings.glitch).partition(" simulate ")
        yield f"  {replay[0]} shrink {replay[2].removesuffix(' --check-determinism')}"


def _about(settings: Settings) -> dict[str, str]:
    """What a report says of where its campaign comes from."""
    about = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "command": command(*sys.argv[1:]),
        "seeds": f"{settings.seeds.start} to {settings.seeds.stop - 1}",
        "glitch": settings.glitch or "none",
    }
    return about | {name: VERSIONS[name] for name in sorted(VERSIONS)}


def _run_all(settings: Settings, tasks: Iterator[Task], report: Report) -> bool:
    """Run the tasks until they are done or somebody interrupts them. Returns which of these it was."""
    jobs = min(settings.jobs, len(settings.seeds))
    try:
        with closing(run_campaign(tasks, workers(jobs, settings.dask))) as campaign:
            for result in shown(campaign, len(settings.seeds)):
                report.take(result)
                if settings.out is not None and result.verdict is Verdict.VIOLATION:
                    keep_run(settings.out, result)
    except KeyboardInterrupt:
        return False
    return True


def read_baseline(path: Path) -> dict[str, Any]:
    """What another campaign has reached, as `--out` leaves it.

    :raises CannotRun: where the file has no such thing.
    """
    try:
        baseline = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotRun(f"--baseline {path}: it cannot be read: {error}") from error
    if not isinstance(baseline, dict) or not isinstance(baseline.get("reached"), list):
        raise CannotRun(f"--baseline {path}: it is no {CAMPAIGN} that simulate --out has left")
    return baseline


def _prepare_files(settings: Settings) -> None:
    """Find out whether all files can be written, before anything is run.

    :raises CannotRun: if one of them cannot be written.
    """
    settings.drawings.prepare()
    if settings.out is not None:
        prepare_directory(settings.out)


def _draw_first(settings: Settings, failure: Result) -> None:
    """Run the first failure again, to draw it, where that is wanted."""
    if not settings.drawings.are_wanted:
        return
    with interruption.heeded():
        result = run_plan(failure.plan, keep_trace=True, glitch=settings.glitch)
    settings.drawings.draw(result, replay_line(failure, settings.glitch), settings.glitch)


def _status(summary: Summary) -> int:
    if summary.verdicts[Verdict.VIOLATION]:
        return VIOLATION
    return GOOD if summary.verdicts[Verdict.PASSED] else CANNOT_SAY
