"""HTTP connections with limits: Twisted's parser, and what it leaves unlimited.

====================  ================================================================================================
`sending`             what the server says leaves at once and in order
`timing`              how long a client may take
`intake`              how much of what it sends is taken in
`head`                what the head of a request may say
`request`             a request's body, and its answer
this module           all of it together: one client's connection, its requests and refusals, from its start to its end
====================  ================================================================================================

Clients that break a limit are answered in the same plain form as everybody else.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from antithesis.assertions import reachable
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from glitchgrid.errors import BadRequest, BodyTooLarge, RequestError
from glitchgrid.http.counting import FaceCounts
from glitchgrid.http.head import HEEDED, Head
from glitchgrid.http.intake import PacedChannel
from glitchgrid.http.naming import new_request_id
from glitchgrid.http.refusal import close_behind, plain_answer
from glitchgrid.http.requestlog import RequestLog
from glitchgrid.http.timing import TimedSite
from glitchgrid.observer import Observer

UNFINISHED_BODY_BYTES_MAX = 4096
"""A body that is not at its end after so many bytes is too large: chunks of a byte, and fields behind the last. Where
more than a value may come, after as many more."""


class ChannelSite(TimedSite, Protocol):
    """What a channel needs of the site that it belongs to."""

    answer_headers: dict[bytes, bytes]
    large_bodies: Mapping[bytes, int]
    channels: "dict[Channel, None]"
    observer: Observer
    request_log: RequestLog
    counts: FaceCounts

    def channel_closed(self) -> None: ...

    def date(self) -> bytes: ...


class Channel(PacedChannel):
    """One client's connection: idle, receiving a request, or answering it.

    :ivar body_bytes_more: by how much the limit of this request's body is above that of a value.
    """

    site: ChannelSite

    # CPython shares the names of up to 30 attributes among the instances of a class. Twisted's are 26; with ours
    # among them every connection would have a table of its own, of 1.5 KB.
    __slots__ = ("_body_bytes", "_draining", "_head", "_host", "_peer", "body_bytes_more")

    def __init__(self) -> None:
        super().__init__()
        self._head = Head()
        self._draining = False
        self._body_bytes = 0
        self.body_bytes_more = 0

    def connectionMade(self) -> None:
        super().connectionMade()
        self._peer, self._host = self.transport.getPeer(), self.transport.getHost()
        self.site.channels[self] = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._take_in_no_more()
        self._transferDecoder = None  # else the two would keep each other in memory, where a body has no end
        self._answering = False  # its idle timer goes, too
        self._stop_timer()
        self.site.channels.pop(self, None)
        super().connectionLost(reason)
        self.site.channel_closed()

    @property
    def target(self) -> bytes:
        """Of the request whose body is to come, as its first line has it."""
        return bytes(getattr(self, "_path", b""))  # Twisted's

    def getPeer(self) -> Any:
        return self._peer  # every request asks, and the socket would ask the kernel

    def getHost(self) -> Any:
        return self._host

    # Requests.

    def headerReceived(self, line: bytes) -> bool:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in HEEDED:
            problem = self._head.heed(name, value.strip())
            if problem is not None:
                self.refuse(problem)
                return False
            if name == b"expect":
                return True  # Twisted would answer past what is still on its way
        return bool(super().headerReceived(line))

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Is the connection to stay open behind this request? Twisted asks once for each head."""
        head = self._head
        problem = head.end(version)
        if problem is not None:
            self.refuse(problem)
            return False
        if head.closes:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return head.persists

    def send_continue(self) -> None:
        """Let a client that asks first send its body."""
        if self._head.expects:
            self._head.expects = False
            if not self._refused:
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def rawDataReceived(self, data: bytes) -> None:
        """A part of a body has come: what it carries is bounded by `Request`, and here what is around that.

        Twisted would read all that has come, chunk by chunk, whatever has been said of the first ones; and it keeps
        64 KiB of fields behind the last one, an object or two for each: two megabytes for a connection.
        """
        most = UNFINISHED_BODY_BYTES_MAX + self.body_bytes_more
        room = most - self._body_bytes
        self._buffer = data[room:] + self._buffer  # of the next requests, if this one ends before
        self._body_bytes += len(data[:room])
        super().rawDataReceived(data[:room])
        if self._body_bytes >= most and not self._refused:
            self.refuse(BodyTooLarge())

    def allContentReceived(self) -> None:
        self._body_bytes = 0
        if self._refused:
            return
        self._stop_timer()
        self._answering = self.paused = True
        if self._draining:
            self._close_behind_the_answer()
        super().allContentReceived()

    # Refusals.

    def refuse(self, error: RequestError) -> None:
        """Answer out of turn, take nothing more from this client, and close."""
        if self._refused:
            return
        reachable("server: a client is answered out of turn, and left")
        self.site.observer.client_refused(error.status)
        self.site.counts.refused(error.status)
        self._take_in_no_more()
        self._transferDecoder = None  # with what it has kept
        self._stop_timer()
        self.setTimeout(None)
        named = new_request_id()
        self.site.request_log.note_refusal(self._peer, error.status, named)
        # Twisted's: of the request whose line has come, and not there before that.
        has_body = getattr(self, "_command", None) != b"HEAD"
        self.write(plain_answer(error, self.site.answer_headers, named, self.site.date(), has_body=has_body))
        self.send_gathered()  # with the answer to the request before it
        if self._ended:
            self.transport.loseConnection()  # nothing more can come, and make the kernel send a reset
        else:
            self._timer = close_behind(self.transport, self.site.reactor)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(BadRequest())

    def _respondToBadRequestAndDisconnect(self) -> None:
        # Twisted's own says 400 too, but without a Content-Length. Should it ever rename this method, its
        # answer comes back and nothing else changes.
        self.refuse(BadRequest())

    # The end.

    def drain(self) -> None:
        """Finish what is in progress, and close then; at once where nothing is."""
        self._draining = True
        if self._answering:
            self._close_behind_the_answer()
        elif self._timer is None:
            self.loseConnection()

    def abort(self) -> None:
        self.transport.abortConnection()

    def _close_behind_the_answer(self) -> None:
        self.persistent = 0
        for request in self.requests:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
