"""What the tests of several modules stand on: time, threads and a log that do as they are told."""

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from glitchgrid.storage.record import Record
from glitchgrid.storage.slots import decode_file

IDENTITY = "0123456789abcdef" * 2


def record_in(data: bytes | None) -> Record:
    """What a vault's file holds."""
    return decode_file(data or b"").record


class FakeReactor(Clock):
    """A Clock whose other threads hand their results over when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.handed_over: deque[Callable[[], Any]] = deque()
        self.when_running: list[Callable[[], Any]] = []
        self.nameResolver: Any = None
        self.stops = 0
        self.ended_by: list[int] = []

    def callWhenRunning(self, function: Callable[[], Any]) -> None:
        self.when_running.append(function)

    def callFromThread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.handed_over.append(lambda: function(*args, **kwargs))

    def installNameResolver(self, resolver: Any) -> None:
        self.nameResolver = resolver

    def sigInt(self, number: int, frame: Any = None) -> None:
        self.ended_by.append(number)

    sigTerm = sigInt

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning

    def take_over(self) -> None:
        while self.handed_over:
            self.handed_over.popleft()()


class FakePool:
    """A pool with one thread that works when told to."""

    def __init__(self, reactor: FakeReactor) -> None:
        self._reactor = reactor
        self.waiting: deque[Callable[[], None]] = deque()
        self.started = 0
        self.stopped = 0
        self.threads = ["one"]

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        """As Twisted's, which waits for `threads`: for ever, where one of them hangs."""
        assert not self.threads, "a thread would be waited for"
        self.stopped += 1

    def callInThreadWithCallback(
        self, on_result: Callable[[bool, Any], None], work: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        def run() -> None:
            try:
                result = work(*args, **kwargs)
            except Exception:  # noqa: BLE001 - as a thread pool does
                on_result(False, Failure())
            else:
                on_result(True, result)

        self.waiting.append(run)

    def work(self) -> None:
        """Do one piece of work. The reactor does not know of its end yet."""
        self.waiting.popleft()()

    def finish(self) -> None:
        """Do one piece of work, and let the reactor know."""
        self.work()
        self._reactor.take_over()

    def finish_all(self) -> None:
        while self.waiting:
            self.finish()


def threads() -> tuple[Any, Any]:
    """A reactor and a pool, for what wants Twisted's own."""
    reactor = FakeReactor()
    return reactor, FakePool(reactor)


class ReactorWithThreads(MemoryReactorClock):
    """Twisted's own in memory, whose threads are a FakeReactor's."""

    def __init__(self, threads: FakeReactor) -> None:
        super().__init__()
        self.callFromThread = threads.callFromThread


class CaughtLog:
    """What was logged since this was made."""

    def __init__(self, case: Any) -> None:
        self._events = EventLoggingObserver.createWithCleanup(case, globalLogPublisher)

    def texts(self, *levels: Any) -> list[str]:
        return [formatEvent(event) for event in self._events if event.get("log_level") in levels]

    def fields(self, name: str) -> list[Any]:
        """What the events have under a name that have it."""
        return [event[name] for event in self._events if name in event]

    @property
    def errors(self) -> list[str]:
        return self.texts(LogLevel.error, LogLevel.critical)

    @property
    def warnings(self) -> list[str]:
        return self.texts(LogLevel.warn)

    @property
    def infos(self) -> list[str]:
        return self.texts(LogLevel.info)
