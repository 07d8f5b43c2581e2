"""Hears messages in the bytes of a connection: when each was sent, and when the last of it has arrived."""

from collections import deque
from collections.abc import Callable

from attrs import frozen

from glitchgrid.lab.trace.transcript import Message, Reader

UNREAD_BYTES_MAX = 1 << 16
"""Bytes that make no message by then never will: they are told as so many bytes."""


@frozen
class Heard:
    """A message on its way.

    :ivar number: no other of this ear's has it.
    """

    number: int
    message: Message


Sent = Callable[[Heard], object]
Arrived = Callable[[Heard], object]


class Ear:
    """:param read: reads messages.
    :param sent: is told when the whole of one went in.
    :param arrived: is told when the last of it has come out.
    """

    def __init__(self, read: Reader, sent: Sent, arrived: Arrived) -> None:
        self._read = read
        self._sent = sent
        self._arrived = arrived
        self._unread = b""
        self._in = 0
        self._out = 0
        self._number = 0
        self._on_their_way: deque[tuple[int, Heard]] = deque()

    @property
    def on_their_way(self) -> list[Heard]:
        """Those of which some has not come out."""
        return [heard for _, heard in self._on_their_way]

    def goes_in(self, data: bytes) -> None:
        self._unread += data
        self._in += len(data)
        start = 0
        while start < len(self._unread) and (message := self._read(self._unread, start)) is not None:
            self._tell(message, self._in - len(self._unread) + message.end)
            start = message.end
        self._unread = self._unread[start:]
        if len(self._unread) > UNREAD_BYTES_MAX:
            count = len(self._unread)
            self._tell(Message(count, f"{count} bytes"), self._in)
            self._unread = b""

    def comes_out(self, count: int) -> None:
        self._out += count
        while self._on_their_way and self._on_their_way[0][0] <= self._out:
            _, heard = self._on_their_way.popleft()
            self._arrived(heard)

    def _tell(self, message: Message, end: int) -> None:
        self._number += 1
        heard = Heard(self._number, message)
        self._on_their_way.append((end, heard))
        self._sent(heard)
