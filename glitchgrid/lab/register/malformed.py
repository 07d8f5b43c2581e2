"""What clients send that mean no good: half requests, slow ones, too large ones, and what is no HTTP at all."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

BYTE_EVERY_S = 0.5

SLOW = "a slow one"
KINDS: dict[str, bytes] = {
    "half a head": b"POST / HTTP/1.1\r\nHost: gr",
    "half a body": b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 5\r\n\r\n1",
    SLOW: b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n",
    "too large a body": b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 1000000\r\n\r\n" + b"9" * 5000,
    "a chunked body": b"POST / HTTP/1.1\r\nHost: grid\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n"
    + b"9" * 65
    + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "no number": b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 9\r\n\r\n-1e3 \xff\x00ab",
    "no path": b"DELETE /../x HTTP/1.1\r\nHost: grid\r\n\r\n",
}
"""What they send, all at once but for the slow one. None of it stores anything."""

NAMES = tuple(KINDS)


class MalformedClient(Protocol):
    """Sends something, all at once or byte by byte, and stays until it is thrown out or leaves after `stays_s`.

    :ivar gone: fires when the connection has ended.
    """

    transport: Any

    def __init__(self, reactor: Any, kind: str, stays_s: float) -> None:
        self._reactor = reactor
        self._is_slow = kind == SLOW
        self._data = KINDS[kind]
        self._stays_s = stays_s
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self._reactor.callLater(self._stays_s, self._leave)
        if self._is_slow:
            self._next_byte()
        else:
            self.transport.write(self._data)

    def _leave(self) -> None:
        if self.connected:
            self.transport.abortConnection()

    def _next_byte(self) -> None:
        if self._data and self.connected:
            self.transport.write(self._data[:1])
            self._data = self._data[1:]
            self._reactor.callLater(BYTE_EVERY_S, self._next_byte)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)
