"""What reaches out of a run is stopped, and named."""

import _thread
import contextlib
import gc
import os
import queue
import random
import secrets
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from twisted.application.service import Service
from twisted.internet import reactor as global_reactor  # noqa: TID251 - that it is caught
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import blockingCallFromThread
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import datetimeToString

from glitchgrid.simulation import containment
from glitchgrid.simulation.containment import Escape, contained
from glitchgrid.simulation.process import Process
from glitchgrid.simulation.world import World

reactor: Any = global_reactor


class _Reaching(Service):
    """Does something when it starts, and swallows what comes of it."""

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step

    def startService(self) -> None:
        super().startService()
        with contextlib.suppress(Exception):
            self._step()


def _reaching(step: Callable[[], object], _process: Process) -> Service:
    return _Reaching(step)


class ContainmentTests(SynchronousTestCase):
    def assert_escape(self, what: str, step: Callable[[], object]) -> None:
        """It is an error at once, and at the run's end where the first was swallowed; the place is named."""
        with self.assertRaises(Escape) as at_the_end, contained(World("1")), self.assertRaises(Escape):
            step()
        self.assertIn(what, str(at_the_end.exception))
        self.assertIn("test_containment.py", str(at_the_end.exception))

    def test_the_global_reactor(self) -> None:
        self.assert_escape("callLater", lambda: reactor.callLater(0, print))
        self.assert_escape("connectTCP", lambda: reactor.connectTCP("127.0.0.1", 1, None))

    def test_a_thread(self) -> None:
        self.assert_escape("a thread", lambda: threading.Thread(target=print).start())

    def test_a_socket(self) -> None:
        self.assert_escape("a socket", socket.socket)

    def test_chance(self) -> None:
        self.assert_escape("random.random", lambda: random.random() + 1)
        self.assert_escape("random.choice", lambda: random.choice([1]))
        self.assert_escape("os.urandom", lambda: os.urandom(1))

    def test_measuring(self) -> None:
        self.assert_escape("perf_counter", lambda: time.perf_counter() + 1)

    def test_child_processes(self) -> None:
        """By the reactor's own means, too: it forks, or spawns."""
        world = World("1")
        self.assert_escape("os.posix_spawn", lambda: os.posix_spawn("/bin/true", ["true"], {}))
        process: list[Process] = []

        def spawn(at: Process) -> Service:
            process.append(at)
            return _Reaching(lambda: at.reactor.spawnProcess(ProcessProtocol(), "/bin/true", ["true"], env={}))

        with self.assertRaises(Escape) as at_the_end, contained(world):
            world.machine("near").start(spawn)
            world.run(10**9)
        self.assertIn("test_containment.py", str(at_the_end.exception))

    def test_signals(self) -> None:
        self.assert_escape("signal.signal", lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN))

    def test_waits_for_another_thread(self) -> None:
        """There is none: each of these would hang the real process."""
        self.assert_escape("a wait", queue.Queue().get)
        self.assert_escape("a wait", threading.Event().wait)
        deaf: Any = SimpleNamespace(callFromThread=bool)
        self.assert_escape("a wait", lambda: blockingCallFromThread(deaf, print))

    def test_a_bare_lock_is_found_by_the_watchdog(self) -> None:
        """It names the place."""
        lock = threading.Lock()
        lock.acquire()
        self.patch(containment, "STILL_S", 0.2)
        with self.assertRaises(Escape) as found, contained(World("1")), contextlib.suppress(Exception):
            lock.acquire()
        self.assertIn("nothing has happened for 0.2 s", str(found.exception))
        self.assertIn("test_containment.py", str(found.exception))

    def test_sleeping_outside_a_thread(self) -> None:
        self.assert_escape("time.sleep", lambda: time.sleep(0))

    def test_clocks_are_the_worlds(self) -> None:
        world = World("1")
        with contained(world):
            before = time.monotonic_ns()
            world.run(5)
            self.assertEqual(time.monotonic_ns() - before, 5)
            self.assertEqual(time.time_ns(), 1_800_000_000_000_000_005)

    def test_other_threads_live_in_the_real_world(self) -> None:
        said: list[bool] = []
        begin, end = threading.Event(), threading.Lock()
        end.acquire()

        def look() -> None:
            begin.wait(10)
            said.append(abs(time.time() - real) < 100 and random.random() < 1 and len(os.urandom(1)) == 1)
            end.release()

        real = time.time()
        other = threading.Thread(target=look)
        other.start()
        with contained(World("1")):
            begin.set()
            self.assertTrue(end.acquire(timeout=10))
        other.join(10)
        self.assertEqual(said, [True])

    def test_dates_are_too(self) -> None:
        with contained(World("1")):
            self.assertEqual((time.gmtime().tm_year, time.localtime().tm_year), (2027, 2027))
            self.assertEqual(datetimeToString(), b"Fri, 15 Jan 2027 08:00:00 GMT")
            self.assertEqual(time.gmtime(0).tm_year, 1970)

    def test_afterwards_all_is_as_it_was(self) -> None:
        before = (time.time, time.sleep, random.random, os.urandom, threading.Thread.start, socket.socket.__init__)
        with contained(World("1")):
            self.assertFalse(gc.isenabled())
        after = (time.time, time.sleep, random.random, os.urandom, threading.Thread.start, socket.socket.__init__)
        self.assertEqual(before, after)
        self.assertTrue(gc.isenabled())
        self.assertIsNotNone(reactor.seconds())

    def test_what_reaches_out_within_a_program_ends_its_run(self) -> None:
        """Whatever the program makes of the error: Twisted catches it, and logs it."""
        reaches_out: dict[str, Callable[[], object]] = {
            "the global reactor, callLater": lambda: reactor.callLater(0, print),
            "a socket": lambda: socket.socketpair(socket.AF_UNIX),
            "socket.getaddrinfo": lambda: socket.getaddrinfo("localhost", 9),
            "select.epoll": lambda: select.epoll(-1),
            "a thread": lambda: threading.Thread(target=print).start(),
            "a thread was": lambda: _thread.start_new_thread(print, ()),
            "a process": lambda: subprocess.run(["true"], check=True),
            "time.perf_counter": lambda: time.perf_counter() + 1,
            "time.clock_gettime": lambda: time.clock_gettime(time.CLOCK_REALTIME),
            "random.choice": lambda: random.choice([1]),
            "os.urandom": lambda: secrets.token_hex(4),
            "random.Random without a seed": lambda: random.Random(None),
            "os.getrandom": lambda: os.getrandom(4),
        }
        for what, step in reaches_out.items():
            world = World("1")
            with self.assertRaises(Escape) as caught, contained(world):
                world.machine("near").start(partial(_reaching, step))
                world.run(10**9)
                world.end()
            self.flushLoggedErrors(Escape)
            self.assertIn(what, str(caught.exception))
            self.assertIn("test_containment.py", str(caught.exception), what)

    def test_texts_of_the_time_are_the_worlds(self) -> None:
        with contained(World("1")):
            self.assertEqual(time.strftime("%Y"), "2027")
            self.assertIn("2027", time.ctime())
            self.assertIn("2027", time.asctime())
            self.assertEqual(time.strftime("%Y", time.gmtime(0)), "1970")

    def test_chance_of_ones_own_is_free(self) -> None:
        with contained(World("1")):
            self.assertEqual(random.Random(1).random(), random.Random(1).random())
