"""Answers out of turn: refusals that belong to no complete request, and how the connection is closed behind them."""

from collections.abc import Callable
from http import HTTPStatus

from twisted.internet import protocol
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from glitchgrid.errors import RequestError
from glitchgrid.http.naming import REQUEST_ID_HEADER

LINGER_S = 2.0
"""How long a connection that was refused may go on sending into the void before it is cut."""


def plain_answer(
    error: RequestError, headers: dict[bytes, bytes], request_id: bytes, date: bytes, *, has_body: bool = True
) -> bytes:
    """A whole HTTP answer. The connection closes behind it.

    :param has_body: not, where it answers a HEAD.
    """
    body = error.message.encode("utf-8")
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode("ascii"))]
    fields = headers | {
        REQUEST_ID_HEADER: request_id,
        b"Date": date,
        b"Content-Type": b"text/plain; charset=utf-8",
        b"Content-Length": b"%d" % len(body),
        b"Connection": b"close",
    }
    lines += [name + b": " + value for name, value in fields.items()]
    return b"\r\n".join([*lines, b"", body if has_body else b""])


def close_behind(transport: ITransport, reactor: IReactorTime) -> IDelayedCall:
    """Close the sending side only, and all of it a while later.

    A full close with unread bytes in the socket makes the kernel send a reset, and a client that is still
    sending its body would lose the answer that tells it why.
    """
    half_close = getattr(transport, "loseWriteConnection", transport.loseConnection)
    half_close()
    abort = getattr(transport, "abortConnection", transport.loseConnection)
    return reactor.callLater(LINGER_S, abort)


class TurnedAway(protocol.Protocol):
    """A connection beyond the limit: it is sent one answer, and closed.

    :param gone: called when it has ended.
    """

    def __init__(self, answer: bytes, reactor: IReactorTime, gone: Callable[[], None]) -> None:
        self._answer = answer
        self._reactor = reactor
        self._gone = gone
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._answer)
        self._timer = close_behind(self.transport, self._reactor)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._gone()
