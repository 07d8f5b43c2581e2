"""What simulated runs have found in the grid's own code: each as a seed that shows it, should it come back."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.campaign import compared
from glitchgrid.lab.campaign.plan import Layout
from glitchgrid.lab.campaign.run import Verdict, run_seed
from glitchgrid.rounds import ReadRound
from glitchgrid.web import Face


class _Backwards(dict[Any, None]):
    def __iter__(self) -> Iterator[Any]:
        return iter(list(super().__iter__())[::-1])


class RegressionTests(SynchronousTestCase):
    def test_channels_are_closed_in_an_order(self) -> None:
        """They were a set: a server that stopped closed them in the order of their addresses in memory."""
        seed, layout = "20", Layout()
        original: Any = Face.__init__

        def init(self: Any, *arguments: Any, **options: Any) -> None:
            original(self, *arguments, **options)
            self.channels = _Backwards()

        result = run_seed(seed, layout)
        self.assertIs(compared(result, run_seed(seed, layout)), result)
        with patch.object(Face, "__init__", init):
            again = compared(result, run_seed(seed, layout))
        self.assertEqual([finding.oracle for finding in again.findings], ["determinism"], "this seed would show it")

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

        self.assertEqual(run_seed("7", Layout()).verdict, Verdict.PASSED)
        with patch.object(ReadRound, "answer", answer):
            result = run_seed("7", Layout())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(result.verdict, Verdict.VIOLATION)
        self.assertEqual(result.findings[0].oracle, "log")
