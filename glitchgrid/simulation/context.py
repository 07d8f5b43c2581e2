"""What all parts of one simulated world share: its time, its random streams, its trace, and whose code runs."""

from typing import Protocol

from glitchgrid.simulation.capture import Capture
from glitchgrid.simulation.clock import Clock
from glitchgrid.simulation.event_queue import EventQueue
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.simulation.trace import Trace


class Running(Protocol):
    """Whose code runs: the time functions say what its machine's clocks say."""

    @property
    def clock(self) -> Clock: ...


class RunContext(EventQueue):
    """:ivar current: the process whose code runs just now.
    :ivar capture: what was sent and what arrived, where the trace is kept.
    """

    def __init__(self, seed: str, *, keep_trace: bool = False) -> None:
        super().__init__()
        self.seed = seed
        self.trace = Trace(keep=keep_trace)
        self.capture = Capture() if keep_trace else None
        self.current: Running | None = None
        self._rng: dict[str, RandomStream] = {}

    def rng(self, name: str) -> RandomStream:
        """The stream of that name."""
        stream = self._rng.get(name)
        if stream is None:
            stream = self._rng[name] = RandomStream(f"{self.seed}:{name}")
        return stream

    def note(self, who: str, what: str) -> None:
        """Put a line into the trace."""
        self.trace.add(self.now_ns, who, what)
