"""Descriptors, pipes, and the three ways of waiting for them."""

import errno
import select
from collections.abc import Callable

import pytest

from glitchgrid.simulation.kernel.descriptors import HUP, IN, OUT, OpenFile, Table
from glitchgrid.simulation.kernel.pipes import CAPACITY_BYTES, ReadEnd, pipe
from glitchgrid.simulation.kernel.polling import Epoll, Poll, select_ready
from glitchgrid.simulation.kernel.process import Process
from tests.simulation.test_kernel import MS, Box


@pytest.fixture
def box() -> Box:
    return Box()


def number_of(error: pytest.ExceptionInfo[OSError]) -> int | None:
    return error.value.errno


def test_the_lowest_descriptor_is_taken() -> None:
    table = Table()
    files = [OpenFile() for _ in range(3)]
    assert [table.add(each) for each in files] == [0, 1, 2]
    table.close(1)
    assert table.add(files[0]) == 1
    assert table.add(files[0], least=10) == 10
    with pytest.raises(OSError, match=r".*") as raised:
        table.file(7)
    assert number_of(raised) == errno.EBADF
    table.most = 4
    table.add(files[0])
    with pytest.raises(OSError, match=r".*") as raised:
        table.add(files[0])
    assert number_of(raised) == errno.EMFILE


def test_a_file_is_closed_with_its_last_descriptor() -> None:
    table = Table()
    reading, writing = pipe()
    first, second = table.add(reading), table.add(reading)
    table.close(first)
    assert writing.write(b"x") == 1
    table.close(second)
    with pytest.raises(BrokenPipeError):
        writing.write(b"x")


def test_a_pipe() -> None:
    reading, writing = pipe()
    assert (reading.events, writing.events) == (0, OUT)
    with pytest.raises(BlockingIOError):
        reading.read(5)
    writing.write(b"hello")
    assert (reading.events, reading.read(3), reading.read(3)) == (IN, b"hel", b"lo")
    assert writing.write(b"x" * (CAPACITY_BYTES - 1)) == CAPACITY_BYTES - 1
    assert writing.events == 0
    with pytest.raises(BlockingIOError):
        writing.write(b"two")  # whole, or not at all
    writing.close()
    assert reading.events == IN | HUP
    reading.read(CAPACITY_BYTES)
    assert (reading.events, reading.read(1)) == (HUP, b"")


def later(box: Box, process: Process, ms: int, data: bytes) -> ReadEnd:
    reading, writing = pipe()
    box.world.after(ms * MS, writing.write, data)
    assert process.alive
    return reading


def test_epoll_waits(box: Box) -> None:
    def main(process: Process) -> None:
        table = Table()
        epoll = Epoll(process, table)
        descriptor = table.add(later(box, process, 30, b"x"))
        epoll.register(descriptor, IN)
        box.say(str(epoll.poll(0.01)))
        box.say(str(epoll.poll(1)))
        table.close(descriptor)
        box.say(str(epoll.poll(0.01)))
        with pytest.raises(OSError, match=r".*") as raised:
            epoll.unregister(descriptor)
        assert number_of(raised) == errno.EBADF

    process = box.process(main)
    box.run()
    assert process.failure is None
    assert box.said == [(10, "[]"), (30, f"[(1, {IN})]"), (40, "[]")]


def test_epoll_reports_in_the_order_of_readiness(box: Box) -> None:
    def main(process: Process) -> None:
        table = Table()
        epoll = Epoll(process, table)
        ends = [table.add(later(box, process, ms, b"x")) for ms in (20, 10)]
        for each in ends:
            epoll.register(each, IN)
        process.sleep(50 * MS)
        assert [descriptor for descriptor, _ in epoll.poll(0)] == ends[::-1]
        assert [descriptor for descriptor, _ in epoll.poll(0, 1)] == ends[1:]
        assert [descriptor for descriptor, _ in epoll.poll(0, 1)] == ends[:1], "who was left out comes first"
        assert [descriptor for descriptor, _ in epoll.poll(0, 1)] == ends[1:]

    process = box.process(main)
    box.run()
    assert process.failure is None


def test_poll_and_select_wait(box: Box) -> None:
    def main(process: Process) -> None:
        table = Table()
        descriptor = table.add(later(box, process, 30, b"x"))
        poll = Poll(process, table)
        poll.register(descriptor, IN)
        poll.register(99, IN)
        assert poll.poll(0) == [(99, select.POLLNVAL)]
        poll.unregister(99)
        box.say(str(poll.poll(1000)))
        box.say(str(select_ready(process, table, ([descriptor], [], []), 0.5)))
        table.file(descriptor).read(1)
        box.say(str(select_ready(process, table, ([descriptor], [], []), 0.5)))

    process = box.process(main)
    box.run()
    assert process.failure is None
    assert box.said == [(30, f"[(0, {IN})]"), (30, "([0], [], [])"), (530, "([], [], [])")]


def test_who_polls_in_a_loop_does_not_stop_time(box: Box) -> None:
    def main(process: Process) -> None:
        epoll = Epoll(process, Table())
        while box.world.now_ns < 1 * MS:
            epoll.poll(0)

    process = box.process(main)
    box.run()
    assert process.status == 0


@pytest.mark.parametrize(
    ("wait", "took_us"),
    [
        (lambda process, table: Epoll(process, table).poll(0.0101), 11_000),
        (lambda process, table: Poll(process, table).poll(10.1), 11_000),
        (lambda process, table: select_ready(process, table, ([], [], []), 0.0101005), 10_101),
    ],
)
def test_a_time_out_is_rounded_up_as_linux_has_it(
    box: Box, wait: Callable[[Process, Table], object], took_us: int
) -> None:
    def main(process: Process) -> None:
        wait(process, Table())
        box.say(f"after {box.world.now_ns // 1000}")

    box.process(main)
    box.run()
    assert [what for _, what in box.said] == [f"after {took_us}"]
