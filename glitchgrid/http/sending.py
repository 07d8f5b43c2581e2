"""How answers are sent: at once and in one piece where that is possible, and always in order.

Answers go to the kernel at once. An answer that is left to the transport costs a turn of the reactor, and two calls to
have it watch the socket and to have it stop. But an answer must not overtake bytes that the transport still has to
send: once anything was left to the transport, everything else goes through it, too. Whatever is sent passes here.
"""

from collections.abc import Iterable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers

from glitchgrid.atonce import unsent


class SendingChannel(HTTPChannel):
    """A connection whose bytes leave in the order in which they were written."""

    transport: Any

    __slots__ = ("_at_once", "_gathered")  # see `glitchgrid.http.channel.Channel`

    def __init__(self) -> None:
        super().__init__()
        self._at_once = False
        self._gathered: list[bytes] | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self._at_once = isinstance(self.transport, FileDescriptor)

    def gather(self) -> None:
        """Keep what is written from now on, until `send_gathered`."""
        if self._gathered is None:
            self._gathered = []

    def send_gathered(self) -> None:
        """Send what was gathered, in one piece."""
        gathered, self._gathered = self._gathered, None
        if gathered:
            self.write(b"".join(gathered))

    def loseConnection(self) -> None:
        self.send_gathered()  # while that can still be done: TLS sends nothing behind its own end
        super().loseConnection()

    def write(self, data: bytes) -> None:
        if self._gathered is not None:
            self._gathered.append(data)
            return
        if self._at_once:
            data = unsent(self.transport, data)
            if not data:
                return
            self._at_once = False
        self.transport.write(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        lines = [] if self._gathered is None else self._gathered
        lines.append(b"%b %b %b\r\n" % (version, code, reason))
        for name, values in headers.getAllRawHeaders():
            lines.extend(b"%b: %b\r\n" % (name, value) for value in values)
        lines.append(b"\r\n")
        if self._gathered is None:
            self.write(b"".join(lines))
