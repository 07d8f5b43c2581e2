"""A client beside the load that reads one after another, and knows when a read goes back.

wrk does not say which of its connections an answer belongs to, so it can't tell the order of two reads. This one
can: each of its reads begins when the one before has ended. A few a second are no load to speak of.
"""

import threading
from types import TracebackType
from typing import Self

from benchmarks.dialects import Dialect, Reading

EVERY_S = 0.2


class Observer:
    """A context: it reads from when it is entered until it is left. `went_back` are the reads that were wrong."""

    def __init__(self, dialect: Dialect, port: int, start: Reading) -> None:
        self._dialect = dialect
        self._port = port
        self._position = start.position
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.went_back = 0
        self.reads = 0
        self.first = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def see(self, reading: Reading | None) -> None:
        """Take one read into account. None, no value, is an error and not a wrong answer."""
        if reading is None:
            return
        self.reads += 1
        if reading.position < self._position:
            self.went_back += 1
            self.first = self.first or f"read {reading.position} after {self._position}"
        self._position = max(self._position, reading.position)

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self.see(self._dialect.read(self._port))
