"""One request: a bounded body, a target in one form, and an answer that is written in one piece."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web import server

from glitchgrid.errors import BadRequest, BodyTooLarge
from glitchgrid.http.channel import Channel, ChannelSite
from glitchgrid.http.naming import REQUEST_ID_HEADER, given_request_id, new_request_id
from glitchgrid.value import BODY_BYTES_MAX

_ORIGIN = re.compile(rb"^https?://[^/?#]*/?", re.IGNORECASE)

FAILS_FROM = 400
"""An answer with this status or a larger one says that the request has failed, and names it."""

Handler = Callable[["Request"], Deferred[bytes] | bytes]


class RequestSite(ChannelSite, Protocol):
    """What a request needs of the site that it is sent to."""

    def handler(self, request: "Request") -> Handler | None: ...

    def answer_to(self, request: "Request", failure: Failure) -> bytes: ...

    def date(self) -> bytes: ...


class Request(server.Request):
    """A request whose body is bounded, kept in memory, and never parsed as a form.

    :ivar request_id: of one that has failed; None for others, and before the answer.
    :ivar begun_s: when the whole of it was there, by the reactor's clock.
    """

    channel: Channel
    content: BytesIO
    _site: RequestSite
    request_id: bytes | None = None
    begun_s = 0.0
    _handling: Deferred[bytes] | None = None
    _client_left = False

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # A server takes both forms of a request's target, "/" and "http://host/" (RFC 9112, section 3.2.2).
        if path[:1] != b"/":
            path = _ORIGIN.sub(b"/", path, count=1)
            if path[:1] != b"/" and path != b"*":  # Twisted would drop its first character
                self.channel.refuse(BadRequest())
                return
        super().requestReceived(command, path, version)

    def process(self) -> None:
        self._site = self.channel.site  # type: ignore[assignment]
        self.begun_s = self._site.reactor.seconds()
        handler = self._site.handler(self)
        if handler is None:
            super().process()
            return
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
            self.setHeader(b"Date", self._site.date())  # of the answer (RFC 9110, section 6.6.1), which may be late
            channel = self.channel
            channel.gather()
            self.write(body)
            self.finish()
            channel.send_gathered()

    def write(self, data: bytes) -> None:
        if self.code >= FAILS_FROM and not self.startedWriting:
            self.request_id = given_request_id(self) or new_request_id()
            self.setHeader(REQUEST_ID_HEADER, self.request_id)
        super().write(data)

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        for name, value in self.channel.site.answer_headers.items():
            self.responseHeaders.setRawHeaders(name, [value])
        most = self.channel.site.large_bodies.get(self.channel.target, BODY_BYTES_MAX)
        self.channel.body_bytes_more = most - BODY_BYTES_MAX
        if length is not None and length > most:
            self.channel.refuse(BodyTooLarge())
        else:
            self.channel.send_continue()

    def handleContentChunk(self, data: bytes) -> None:
        if self.content.tell() + len(data) > BODY_BYTES_MAX + self.channel.body_bytes_more:
            self.channel.refuse(BodyTooLarge())
        else:
            self.content.write(data)
