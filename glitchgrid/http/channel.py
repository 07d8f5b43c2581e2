"""HTTP connections with limits: Twisted's parser, and what it leaves unlimited.

Twisted closes a connection that is *idle* for too long. It does not limit a request's body, nor the time that
a request may take to arrive: one byte every half second keeps a connection open for ever. Nor does it limit what a
client may ask in one go: the answers to those who never read them would fill the memory. `Channel` adds these limits,
and `glitchgrid.http.request` that of the body; such clients are answered in the same plain form as everybody else.
"""

import re
from functools import lru_cache
from typing import Any, Protocol

from antithesis.assertions import reachable
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from glitchgrid.errors import BadRequest, BodyTooLarge, RequestError, RequestTimeout
from glitchgrid.http.refusal import close_behind, plain_answer
from glitchgrid.http.sending import SendingChannel
from glitchgrid.observer import Observer

REQUEST_TIMEOUT_S = 10.0
"""A request that is not complete so long after its first byte is answered 408, and its connection closed."""

PIPELINED_MAX = 16
"""So many requests of one connection are answered in one turn of the reactor; then it is the others' turn."""

UNPARSED_BYTES_MAX = 16_384
"""A client that has sent more than this behind a request waits until that is answered."""

_HEEDED = frozenset({b"host", b"connection", b"expect", b"transfer-encoding", b"content-length"})
_HOST = re.compile(rb"(\[[.:0-9A-Za-z]*\]|[!$%&'()*+,.;=~_0-9A-Za-z-]*)(:[0-9]*)?")
_CONTENT_LENGTH_DIGITS_MAX = 19
_BEGINNING = re.compile(rb"\r?\n?([!#$%&'*+.^_`|~0-9A-Za-z-]+( [^\x00-\x1f\x7f]*)?)?\r?")
"""What a request line may begin with (RFC 9112, section 3). A TLS handshake does not."""


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


class ChannelSite(Protocol):
    """What a channel needs of the site that it belongs to."""

    reactor: IReactorTime
    answer_headers: dict[bytes, bytes]
    channels: "dict[Channel, None]"
    observer: Observer

    def channel_closed(self) -> None: ...


