"""A client's side of HTTP/1.1, as little of it as the register needs: one request after another, and strict.

Small on purpose: half of the laboratory's time would go into a client library that is not what is being tested.
"""

import re
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

HEAD_BYTES_MAX = 16384
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) [^\r\n]*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]{1,9})\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)


@frozen
class Answer:
    status: int
    body: bytes


def get() -> bytes:
    return b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n"


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class ClientConnection(Protocol):
    """One connection. Whoever asks is told of one answer, or of its end.

    :ivar made_ns: when it was.
    """

    transport: Any

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self.made_ns = 0
        self._received = b""
        self._told: Callable[[Answer | None], None] | None = None
        self.is_open = False

    @property
    def port(self) -> int:
        """The port of this end."""
        port: int = self.transport.getHost().port
        return port

    @property
    def is_free(self) -> bool:
        return self.is_open and self._told is None

    def ask(self, request: bytes, told: Callable[[Answer | None], None]) -> None:
        """Send a request. `told` is called once: with the answer, or None where there is none."""
        assert self.is_free
        self._told = told
        self.transport.write(request)

    def connectionMade(self) -> None:
        self.is_open = True
        self.made_ns = self._now_ns()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            if len(head) > HEAD_BYTES_MAX:
                self.drop()
            return
        status, length = _STATUS.match(head + b"\r\n"), _LENGTH.search(head + b"\r\n")
        if status is None or length is None:
            self.drop()
            return
        size = int(length[1])
        if len(rest) < size:
            return
        self._received = rest[size:]
        if _CLOSE.search(head + b"\r\n"):
            self.drop()
        self._tell(Answer(int(status[1]), rest[:size]))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_open = False
        self._tell(None)

    def drop(self) -> None:
        """Take nothing more from this connection."""
        self.is_open = False
        if self.transport is not None:
            self.transport.abortConnection()

    def _tell(self, answer: Answer | None) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(answer)
