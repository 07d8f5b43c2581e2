import io
import os
import runpy
import sys
import urllib.error
import urllib.request
import warnings
from email.message import Message
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid import healthcheck


class HealthcheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[tuple[str, float]] = []
        self.error: Exception | None = None
        self.standard_error = io.StringIO()
        self.patch(urllib.request.OpenerDirector, "open", self.open)
        self.patch(sys, "stderr", self.standard_error)
        self.patch(os, "environ", {})

    def open(self, url: str, data: Any = None, timeout: float = 0) -> io.BytesIO:
        self.asked.append((url, timeout))
        if self.error is not None:
            raise self.error
        return io.BytesIO(b"42")

    def test_a_server_that_answers(self) -> None:
        self.assertEqual(healthcheck.main(), 0)
        self.assertEqual(self.asked, [("http://127.0.0.1:8000/livez", 1.5)])

    def test_as_a_program(self) -> None:
        for error, status in ((None, 0), (OSError("no"), 1)):
            self.error = error
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it was imported already
                left = self.assertRaises(SystemExit, runpy.run_path, healthcheck.__file__, run_name="__main__")
            self.assertEqual(left.code, status)

    def test_another_address(self) -> None:
        self.patch(os, "environ", {"GLITCHGRID_HEALTH_URL": "http://127.0.0.1:8001/"})
        healthcheck.main()
        self.assertEqual(self.asked[0][0], "http://127.0.0.1:8001/")

    def test_one_that_is_not_live_or_another_in_its_place(self) -> None:
        for status in (404, 500, 503):
            self.error = self.answer(status)
            self.assertEqual(healthcheck.main(), 1)

    def answer(self, status: int) -> urllib.error.HTTPError:
        error = urllib.error.HTTPError("http://127.0.0.1:8000/livez", status, "No", Message(), None)
        self.addCleanup(error.close)
        return error

    def test_one_that_does_not_is_named_in_one_line(self) -> None:
        for error in (ConnectionRefusedError("refused"), TimeoutError("timed out"), ValueError("unknown url type")):
            self.error = error
            self.standard_error.truncate(0)
            self.standard_error.seek(0)
            self.assertEqual(healthcheck.main(), 1)
            self.assertEqual(self.standard_error.getvalue(), f"http://127.0.0.1:8000/livez: {error}\n")
