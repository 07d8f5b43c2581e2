"""Processes of the world: threads that wait, signals, and their end; and the seam that answers for the system."""

import signal
import time
from collections.abc import Callable

import pytest
from greenlet import GreenletExit, getcurrent

from glitchgrid.simulation.host import Host
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Asked, Patch, Seam
from tests.simulation.hosts import Hosts

MS = 1_000_000


class Box:
    """A world with one machine, whose processes say what they do and when."""

    def __init__(self) -> None:
        self.world = Hosts("a seed")
        self.host: Host = self.world.machine("a")
        self.seam = Seam()
        self.said: list[tuple[int, str]] = []
        self.ends = 0

    def process(self, main: Callable[[Process], object]) -> Process:
        def end() -> None:
            self.ends += 1

        found: list[Process] = []
        found.append(Process(self.host, self.seam, getcurrent(), 100, lambda: main(found[0]), end))
        return found[0]

    def say(self, what: str) -> None:
        self.said.append((self.world.now_ns // MS, what))

    def run(self, ms: int = 1000) -> None:
        self.world.run(ms * MS)


@pytest.fixture
def box() -> Box:
    return Box()


def test_whoever_looks_knows_whether_anything_has_run_on_a_machine(box: Box) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(box.host.activity)

    box.process(lambda process: process.sleep(5 * MS))
    for at_ms in (1, 4, 6):
        box.world.after(at_ms * MS, look)
    box.run()
    began, slept, ended = seen
    assert began == slept > 0
    assert ended == slept + 1


def test_a_program_that_is_killed_while_it_is_loaded_has_not_run(box: Box) -> None:
    def begin(name: str) -> Process:
        main = lambda: box.say(f"{name} runs")  # noqa: E731
        return Process(box.host, box.seam, getcurrent(), 100, main, lambda: box.say(f"{name} ends"), 300 * MS)

    box.world.after(299 * MS, begin("one").kill, signal.SIGTERM)
    begin("two")
    box.run()
    assert box.said == [(299, "one ends"), (300, "two runs"), (300, "two ends")]


def test_threads_wait_for_each_other(box: Box) -> None:
    def main(process: Process) -> None:
        waiting = process.thread

        def other() -> None:
            process.sleep(5 * MS)
            box.say("wakes it")
            process.unpark(waiting)

        process.spawn(other)
        assert process.park()
        box.say("is awake")
        assert not process.park(3 * MS)
        box.say("has waited")

    process = box.process(main)
    box.run()
    assert box.said == [(5, "wakes it"), (5, "is awake"), (8, "has waited")]
    assert (process.status, process.alive, box.ends) == (0, False, 1)


@pytest.mark.parametrize(
    ("main", "status"),
    [
        (lambda _: None, 0),
        (lambda _: (_ for _ in ()).throw(SystemExit(3)), 3),
        (lambda _: (_ for _ in ()).throw(SystemExit("why")), 1),
        (lambda _: (_ for _ in ()).throw(ValueError("x")), 1),
        (lambda process: process.exit(7), 7),
        (lambda process: process.kill(signal.SIGTERM), -15),
    ],
)
def test_how_it_ends(box: Box, main: Callable[[Process], object], status: int) -> None:
    process = box.process(main)
    box.run()
    assert (process.status, box.ends) == (status, 1)
    assert isinstance(process.failure, ValueError) == (status == 1 and process.failure is not None)


def test_none_of_its_code_runs_after_a_kill(box: Box) -> None:
    def main(process: Process) -> None:
        try:
            process.sleep(50 * MS)
        finally:
            box.say("cleans up")

    process = box.process(main)
    box.world.after(10 * MS, process.kill, signal.SIGKILL)
    box.run()
    assert (process.status, box.said) == (-9, [])


def test_a_handler_runs_in_the_main_thread(box: Box) -> None:
    def main(process: Process) -> None:
        process.handlers[signal.SIGTERM] = lambda number, _: box.say(f"got {number}")
        process.sleep(20 * MS)
        box.say("goes on")

    process = box.process(main)
    box.world.after(7 * MS, process.kill, signal.SIGTERM)
    box.run()
    assert box.said == [(7, "got 15"), (20, "goes on")]


def test_a_paused_one_waits(box: Box) -> None:
    def main(process: Process) -> None:
        process.sleep(5 * MS)
        box.say("goes on")

    process = box.process(main)
    box.world.after(1 * MS, process.pause)
    box.world.after(30 * MS, process.resume)
    box.run()
    assert box.said == [(30, "goes on")]


def test_the_world_answers_while_a_process_runs(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", time.time)  # taken back at the end
    box.seam.put_in([Patch(time, "time", lambda: 42.0)])
    process = box.process(lambda _: box.say(str(time.time())))
    box.run()
    assert (process.status, box.said) == (0, [(0, "42.0")])
    assert time.time() > 1e9


def test_what_is_asked_does_not_become_a_method() -> None:
    class Holder:
        measure = Asked(Seam(), len, lambda _: 0)

    assert Holder().measure([1, 2]) == 2
    assert Holder.measure.__name__ == "len"


def test_a_wait_is_as_long_as_the_machines_clock_says_and_no_longer(box: Box) -> None:
    """Where a clock runs fast, what it measures takes less of the world's time, whatever kind of wait it is."""
    box.host.clock.drift(0, 1_000_000)

    def main(process: Process) -> None:
        process.sleep(100 * MS)
        box.say("slept")
        process.wait_for([], lambda: False, 100 * MS)
        box.say("waited")

    box.process(main)
    box.run()
    assert box.said == [(50, "slept"), (100, "waited")]


def test_at_the_end_of_its_world_a_process_is_ended_whatever_it_catches(box: Box) -> None:
    """The garbage collector does not see into a greenlet that waits: what it refers to would stay."""
    ended: list[str] = []

    def main(process: Process) -> None:
        try:
            try:
                process.park()
            except GreenletExit:
                ended.append("caught")
                process.park()
        finally:
            ended.append("tidied up")

    process = box.process(main)
    threads = [each.greenlet for each in process.threads.values()]
    box.run()
    process.let_go()
    assert ended == ["caught", "tidied up"]
    assert all(each.dead for each in threads)
    assert not process.threads
