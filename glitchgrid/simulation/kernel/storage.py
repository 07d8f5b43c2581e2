"""A machine's disk, for its processes: how long their calls wait for it, and which of them fail."""

import errno
from collections.abc import Callable, Iterable
from typing import Protocol

from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.drive import CACHE_NS, SYNC_NS, Drive
from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.kernel.process import Process


class Flush(Protocol):
    """What a sync writes: what was dirty when it began."""

    def succeed(self) -> None: ...

    def fail(self) -> None: ...


class Waiting:
    """Something that a process waits for.

    :param process: None where nobody waits.
    """

    def __init__(self, process: Process | None) -> None:
        self.process = process
        self.watchers: dict[object, Callable[[], None]] = {}
        self.is_over = False
        self.has_failed = False

    def end(self) -> None:
        self.is_over = True
        for tell in list(self.watchers.values()):
            tell()


class Storage(Drive[Process]):
    """:ivar call_ns: what a call takes that does not wait for the disk itself; 0 lets nobody else run meanwhile."""

    def __init__(self, world: RunContext, name: str) -> None:
        super().__init__(world, f"files {name}")
        self.name = name
        self.call_ns = 0
        self._last_sync_ns = 0

    def current(self) -> Process | None:
        """The process whose code runs."""
        return self.world.current  # type: ignore[return-value] # what runs here is a process of this kernel's

    def reach(self) -> None:
        """Let a call wait where the disk is slow or stalls. What it asks for is done behind this."""
        usual_ns = self.call_ns or (CACHE_NS if self.slowness > 1 else 0)
        process = self.current()
        if process is None or not (usual_ns or self.stalled_until_ns > self.world.now_ns):
            return
        waiting = Waiting(process)
        self.world.after(self.takes_ns(usual_ns), waiting.end)
        process.wait_for([waiting], lambda: waiting.is_over)

    def refusal(self, number: int) -> OSError:
        """The error that the process is told of."""
        self.refused = self.current()
        return error(number)

    def require_change(self) -> None:
        """:raises OSError: EROFS."""
        if self.is_read_only:
            raise self.refusal(errno.EROFS)

    def require_room(self) -> None:
        """:raises OSError: EROFS, ENOSPC."""
        self.require_change()
        if self.is_full:
            raise self.refusal(errno.ENOSPC)

    def require(self, what: str) -> None:
        """:raises OSError: EIO where reads, or writes, fail."""
        if what in self.fails_to:
            raise self.refusal(errno.EIO)

    def note(self, what: str) -> None:
        """Put a line into the trace."""
        process = self.current()
        self.world.note(self.name if process is None else process.name, what)

    def sync(self, flushes: Iterable[Flush], what: str) -> None:
        """Wait until what was dirty when this was called is durable.

        Syncs of one machine end in the order in which they began, and by the world's time.

        :raises OSError: EIO.
        """
        waiting, begun = Waiting(self.current()), list(flushes)
        end_ns = max(self.world.now_ns + self.takes_ns(SYNC_NS), self._last_sync_ns)
        self._last_sync_ns = end_ns
        self.begin_sync(end_ns - self.world.now_ns)
        if waiting.process is None:
            self._end_sync(begun, waiting)
        else:
            self.world.after(end_ns - self.world.now_ns, self._end_sync, begun, waiting)
            waiting.process.wait_for([waiting], lambda: waiting.is_over)
        self.note(f"sync {what}{' fails' if waiting.has_failed else ''}")
        if waiting.has_failed:
            raise self.refusal(errno.EIO)

    def _end_sync(self, begun: list[Flush], waiting: Waiting) -> None:
        """It was for nothing where its process has died since."""
        if waiting.process is not None and not waiting.process.alive:
            return
        waiting.has_failed = self.sync_fails()
        for each in begun:
            if waiting.has_failed:
                each.fail()
            else:
                each.succeed()
        self.changes += not waiting.has_failed
        waiting.end()
