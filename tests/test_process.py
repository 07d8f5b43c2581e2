"""A server's process: its start as a daemon, its signals, its logs, its end."""

import atexit
import gc
import io
import os
import resource
import signal
import sys
import tempfile
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from twisted.python.logfile import LogFile
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid import process as process_module
from glitchgrid.errors import BadTokenFile, DataDirectoryInUse
from glitchgrid.process import STATUS, ServerProcess
from glitchgrid.vaults.names import ThreadResolver
from tests.fakes import CaughtLog, FakeReactor


class ProcessTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.patch(resource, "setrlimit", lambda *args: None)

    def process(self, **twistd: Any) -> ServerProcess:
        return ServerProcess(self.reactor, "vault", twistd)


class PrepareTests(ProcessTestCase):
    def limit_after(self, soft: int, hard: int) -> tuple[int, int] | None:
        """What the limit of open files is set to, or None where it stays."""
        limits: list[tuple[int, int]] = []
        self.patch(resource, "getrlimit", lambda kind: (soft, hard))
        self.patch(resource, "setrlimit", lambda kind, limit: limits.append(limit))
        self.process().prepare()
        return limits[0] if limits else None

    def test_as_many_files_as_a_face_needs(self) -> None:
        infinity = resource.RLIM_INFINITY
        self.assertEqual(self.limit_after(1024, 1_000_000), (11_000, 1_000_000))
        self.assertEqual(self.limit_after(1024, infinity), (11_000, infinity))
        self.assertEqual(self.limit_after(1024, 4096), (4096, 4096))
        self.assertIsNone(self.limit_after(20_000, 1_000_000))
        self.assertIsNone(self.limit_after(infinity, infinity))

    def test_how_many_connections_there_are_descriptors_for(self) -> None:
        """All, but for those that the server needs itself; half of them, where there are few."""
        self.patch(os, "listdir", lambda path: ["descriptor"] * 14)
        for limit, connections in (
            (resource.RLIM_INFINITY, None), (11_000, None), (20_000, None),
            (10_999, 10_999 - 14 - 1000), (4096, 4096 - 14 - 1000), (1014, 500), (64, 25), (15, 1), (8, 1),
        ):  # fmt: skip
            self.patch(resource, "getrlimit", lambda kind, limit=limit: (limit, limit))
            self.assertEqual(self.process().connections_max(), connections, limit)

        def no_such(path: str) -> list[str]:
            raise FileNotFoundError(path)

        self.patch(os, "listdir", no_such)
        self.patch(resource, "getrlimit", lambda kind: (64, 64))
        self.assertEqual(self.process().connections_max(), 24)

    def test_it_is_the_reactor_of_the_process_on_the_monotonic_clock(self) -> None:
        before = self.reactor.seconds
        self.assertIs(self.process().prepare(), self.reactor)
        self.assertNotEqual(self.reactor.seconds, before)

    def test_names_are_looked_up_in_threads_of_their_own(self) -> None:
        self.process().prepare()
        self.assertIsInstance(self.reactor.nameResolver, ThreadResolver)

    def test_what_was_imported_is_left_alone_by_the_garbage_collector(self) -> None:
        process = self.process()
        self.patch(process, "_heed_hanging_up", lambda: None)
        process.prepare()
        self.addCleanup(gc.unfreeze)
        self.assertEqual(gc.get_freeze_count(), 0)
        frozen: list[int] = []
        collect = gc.collect

        def collecting() -> int:
            frozen.append(gc.get_freeze_count())
            return collect()

        self.patch(gc, "collect", collecting)
        self.reactor.when_running.clear()
        process.prepare()
        for function in self.reactor.when_running:
            function()
        self.assertEqual(frozen, [0])  # before anything is left alone
        self.assertGreater(gc.get_freeze_count(), 10_000)

    def test_a_line_that_the_locale_cannot_encode_is_there_all_the_same(self) -> None:
        written = io.BytesIO()
        self.patch(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
        self.process().prepare()
        print("gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n", flush=True)
        self.assertEqual(written.getvalue(), b"gr\\xfcn\n")


class StartTests(ProcessTestCase):
    """A daemon's starter waits at a pipe for a 0, and shows anything else as an error."""

    def setUp(self) -> None:
        super().setUp()
        self.leaving: list[Any] = []
        self.standard_error = io.StringIO()
        self.patch(atexit, "register", self.leaving.append)
        self.patch(sys, "__stderr__", self.standard_error)

    def started(self) -> tuple[ServerProcess, dict[str, Any], int]:
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        twistd = {"statusPipe": writer}
        process = ServerProcess(self.reactor, "vault", twistd)
        process.startService()
        return process, twistd, reader

    def test_twistd_is_not_left_to_say_that_all_is_well(self) -> None:
        process, twistd, reader = self.started()
        self.assertEqual(twistd, {})
        process.has_started()
        self.assertEqual((os.read(reader, 9), os.read(reader, 9)), (b"0", b""))
        process.has_started()  # says nothing more

    def test_the_standard_error_of_its_starter_is_kept(self) -> None:
        for stream, number in ((SimpleNamespace(fileno=lambda: 77), 77), (None, 2)):
            kept: list[int] = []
            self.patch(sys, "__stderr__", stream)
            self.patch(os, "dup", lambda descriptor, kept=kept: kept.append(descriptor) or 99)
            self.process(nodaemon=0).prepare()
            self.assertEqual(kept, [number])

    def test_why_it_cannot_start(self) -> None:
        """All of it on the standard error that its starter has, while its own leads nowhere by now."""
        process, _twistd, reader = self.started()
        terminal, process._terminal = os.pipe()
        self.addCleanup(os.close, terminal)
        process.cannot_start(DataDirectoryInUse("/" + "a" * 999))
        self.assertEqual((os.read(reader, 100), os.read(reader, 9)), (b"1 " + STATUS, b""))
        line = f"twistd vault: data directory /{'a' * 999} is in use by another vault\n".encode()
        self.assertEqual((os.read(terminal, 9999), os.read(terminal, 9)), (line, b""))
        self.assertEqual(self.standard_error.getvalue(), "")

    def test_a_daemon_keeps_its_starters_standard_error_until_it_serves(self) -> None:
        with tempfile.TemporaryFile("w") as standard_error:
            self.patch(sys, "__stderr__", standard_error)
            for twistd, keeps in (({"nodaemon": 0}, True), ({"nodaemon": 1}, False), ({}, False)):
                process = self.process(**twistd)
                process.prepare()
                self.assertEqual(process._terminal is not None, keeps)
                process.has_started()
                self.assertIsNone(process._terminal)

    def test_a_starter_that_waits_no_more_is_no_error(self) -> None:
        for tell in (ServerProcess.has_started, lambda process: process.cannot_start(DataDirectoryInUse("/data"))):
            reader, writer = os.pipe()
            process = self.process(statusPipe=writer)
            process.startService()
            terminal, process._terminal = os.pipe()
            os.close(reader)
            os.close(terminal)
            tell(process)
            self.assertIsNone(process._terminal)
            self.assertRaises(OSError, os.fstat, writer)

    def test_in_the_foreground_nobody_waits(self) -> None:
        process = self.process()
        process.startService()
        process.has_started()

    def test_without_twistd(self) -> None:
        process = ServerProcess(self.reactor, "vault", None)
        process.startService()
        process.has_started()
        self.assertFalse(process.gives_up_privileges)

    def test_one_line_then_the_end_with_status_1(self) -> None:
        statuses: list[int] = []
        self.patch(os, "_exit", statuses.append)
        log = CaughtLog(self)
        self.process().cannot_start(DataDirectoryInUse("/data"))
        line = "twistd vault: data directory /data is in use by another vault"
        self.assertEqual((self.standard_error.getvalue(), log.errors), (line + "\n", [line]))
        (stop,) = self.reactor.when_running
        stop()
        self.assertEqual((self.reactor.stops, statuses), (1, []))
        (leave,) = self.leaving
        leave()
        self.assertEqual(statuses, [1])

    def test_a_start_that_fails_while_it_is_stopped(self) -> None:
        self.reactor.stop()
        self.process().cannot_start(DataDirectoryInUse("/data"))
        (stop,) = self.reactor.when_running
        stop()

    def test_whose_privileges_are_given_up(self) -> None:
        self.assertFalse(self.process(uid=None, gid=None).gives_up_privileges)
        self.assertTrue(self.process(uid=0, gid=None).gives_up_privileges)
        self.assertTrue(self.process(uid=None, gid=65534).gives_up_privileges)


class SignalTestCase(ProcessTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def run_reactor(self) -> None:
        """Its start, to the end."""
        self.addCleanup(gc.unfreeze)
        for function in self.reactor.when_running:
            function()

    def heeding(self) -> None:
        self.process().prepare()
        self.run_reactor()


class SignalTests(SignalTestCase):
    """Of a server that has no log file, whatever other tests in this process have left."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(gc, "get_objects", list)

    def test_the_first_one_counts(self) -> None:
        """Also one that comes before the reactor has started in full."""
        self.process().prepare()
        self.reactor.sigTerm(signal.SIGTERM, None)
        self.run_reactor()
        self.reactor.sigTerm(signal.SIGTERM, None)
        self.reactor.sigInt(signal.SIGINT, None)
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.reactor.ended_by, [signal.SIGTERM])

    def test_a_lost_terminal_ends_it_as_sigterm_does(self) -> None:
        self.heeding()
        signal.raise_signal(signal.SIGHUP)
        self.reactor.sigTerm(signal.SIGTERM, None)
        self.assertEqual(self.reactor.ended_by, [signal.SIGHUP])

    def test_under_nohup_it_stays(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.heeding()
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.reactor.ended_by, [])


class ReadingAgainTests(SignalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(gc, "get_objects", list)

    def hang_up(self) -> None:
        signal.raise_signal(signal.SIGHUP)
        self.reactor.take_over()

    def test_what_is_to_be_read_again_is(self) -> None:
        log, read = CaughtLog(self), []
        process = self.process()
        process.rereads["tokens"] = lambda: read.append("tokens")
        process.prepare()
        self.run_reactor()
        self.hang_up()
        self.assertEqual((read, self.reactor.ended_by), (["tokens"], []))
        self.assertEqual(log.infos, ["tokens were read again"])

    def test_what_cannot_be_used_is_said(self) -> None:
        log = CaughtLog(self)

        def fail() -> None:
            raise BadTokenFile("/tokens", "it has no token")

        process = self.process()
        process.rereads["tokens"] = fail
        process.prepare()
        self.run_reactor()
        self.hang_up()
        self.assertEqual(log.errors, ["/tokens: it has no token; what was read before still holds"])
        self.assertEqual(self.reactor.ended_by, [])

    def test_under_a_service_manager_there_is_no_terminal_to_lose(self) -> None:
        with patch.dict(os.environ, {"NOTIFY_SOCKET": "/nowhere"}):
            self.process().prepare()
        self.run_reactor()
        self.hang_up()
        self.assertEqual(self.reactor.ended_by, [])


class LogFileTests(SignalTestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "log")
        self.file = LogFile.fromFullPath(self.path)
        self.addCleanup(self.file.close)
        self.patch(process_module, "gc", _Collector(self.file))

    def hang_up(self) -> None:
        signal.raise_signal(signal.SIGHUP)
        self.reactor.take_over()

    def content(self, path: str) -> str:
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_it_is_opened_anew(self) -> None:
        self.heeding()
        self.file.write("before\n")
        os.rename(self.path, self.path + ".1")
        self.file.write("meanwhile\n")
        self.hang_up()
        self.file.write("after\n")
        self.assertEqual(self.content(self.path + ".1"), "before\nmeanwhile\n")
        self.assertEqual(self.content(self.path), "after\n")
        self.assertEqual(self.reactor.ended_by, [])

    def test_one_that_cannot_be_opened_is_kept(self) -> None:
        log = CaughtLog(self)
        self.heeding()
        os.rename(self.path, self.path + ".1")
        os.mkdir(self.path)
        self.hang_up()
        self.file.write("still there\n")
        self.assertEqual(self.content(self.path + ".1"), "still there\n")
        self.assertEqual(log.errors, [f"{self.path} cannot be opened: Is a directory"])


class _Collector:
    """The garbage collector of a process in which nothing else writes logs."""

    def __init__(self, *objects: object) -> None:
        self._objects = list(objects)

    def get_objects(self) -> list[object]:
        return self._objects

    def collect(self) -> None:
        pass

    freeze = collect
