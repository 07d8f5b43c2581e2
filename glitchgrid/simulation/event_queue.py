"""Simulated time: a queue of events, which happen one after another."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

EVENTS_MAX = 20_000_000
"""More in one run means that something goes round in circles."""


class Stuck(Exception):
    """A run has had more events than any run needs."""


_FUNCTION, _ARGUMENTS = 2, 3


class Event(list[Any]):
    """Something that will happen, unless it is cancelled: when, its place among what is for the same time, and what.

    A list, because a heap compares lists without a call of Python's, and a run has thousands of them a second.
    """

    __slots__ = ()

    def cancel(self) -> None:
        self[_FUNCTION] = None
        self[_ARGUMENTS] = ()


class EventQueue:
    """:ivar now_ns: the time, in nanoseconds since the beginning."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.events = 0
        self._queue: list[Event] = []
        self._order = 0

    def after(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> Event:
        """Let something happen in `delay_ns` nanoseconds; what is for the same time happens in order of the calls."""
        assert delay_ns >= 0
        self._order += 1
        event = Event((self.now_ns + delay_ns, self._order, function, arguments))
        heappush(self._queue, event)
        return event

    def run(self, duration_ns: int, done: Callable[[], bool] | None = None) -> bool:
        """Let time go by, up to `duration_ns`, or until `done` after some event.

        :returns: whether it was done.
        :raises Stuck: after `EVENTS_MAX` events.
        """
        end_ns = self.now_ns + duration_ns
        queue = self._queue
        while queue and queue[0][0] <= end_ns:
            at_ns, _, function, arguments = heappop(queue)
            if function is None:
                continue
            self.now_ns = at_ns
            self.events += 1
            if self.events > EVENTS_MAX:
                raise Stuck(f"{EVENTS_MAX} events, and no end of it")
            function(*arguments)
            if done is not None and done():
                return True
        self.now_ns = end_ns
        return False
