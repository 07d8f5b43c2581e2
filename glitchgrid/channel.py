"""HTTP connections with limits: Twisted's parser, and what it leaves unlimited.

Twisted closes a connection that is *idle* for too long. It does not limit a request's body, nor the time that
a request may take to arrive: one byte every half second keeps a connection open for ever. `Channel` and
`Request` add both, and answer such clients in the same plain form as everything else.
"""

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any, Protocol

from antithesis.assertions import reachable
from twisted.internet import protocol
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers

from glitchgrid.errors import BadRequest, BodyTooLarge, RequestError, RequestTimeout
from glitchgrid.value import BODY_BYTES_MAX

REQUEST_TIMEOUT_S = 10.0
"""A request that is not complete so long after its first byte is answered 408, and its connection closed."""

LINGER_S = 2.0
"""How long a connection that was refused may go on sending into the void before it is cut."""

_ORIGIN = re.compile(rb"^https?://[^/?#]*/?", re.IGNORECASE)
_CONTENT_LENGTH_DIGITS_MAX = 19


Handler = Callable[["Request"], Deferred[bytes] | bytes]


class ChannelSite(Protocol):
    """What a channel needs of the site that it belongs to."""

    reactor: IReactorTime
    answer_headers: dict[bytes, bytes]
    channels: "dict[Channel, None]"

    def channel_closed(self) -> None: ...

    def handler(self, request: "Request") -> Handler | None: ...

    def answer_to(self, request: "Request", failure: Failure) -> bytes: ...

    def date(self) -> bytes: ...


def plain_answer(error: RequestError, headers: dict[bytes, bytes]) -> bytes:
    """A whole HTTP answer, for where no request is there to carry it. The connection closes behind it."""
    body = error.message.encode("utf-8")
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode("ascii"))]
    fields = headers | {
        b"Content-Type": b"text/plain; charset=utf-8",
        b"Content-Length": b"%d" % len(body),
        b"Connection": b"close",
    }
    lines += [name + b": " + value for name, value in fields.items()]
    return b"\r\n".join([*lines, b"", body])


def close_behind(transport: ITransport, reactor: IReactorTime) -> IDelayedCall:
    """Close the sending side only, and all of it a while later.

    A full close with unread bytes in the socket makes the kernel send a reset, and a client that is still
    sending its body would lose the answer that tells it why.
    """
    half_close = getattr(transport, "loseWriteConnection", transport.loseConnection)
    half_close()
    abort = getattr(transport, "abortConnection", transport.loseConnection)
    return reactor.callLater(LINGER_S, abort)


class Request(server.Request):
    """A request whose body is bounded, kept in memory, and never parsed as a form."""

    channel: "Channel"
    content: BytesIO
    _handling: Deferred[bytes] | None = None
    _client_left = False

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # A server takes both forms of a request's target, "/" and "http://host/" (RFC 9112, section 3.2.2).
        super().requestReceived(command, _ORIGIN.sub(b"/", path, count=1), version)

    def process(self) -> None:
        self._site = self.channel.site
        handler = self._site.handler(self)
        if handler is None:
            super().process()
            return
        self.setHeader(b"Date", self._site.date())
        try:
            result = handler(self)
        except Exception:  # noqa: BLE001 - a RequestError or a bug: either has an answer
            self._answer(self._site.answer_to(self, Failure()))
            return
        if isinstance(result, Deferred):
            self._handling = result
            result.addCallbacks(self._answer, self._handler_failed)
        else:
            self._answer(result)

    def connectionLost(self, reason: Failure) -> None:
        # As Klein does it: what was begun for a client that has gone is cancelled. What must not be is shielded.
        self._client_left = True
        if self._handling is not None:
            self._handling.cancel()
        super().connectionLost(reason)

    def _handler_failed(self, failure: Failure) -> None:
        if not (self._client_left and failure.check(CancelledError)):
            self._answer(self._site.answer_to(self, failure))  # a bug is logged there, whoever is left to be told

    def _answer(self, body: bytes) -> None:
        self._handling = None
        if not self._client_left:
            channel = self.channel
            channel.gather()
            self.write(body)
            self.finish()
            channel.send_gathered()

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        for name, value in self.channel.site.answer_headers.items():
            self.responseHeaders.setRawHeaders(name, [value])
        if length is not None and length > BODY_BYTES_MAX:
            self._refuse_body()

    def handleContentChunk(self, data: bytes) -> None:
        if self.content.tell() + len(data) > BODY_BYTES_MAX:
            self._refuse_body()
        else:
            self.content.write(data)

    def _refuse_body(self) -> None:
        self.requestHeaders.removeHeader(b"expect")  # else "100 Continue" would follow the refusal
        self.channel.refuse(BodyTooLarge())


