"""A disk as those see it who break it: how long things take, and what fails. What is on it, subclasses know."""

import os
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.event_queue import Event

CACHE_NS = 20_000
"""What happens in memory alone."""

SYNC_NS = 1_000_000
"""A sync, usually."""


def error(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names)


class User(Protocol):
    """A process that uses a disk."""

    @property
    def name(self) -> str: ...

    @property
    def alive(self) -> bool: ...


UserT = TypeVar("UserT", bound=User)


class Drive(Generic[UserT]):
    """Faults set its attributes; they hold for what begins from then on.

    :param stream: the name of the random stream that it draws from.
    :ivar slowness: by how much everything takes longer.
    :ivar stalled_until_ns: nothing ends before that, in the world's time.
    :ivar busy_until_ns: all that has begun will have ended by then.
    :ivar is_full: nothing may grow.
    :ivar is_read_only: nothing may change.
    :ivar fails_to: "read" or "write", or both: every such call fails.
    :ivar syncs_to_fail: how many of the next syncs fail.
    :ivar when_syncing: is called once, in the middle of the next sync.
    :ivar changes: goes up whenever something has become durable, or may have.
    :ivar open_files: each, and whose it is.
    :ivar refused: the last process that was told of an error other than a missing file.
    """

    def __init__(self, world: RunContext, stream: str) -> None:
        self.world = world
        self.slowness = 1
        self.stalled_until_ns = 0
        self.busy_until_ns = 0
        self.is_full = False
        self.is_read_only = False
        self.fails_to: set[str] = set()
        self.syncs_to_fail = 0
        self.when_syncing: Callable[[], object] | None = None
        self._in_syncs: list[Event] = []
        self.changes = 0
        self.open_files: dict[object, UserT] = {}
        self.refused: UserT | None = None
        self._rng = world.rng(stream)

    def durable(self, name: str) -> bytes | None:
        """What the disk certainly holds under a name."""
        raise NotImplementedError

    def lose_power(self) -> None:
        """The cache is gone. Of what was not synced, anything may have reached the disk."""
        raise NotImplementedError

    def replace(self) -> None:
        """Put an empty disk in its place. The machine is off."""
        raise NotImplementedError

    def put(self, name: str, data: bytes) -> None:
        """Have a whole file there that is durable. The machine is off."""
        raise NotImplementedError

    def takes_ns(self, usual_ns: int) -> int:
        """How long something takes that begins now."""
        duration_ns = self._rng.rarely_long(usual_ns) * self.slowness
        duration_ns = max(duration_ns, self.stalled_until_ns - self.world.now_ns)
        self.busy_until_ns = max(self.busy_until_ns, self.world.now_ns + duration_ns)
        return duration_ns

    def calm(self) -> None:
        """End all faults of this disk."""
        self.slowness = 1
        self.stalled_until_ns = 0
        self.is_full = False
        self.is_read_only = False
        self.fails_to.clear()
        self.syncs_to_fail = 0
        self.when_syncing = None
        for event in self._in_syncs:  # a disk that stalls may have several of them before it
            event.cancel()
        self._in_syncs.clear()

    def begin_sync(self, duration_ns: int) -> None:
        if self.when_syncing is not None:
            self._in_syncs.append(self.world.after(duration_ns // 2, self.when_syncing))
            self.when_syncing = None

    def sync_fails(self) -> bool:
        if not self.syncs_to_fail:
            return False
        self.syncs_to_fail -= 1
        return True
