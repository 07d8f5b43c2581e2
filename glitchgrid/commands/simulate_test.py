"""``glitchgrid simulate --test``: campaigns of anyone's simulated test."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from attrs import define, field, frozen

from glitchgrid.commands.bar import shown
from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION, run_to_its_end, tell
from glitchgrid.commands.files import prepare_directory
from glitchgrid.commands.keeping import keep_run
from glitchgrid.commands.summary import FAILURES_TOLD_MAX
from glitchgrid.lab.campaign.campaign import Summary, run_campaign
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.tasks import Task
from glitchgrid.lab.campaign.workers import workers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.report.causes import told
from glitchgrid.lab.verdict import Verdict
from glitchgrid.testing.elsewhere import find
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.system import TESTS, TestLayout

FOR_THE_GRID = (
    "glitch", "baseline", "perfetto", "vaults", "controls", "require_reach", "plan", "html", "coverage", "quiet",
)  # fmt: skip
"""Options of ``simulate`` that say nothing of a test; pytest draws a test's run, and runs its plan."""


@frozen
class Settings:
    """What was asked for. With `seed` it is one run, with its trace; else a campaign over `seeds`."""

    test: str
    seeds: range
    seed: int | None = None
    jobs: int = 1
    dask: str | None = None
    check_determinism: bool = False
    as_json: bool = False
    out: Path | None = None


def simulate_test(settings: Settings, others: Mapping[str, Any]) -> NoReturn:
    """Run what was asked for, and exit with the verdict.

    :param others: what else was given.
    """
    run_to_its_end(partial(_run, settings, others))


def _run(settings: Settings, others: Mapping[str, Any]) -> int:
    layout = _layout(settings.test, others)
    if settings.out is not None:
        prepare_directory(settings.out)
    if settings.seed is not None:
        return _one(layout, str(settings.seed), settings)
    report = _Report(settings.test)
    tasks = (Task(seed, layout, settings.check_determinism, settings.out is not None) for seed in settings.seeds)
    campaign = run_campaign(tasks, workers(min(settings.jobs, len(settings.seeds)), settings.dask))
    is_whole = _all(settings, campaign, report)
    if settings.as_json:
        print(json.dumps(report.as_json()))
    else:
        report.show()
    if not is_whole:
        tell(f"interrupted: {report.summary.seeds} of {len(settings.seeds)} seeds were run")
    if report.violations:
        return VIOLATION
    return GOOD if is_whole else CANNOT_SAY


def _layout(test: str, others: Mapping[str, Any]) -> TestLayout:
    for name in FOR_THE_GRID:
        if others.get(name):
            raise CannotRun(f"--{name.replace('_', '-')} is not for --test: run the test with pytest, and --sim-…")
    try:
        return TestLayout(str(find(test).address))
    except WorldError as error:
        raise CannotRun(str(error)) from error


def _one(layout: TestLayout, seed: str, settings: Settings) -> int:
    """One run, every line of its trace, and the verdict."""
    try:
        result: Result = TESTS.runner.run_seed(seed, layout, keep_trace=True, hash_seed=None)
    except WorldError as error:
        raise CannotRun(str(error)) from error
    report = _Report(settings.test)
    report.take(result)
    if settings.as_json:
        print(json.dumps(report.as_json()))
    else:
        sys.stdout.writelines(result.trace)
        print(f"{result.verdict.value}: digest {result.digest}, {result.operations} operations, {result.events} events")
        for finding in result.findings:
            print(f"{finding.oracle}: {finding.message}")
    if settings.out is not None:
        keep_run(settings.out, result)
    return VIOLATION if report.violations else GOOD


def _all(settings: Settings, campaign: Any, report: "_Report") -> bool:
    """Returns whether it was run to its end, and not interrupted."""
    try:
        with closing(campaign):
            for result in _told(shown(campaign, len(settings.seeds))):
                report.take(result)
                if settings.out is not None and result.verdict is Verdict.VIOLATION:
                    keep_run(settings.out, result)
    except KeyboardInterrupt:
        return False
    return True


def _told(results: Iterator[Result]) -> Iterator[Result]:
    try:
        yield from results
    except WorldError as error:
        raise CannotRun(str(error)) from error


@define
class _Report:
    """The end of a campaign: sums, and each failure with the command that runs it again."""

    test: str
    summary: Summary = field(factory=lambda: Summary(TESTS))
    violations: list[dict[str, str]] = field(factory=list)

    def take(self, result: Result) -> None:
        """One more run."""
        self.summary = self.summary.and_also(result)
        if len(self.violations) < FAILURES_TOLD_MAX:
            seed = result.plan.seed
            self.violations += [
                {"seed": seed, "oracle": each.oracle, "message": each.message, "replay": self._replay(seed)}
                for each in result.findings
            ]

    def _replay(self, seed: str) -> str:
        return (
            f"pytest {os.path.relpath(self.test.partition('::')[0])}::{self.test.partition('::')[2]} --sim-seed {seed}"
        )

    def show(self) -> None:
        summary = self.summary
        for line in told(self.violations, summary.seeds, summary.verdicts[Verdict.VIOLATION]):
            print(line)
        for kind, count in sorted(summary.faults.items()):
            print(f"{count:>9}  {kind}")
        for text in self._never_held():
            print(f"no seed has shown that it holds: {text}")
        counts = ((verdict, summary.verdicts[verdict]) for verdict in Verdict)
        verdicts = ", ".join(f"{count} {verdict.value}" for verdict, count in counts if count)
        sums = f"{summary.operations} operations, {summary.faults.total()} faults"
        print(f"{summary.seeds} seeds: {verdicts}; {sums}; digest {summary.digest}")

    def _never_held(self) -> list[str]:
        """What programs state of themselves, and was false whenever it was evaluated: `sometimes` asks for one time."""
        stated = self.summary.stated
        return sorted({text for text, held in stated if not held and not stated[text, True]})

    def as_json(self) -> dict[str, Any]:
        return {
            "test": self.test,
            "seeds": self.summary.seeds,
            "verdicts": {verdict.value: self.summary.verdicts[verdict] for verdict in Verdict},
            "operations": self.summary.operations,
            "faults": self.summary.faults,
            "violations": self.violations,
            "properties": {kind: self.summary.as_reached()[kind] for kind in ("held", "not held")},
            "digest": self.summary.digest,
        }
