"""How a command ends: its exit status, and what its user sees of an error."""

import io
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.commands.running import _Running
from glitchgrid.lab.errors import CannotRun


class StatusTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.standard_error = io.StringIO()
        self.patch(sys, "stderr", self.standard_error)

    def status_of(self, end: Callable[[], int]) -> int:
        async def command(_reactor: Any) -> int:
            return end()

        running = _Running(None, command, status_when_stopped=7)
        self.assertIsNone(self.successResultOf(Deferred.fromCoroutine(running._run())))
        return running._status

    def raising(self, error: BaseException) -> Callable[[], int]:
        def end() -> int:
            raise error

        return end

    def test_the_commands_own(self) -> None:
        self.assertEqual([self.status_of(partial(int, status)) for status in (0, 1, 2)], [0, 1, 2])
        self.assertEqual(self.standard_error.getvalue(), "")

    def test_a_command_that_is_stopped(self) -> None:
        self.assertEqual(self.status_of(self.raising(CancelledError())), 7)

    def test_what_it_cannot_do_is_one_line_and_2(self) -> None:
        self.assertEqual(self.status_of(self.raising(CannotRun("port 1\n is in use"))), 2)
        self.assertEqual(self.standard_error.getvalue(), "glitchgrid: port 1\\n is in use\n")

    def test_what_the_system_refuses_is_one_line_and_2(self) -> None:
        self.assertEqual(self.status_of(self.raising(PermissionError(13, "Permission denied", "/x"))), 2)
        self.assertEqual(self.standard_error.getvalue(), "glitchgrid: [Errno 13] Permission denied: '/x'\n")

    def test_a_bug_is_no_violation(self) -> None:
        self.assertEqual(self.status_of(lambda: 1 // 0), 2)
        line = self.standard_error.getvalue()
        self.assertTrue(line.startswith("glitchgrid: internal error: ZeroDivisionError: "), line)
        self.assertIn("test_running.py:", line)
        self.assertEqual(line.count("\n"), 1)
