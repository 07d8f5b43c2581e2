"""Pages of a browser that are open, and what they are told: events that the server sends (HTML, 9.2)."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.server import Request
from zope.interface import implementer

from glitchgrid.waiting import settled, shield

PAGES_MAX = 20
BODY_KEPT_BYTES_MAX = 1 << 16
"""Whoever sends more than this has sent no request that could be answered, and is hung up on."""

EVENT_BYTES_MAX = 1 << 20
CLOSE_TIMEOUT_S = 1.0


class Refused(Exception):
    """A request that gets no more than a status and a line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class BoundedRequest(Request):
    """One whose body is not kept without a limit until somebody looks at it."""

    def handleContentChunk(self, data: bytes) -> None:
        assert self.content is not None, "it was made when the length was known"
        if self.content.tell() + len(data) > BODY_KEPT_BYTES_MAX:
            self.channel.forceAbortClient()
            return
        super().handleContentChunk(data)


@implementer(IPushProducer)
class _Reader:
    """A page that is open. Where it does not keep up, it gets no more until it does, and then how things are now."""

    def __init__(self, request: Any, state: Callable[[], Any], gone: Callable[["_Reader"], object]) -> None:
        self._request = request
        self._state = state
        self._has_missed = False
        self._is_paused = False
        self.ended: Deferred[None] = Deferred()
        # An answer without a length, and without chunks, ends with its connection. An answer in chunks would break off
        # there, and a browser drops what it has not read of that: our last words.
        request.clientproto = b"HTTP/1.0"
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(lambda _: self._gone(gone))

    def say(self, kind: str, text: str) -> None:
        if self._is_paused:
            self._has_missed = True
            return
        self._write(kind, text)

    def say_the_end(self) -> None:
        """Whether it keeps up or not: there is nothing after this."""
        self._write("end", "{}")

    def _write(self, kind: str, text: str) -> None:
        self._request.write(f"event: {kind}\ndata: {text}\n\n".encode())

    def pauseProducing(self) -> None:
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False
        if self._has_missed:
            self._has_missed = False
            self.say("state", json.dumps(self._state()))

    def stopProducing(self) -> None:
        self._is_paused = True

    def close(self) -> None:
        """End it: the server does."""
        self._request.loseConnection()

    def _gone(self, gone: Callable[["_Reader"], object]) -> None:
        gone(self)
        if not self.ended.called:
            self.ended.callback(None)


class Pages:
    """All pages that are open."""

    def __init__(self) -> None:
        self._readers: dict[_Reader, None] = {}

    @property
    def are_open(self) -> bool:
        return bool(self._readers)

    def publish(self, kind: str, told: Any) -> None:
        if not self._readers:
            return
        text = json.dumps(told)
        if len(text) > EVENT_BYTES_MAX:
            return
        for reader in list(self._readers):
            reader.say(kind, text)

    def open(self, request: Any, state: Callable[[], Any], log: Iterable[Any]) -> "Deferred[None]":
        """:param log: what was logged before.
        :raises Refused: where there are too many.
        """
        if len(self._readers) >= PAGES_MAX:
            raise Refused(SERVICE_UNAVAILABLE, f"{PAGES_MAX} pages are open already; close one")
        reader = _Reader(request, state, lambda each: self._readers.pop(each, None))
        self._readers[reader] = None
        reader.say("state", json.dumps(state()))
        for line in log:
            reader.say("log", json.dumps(line))
        return reader.ended

    async def close(self, reactor: Any) -> None:
        """Tell all of them that it is the end, and wait until they have heard it, or for a second."""
        readers = list(self._readers)
        for reader in readers:
            reader.say_the_end()
            reader.close()
        heard = settled([shield(reader.ended) for reader in readers])
        await heard.addTimeout(CLOSE_TIMEOUT_S, reactor, lambda *_: None)
