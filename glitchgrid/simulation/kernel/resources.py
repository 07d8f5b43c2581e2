"""What a process may use, and what it has used: `resource`, and `os.times`.

Nothing that runs takes any of a processor's time. Limits are kept, and the one for descriptors is followed.
"""

import os
import resource
from collections.abc import Callable, Iterator
from typing import Any

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.descriptors import DESCRIPTORS_MAX, Table
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch

HARD_DESCRIPTORS_MAX = 524_288
"""As systemd sets it."""

MEMORY_KIB = 65_536
"""What each process has in memory, as far as it is told."""

Limit = tuple[int, int]
"""The soft one, and the hard one, which nobody may exceed."""

_UNLIMITED: Limit = resource.RLIM_INFINITY, resource.RLIM_INFINITY
_LIMITS = object()
"""Under which a process keeps those that were set."""


class Resources:
    """:param current: the process whose code runs, and its descriptors."""

    def __init__(self, current: Callable[[], tuple[Process, Table]]) -> None:
        self._current = current

    def patches(self) -> Iterator[Patch]:
        yield Patch(resource, "getrlimit", self.getrlimit)
        yield Patch(resource, "setrlimit", self.setrlimit)
        yield Patch(resource, "getrusage", lambda _who: resource.struct_rusage((0.0, 0.0, MEMORY_KIB, *[0] * 13)))
        yield Patch(os, "times", self.times)

    def getrlimit(self, which: int, /) -> Limit:
        process, table = self._current()
        soft, hard = _limits(process).get(which, _UNLIMITED)
        return (table.most, hard) if which == resource.RLIMIT_NOFILE else (soft, hard)

    def setrlimit(self, which: int, limits: Any, /) -> None:
        """:raises ValueError: for a soft limit above the hard one."""
        soft, hard = map(int, limits)
        if hard != resource.RLIM_INFINITY and not 0 <= soft <= hard:
            raise ValueError("current limit exceeds maximum limit")
        process, table = self._current()
        process.kept[_LIMITS] = {**_limits(process), which: (soft, hard)}
        if which == resource.RLIMIT_NOFILE:
            table.most = soft

    def times(self) -> os.times_result:
        process, _ = self._current()
        elapsed_s = process.clock.monotonic_ns(process.world.now_ns) / SECOND_NS
        return os.times_result((0.0, 0.0, 0.0, 0.0, elapsed_s))


def _limits(process: Process) -> dict[int, Limit]:
    found: dict[int, Limit] = process.kept.get(_LIMITS, _USUAL)
    return found


_USUAL: dict[int, Limit] = {resource.RLIMIT_NOFILE: (DESCRIPTORS_MAX, HARD_DESCRIPTORS_MAX)}
