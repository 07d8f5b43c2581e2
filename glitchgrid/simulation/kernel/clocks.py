"""The functions of `time`, by a machine's two clocks."""

import time
from collections.abc import Callable, Iterator

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch, Seam

SLEEP_MIN_NS = 1_000
"""A sleep of no time gives others a turn, and takes some itself: whoever sleeps in a loop must not stop time."""


def patches(seam: Seam, current: Callable[[], Process]) -> Iterator[Patch]:
    """What `time` has that reads a clock, or waits for one.

    :param current: the process whose code runs.
    """

    def wall_ns() -> int:
        process = current()
        return process.clock.wall_ns(process.world.now_ns)

    def monotonic_ns() -> int:
        process = current()
        return process.clock.monotonic_ns(process.world.now_ns)

    # What reactors ask for all the time, without a call of the two above.
    def wall() -> float:
        process = current()
        return process.clock.wall_ns(process.world.now_ns) / SECOND_NS

    def monotonic() -> float:
        process = current()
        return process.clock.monotonic_ns(process.world.now_ns) / SECOND_NS

    yield Patch(time, "time", wall)
    yield Patch(time, "time_ns", wall_ns)
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        yield Patch(time, name, monotonic)
        yield Patch(time, f"{name}_ns", monotonic_ns)
    yield from _clock_gettime(wall_ns, monotonic_ns)
    yield from _calendar(seam, wall)
    yield Patch(time, "sleep", lambda seconds: _sleep(current(), seconds))


def _clock_gettime(wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> Iterator[Patch]:
    def read_ns(clock: int) -> int:
        return wall_ns() if clock in _WALL else monotonic_ns()

    yield Patch(time, "clock_gettime", lambda clock: read_ns(clock) / SECOND_NS)
    yield Patch(time, "clock_gettime_ns", read_ns)


_WALL = {time.CLOCK_REALTIME, getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME), time.CLOCK_TAI}


def _calendar(seam: Seam, wall: Callable[[], float]) -> Iterator[Patch]:
    """What takes the time of day where it is given none."""
    for name in ("gmtime", "localtime", "ctime"):
        convert = seam.original(time, name)
        yield Patch(time, name, lambda at=None, convert=convert: convert(wall() if at is None else at))
    local, strftime, asctime = (seam.original(time, name) for name in ("localtime", "strftime", "asctime"))
    yield Patch(time, "strftime", lambda text, at=None: strftime(text, local(wall()) if at is None else at))
    yield Patch(time, "asctime", lambda at=None: asctime(local(wall()) if at is None else at))


def _sleep(process: Process, seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    process.sleep(max(int(seconds * SECOND_NS), SLEEP_MIN_NS))
