"""How pages that are open are told of the end."""

from typing import Any

from attrs import frozen
from klein import Klein
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Site

from glitchgrid.lab.web.pages import CLOSE_TIMEOUT_S, Pages

HERE = IPv4Address("TCP", "127.0.0.1", 1)


@frozen
class Page:
    """A browser's connection."""

    channel: HTTPChannel
    transport: StringTransport

    @property
    def has_heard_the_end(self) -> bool:
        return b"event: end\n" in self.transport.value()

    def goes(self) -> None:
        self.channel.connectionLost(Failure(ConnectionDone()))


def opened(pages: Pages) -> Page:
    app = Klein()
    app.route("/events")(lambda request: pages.open(request, dict, []))
    channel: Any = Site(app.resource()).buildProtocol(HERE)
    transport = StringTransport(peerAddress=HERE)
    channel.makeConnection(transport)
    channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    assert pages.are_open
    return Page(channel, transport)


def closing(pages: Pages, clock: Clock) -> list[None]:
    """Empty until they are closed."""
    closed: list[None] = []
    Deferred.fromCoroutine(pages.close(clock)).addCallback(closed.append)
    return closed


def test_the_end_of_the_connection_is_that_of_the_answer() -> None:
    """A browser reads on as far as there is something. Of an answer in chunks that breaks off, it drops the rest."""
    pages, clock = Pages(), Clock()
    page = opened(pages)
    closed = closing(pages, clock)
    assert page.has_heard_the_end
    assert page.transport.value().startswith(b"HTTP/1.0 200 ")
    assert b"chunked" not in page.transport.value()
    assert page.transport.disconnecting
    assert closed == []
    page.goes()
    assert closed == [None]
    assert clock.getDelayedCalls() == []


def test_nobody_waits_for_long_for_one_that_does_not_read() -> None:
    pages, clock = Pages(), Clock()
    page = opened(pages)
    closed = closing(pages, clock)
    clock.advance(CLOSE_TIMEOUT_S)
    assert closed == [None]
    assert page.transport.value().count(b"HTTP/1.") == 1, "nothing more was answered to a request that is answered"


def test_whoever_does_not_keep_up_is_told_of_the_end_all_the_same() -> None:
    pages, clock = Pages(), Clock()
    page = opened(pages)
    producer: Any = page.transport.producer
    producer.pauseProducing()
    pages.publish("log", {"what": "something"})
    closing(pages, clock)
    assert page.has_heard_the_end
    assert b"something" not in page.transport.value()
