"""Processes: their turns, their ends, their threads, and what the dead do not do."""

import itertools
import time
from functools import partial
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import Cooperator
from twisted.internet.threads import deferToThreadPool

from glitchgrid.simulation.process import Process
from tests.simulation.stage import MS, SECOND, WorldTestCase


def slept(seconds: float, result: str) -> str:
    time.sleep(seconds)
    return result


class TimeTests(WorldTestCase):
    def test_calls_come_when_they_are_due_and_in_order(self) -> None:
        said: list[tuple[str, int]] = []

        def begin(process: Process) -> None:
            for name, delay_s in (("c", 3.0), ("a", 1.0), ("b", 1.5)):
                process.reactor.callLater(delay_s, lambda name=name: said.append((name, self.world.now_ns)))

        self.program(self.near, begin)
        self.world.run(10 * SECOND)
        self.assertEqual([name for name, _ in said], ["a", "b", "c"])
        for (_, at_ns), due_ns in zip(said, (SECOND, 1500 * MS, 3 * SECOND), strict=True):
            self.assertLess(abs(at_ns - due_ns), MS)

    def test_a_program_that_never_waits_does_not_stop_time(self) -> None:
        turns: list[None] = []

        def again(process: Process) -> None:
            turns.append(None)
            process.reactor.callLater(0, again, process)

        self.program(self.near, again)
        self.world.run(10 * MS)
        self.assertEqual(self.world.now_ns, 10 * MS)
        self.assertGreater(len(turns), 100)

    def test_work_without_an_end_that_minds_the_time_does_not_stop_it(self) -> None:
        """Cooperator works for 10 ms at a time, by the clock."""
        fired: list[int] = []

        def begin(process: Process) -> None:
            work = Cooperator(scheduler=lambda step: process.reactor.callLater(0, step))
            work.coiterate(itertools.repeat(None))
            process.reactor.callLater(0.1, lambda: fired.append(self.world.now_ns))

        self.program(self.near, begin)
        self.world.run(150 * MS)
        (at_ns,) = fired
        self.assertLess(abs(at_ns - 100 * MS), 12 * MS)

    def test_a_reactor_that_calls_itself_as_from_a_thread_does_not_stop_time(self) -> None:
        turns: list[None] = []

        def again(process: Process) -> None:
            turns.append(None)
            process.reactor.callFromThread(again, process)

        self.program(self.near, again)
        self.world.run(10 * MS)
        self.assertEqual(self.world.now_ns, 10 * MS)
        self.assertGreater(len(turns), 100)

    def test_a_throttled_machine_is_slow(self) -> None:
        turns: list[None] = []

        def again(process: Process) -> None:
            turns.append(None)
            process.reactor.callLater(0, again, process)

        self.near.throttle(MS)
        self.program(self.near, again)
        self.world.run(100 * MS)
        self.assertLess(len(turns), 110)

    def test_a_clock_that_is_fast(self) -> None:
        fired: list[int] = []
        self.near.clock.drift(0, 100_000)
        self.program(self.near, lambda process: process.reactor.callLater(11, lambda: fired.append(self.world.now_ns)))
        self.world.run(20 * SECOND)
        self.assertLess(abs(fired[0] - 10 * SECOND), MS)

    def test_time_of_day_may_be_set_and_the_other_clock_may_not(self) -> None:
        read: list[tuple[float, float]] = []

        def look(process: Process) -> None:
            read.append((time.time(), time.monotonic()))
            process.reactor.callLater(1, look, process)

        def begin(process: Process) -> None:
            process.reactor.seconds = time.monotonic  # type: ignore[method-assign]
            look(process)

        self.program(self.near, begin)
        self.world.run(500 * MS)
        self.near.clock.jump(-3600 * SECOND)
        self.world.run(SECOND)
        (wall_before, before), (wall_after, after) = read
        self.assertAlmostEqual(after - before, 1, places=3)
        self.assertAlmostEqual(wall_after - wall_before, -3599, places=3)

    def test_a_reactor_on_the_time_of_day_is_fooled_by_a_jump(self) -> None:
        """As the real one is: the call comes as late as the clock was set back."""
        fired: list[int] = []
        self.program(self.near, lambda process: process.reactor.callLater(2, lambda: fired.append(self.world.now_ns)))
        self.world.run(SECOND)
        self.near.clock.jump(-5 * SECOND)
        self.world.run(10 * SECOND)
        self.assertLess(abs(fired[0] - 7 * SECOND), MS)


