"""A TCP connection as the two kernels see it: two ends, and a flow in each direction."""

import errno
import select
from collections import deque
from typing import Protocol

from glitchgrid.simulation.capture import CapturedFlow, Piece
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.network import RETRANSMIT_MAX_NS, RETRANSMIT_NS, Arrive
from glitchgrid.simulation.trace import brief

SEND_BUFFER_BYTES = 256 * 1024
"""So much may be on its way or unread before a sender has to wait."""

SEGMENT_BYTES = (1, 3, 20, 100, 536, 1460)


IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Way(Protocol):
    """One direction of a connection."""

    @property
    def is_cut(self) -> bool: ...

    def send(self, arrive: Arrive) -> None: ...


class Holder(Protocol):
    """The socket of an end."""

    def changed(self) -> None:
        """The socket may have become readable or writable."""

    def fail(self, number: int) -> None:
        """Let the next system call fail with this error."""


class End:
    """One end of a connection.

    :ivar has_finished: this end sends nothing more.
    :ivar was_reset: there is no connection any more.
    """

    socket: Holder | None = None
    peer: "End"
    captured: CapturedFlow | None = None
    """What this end sends, where that is to be shown."""

    def __init__(self, number: int, host: Host, flow: Way) -> None:
        self.number = number
        self.host = self._host = host
        self.flow = flow
        self.has_finished = False
        self.was_reset = False
        self._is_closed = False
        self._is_gone = False
        self._ended = False
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._on_the_way = 0
        self._unacknowledged = 0
        self._is_sending_again = False
        self._rng = host.world.rng(f"segments {host.name}")

    # The program's side.

    def open_events(self) -> int | None:
        """What it is ready for, in epoll's terms, while both ends may still send; None afterwards."""
        if self._ended or self.was_reset:
            return None
        # As `room` has it, without a call.
        unread, unacknowledged = self.peer._unread_bytes, self._unacknowledged  # noqa: SLF001
        taken = self._on_the_way + (unread if unread > unacknowledged else unacknowledged)
        return (IN if self._unread_bytes else 0) | (OUT if taken < SEND_BUFFER_BYTES else 0)

    @property
    def has_unread(self) -> bool:
        return bool(self._unread_bytes)

    @property
    def has_heard_the_end(self) -> bool:
        """The other end's FIN has come."""
        return self._ended

    @property
    def is_over(self) -> bool:
        """Either end knows that the other sends nothing more: there is no connection any more (RFC 9293, 3.6)."""
        return self.was_reset or (self.has_finished and self._ended and self.peer._ended)  # noqa: SLF001 - as above

    @property
    def room(self) -> int:
        """What the other end has not read takes room here, and so does what nobody has acknowledged."""
        unread, unacknowledged = self.peer._unread_bytes, self._unacknowledged  # noqa: SLF001 - its own other end
        taken = self._on_the_way + (unread if unread > unacknowledged else unacknowledged)
        return SEND_BUFFER_BYTES - taken if taken < SEND_BUFFER_BYTES else 0

    def read(self, size_max: int) -> bytes:
        parts: list[bytes] = []
        while self._unread and size_max > 0:
            part = self._unread.popleft()
            if len(part) > size_max:
                self._unread.appendleft(part[size_max:])
                part = part[:size_max]
            size_max -= len(part)
            parts.append(part)
        data = b"".join(parts)
        was_full = not self.peer.room
        self._unread_bytes -= len(data)
        if was_full and self.peer.socket is not None:
            self.peer.socket.changed()  # it has room again
        return data

    def peek(self, size_max: int) -> bytes:
        """What `read` would return."""
        return b"".join(self._unread)[:size_max]

    def write(self, data: bytes) -> None:
        if not data:
            return
        self._on_the_way += len(data)
        if self.captured is not None:
            self.captured.sent.append(Piece(self._host.world.now_ns, data))
        for segment in self._segments(data):
            self.flow.send(lambda segment=segment: self._delivered(segment))  # type: ignore[misc]

    def _segments(self, data: bytes) -> list[bytes]:
        """How the data is cut up: anything may arrive in any pieces."""
        if not self._host.cuts_segments:
            return [data]
        segments = []
        while data:
            size = self._rng.pick(SEGMENT_BYTES)
            segments.append(data[:size])
            data = data[size:]
        return segments

    def _delivered(self, segment: bytes) -> None:
        if not self.peer.is_powered:
            self._send_again(RETRANSMIT_NS)
            return
        was_full = not self.room
        self._on_the_way -= len(segment)
        self.peer.arrived(segment)
        if self.peer.flow.is_cut:
            # No acknowledgement comes back before that is over: what was sent has to be kept, whoever has read it.
            self._unacknowledged += len(segment)
            self.peer.flow.send(lambda: self._acknowledged(len(segment)))
        if was_full and self.socket is not None:
            self.socket.changed()

    def _acknowledged(self, count: int) -> None:
        was_full = not self.room
        self._unacknowledged -= count
        if was_full and self.socket is not None:
            self.socket.changed()

    def _send_again(self, after_ns: int) -> None:
        """Nobody has acknowledged what was sent: it stays on its way, and is sent again and again."""
        if not self._is_sending_again:
            self._is_sending_again = True
            self._host.world.after(after_ns, self._sent_again, after_ns)

    def _sent_again(self, after_ns: int) -> None:
        self._is_sending_again = False
        if self._is_gone or self.was_reset:
            return
        if self.peer.is_powered and not self.flow.is_cut:
            # The peer's machine has been switched on again since then, and knows of no such connection.
            self.flow.send(self.peer.answer_with_a_reset)
        elif after_ns >= RETRANSMIT_MAX_NS:
            self._break(errno.ETIMEDOUT)
        else:
            self._send_again(min(2 * after_ns, RETRANSMIT_MAX_NS))

    def finish(self) -> None:
        if not self.has_finished and not self.was_reset:
            self.has_finished = True
            self.flow.send(self.peer.ended)

    def close(self, *, reset: bool) -> None:
        """The program lets go. Unread data makes that a reset, as it does on Linux."""
        self._is_closed = True
        self.socket = None
        if self.was_reset:
            return
        if reset or self._unread_bytes:
            self.was_reset = True
            self.flow.send(self.peer.reset)
        else:
            self.finish()

    def vanish(self) -> None:
        self._is_gone = True
        self.socket = None

    def break_off(self) -> None:
        """A fault of the network: either end gets a reset."""
        for end in (self, self.peer):
            end.reset()

    # The network's side.

    def arrived(self, segment: bytes) -> None:
        if self._is_gone or self._is_closed or self.was_reset:
            self.answer_with_a_reset()
            return
        self._host.world.note(self._host.name, f"received {self.number} {brief(segment)}")
        if self.peer.captured is not None:
            self.peer.captured.arrived.append(Piece(self._host.world.now_ns, segment))
        self._unread.append(segment)
        self._unread_bytes += len(segment)
        self._changed()

    def ended(self) -> None:
        if self._is_gone:
            self.answer_with_a_reset()
        elif not self.was_reset:
            self._ended = True
            self._changed()

    def reset(self) -> None:
        if not self._is_gone and not self.was_reset:
            self._host.world.note(self._host.name, f"reset {self.number}")
            self._break(errno.ECONNRESET)

    def _break(self, number: int) -> None:
        self.was_reset = True
        if self.socket is not None:
            self.socket.fail(number)

    @property
    def is_powered(self) -> bool:
        """Does the machine at this end have power?"""
        return self._host.is_powered

    def answer_with_a_reset(self) -> None:
        """A machine that runs says that it knows of no such connection; one without power says nothing."""
        if self._host.is_powered and not self.peer.was_reset:
            self.flow.send(self.peer.reset)

    def _changed(self) -> None:
        if self.socket is not None:
            self.socket.changed()
