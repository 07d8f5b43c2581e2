"""Time, and what happens in it, one event after another."""

import heapq
from collections.abc import Callable
from typing import Any

EVENTS_MAX = 20_000_000
"""More in one run means that something goes round in circles."""


class Stuck(Exception):
    """A run has had more events than any should need."""


class Event:
    """Something that will happen, unless it is cancelled."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self.function: Callable[..., object] | None = function
        self.arguments = arguments

    def cancel(self) -> None:
        self.function = None
        self.arguments = ()


class Timeline:
    """:ivar now_ns: the time, in nanoseconds since the beginning."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.events = 0
        self._queue: list[tuple[int, int, Event]] = []
        self._order = 0

    def after(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> Event:
        """Let something happen in `delay_ns` nanoseconds; what is for the same time happens in order of the calls."""
        assert delay_ns >= 0
        self._order += 1
        event = Event(function, arguments)
        heapq.heappush(self._queue, (self.now_ns + delay_ns, self._order, event))
        return event

    def run(self, duration_ns: int, done: Callable[[], bool] | None = None) -> bool:
        """Let time go by, up to `duration_ns`, or until `done` after some event.

        :returns: whether it was done.
        :raises Stuck: after `EVENTS_MAX` events.
        """
        end_ns = self.now_ns + duration_ns
        queue = self._queue
        while queue and queue[0][0] <= end_ns:
            at_ns, _, event = heapq.heappop(queue)
            if event.function is None:
                continue
            self.now_ns = at_ns
            self.events += 1
            if self.events > EVENTS_MAX:
                raise Stuck(f"{EVENTS_MAX} events, and no end of it")
            event.function(*event.arguments)
            if done is not None and done():
                return True
        self.now_ns = end_ns
        return False