class EndTests(WorldTestCase):
    def test_the_killed_do_nothing_more(self) -> None:
        said: list[str] = []

        def begin(process: Process) -> None:
            process.reactor.callLater(1, said.append, "too late")
            pool = process.pool()
            pool.start()
            deferToThreadPool(process.reactor, pool, self.sleepy, said)  # type: ignore[arg-type]

        process = self.program(self.near, begin)
        self.world.run(500 * MS)
        self.near.kill()
        process.run(lambda: said.append("a step"))
        self.world.run(10 * SECOND)
        self.assertEqual(said, ["asleep"])
        self.assertEqual((process.alive, process.exit_status), (False, -9))
        self.assertIsNone(self.near.process)

    @staticmethod
    def sleepy(said: list[str]) -> None:
        said.append("asleep")
        time.sleep(2)
        said.append("awake")

    def test_their_finally_blocks_neither(self) -> None:
        said: list[str] = []

        async def wait() -> None:
            try:
                await Deferred()
            finally:
                said.append("finally")

        def begin(_process: Process) -> None:
            Deferred.fromCoroutine(wait())

        self.program(self.near, begin)
        self.near.kill()
        self.world.run(SECOND)
        self.assertEqual(said, [])

    def test_terminated_it_tidies_up_first(self) -> None:
        tidied: Deferred[None] = Deferred()
        process = self.program(self.near, end=lambda: tidied)
        self.world.run(SECOND)
        process.terminate()
        self.world.run(SECOND)
        self.assertTrue(process.alive)
        process.run(lambda: tidied.callback(None))
        self.world.run(SECOND)
        self.assertEqual((process.alive, process.exit_status), (False, 0))

    def test_paused_it_misses_nothing(self) -> None:
        said: list[int] = []
        process = self.program(
            self.near, lambda process: process.reactor.callLater(1, lambda: said.append(self.world.now_ns))
        )
        process.pause()
        self.world.run(5 * SECOND)
        self.assertEqual(said, [])
        process.resume()
        self.world.run(SECOND)
        self.assertEqual(len(said), 1)
        self.assertGreaterEqual(said[0], 5 * SECOND)

    def test_killed_while_it_is_paused(self) -> None:
        said: list[str] = []
        process = self.program(self.near, lambda process: process.reactor.callLater(1, said.append, "no"))
        process.pause()
        self.world.run(5 * SECOND)
        self.near.kill()
        process.resume()
        self.world.run(SECOND)
        self.assertEqual(said, [])

    @staticmethod
    def note(said: list[int], number: int, _process: Process) -> None:
        said.append(number)

    def test_a_machine_starts_again(self) -> None:
        said: list[int] = []
        for number in range(3):
            self.program(self.near, partial(self.note, said, number))
            self.world.run(SECOND)
            self.near.kill()
        self.assertEqual((said, self.near.starts), ([0, 1, 2], 3))


class ThreadTests(WorldTestCase):
    def in_pool(self, threads: int, *jobs: Any) -> list[tuple[Any, int]]:
        """What each job came to, and when."""
        done: list[tuple[Any, int]] = []

        def begin(process: Process) -> None:
            pool = process.pool(threads)
            pool.start()
            for job in jobs:
                working = deferToThreadPool(process.reactor, pool, job)  # type: ignore[arg-type]
                working.addErrback(lambda failure: type(failure.value).__name__)
                working.addCallback(lambda result: done.append((result, self.world.now_ns)))

        self.program(self.near, begin)
        self.world.run(60 * SECOND)
        return done

    def test_a_thread_may_sleep(self) -> None:
        ((result, at_ns),) = self.in_pool(1, lambda: slept(2, "slept"))
        self.assertEqual(result, "slept")
        self.assertLess(abs(at_ns - 2 * SECOND), MS)

    def test_one_thread_does_one_thing_at_a_time(self) -> None:
        done = self.in_pool(1, lambda: time.sleep(2), lambda: time.sleep(1))
        self.assertLess(abs(done[1][1] - 3 * SECOND), MS)

    def test_two_do_two(self) -> None:
        done = self.in_pool(2, lambda: slept(2, "a"), lambda: slept(1, "b"))
        self.assertEqual([result for result, _ in done], ["b", "a"])
        self.assertLess(abs(done[1][1] - 2 * SECOND), MS)

    def test_what_it_raises_is_its_result(self) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        self.assertEqual(self.in_pool(1, fail)[0][0], "ZeroDivisionError")

    def test_the_reactors_own_pool_is_simulated_too(self) -> None:
        done: list[str] = []

        def begin(process: Process) -> None:
            reactor = process.reactor
            pool = reactor.getThreadPool()
            pool.start()
            deferToThreadPool(reactor, pool, lambda: "there").addCallback(done.append)  # type: ignore[arg-type]

        self.program(self.near, begin)
        self.world.run(SECOND)
        self.assertEqual(done, ["there"])

    def test_a_time_out_while_a_thread_works(self) -> None:
        said: list[str] = []

        def begin(process: Process) -> None:
            pool = process.pool()
            pool.start()
            working = deferToThreadPool(process.reactor, pool, lambda: time.sleep(5))  # type: ignore[arg-type]
            working.addTimeout(1, process.reactor)
            working.addErrback(lambda failure: said.append(failure.check(defer.TimeoutError).__name__))

        self.program(self.near, begin)
        self.world.run(2 * SECOND)
        self.assertEqual(said, ["TimeoutError"])
