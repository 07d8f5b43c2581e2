"""epoll: which of a process's sockets are ready."""

import errno
import os
import select
from collections.abc import Callable, Mapping
from typing import Protocol

ALWAYS = select.EPOLLERR | select.EPOLLHUP
"""What is reported whether it was asked for or not."""


class Watched(Protocol):
    """A socket."""

    @property
    def events(self) -> int:
        """What it is ready for."""


class Epoll:
    """Level-triggered; sockets are reported in the order in which they became ready.

    :param sockets: the process's, by their descriptors.
    :param wake: lets its reactor look.
    """

    def __init__(self, sockets: Mapping[int, Watched], wake: Callable[[], None]) -> None:
        self._sockets = sockets
        self._wake = wake
        self._interest: dict[int, int] = {}
        self._candidates: dict[int, None] = {}

    # What Twisted calls.

    def register(self, descriptor: int, mask: int) -> None:
        self._interest[descriptor] = mask
        self.check(descriptor)

    modify = register

    def unregister(self, descriptor: int) -> None:
        if descriptor not in self._interest:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.forget(descriptor)

    def poll(self, _timeout_s: float, events_max: int) -> list[tuple[int, int]]:
        ready = []
        for descriptor in list(self._candidates):
            mask = self._ready(descriptor)
            if mask:
                ready.append((descriptor, mask))
            else:
                del self._candidates[descriptor]
        return ready[:events_max]

    # What the kernel calls.

    def check(self, descriptor: int) -> None:
        """A socket has changed, or what is wanted of it."""
        if self._ready(descriptor):
            self._candidates[descriptor] = None
            self._wake()

    def forget(self, descriptor: int) -> None:
        self._interest.pop(descriptor, None)
        self._candidates.pop(descriptor, None)

    @property
    def has_ready(self) -> bool:
        return any(map(self._ready, self._candidates))

    @property
    def may_have_ready(self) -> bool:
        """Without this there is nothing to poll for."""
        return bool(self._candidates)

    def _ready(self, descriptor: int) -> int:
        interest = self._interest.get(descriptor)
        found = self._sockets.get(descriptor)
        if interest is None or found is None:
            return 0
        return found.events & (interest | ALWAYS)
