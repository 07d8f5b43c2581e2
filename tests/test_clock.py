"""A wall clock that is stepped under a waiting server moves no deadline."""

import time
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.clock import run_on_monotonic_clock


class QuietReactor(ReactorBase):
    """Twisted's timers without its sockets."""

    def installWaker(self) -> None:
        pass


class Clocks:
    """Both clocks of a machine, each set by hand."""

    def __init__(self) -> None:
        self.wall_s = 1_700_000_000.0
        self.monotonic_s = 500.0

    def pass_time(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds


class ClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clocks = Clocks()
        self.patch(time, "time", lambda: self.clocks.wall_s)
        self.patch(time, "monotonic", lambda: self.clocks.monotonic_s)
        self.reactor: Any = QuietReactor()
        run_on_monotonic_clock(self.reactor)
        self.called: list[str] = []
        self.reactor.callLater(10, self.called.append, "deadline")

    def pass_time(self, seconds: float) -> None:
        self.clocks.pass_time(seconds)
        self.reactor.runUntilCurrent()

    def step_the_wall_clock(self, seconds: float) -> None:
        self.clocks.wall_s += seconds
        self.reactor.runUntilCurrent()

    def assert_called_after_10_s(self) -> None:
        self.pass_time(9.9)
        self.assertEqual(self.called, [])
        self.pass_time(0.2)
        self.assertEqual(self.called, ["deadline"])

    def test_a_wall_clock_that_stands_still(self) -> None:
        self.assert_called_after_10_s()

    def test_a_wall_clock_that_is_set_back(self) -> None:
        self.step_the_wall_clock(-86_400)
        self.assert_called_after_10_s()

    def test_a_wall_clock_that_is_set_forward(self) -> None:
        self.step_the_wall_clock(86_400)
        self.assertEqual(self.called, [])
        self.assert_called_after_10_s()

    def test_what_is_waited_for_in_between_is_right_too(self) -> None:
        self.step_the_wall_clock(-3600)
        self.reactor.callLater(5, self.called.append, "sooner")
        self.pass_time(5.1)
        self.assertEqual(self.called, ["sooner"])
        self.assertAlmostEqual(self.reactor.timeout(), 4.9)
