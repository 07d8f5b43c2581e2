"""A client of a face that sends bytes as it likes, over a transport that behaves as a TCP connection does."""

from typing import Any

from attrs import frozen
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

PEER = IPv4Address("TCP", "192.0.2.1", 40000)


class Wire(StringTransport):
    """One end of a connection. What closes it is told to its protocol a moment later, as a reactor does."""

    def __init__(self, clock: Any, protocol: Any) -> None:
        super().__init__(peerAddress=PEER, lenient=True)
        self.open = True
        self.write_closed = False
        self.aborted = False
        self._clock = clock
        self._protocol = protocol

    def loseConnection(self) -> None:
        if not self.disconnecting:
            self.disconnecting = True
            self._clock.callLater(0, self.lose, ConnectionDone())

    def loseWriteConnection(self) -> None:
        self.write_closed = True

    def abortConnection(self) -> None:
        if not self.aborted:
            self.aborted = self.disconnecting = True
            self._clock.callLater(0, self.lose, ConnectionAborted())

    def lose(self, reason: Exception) -> None:
        if self.open:
            self.open = False
            self.disconnecting = True
            self._protocol.connectionLost(Failure(reason))


@frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


def parse_answers(data: bytes, *, heads_only: bool = False) -> list[Answer]:
    """Read answers strictly: each but "100 Continue" has a Content-Length, and nothing is left over."""
    answers: list[Answer] = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, f"unfinished head {head!r}"
        status_line, *lines = head.decode("ascii").split("\r\n")
        version, status, _phrase = status_line.split(" ", 2)
        assert version in ("HTTP/1.0", "HTTP/1.1"), status_line
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"a header twice in {head!r}"
        length = 0 if status == "100" else int(headers["content-length"])
        if not heads_only:
            assert len(data) >= length, f"body {data!r} is shorter than {length}"
            body, data = data[:length], data[length:]
        else:
            body = b""
        answers.append(Answer(int(status), headers, body))
    return answers


class RawClient:
    """One connection to `face`.

    :param clock: the one that the face runs on.
    """

    def __init__(self, face: Any, clock: Clock) -> None:
        self._clock = clock
        self.protocol: Any = face.buildProtocol(PEER)
        self.wire = Wire(clock, self.protocol)
        self.protocol.makeConnection(self.wire)

    def send(self, *parts: bytes) -> None:
        """Send each part in a segment of its own. What arrives at a closed end is not read."""
        for part in parts:
            if self.wire.open and not self.wire.disconnecting:
                self.protocol.dataReceived(part)
        self._clock.advance(0)

    def end(self) -> None:
        """Send nothing more, and go on reading, as ``nc -N`` does."""
        self.protocol.readConnectionLost()
        self._clock.advance(0)

    def vanish(self) -> None:
        """The connection breaks."""
        self.wire.lose(ConnectionLost())

    def answers(self, *, heads_only: bool = False) -> list[Answer]:
        """All answers since the last call."""
        data = self.wire.value()
        self.wire.clear()
        return parse_answers(data, heads_only=heads_only)

    def answer(self, *, heads_only: bool = False) -> Answer:
        (answer,) = self.answers(heads_only=heads_only)
        return answer

    def ask(self, request: bytes, *, heads_only: bool = False) -> Answer:
        self.send(request)
        return self.answer(heads_only=heads_only)

    @property
    def closing(self) -> bool:
        """Will this connection carry no further answer?"""
        return self.wire.write_closed or self.wire.disconnecting or not self.wire.open

    @property
    def is_open(self) -> bool:
        return self.wire.open


def get(path: bytes = b"/", *headers: bytes) -> bytes:
    return head(b"GET", path, *headers)


def post(body: bytes, *headers: bytes, target: bytes = b"/") -> bytes:
    return head(b"POST", target, b"Content-Length: %d" % len(body), *headers) + body


def chunked(*chunks: bytes, headers: tuple[bytes, ...] = ()) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head(b"POST", b"/", b"Transfer-Encoding: chunked", *headers) + body + b"0\r\n\r\n"


def head(method: bytes, path: bytes = b"/", *headers: bytes) -> bytes:
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, path), b"Host: grid", *headers, b"", b""])
