"""One direction of a link. What goes in comes out in its order: later where it is slow, and not while it is stopped.

As TCP has it: a network that is cut loses segments and not bytes, for they are sent again. What went in while the way
was stopped comes out when it goes on, unless one of the ends has lost patience by then.
"""

from collections import deque
from typing import Protocol

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

WAITING_BYTES_MAX = 1 << 20
"""Of one connection: while more than this waits, its source is asked for no more."""

DELAY_S_MAX = 60.0


class Sink(Protocol):
    """Where it comes out: a transport."""

    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...


class Source(Protocol):
    """Where it comes from: a transport, as a producer."""

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...


class Hearing(Protocol):
    """Is told of what goes in and comes out."""

    def goes_in(self, data: bytes) -> None: ...

    def comes_out(self, count: int) -> None: ...


class Way:
    """:ivar delay_s: how long everything takes."""

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.delay_s = 0.0
        self._stopped_by: set[str] = set()
        self._streams: dict[Stream, None] = {}

    @property
    def is_open(self) -> bool:
        return not self._stopped_by

    def is_stopped_by(self, why: str) -> bool:
        return why in self._stopped_by

    def stop(self, why: str) -> None:
        """Nothing comes out any more, until it goes on for each reason for which it was stopped."""
        self._stopped_by.add(why)

    def go_on(self, why: str) -> None:
        """What waits comes out."""
        self._stopped_by.discard(why)
        for stream in list(self._streams):
            stream.go_on()

    def slow(self, delay_s: float) -> None:
        """Let what goes in from now on take so long.

        :raises ValueError: for less than nothing, and for more than `DELAY_S_MAX`.
        """
        if not 0 <= delay_s <= DELAY_S_MAX:
            raise ValueError(f"a delay of {delay_s:g} s: it must be from 0 to {DELAY_S_MAX:g} s")
        self.delay_s = delay_s

    @property
    def waiting_bytes(self) -> int:
        """How much is on its way, or is held."""
        return sum(stream.waiting_bytes for stream in self._streams)

    def add(self, stream: "Stream") -> None:
        self._streams[stream] = None

    def remove(self, stream: "Stream") -> None:
        self._streams.pop(stream, None)


@define
class _Piece:
    due_s: float
    data: bytes


@define(eq=False)
class Stream:
    """What one connection says in one direction. To its sink it is a push producer: it waits for a slow reader."""

    way: Way
    sink: Sink
    source: Source
    hearing: Hearing
    waiting_bytes: int = 0
    _pieces: deque[_Piece] = field(factory=deque)
    _timer: IDelayedCall | None = None
    _ends: bool = False
    _is_full: bool = False
    _sink_is_full: bool = False

    def __attrs_post_init__(self) -> None:
        self.way.add(self)

    def put(self, data: bytes) -> None:
        """It goes in."""
        self.hearing.goes_in(data)
        due_s = self.way.clock.seconds() + self.way.delay_s
        if self._pieces:
            due_s = max(due_s, self._pieces[-1].due_s)  # nothing overtakes what went in before
        self._pieces.append(_Piece(due_s, data))
        self.waiting_bytes += len(data)
        if self.waiting_bytes > WAITING_BYTES_MAX and not self._is_full:
            self._is_full = True
            self.source.pauseProducing()
        self.go_on()

    def end(self) -> None:
        """Nothing more goes in: the other end is told when the rest has come out."""
        self._ends = True
        self.go_on()

    def close(self) -> None:
        """What has not come out is lost."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._pieces.clear()
        self.waiting_bytes = 0
        self.way.remove(self)

    def pauseProducing(self) -> None:
        """The sink has enough for now."""
        self._sink_is_full = True

    def resumeProducing(self) -> None:
        """The sink takes more."""
        self._sink_is_full = False
        self.go_on()

    def stopProducing(self) -> None:
        """There is no sink any more."""
        self.close()

    @property
    def _comes_out(self) -> bool:
        return self.way.is_open and not self._sink_is_full

    def go_on(self) -> None:
        """Let out what is due."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        now_s = self.way.clock.seconds()
        while self._comes_out and self._pieces and self._pieces[0].due_s <= now_s:
            piece = self._pieces.popleft()
            self.waiting_bytes -= len(piece.data)
            self.sink.write(piece.data)
            self.hearing.comes_out(len(piece.data))
        if self._is_full and self.waiting_bytes <= WAITING_BYTES_MAX // 2:
            self._is_full = False
            self.source.resumeProducing()
        if not self._comes_out:
            return
        if self._pieces:
            self._timer = self.way.clock.callLater(self._pieces[0].due_s - now_s, self.go_on)
        elif self._ends:
            self._ends = False
            self.way.remove(self)
            self.sink.loseConnection()
