"""Processes that do runs, kept for the next run. A thread has one for itself until it gives it back."""

import atexit
import threading
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

FREE_MAX = 32
"""Where so many are free, and none of them is what is wanted, the one that was free for longest makes room."""


class Closing(Protocol):
    def close(self) -> None:
        """End it, and wait for that."""


Key = TypeVar("Key", bound=Hashable)
One = TypeVar("One", bound=Closing)


class Pool(Generic[Key, One]):
    """Those that are free end with this process.

    :param begin: starts one. Its argument is what two of them have to have in common to be alike.
    """

    def __init__(self, begin: Callable[[Key], One]) -> None:
        self._begin = begin
        self._free: list[tuple[Key, One]] = []
        self._lock = threading.Lock()
        atexit.register(self.close)

    @property
    def free(self) -> list[One]:
        """Those that nobody has just now."""
        with self._lock:
            return [one for _, one in self._free]

    def take(self, key: Key) -> One:
        """A free one, or a new one."""
        with self._lock:
            for place in reversed(range(len(self._free))):
                if self._free[place][0] == key:
                    return self._free.pop(place)[1]
            oldest = self._free.pop(0)[1] if len(self._free) >= FREE_MAX else None
        if oldest is not None:
            oldest.close()
        return self._begin(key)

    def give(self, key: Key, one: One) -> None:
        """Give it back, as good as it was."""
        with self._lock:
            self._free.append((key, one))

    def close(self) -> None:
        """End those that are free."""
        with self._lock:
            free, self._free = self._free, []
        for _, one in free:
            one.close()
