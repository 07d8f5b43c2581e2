"""What simulated runs have found in the grid's own code: each as a seed that shows it, should it come back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.http.face import Face
from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.campaign.tasks import compared
from glitchgrid.lab.place.changes import replaced
from glitchgrid.lab.plan.file import decode_plan
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict
from glitchgrid.protocol.rounds import ReadRound

PLANS = Path(__file__).with_name("plans")
"""Shrunk: the fewest faults that show it."""


class _Backwards(dict[Any, None]):
    def __iter__(self) -> Iterator[Any]:
        return iter(list(super().__iter__())[::-1])


_init, _answer = Face.__init__, ReadRound.answer
_answers = [0]


def init_backwards(self: Any, *arguments: Any, **options: Any) -> None:
    _init(self, *arguments, **options)
    self.channels = _Backwards()


def answer_or_raise(self: Any, *arguments: Any) -> Any:
    _answers[0] += 1
    if _answers[0] == 10:
        raise ZeroDivisionError
    return _answer(self, *arguments)


def unshielded(work: Any) -> Any:
    return work


class RegressionTests(SynchronousTestCase):
    def test_channels_are_closed_in_an_order(self) -> None:
        """They were a set: a server that stopped closed them in the order of their addresses in memory."""
        seed, layout = "26", GridLayout()
        result = run_seed(seed, layout)
        self.assertIs(compared(result, run_seed(seed, layout)), result)
        with replaced("glitchgrid.http.face:Face", "__init__", init_backwards):
            again = compared(result, run_seed(seed, layout))
        self.assertEqual([finding.oracle for finding in again.findings], ["determinism"], "this seed would show it")

    def test_a_control_that_is_stopped_for_long_enough_says_nothing_of_it(self) -> None:
        """Its time was up while connections to vaults without power were being closed: a traceback in its log."""
        plan = decode_plan((PLANS / "stopped-while-paused.json").read_text(encoding="utf-8"), REGISTER.plans)
        self.assertEqual(run_plan(plan).findings, ())
        with replaced("glitchgrid.http.service", "shield", unshielded):
            again = run_plan(plan)
        self.assertIn("bug while stopping", again.findings[0].message, "this plan would show it")

    def test_a_vault_that_hears_of_its_failed_sync_after_all_faults_is_started_anew(self) -> None:
        """It had stood still when the sync failed; nobody looked again, and it took no store any more."""
        plan = decode_plan((PLANS / "failed-sync-while-paused.json").read_text(encoding="utf-8"), REGISTER.plans)
        self.assertEqual(run_plan(plan).findings, ())
        with replaced("glitchgrid.lab.register.simulated.aftermath", "TOLD_NS", 10**12):
            again = run_plan(plan)
        self.assertIn("vault2 did not listen", again.findings[0].message, "this plan would show it")

    def test_a_bug_while_an_answer_is_taken_is_logged(self) -> None:
        """The round's DeferredList swallowed it."""
        self.assertEqual(run_seed("8", GridLayout()).verdict, Verdict.PASSED)
        with replaced("glitchgrid.protocol.rounds:ReadRound", "answer", answer_or_raise):
            result = run_seed("8", GridLayout())
        self.assertEqual(result.verdict, Verdict.VIOLATION)
        self.assertLessEqual({"log", "property"}, {finding.oracle for finding in result.findings})
