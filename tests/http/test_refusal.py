"""Clients that are refused: what they are sent, and what is left of them afterwards."""

import gc
import weakref
from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import (
    BodyTooLarge,
    ValueDecreases,
)
from glitchgrid.http.channel import Channel
from glitchgrid.http.refusal import LINGER_S, close_behind, plain_answer
from glitchgrid.http.request import Request
from glitchgrid.http.timing import REQUEST_TIMEOUT_S
from tests.http.test_channel import ChannelTestCase
from tests.raw_client import RawClient, Wire, chunked, head, parse_answers


class RefusedTests(ChannelTestCase):
    def test_a_head_is_refused_without_a_body(self) -> None:
        for request in (head(b"HEAD", b"/", b"Content-Length: 65"), b"HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n"):
            client = self.client()
            client.send(request)
            said, _, body = client.wire.value().partition(b"\r\n\r\n")
            self.assertRegex(said, rb"Content-Length: [1-9]")
            self.assertEqual(body, b"")
        client = self.client()
        client.send(head(b"HEAD", b"/"))
        client.wire.clear()
        client.send(b"no HTTP\r\n\r\n")
        self.assertTrue(client.wire.value().endswith(b"\r\n\r\nBad request"), "what it is, nobody knows")

    def test_what_follows_a_refusal_is_not_read(self) -> None:
        """Chunks of a byte, thousands in one piece: to look at them all would keep everybody else waiting."""
        client = self.client()
        looked_at = 0
        handle = Request.handleContentChunk

        def count(request: Request, data: bytes) -> None:
            nonlocal looked_at
            looked_at += 1
            handle(request, data)

        self.patch(Request, "handleContentChunk", count)
        client.send(chunked(*[b"7"] * 10_000))
        self.assert_refused(client, BodyTooLarge())
        self.assertLess(looked_at, 1000)

    def test_a_body_without_an_end_leaves_nothing_to_collect(self) -> None:
        """Connections are gone when they are, and not when Python next looks for cycles: with crowds that is rarely."""
        half = head(b"POST", b"/", b"Transfer-Encoding: chunked") + b"1\r\n7\r\n"

        def leaves(client: RawClient) -> None:
            client.vanish()

        def is_late(client: RawClient) -> None:
            self.clock.advance(REQUEST_TIMEOUT_S)
            self.clock.advance(LINGER_S)

        def sends_too_much(client: RawClient) -> None:
            client.send(b"41\r\n" + b"7" * 65)
            self.clock.advance(LINGER_S)

        def left_of(how: Callable[[RawClient], None]) -> Channel | None:
            client = self.client()
            client.send(half)
            how(client)
            self.clock.advance(0)
            left = weakref.ref(client.protocol)
            client.wire.producer = None
            del client.wire.__dict__["_protocol"], client  # as Twisted's transports let go of theirs
            return left()

        for how in (leaves, is_late, sends_too_much):
            left_of(how)  # what states a property keeps the frames that it was first stated from, once
            gc.collect()
            gc.disable()
            self.addCleanup(gc.enable)
            self.assertIsNone(left_of(how), how.__name__)
            gc.enable()

    def test_a_client_that_has_left_holds_nothing(self) -> None:
        """It has closed its side, before the refusal or behind it: nothing more can come, so nothing is waited for."""
        for comes_first in (b"garbage\r\n\r\n", b"GET / HT"):
            client = self.client()
            client.send(comes_first)
            client.protocol.readConnectionLost()
            self.assertTrue(client.wire.disconnecting)
            self.clock.advance(0)
            self.assert_nothing_is_left()


class PlainAnswerTests(SynchronousTestCase):
    def test_it_is_a_whole_answer(self) -> None:
        (answer,) = parse_answers(plain_answer(ValueDecreases(9, 5), {b"Glitchgrid-Vault": b"me"}, b"id", b"today"))
        self.assertEqual((answer.status, answer.text), (400, "Client would make value decrease from 9 to 5"))
        self.assertEqual((answer.headers["glitchgrid-vault"], answer.headers["x-request-id"]), ("me", "id"))
        self.assertEqual(answer.headers["date"], "today")

    def test_a_transport_that_can_not_close_one_side_is_closed_whole(self) -> None:
        class Plain:
            closed = 0

            def loseConnection(self) -> None:
                self.closed += 1

        clock, transport = Clock(), Plain()
        close_behind(transport, clock)  # type: ignore[arg-type]
        self.assertEqual(transport.closed, 1)
        clock.advance(LINGER_S)
        self.assertEqual(transport.closed, 2)

    def test_the_receiving_side_is_cut_later(self) -> None:
        clock = Clock()
        wire = Wire(clock, None)
        close_behind(wire, clock)
        self.assertEqual((wire.write_closed, wire.aborted), (True, False))
        wire.open = False
        clock.advance(LINGER_S)
        self.assertTrue(wire.aborted)