@implementer(IHalfCloseableProtocol)
class Channel(SendingChannel):
    """One client's connection: idle, receiving a request, or answering it.

    While a request is answered, and while its client does not take its answers, the parser is `paused`: what comes
    meanwhile waits in its buffer, and beyond `UNPARSED_BYTES_MAX` in the kernel's, where it is the client that waits.
    """

    site: ChannelSite
    factory: Any
    transport: Any
    timeOut: int | None
    _buffer: bytes  # LineReceiver's: what has come and is not parsed

    # CPython shares the names of up to 30 attributes among the instances of a class. Twisted's are 26; with ours
    # among them every connection would have a table of its own, of 1.5 KB.
    __slots__ = (
        "_answered",
        "_answering",
        "_backed_up",
        "_closes",
        "_draining",
        "_ended",
        "_expects",
        "_host",
        "_hosts",
        "_next_turn",
        "_parsing",
        "_peer",
        "_refused",
        "_speaks_1_1",
        "_timer",
        "paused",
    )

    def __init__(self) -> None:
        super().__init__()
        self.paused = False  # LineReceiver's
        self._answering = False
        self._answered = 0  # in this turn of the reactor
        self._backed_up = False  # the client does not take what it is sent
        self._ended = False  # the client sends nothing more
        self._refused = False
        self._draining = False
        self._parsing = False
        # Of the head that is being received:
        self._speaks_1_1 = self._expects = self._closes = False
        self._hosts = 0
        self._timer: IDelayedCall | None = None
        self._next_turn: IDelayedCall | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self._peer, self._host = self.transport.getPeer(), self.transport.getHost()
        self.site.channels[self] = None

    def getPeer(self) -> Any:
        return self._peer  # every request asks, and the socket would ask the kernel

    def getHost(self) -> Any:
        return self._host

    def send_continue(self) -> None:
        """Let a client that asks first send its body. Those of HTTP/1.0 do not know how to ask."""
        if self._expects:
            self._expects = False
            if self._speaks_1_1 and not self._refused:
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._parse_no_more()
        self._answering = False  # its idle timer goes, too
        self._stop_timer()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        self.site.channels.pop(self, None)
        super().connectionLost(reason)
        self.site.channel_closed()

    # What comes in, and how much of it.

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            return
        self._answered = 0
        self._parsing = True
        super().dataReceived(data)
        self._parsing = False
        if self._buffer or self._ended or (self.requests and not self._answering):
            self._see_what_is_left()

    def setLineMode(self, extra: bytes = b"") -> None:
        """Behind an answer. `extra` came behind the request's body, and so before what has come since."""
        self.line_mode = 1
        if extra:
            self._buffer = extra + self._buffer

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(BadRequest())

    def pauseProducing(self) -> None:
        """The transport has more to send than it should."""
        self._backed_up = self.paused = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """The transport has sent all that it had."""
        self._backed_up = False
        super().resumeProducing()
        if not self._answering and self._next_turn is None:
            self._go_on()

    def readConnectionLost(self) -> None:
        """The client sends nothing more, but may still read (RFC 9112, section 9.6): it gets what it has asked for."""
        self._ended = True
        self._see_what_is_left()

    def writeConnectionLost(self) -> None:
        """Our own doing, behind a refusal."""

    def _go_on(self) -> None:
        """Parse what has come while the parser was paused."""
        self._next_turn = None
        self._answered = 0
        if self._refused or self._backed_up or self.transport.disconnecting:
            return
        self.paused = False
        self.transport.resumeProducing()
        self._parse_the_rest()

    def _parse_the_rest(self) -> None:
        self._parsing = True
        super(HTTPChannel, self).dataReceived(b"")  # HTTPChannel's own would take this for a sign of life
        self._parsing = False
        self._see_what_is_left()

    def _see_what_is_left(self) -> None:
        """It goes no further for now: hold the client back, watch its time, or leave it."""
        if self._refused:
            return
        if self._answering or self.paused:
            if len(self._buffer) > UNPARSED_BYTES_MAX and not self.transport.disconnecting:
                self.transport.pauseProducing()
        elif self._ended and (self.requests or self._buffer):
            self.refuse(BadRequest())
        elif self._ended:
            self.loseConnection()
        else:
            self._watch_the_time()

    # Requests.

    def headerReceived(self, line: bytes) -> bool:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _HEEDED:
            problem = self._heed(name, value.strip())
            if problem is not None:
                self.refuse(problem)
                return False
            if name == b"expect":
                return True  # Twisted would answer past what is still on its way
        return bool(super().headerReceived(line))

    def _heed(self, name: bytes, value: bytes) -> RequestError | None:
        """Note what a field says of its request, or what is wrong with it."""
        if name == b"host":
            self._hosts += 1
            return None if _is_host(value) else BadRequest()  # RFC 9112, section 3.2
        if name == b"content-length":
            if len(value) <= _CONTENT_LENGTH_DIGITS_MAX:
                return None
            # Beyond 4,300 digits int() raises, and Twisted would log a traceback.
            return BodyTooLarge() if value.isdigit() else BadRequest()
        if name == b"connection":
            self._closes = self._closes or b"close" in [token.strip() for token in value.lower().split(b",")]
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"
        elif value.lower() != b"chunked":  # a transfer encoding
            # Twisted takes "identity" for no body, and the body for the next request.
            return BadRequest()
        return None

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Is the connection to stay open behind this request? Twisted asks once for each head."""
        hosts, closes = self._hosts, self._closes
        self._hosts, self._closes = 0, False
        self._speaks_1_1 = version == b"HTTP/1.1"
        if hosts > 1 or (self._speaks_1_1 and not hosts):
            self.refuse(BadRequest())
            return False
        if closes:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return self._speaks_1_1 and not closes

    def allContentReceived(self) -> None:
        if self._refused:
            return
        self._stop_timer()
        self._answering = self.paused = True
        if self._draining:
            self._close_behind_the_answer()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        self._answering = False
        super().requestDone(request)
        if not self.persistent or self._backed_up:
            return
        self._answered += 1
        if self._buffer and self._answered >= PIPELINED_MAX:
            self._next_turn = self.site.reactor.callLater(0, self._go_on)
            return
        self.paused = False
        # While it is parsing that goes on by itself.
        if (self._buffer or self._ended) and not self._parsing:
            self._parse_the_rest()

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
        self.site.observer.client_refused(error.status)
        self._parse_no_more()
        self._stop_timer()
        self.setTimeout(None)
        self.write(plain_answer(error, self.site.answer_headers))
        self.send_gathered()  # with the answer to the request before it
        self._timer = close_behind(self.transport, self.site.reactor)

    def _parse_no_more(self) -> None:
        """Nothing that is still buffered, or comes, is a request any more."""
        self._refused = self.paused = True
        self._buffer = b""

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
        if self._timer is not None or not (self.requests or half_a_line):
            return
        if not self.requests and not _BEGINNING.fullmatch(half_a_line):
            self.refuse(BadRequest())  # whatever it is, it does not become a request
            return
        self._timer = self.site.reactor.callLater(REQUEST_TIMEOUT_S, self._out_of_time)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _out_of_time(self) -> None:
        self._timer = None
        self.refuse(RequestTimeout())