class Channel(HTTPChannel):
    """One client's connection: idle, receiving a request, or answering it."""

    site: ChannelSite
    factory: Any
    transport: Any
    timeOut: int | None
    _buffer: bytes  # LineReceiver's: what has come of a line that is not complete

    # CPython shares the names of up to 30 attributes among the instances of a class. Twisted's are 26; with ours
    # among them every connection would have a table of its own, of 1.5 KB.
    __slots__ = ("_answering", "_at_once", "_draining", "_gathered", "_host", "_peer", "_refused", "_timer")

    def __init__(self) -> None:
        super().__init__()
        self._answering = False
        self._refused = False
        self._draining = False
        self._timer: IDelayedCall | None = None
        self._gathered: list[bytes] | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self._at_once = isinstance(self.transport, FileDescriptor)
        self._peer, self._host = self.transport.getPeer(), self.transport.getHost()
        self.site.channels[self] = None

    def getPeer(self) -> Any:
        return self._peer  # every request asks, and the socket would ask the kernel

    def getHost(self) -> Any:
        return self._host

    # Answers go to the kernel at once, in one piece. Left to the transport each costs a turn of the reactor, and two
    # calls to have it watch the socket and to have it stop. That is possible as long as nothing of this connection
    # was ever left to the transport, which could be overtaken; one such thing, and the connection goes Twisted's way.

    def gather(self) -> None:
        """Keep what is written from now on, until `send_gathered`."""
        if self._at_once and self._gathered is None:
            self._gathered = []

    def send_gathered(self) -> None:
        """Hand what was gathered to the kernel, and what that does not take to the transport."""
        gathered, self._gathered = self._gathered, None
        if not gathered:
            return
        data = b"".join(gathered)
        sent = self.transport.writeSomeData(data)
        if sent != len(data):
            self._at_once = False
            # An error shows again there, and is handled there.
            self.transport.write(data[sent:] if isinstance(sent, int) and sent > 0 else data)

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        if self._gathered is None:
            self._at_once = False
            super().writeHeaders(version, code, reason, headers)
            return
        self._gathered.append(b"%b %b %b\r\n" % (version, code, reason))
        for name, values in headers.getAllRawHeaders():
            self._gathered.extend(b"%b: %b\r\n" % (name, value) for value in values)
        self._gathered.append(b"\r\n")

    def write(self, data: bytes) -> None:
        if self._gathered is None:
            super().write(data)
        else:
            self._gathered.append(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._refused = True  # nothing that is still buffered is a request any more
        self._answering = False  # its idle timer goes, too
        self._stop_timer()
        self.site.channels.pop(self, None)
        super().connectionLost(reason)
        self.site.channel_closed()

    def dataReceived(self, data: bytes) -> None:
        if not self._refused:
            super().dataReceived(data)
            self._watch_the_time()

    def lineReceived(self, line: bytes) -> None:
        if not self._refused:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        if not self._refused:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(BadRequest())

    def headerReceived(self, line: bytes) -> bool:
        name, _, length = line.partition(b":")
        if name.lower() == b"content-length" and len(length.strip()) > _CONTENT_LENGTH_DIGITS_MAX:
            # Beyond 4,300 digits int() raises, and Twisted would log a traceback.
            self.refuse(BodyTooLarge() if length.strip().isdigit() else BadRequest())
            return False
        if name.lower() == b"expect":
            self._at_once = False  # "100 Continue" goes to the transport
        return bool(super().headerReceived(line))

    def allContentReceived(self) -> None:
        if self._refused:
            return
        self._stop_timer()
        self._answering = True
        if self._draining:
            self._close_behind_the_answer()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        self._answering = False
        super().requestDone(request)
        self._watch_the_time()

    # Twisted cancels the idle timer for each request, and sets another behind its answer.

    def setTimeout(self, period: int | None) -> int | None:
        if period is None and self._answering:
            return self.timeOut
        before: int | None = super().setTimeout(period)
        return before

    def timeoutConnection(self) -> None:
        if self._answering:
            self.setTimeout(self.timeOut)
        else:
            super().timeoutConnection()

    def refuse(self, error: RequestError) -> None:
        """Answer out of turn, take nothing more from this client, and close."""
        if self._refused:
            return
        reachable("server: a client is answered out of turn, and left")
        self.send_gathered()  # the answer to the request before it
        self._refused = True
        self._stop_timer()
        self.setTimeout(None)
        self.transport.write(plain_answer(error, self.site.answer_headers))
        self._timer = close_behind(self.transport, self.site.reactor)

    def drain(self) -> None:
        """Finish what is in progress, and close then; at once where nothing is."""
        self._draining = True
        if self._answering:
            self._close_behind_the_answer()
        elif self._timer is None:
            self.loseConnection()

    def abort(self) -> None:
        self.transport.abortConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        # Twisted's own says 400 too, but without a Content-Length. Should it ever rename this method, its
        # answer comes back and nothing else changes.
        self.refuse(BadRequest())

    def _close_behind_the_answer(self) -> None:
        self.persistent = 0
        for request in self.requests:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])

    def _watch_the_time(self) -> None:
        """Give a request that has begun to arrive, were it by half a line, its time to come to an end."""
        half_a_line = self._buffer
        if self._refused or self._answering or self._timer is not None or not (self.requests or half_a_line):
            return
        self._timer = self.site.reactor.callLater(REQUEST_TIMEOUT_S, self._out_of_time)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _out_of_time(self) -> None:
        self._timer = None
        self.refuse(RequestTimeout())


class Overflow(protocol.Protocol):
    """A connection beyond the limit: one answer, and gone."""

    def __init__(self, answer: bytes, reactor: IReactorTime) -> None:
        self._answer = answer
        self._reactor = reactor
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._answer)
        self._timer = close_behind(self.transport, self._reactor)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
