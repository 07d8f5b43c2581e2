"""Every glitch is off unless it is asked for, and found, with the seeds of the clean campaign."""

import gc
import re
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.campaign.tasks import Task, perform
from glitchgrid.lab.plan.file import decode_plan
from glitchgrid.lab.register.glitches import GLITCHES, switched_on
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.register.oracles.names import ORACLES
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict

SEEDS_WHITE_BOX = 30
SEEDS_BLACK_BOX = 60
"""Not all that clients can see: what they see early. The table of the documentation has the rest."""

SEEN_EARLY = (
    "acknowledge-before-fsync",
    "floor-before-commit",
    "forget-on-restart",
    "half-is-majority",
    "ignore-guard",
    "join-the-running-round",
    "no-write-back",
    "straggler-counts-late",
    "timeout-counts",
)
HANGING = (
    "connection-never-returned",
    "deadline-never-comes",
    "healing-is-never-sent",
    "laggard-never-caught-up",
    "lookup-blocks-all",
    "read-end-is-lost",
    "rest-never-ends",
    "stop-never-ends",
    "timer-for-each-request",
    "wedged-store",
)
"""Bugs of availability: each is found from the outside."""

LATE = (
    "cancel-commit",
    "torn-write",
    "lookup-blocks-all",
    "stop-never-ends",
    "rest-never-ends",
    "laggard-never-caught-up",
    "connection-never-returned",
    "read-end-is-lost",
)
"""It takes some seeds to find these, or seeds that go on for long."""

TEXT_CHARACTERS_MAX = 200
PLANS = Path(__file__).parents[2] / "docs" / "plans"
FAULTS_FEW = 5
SMALL_LEAST = 12
SEEN_LEAST = 13


def run(seed: int, glitch: str | None) -> Result:
    return perform(Task(seed, Wanted().layout(str(seed)), glitch=glitch))


class CatalogueTests(SynchronousTestCase):
    def test_each_is_told_in_two_lines(self) -> None:
        self.assertGreaterEqual(len(GLITCHES), 14)
        for name, glitch in GLITCHES.items():
            self.assertEqual(name, glitch.name)
            for text in (glitch.what, glitch.so, *([glitch.unseen] if glitch.unseen else [])):
                self.assertTrue(text.endswith("."), name)
                self.assertLess(len(text), TEXT_CHARACTERS_MAX, name)

    def test_each_is_off_again(self) -> None:
        for glitch in GLITCHES.values():
            before = [getattr(each.owner, each.name) for each in glitch.overrides]
            with switched_on(glitch.name):
                during = [getattr(each.owner, each.name) for each in glitch.overrides]
                self.assertNotEqual(before, during, glitch.name)
            self.assertEqual(before, [getattr(each.owner, each.name) for each in glitch.overrides])


def _is_found(glitch: str, seeds: int, *, from_outside: bool) -> bool:
    """By any oracle, or by one that sees no more than clients do and the operating system."""
    for seed in range(seeds):
        result = run(seed, glitch)
        oracles = {finding.oracle for finding in result.findings} if result.verdict is Verdict.VIOLATION else set()
        seen = oracles & set(ORACLES.outside) if from_outside else oracles
        if seen:
            return True
    return False


class FoundTests(SynchronousTestCase):
    """One test a glitch, made below."""


@pytest.mark.thorough
class SeenByClientsTests(SynchronousTestCase):
    """One test a glitch, made below."""


class PlanTests(SynchronousTestCase):
    @pytest.mark.thorough
    def test_the_plans_of_the_documentation_show_what_they_are_kept_for(self) -> None:
        """And clients see what the table says that they see, in the plan that is left of the first seed."""
        plans = {path.stem.removeprefix("glitch-"): path for path in PLANS.glob("glitch-*.json")}
        self.assertEqual(set(plans), set(GLITCHES))
        seen = self.seen_by_clients()
        told = [
            *plans.items(),
            ("show-before-durable", PLANS / "shown-before-durable.json"),
            ("acknowledge-after-failed-fsync", PLANS / "failed-sync.json"),
        ]
        for glitch, path in told:
            plan = decode_plan(path.read_text(encoding="utf-8"), REGISTER.plans)
            self.assertIsNot(run_plan(plan).verdict, Verdict.VIOLATION, f"{path.name} without its glitch")
            with switched_on(glitch):
                result = run_plan(plan)
            self.assertIs(result.verdict, Verdict.VIOLATION, path.name)
            if glitch in seen and path is plans[glitch]:
                self.assertTrue({finding.oracle for finding in result.findings} & set(ORACLES.outside), glitch)
            while gc.collect() and self.flushLoggedErrors():
                pass

    def seen_by_clients(self) -> set[str]:
        table = (PLANS.parent / "reference" / "glitch-table.md").read_text(encoding="utf-8")
        seen = set(re.findall(r"^\| \[([a-z-]+)\]\(#[a-z-]+\) \| \d* \| \d+ \|", table, re.MULTILINE))
        self.assertGreaterEqual(len(seen), SEEN_LEAST)
        return seen

    def test_most_of_them_are_small(self) -> None:
        plans = [decode_plan(path.read_text(encoding="utf-8"), REGISTER.plans) for path in PLANS.glob("glitch-*.json")]
        self.assertGreaterEqual(sum(len(plan.faults) <= FAULTS_FEW for plan in plans), SMALL_LEAST)


def _add(case: type[SynchronousTestCase], glitch: str, seeds: int, *, from_outside: bool) -> None:
    def test(self: SynchronousTestCase) -> None:
        self.assertTrue(_is_found(glitch, seeds, from_outside=from_outside), f"{glitch} was not found in {seeds} seeds")
        gc.collect()
        self.flushLoggedErrors()  # the glitch's own, on a disk that fails

    setattr(case, f"test_{glitch.replace('-', '_')}", pytest.mark.thorough(test) if glitch in LATE else test)


for _name in GLITCHES:
    _add(FoundTests, _name, SEEDS_WHITE_BOX, from_outside=_name in HANGING)
for _name in SEEN_EARLY:
    _add(SeenByClientsTests, _name, SEEDS_BLACK_BOX, from_outside=True)
