"""What simulated runs have found in the grid's own code: each as a seed that shows it, should it come back."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import glitchgrid.http.service
from glitchgrid.http.face import Face
from glitchgrid.lab.campaign.campaign import compared
from glitchgrid.lab.campaign.run import run_plan, run_seed
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


class RegressionTests(SynchronousTestCase):
    def test_channels_are_closed_in_an_order(self) -> None:
        """They were a set: a server that stopped closed them in the order of their addresses in memory."""
        seed, layout = "6", GridLayout()
        original: Any = Face.__init__

        def init(self: Any, *arguments: Any, **options: Any) -> None:
            original(self, *arguments, **options)
            self.channels = _Backwards()

        result = run_seed(seed, layout)
        self.assertIs(compared(result, run_seed(seed, layout).digest), result)
        with patch.object(Face, "__init__", init):
            again = compared(result, run_seed(seed, layout).digest)
        self.assertEqual([finding.oracle for finding in again.findings], ["determinism"], "this seed would show it")

    def test_a_control_that_is_stopped_for_long_enough_says_nothing_of_it(self) -> None:
        """Its time was up while connections to vaults without power were being closed: a traceback in its log."""
        plan = decode_plan((PLANS / "stopped-while-paused.json").read_text(encoding="utf-8"), REGISTER.plans)
        self.assertEqual(run_plan(plan).findings, ())
        with patch.object(glitchgrid.http.service, "shield", lambda work: work):
            again = run_plan(plan)
        self.assertIn("bug while stopping", again.findings[0].message, "this plan would show it")
        # What else was cancelled is nobody's, and would be logged whenever it is thrown away.
        for each in gc.get_objects():
            if isinstance(each, Deferred) and isinstance(getattr(each, "result", None), Failure):
                each.addErrback(lambda _: None)
        self.flushLoggedErrors()

    def test_a_bug_while_an_answer_is_taken_is_logged(self) -> None:
        """The round's DeferredList swallowed it."""
        original = ReadRound.answer
        answers = 0

        def answer(self: Any, *arguments: Any) -> Any:
            nonlocal answers
            answers += 1
            if answers == 10:
                raise ZeroDivisionError
            return original(self, *arguments)

        self.assertEqual(run_seed("8", GridLayout()).verdict, Verdict.PASSED)
        with patch.object(ReadRound, "answer", answer):
            result = run_seed("8", GridLayout())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(result.verdict, Verdict.VIOLATION)
        self.assertLessEqual({"log", "property"}, {finding.oracle for finding in result.findings})
