"""Shrinking: what is left fails in the same way, is small, and is the same each time."""

import pytest
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.campaign.shrink import NothingToShrink, shrink
from glitchgrid.lab.plan.file import decode_plan, encode_plan
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.register.glitches import switched_on
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict

FAULTS_MAX = 5


def failing(glitch: str | None, wanted: Wanted) -> Plan:
    for seed in map(str, range(300)):
        with switched_on(glitch):
            result = run_seed(seed, wanted.layout(seed))
        if result.verdict is Verdict.VIOLATION and result.plan.faults:
            return result.plan
    raise AssertionError("nothing fails")


class ShrinkTests(SynchronousTestCase):
    @pytest.mark.thorough
    def test_it_is_small_and_fails_by_the_same_oracle(self) -> None:
        glitch = "acknowledge-after-failed-fsync"
        plan = failing(glitch, Wanted())
        with switched_on(glitch):
            oracle = run_plan(plan).findings[0].oracle
        told: list[tuple[int, int]] = []
        shrunk = shrink(plan, glitch, lambda *progress: told.append(progress))
        small = shrunk.result.plan
        self.assertLessEqual(len(small.faults), FAULTS_MAX)
        self.assertLess(len(small.faults), len(plan.faults))
        self.assertEqual([runs for runs, _ in told], list(range(1, shrunk.runs + 1)))
        with switched_on(glitch):
            again = run_plan(decode_plan(encode_plan(small), REGISTER.plans))
        self.assertIn(oracle, [finding.oracle for finding in again.findings])
        self.assertEqual(again.digest, shrunk.result.digest)
        self.assertRegex(shrunk.first_difference, r"^at \d+\.\d{6} s \w+ .*; without the glitch: at \d")
        assert shrunk.passing is not None
        self.assertIsNot(shrunk.passing.verdict, Verdict.VIOLATION)
        for place in range(len(small.faults)):
            with switched_on(glitch):
                result = run_plan(evolve(small, faults=(*small.faults[:place], *small.faults[place + 1 :])))
            self.assertNotIn(oracle, [finding.oracle for finding in result.findings], "nothing that is left can go")

    @pytest.mark.thorough
    def test_it_is_the_same_each_time(self) -> None:
        plan = failing("half-is-majority", Wanted())
        self.assertEqual(shrink(plan, "half-is-majority").result.plan, shrink(plan, "half-is-majority").result.plan)

    @pytest.mark.thorough
    def test_without_a_glitch_the_nearest_run_lacks_a_fault(self) -> None:
        plan = failing(None, Wanted(protocol="classic", vaults=3, controls=1, steps=6))
        shrunk = shrink(plan, None)
        self.assertTrue(shrunk.result.findings)
        if shrunk.passing is None:
            self.assertEqual(shrunk.first_difference, "no run near it passes")
        else:
            self.assertIn("; without ", shrunk.first_difference)

    def test_what_passes_is_not_shrunk(self) -> None:
        plan = run_seed("7", Wanted().layout("7")).plan
        self.assertRaises(NothingToShrink, shrink, plan, None)
