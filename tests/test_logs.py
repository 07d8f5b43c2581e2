"""A server's log: its two forms, and files that do not take it."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.logs import AT_ONCE_BYTES, BACKLOG_BYTES_MAX, LineObserver, LogChoice, PatientFile, as_json, as_text

NOON_S = 1_800_000_000.5
NOON = "2027-01-15T08:00:00.500000Z"


class Log(Logger):
    """One whose events have the time that they are given, and one observer."""

    def __init__(self, observer: Any) -> None:
        super().__init__("grid", observer=LogPublisher(observer))


def events(case: SynchronousTestCase) -> tuple[Logger, list[dict[str, Any]]]:
    seen: list[dict[str, Any]] = []
    return Log(lambda event: seen.append({**event, "log_time": NOON_S})), seen


class FormTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.log, self.seen = events(self)

    def json(self) -> dict[str, Any]:
        line = as_json(self.seen[-1])
        self.assertEqual(line.count("\n"), 1)
        told: dict[str, Any] = json.loads(line)
        return told

    def test_text(self) -> None:
        self.log.info("vault {vault} fails", vault="v1")
        self.assertEqual(as_text(self.seen[-1]), f"{NOON} [grid#info] vault v1 fails\n")
        self.log.info("one\ntwo")
        self.assertEqual(as_text(self.seen[-1]), f"{NOON} [grid#info] one\n\ttwo\n")

    def test_json_has_the_fields_of_the_message(self) -> None:
        self.log.warn(  # noqa: G010 - it is Twisted's
            "vault {vault} fails", vault="v1", lag=3, s=float("inf"), raw=b"\xff", where=Path("/x"), no=None
        )
        self.assertEqual(self.json(), {
            "time": NOON, "level": "warn", "logger": "grid", "message": "vault v1 fails",
            "vault": "v1", "lag": 3, "s": "inf", "raw": "\\xff", "where": "/x", "no": None,
        })  # fmt: skip

    def test_no_field_takes_the_place_of_what_each_line_has(self) -> None:
        self.log.info("hello", message="mine", logger="me", traceback="mine")
        told = self.json()
        self.assertEqual((told["message"], told["logger"], told["traceback"]), ("hello", "grid", "mine"))

    def test_a_failure(self) -> None:
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            self.log.failure("bug in {place}", place="here")
        told = self.json()
        self.assertEqual((told["level"], told["message"]), ("critical", "bug in here"))
        self.assertIn("ZeroDivisionError: division by zero", told["traceback"])


class LineObserverTests(SynchronousTestCase):
    def test_what_is_lost_is_counted_and_said(self) -> None:
        written: list[bytes] = []
        errors: list[OSError] = []

        def write(line: bytes) -> None:
            if errors:
                raise errors[0]
            written.append(line)

        log = Log(LineObserver(as_text, write))
        log.info("one")
        errors.append(OSError(28, "No space left on device"))
        for _ in range(3):
            log.info("lost")
        errors.clear()
        log.info("two")
        log.info("three")
        said = [line.decode().partition("] ")[2].rstrip() for line in written]
        lost = "3 lines of this log could not be written, and are lost"
        self.assertEqual(said, ["one", lost, "two", "three"])

    def test_a_closed_file_stops_nobody(self) -> None:
        def write(_: bytes) -> None:
            raise ValueError("I/O operation on closed file")

        Log(LineObserver(as_json, write)).info("hello")


class PatientFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reader, self.writer = os.pipe()
        self.file = PatientFile(self.writer)
        self.addCleanup(os.close, self.writer)

    def test_a_pipe_that_nobody_reads(self) -> None:
        line = b"x" * (AT_ONCE_BYTES - 1) + b"\n"
        taken = 0
        with self.assertRaises(BlockingIOError):
            for _ in range(BACKLOG_BYTES_MAX):
                self.file.write(line)
                taken += 1
        self.assertGreaterEqual(taken * len(line), BACKLOG_BYTES_MAX)
        read = b""
        while len(read) < taken * len(line):
            read += os.read(self.reader, 2**20)
            self.file.flush()
        self.assertEqual(read, line * taken, "whole lines, in their order")
        os.close(self.reader)

    def test_a_pipe_whose_reader_has_gone(self) -> None:
        os.close(self.reader)
        for _ in range(3):
            with self.assertRaises(BrokenPipeError):
                self.file.write(b"hello\n")


class LogChoiceTests(SynchronousTestCase):
    def test_levels_and_a_file(self) -> None:
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "log")
        log = Log(LogChoice("text", "warn", path, is_in_foreground=False).observer())
        log.info("hello")
        log.warn("alas")  # noqa: G010 - it is Twisted's
        said = Path(path).read_text(encoding="utf-8")
        self.assertEqual([line.partition("] ")[2] for line in said.splitlines()], ["alas"])
