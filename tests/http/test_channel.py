"""The limits of a connection, byte by byte and second by second."""

from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import (
    BadRequest,
    BodyTooLarge,
    MethodNotAllowed,
    RequestError,
    RequestTimeout,
)
from glitchgrid.http.face import IDLE_TIMEOUT_S
from glitchgrid.http.intake import PIPELINED_MAX
from glitchgrid.http.refusal import LINGER_S
from glitchgrid.http.timing import REQUEST_TIMEOUT_S
from tests.echo_face import EchoFace, site
from tests.raw_client import RawClient, chunked, get, head, post


class ChannelTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock: Any = Clock()
        self.echo = EchoFace()
        self.face = site(self.echo, self.clock)

    def client(self) -> RawClient:
        return RawClient(self.face, self.clock)

    def assert_refused(self, client: RawClient, error: RequestError) -> None:
        """One whole plain answer, no more, and a connection that is closed behind it and cut a while later."""
        answer = client.answer()
        self.assertEqual((answer.status, answer.text), (error.status, error.message))
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(answer.headers["glitchgrid-vault"], "me")
        self.assertTrue(client.wire.write_closed)
        client.send(get(), post(b"5"))
        self.assertEqual(client.answers(), [])
        self.clock.advance(LINGER_S - 0.01)
        self.assertTrue(client.is_open)
        self.clock.advance(0.02)
        self.assertFalse(client.is_open)
        self.assert_nothing_is_left()

    def assert_nothing_is_left(self) -> None:
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.face.channels, {})


class BodyTests(ChannelTestCase):
    def test_64_bytes_are_read(self) -> None:
        self.assertEqual(self.client().ask(post(b"5" * 64)).text, "5" * 64)

    def test_64_bytes_in_chunks_are_read(self) -> None:
        self.assertEqual(self.client().ask(chunked(b"5" * 60, b"7" * 4)).text, "5" * 60 + "7" * 4)

    def test_no_body_is_an_empty_one(self) -> None:
        self.assertEqual(self.client().ask(head(b"POST")).body, b"")
        self.assertEqual(self.client().ask(post(b"")).body, b"")
        self.assertEqual(self.client().ask(chunked()).body, b"")

    def test_a_body_is_read_as_it_is_whatever_its_type(self) -> None:
        for kind in (b"application/x-www-form-urlencoded", b"multipart/form-data", b"multipart/form-data; boundary=x"):
            self.assertEqual(self.client().ask(post(b"a=1&b=%20", b"Content-Type: " + kind)).body, b"a=1&b=%20")

    def test_a_longer_one_is_refused_before_it_comes(self) -> None:
        client = self.client()
        client.send(head(b"POST", b"/", b"Content-Length: 65"))
        self.assert_refused(client, BodyTooLarge())
        self.assertEqual(self.echo.arrived, [])

    def test_a_longer_one_is_refused_once_when_it_comes_with_its_head(self) -> None:
        client = self.client()
        client.send(post(b"5" * 100_000))
        self.assert_refused(client, BodyTooLarge())
        self.assertEqual(self.echo.arrived, [])

    def test_a_longer_one_in_chunks_is_refused(self) -> None:
        for request in (chunked(b"5" * 65), chunked(b"5" * 64, b"5"), chunked(*[b"5"] * 65), chunked(b"5" * 100_000)):
            client = self.client()
            client.send(request)
            self.assert_refused(client, BodyTooLarge())
        self.assertEqual(self.echo.arrived, [])

    def test_an_endless_chunk_is_refused_at_its_65th_byte(self) -> None:
        client = self.client()
        client.send(head(b"POST", b"/", b"Transfer-Encoding: chunked"), b"ffffffff\r\n", b"5" * 64)
        self.assertEqual(client.answers(), [])
        client.send(b"5")
        self.assert_refused(client, BodyTooLarge())

    def test_what_stands_around_a_body_is_bounded(self) -> None:
        """Fields behind the last chunk, and what chunks may be called: Twisted would keep 64 KiB of them."""
        chunk = head(b"POST", b"/", b"Transfer-Encoding: chunked") + b"1\r\n7\r\n"
        for around in (b"0\r\n" + b"a: b\r\n" * 819, b"1;" + b"x" * 1000 + b"\r\n7\r\n"):
            client = self.client()
            client.send(chunk)
            client.send(around[:4000])
            self.assertEqual(client.answers(), [])
            for _ in range(5):
                client.send(around[:1000])
            self.assertIn(client.answer().status, (400, 413))
            self.assertTrue(client.wire.write_closed)
        client = self.client()
        client.send(chunk + b"0\r\n" + b"a: b\r\n" * 100 + b"\r\n" + get())
        self.assertEqual([answer.status for answer in client.answers()], [200, 200])
        self.assertEqual(client.ask(post(b"8" * 60)).body, b"8" * 60, "each body is counted anew")

    def test_a_body_byte_by_byte(self) -> None:
        client = self.client()
        client.send(*(bytes([byte]) for byte in post(b"1234") + chunked(b"56", b"78")))
        self.assertEqual([answer.body for answer in client.answers()], [b"1234", b"5678"])

    def test_100_continue_comes_before_a_body_that_fits(self) -> None:
        client = self.client()
        client.send(head(b"POST", b"/", b"Content-Length: 1", b"Expect: 100-continue"))
        self.assertEqual(client.answer().status, 100)
        client.send(b"5")
        self.assertEqual(client.answer().text, "5")

    def test_100_continue_never_comes_with_a_refusal(self) -> None:
        client = self.client()
        client.send(head(b"POST", b"/", b"Content-Length: 65", b"Expect: 100-continue"))
        self.assert_refused(client, BodyTooLarge())

    def test_100_continue_then_chunks_that_do_not_fit(self) -> None:
        client = self.client()
        client.send(head(b"POST", b"/", b"Transfer-Encoding: chunked", b"Expect: 100-continue"))
        self.assertEqual(client.answer().status, 100)
        client.send(b"41\r\n" + b"5" * 65)
        self.assert_refused(client, BodyTooLarge())

    def test_a_content_length_of_thousands_of_digits(self) -> None:
        """int() raises beyond 4,300 digits: that must be no traceback."""
        for digits in (b"9" * 20, b"9" * 5000, b"0" * 5000, b"9" * 19):
            client = self.client()
            client.send(head(b"POST", b"/", b"Content-Length: " + digits))
            self.assert_refused(client, BodyTooLarge())

    def test_a_content_length_with_leading_zeros(self) -> None:
        self.assertEqual(self.client().ask(head(b"POST", b"/", b"Content-Length: 0002") + b"42").text, "42")

    def test_a_content_length_that_is_none(self) -> None:
        for length in (b"-1", b"+5", b"5 5", b"5,5", b"0x5", b"", b"x" * 20, b"-" + b"1" * 20, b"\xd9\xa5", b"1_0"):
            client = self.client()
            client.send(head(b"POST", b"/", b"Content-Length: " + length))
            self.assert_refused(client, BadRequest())

    def test_two_lengths_are_refused(self) -> None:
        for second in (b"Content-Length: 1", b"Content-Length: 2", b"Transfer-Encoding: chunked"):
            client = self.client()
            client.send(head(b"POST", b"/", b"Content-Length: 1", second) + b"5")
            self.assert_refused(client, BadRequest())

    def test_a_refused_body_does_not_reach_the_next_request(self) -> None:
        client = self.client()
        client.send(post(b"5") + post(b"6" * 65) + post(b"7"))
        self.assertEqual([answer.status for answer in client.answers()], [200, 413])
        self.assertEqual(self.echo.arrived, [b"5"])


class MalformedTests(ChannelTestCase):
    def test_what_is_no_http_is_answered_400(self) -> None:
        for data in (
            b"hello\r\n",
            b"GET /\r\n",
            b"GET / HTTP/0.9\r\n",
            b"GET / HTTP/2.0\r\n",
            b"GET  / HTTP/1.1\r\n",
            b"GET / HTTP/1.1 \r\n",
            b"G(T / HTTP/1.1\r\n",
            b"\xff\xfe / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\nHost: grid\r\n\r\n",
            b"GET / HTTP/1.1\r\nbad name: x\r\nHost: grid\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
            b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 501 + b"\r\n",
            b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 17 + b"\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n55\r\n",
        ):
            client = self.client()
            client.send(data)
            self.assert_refused(client, BadRequest())

    def test_a_line_that_is_too_long_is_answered_400(self) -> None:
        for start in (b"GET /", b"GET / HTTP/1.1\r\nX: "):
            for end in (b"", b"\r\n\r\n"):
                client = self.client()
                client.send(start + b"x" * 20_000 + end)
                self.assert_refused(client, BadRequest())

    def test_a_client_that_closes_after_a_refusal_leaves_nothing(self) -> None:
        client = self.client()
        client.send(b"hello\r\n")
        client.vanish()
        self.assert_nothing_is_left()


class RequestTimeoutTests(ChannelTestCase):
    def trickle(self, client: RawClient, data: bytes, every_s: float) -> None:
        for byte in data:
            client.send(bytes([byte]))
            self.clock.advance(every_s)

    def test_the_deadline_is_10_s(self) -> None:
        self.assertEqual(REQUEST_TIMEOUT_S, 10)

    def test_a_head_that_trickles_in(self) -> None:
        client = self.client()
        self.trickle(client, get()[:19], 0.5)
        self.clock.advance(0.49)
        self.assertEqual(client.answers(), [])
        self.clock.advance(0.01)
        self.assert_refused(client, RequestTimeout())

    def test_a_body_that_trickles_in(self) -> None:
        client = self.client()
        client.send(head(b"POST", b"/", b"Content-Length: 60"))
        self.trickle(client, b"5" * 19, 0.5)
        self.clock.advance(0.49)
        self.assertEqual(client.answers(), [])
        self.clock.advance(0.01)
        self.assert_refused(client, RequestTimeout())
        self.assertEqual(self.echo.arrived, [])

    def test_chunks_that_trickle_in(self) -> None:
        client = self.client()
        client.send(head(b"POST", b"/", b"Transfer-Encoding: chunked"))
        self.trickle(client, b"1\r\n5\r\n" * 3, 0.5)
        self.clock.advance(0.99)
        self.assertEqual(client.answers(), [])
        self.clock.advance(0.01)
        self.assert_refused(client, RequestTimeout())

    def test_a_slow_request_that_makes_it(self) -> None:
        client = self.client()
        client.send(get()[:-1])
        self.clock.advance(9.99)
        self.assertEqual(client.ask(get()[-1:]).status, 200)
        self.clock.advance(20)
        self.assertEqual(client.answers(), [])
        self.assertTrue(client.is_open)

    def test_each_request_has_its_own_time(self) -> None:
        client = self.client()
        for _ in range(5):
            client.send(get()[:5])
            self.clock.advance(9)
            self.assertEqual(client.ask(get()[5:]).status, 200)
            self.clock.advance(9)
        client.send(get()[:5])
        self.clock.advance(10)
        self.assert_refused(client, RequestTimeout())

    def test_the_time_that_an_answer_takes_does_not_count(self) -> None:
        client = self.client()
        client.send(get(b"/slow"))
        self.clock.advance(1000)
        self.assertEqual(client.answers(), [])
        self.echo.waiting[0].callback("at last")
        self.assertEqual(client.answer().text, "at last")
        self.assertTrue(client.is_open)

    def test_half_a_request_that_came_during_an_answer_has_10_s_from_its_end(self) -> None:
        client = self.client()
        client.send(get(b"/slow"), get()[:9])
        self.clock.advance(30)
        self.echo.waiting[0].callback("done")
        self.assertEqual(client.answer().text, "done")
        self.clock.advance(9.99)
        self.assertEqual(client.answers(), [])
        self.clock.advance(0.01)
        self.assert_refused(client, RequestTimeout())

    def test_half_a_request_behind_an_answered_one_in_the_same_segment(self) -> None:
        for first in (get(), post(b"5"), chunked(b"5")):
            for half in (get()[:9], get()[:20], post(b"55")[:-1]):
                client = self.client()
                client.send(first + half)
                self.assertEqual(client.answer().status, 200)
                self.clock.advance(10)
                self.assert_refused(client, RequestTimeout())

    def test_half_a_request_behind_a_slow_one_in_the_same_segment(self) -> None:
        client = self.client()
        client.send(get(b"/slow") + get()[:9])
        self.echo.waiting[0].callback("done")
        self.assertEqual(client.answer().text, "done")
        self.clock.advance(10)
        self.assert_refused(client, RequestTimeout())

    def test_pipelined_requests_are_answered_in_order_and_leave_no_deadline(self) -> None:
        client = self.client()
        client.send(get(b"/slow") + post(b"5") + get(b"/slow") + post(b"6"))
        self.echo.waiting[0].callback("first")
        self.echo.waiting[1].callback("third")
        self.assertEqual([answer.text for answer in client.answers()], ["first", "5", "third", "6"])
        self.clock.advance(30)
        self.assertEqual(client.answers(), [])
        self.assertTrue(client.is_open)

    def test_a_connection_that_breaks_leaves_no_deadline(self) -> None:
        for sent in (b"", get()[:9], head(b"POST", b"/", b"Content-Length: 5") + b"5", get(), get(b"/slow") + b"GET"):
            client = self.client()
            client.send(sent)
            client.vanish()
            self.assert_nothing_is_left()


class IdleTests(ChannelTestCase):
    def test_the_limit_is_60_s(self) -> None:
        self.assertEqual(IDLE_TIMEOUT_S, 60)

    def test_a_connection_without_a_request_is_closed(self) -> None:
        client = self.client()
        self.clock.advance(59.9)
        self.assertTrue(client.is_open)
        self.clock.pump([0.1, 0])
        self.assertFalse(client.is_open)
        self.assert_nothing_is_left()

    def test_each_request_begins_the_time_anew(self) -> None:
        client = self.client()
        for _ in range(3):
            self.clock.advance(59.9)
            self.assertEqual(client.ask(get()).status, 200)
        self.clock.advance(59.9)
        self.assertTrue(client.is_open)
        self.clock.pump([0.1, 0])
        self.assertFalse(client.is_open)

    def test_waiting_for_an_answer_is_not_idle(self) -> None:
        client = self.client()
        client.send(get(b"/slow"))
        self.clock.advance(600)
        self.assertTrue(client.is_open)
        self.echo.waiting[0].callback("done")
        self.clock.advance(59.9)
        self.assertTrue(client.is_open)
        self.clock.pump([0.1, 0])
        self.assertFalse(client.is_open)

    def test_one_timer_does_for_all_requests(self) -> None:
        client = self.client()
        (timer,) = self.clock.getDelayedCalls()
        client.ask(get())
        client.send(get(b"/slow"))
        self.assertEqual(self.clock.getDelayedCalls(), [timer])
        client.vanish()
        self.assert_nothing_is_left()

    def test_an_http_1_0_connection_closes_behind_its_answer(self) -> None:
        client = self.client()
        self.assertEqual(client.ask(b"GET / HTTP/1.0\r\n\r\n").text, "hello")
        self.assertFalse(client.is_open)
        self.assert_nothing_is_left()

    def test_connection_close_is_kept(self) -> None:
        client = self.client()
        self.assertEqual(client.ask(get(b"/", b"Connection: close")).headers["connection"], "close")
        self.assertFalse(client.is_open)


class DrainTests(ChannelTestCase):
    def test_an_idle_connection_is_closed_at_once(self) -> None:
        new, used = self.client(), self.client()
        used.ask(get())
        drained = self.face.drain()
        self.clock.advance(0)
        self.assertFalse(new.is_open or used.is_open)
        self.assertIsNone(self.successResultOf(drained))

    def test_a_request_in_progress_is_answered_first(self) -> None:
        client = self.client()
        client.send(get(b"/slow"))
        drained = self.face.drain()
        self.clock.advance(3)
        self.assertNoResult(drained)
        self.assertTrue(client.is_open)
        self.echo.waiting[0].callback("done")
        answer = client.answer()
        self.assertEqual((answer.text, answer.headers["connection"]), ("done", "close"))
        self.clock.advance(0)
        self.assertIsNone(self.successResultOf(drained))
        self.assert_nothing_is_left()

    def test_a_half_received_head_may_come_to_its_end(self) -> None:
        client = self.client()
        client.send(get()[:9])
        drained = self.face.drain()
        self.clock.advance(1)
        self.assertTrue(client.is_open)
        answer = client.ask(get()[9:])
        self.assertEqual((answer.text, answer.headers["connection"]), ("hello", "close"))
        self.assertIsNone(self.successResultOf(drained))

    def test_a_half_received_body_may_come_to_its_end(self) -> None:
        for request in (post(b"55"), chunked(b"55")):
            client = self.client()
            client.send(request[:-1])
            drained = self.face.drain()
            self.clock.advance(1)
            self.assertTrue(client.is_open)
            answer = client.ask(request[-1:])
            self.assertEqual((answer.text, answer.headers.get("connection")), ("55", "close"))
            self.assertFalse(client.is_open)
            self.assertIsNone(self.successResultOf(drained))

    def test_half_a_request_in_the_segment_of_an_answered_one_may_come_to_its_end(self) -> None:
        client = self.client()
        client.send(get() + get()[:9])
        client.answers()
        self.face.drain()
        self.assertEqual(client.ask(get()[9:]).headers["connection"], "close")

    def test_a_request_behind_the_one_in_progress_is_not_begun(self) -> None:
        client = self.client()
        client.send(get(b"/slow") + post(b"5"))
        self.face.drain()
        self.echo.waiting[0].callback("done")
        self.clock.advance(0)
        self.assertEqual([answer.text for answer in client.answers()], ["done"])
        self.assertFalse(client.is_open)
        self.assertEqual(self.echo.arrived, [])

    def test_a_refused_connection_keeps_its_time_to_read(self) -> None:
        client = self.client()
        client.send(b"hello\r\n")
        drained = self.face.drain()
        self.clock.advance(LINGER_S - 0.01)
        self.assertTrue(client.is_open)
        self.clock.pump([0.01, 0])
        self.assertIsNone(self.successResultOf(drained))

    def test_a_face_without_connections_is_drained(self) -> None:
        self.assertIsNone(self.successResultOf(self.face.drain()))

    def test_abort_all_cuts_what_is_left(self) -> None:
        clients = [self.client(), self.client()]
        clients[0].send(get(b"/slow"))
        self.face.abort_all()
        self.clock.advance(0)
        self.assertTrue(all(client.wire.aborted for client in clients))
        self.assert_nothing_is_left()


class HalfCloseTests(ChannelTestCase):
    """A client that sends nothing more may still read (RFC 9112, section 9.6)."""

    def test_it_gets_the_answer_that_it_waits_for(self) -> None:
        client = self.client()
        client.send(get(b"/slow"))
        client.end()
        self.assertTrue(client.is_open)
        self.echo.waiting[0].callback("done")
        self.clock.advance(0)
        self.assertEqual(client.answer().text, "done")
        self.assertFalse(client.is_open)
        self.assert_nothing_is_left()

    def test_it_gets_all_that_it_has_asked_for(self) -> None:
        """Also what stands behind a body, with which it came."""
        slow = get(b"/slow", b"Content-Length: 1") + b"x"
        for first in (get(b"/slow"), slow):
            client = self.client()
            client.send(first + post(b"1") * 40 + slow + get())
            client.end()
            for _ in range(2):
                self.echo.waiting.pop().callback("done")
                for _ in range(40):
                    self.clock.advance(0)
            texts = [answer.text for answer in client.answers()]
            self.assertEqual(texts, ["done", *["1"] * 40, "done", "hello"])
            self.assertFalse(client.is_open)
            self.assert_nothing_is_left()

    def test_one_that_waits_for_nothing_is_left_at_once(self) -> None:
        for sent in (b"", get(), b"\r\n"):
            client = self.client()
            client.send(sent)
            client.end()
            self.assertFalse(client.is_open and not client.wire.write_closed)
            self.clock.pump([LINGER_S, 0])
        self.assert_nothing_is_left()

    def test_half_a_request_is_none(self) -> None:
        for request in (get()[:5], get()[:-2], post(b"42")[:-1], chunked(b"42")[:-1]):
            client = self.client()
            client.send(request)
            client.end()
            self.assertEqual(client.answer().status, BadRequest.status)
            self.assertTrue(client.wire.disconnecting, "nothing more can come")
        self.assertEqual(self.echo.arrived, [])

    def test_half_a_request_behind_one_that_is_answered(self) -> None:
        client = self.client()
        client.send(get(b"/slow") + post(b"42")[:-1])
        client.end()
        self.echo.waiting[0].callback("done")
        self.clock.advance(0)
        self.assertEqual([answer.status for answer in client.answers()], [200, 400])
        self.assertEqual(self.echo.arrived, [])


class LeavingTests(ChannelTestCase):
    def test_who_waits_for_the_end_of_a_request_is_told(self) -> None:
        client = self.client()
        client.send(get(b"/slow"))
        ended = client.protocol.requests[0].notifyFinish()
        self.assertNoResult(ended)
        client.vanish()
        self.failureResultOf(ended, ConnectionLost)


class PipelineTests(ChannelTestCase):
    """Requests one behind the other, bodies among them, in segments that end anywhere."""

    def test_what_comes_while_one_is_answered_comes_behind_what_came_with_it(self) -> None:
        slow = get(b"/slow", b"Content-Length: 1") + b"x"
        requests = slow + post(b"1") + slow + post(b"2") + get() + post(b"3") + slow + post(b"4")
        for first in range(1, len(requests), 7):
            for second in range(first, len(requests), 31):
                self.setUp()
                client = self.client()
                client.send(requests[:first], requests[first:second])
                for _ in range(3):
                    if self.echo.waiting:
                        self.echo.waiting.pop().callback("done")
                        self.clock.advance(0)
                client.send(requests[second:])
                while self.echo.waiting:
                    self.echo.waiting.pop().callback("done")
                    self.clock.advance(0)
                texts = [answer.text for answer in client.answers()]
                self.assertEqual(texts, ["done", "1", "done", "2", "hello", "3", "done", "4"], (first, second))

    def test_what_waits_for_its_turn_waits_for_a_full_transport_too(self) -> None:
        client = self.client()
        client.protocol.dataReceived(get() * (2 * PIPELINED_MAX))
        client.protocol.pauseProducing()
        self.clock.advance(0)
        self.assertEqual(self.face.requests_answered, PIPELINED_MAX)
        client.protocol.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(self.face.requests_answered, 2 * PIPELINED_MAX)

    def test_thousands_of_them(self) -> None:
        client = self.client()
        for start in range(0, 3000, 1000):
            client.send(b"".join(post(b"%d" % number) for number in range(start, start + 1000)))
            while self.clock.getDelayedCalls() and len(self.echo.arrived) < start + 1000:
                self.clock.advance(0)
        self.assertEqual([answer.body for answer in client.answers()], [b"%d" % number for number in range(3000)])


class FramingTests(ChannelTestCase):
    """What is no request, and where one ends."""

    def test_the_last_word_on_the_connection_is_heard(self) -> None:
        for fields in (
            (b"Connection: close",),
            (b"Connection: x", b"Connection: close"),
            (b"Connection: keep-alive, close",),
            (b"Connection: keep-alive,CLOSE ,x",),
            (b"connection:close",),
        ):
            client = self.client()
            client.send(get(b"/", *fields))
            self.assertEqual(client.answer().headers["connection"], "close", fields)
            self.assertFalse(client.is_open, fields)

    def test_any_other_word_keeps_it(self) -> None:
        for fields in ((b"Connection: keep-alive",), (b"Connection: x-close, closed",), (b"Connection:",)):
            client = self.client()
            client.send(get(b"/", *fields))
            self.assertTrue(client.is_open, fields)

    def test_a_transfer_encoding_that_is_not_chunked_is_refused_with_its_body(self) -> None:
        for fields in (
            (b"Transfer-Encoding: identity",),
            (b"Transfer-Encoding: gzip, chunked",),
            (b"Transfer-Encoding: chunked, identity",),
            (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
            (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
            (b"Transfer-Encoding: identity", b"Content-Length: 1"),
            (b"Transfer-Encoding:",),
        ):
            client = self.client()
            client.send(head(b"POST", b"/", *fields) + get())
            self.assert_refused(client, BadRequest())
        self.assertEqual(self.echo.arrived, [])

    def test_http_1_1_has_one_host(self) -> None:
        for request in (b"GET / HTTP/1.1\r\n\r\n", get(b"/", b"Host: grid"), b"POST / HTTP/1.1\r\nA: b\r\n\r\n"):
            client = self.client()
            client.send(request)
            self.assert_refused(client, BadRequest())

    def test_what_cannot_become_a_request_is_refused_at_once(self) -> None:
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        for data in (hello, b"\x00", b"GET\x00", b"GET /\x01", b" GET / ", b"\r\n\x16\x03", b"(", b"\xff"):
            client = self.client()
            client.send(data)
            self.assert_refused(client, BadRequest())
        client = self.client()
        client.send(get() + hello)
        self.assertEqual([answer.status for answer in client.answers()], [200, 400])

    def test_what_can_has_its_time(self) -> None:
        for data in (b"G", b"GET", b"GET ", b"GET /\xc3\xa9", b"\r\nGE", b"GET / HTTP/1.1\r", b"x-!#$%&'*+.^_`|~9"):
            client = self.client()
            client.send(data)
            self.assertEqual((client.answers(), client.closing), ([], False), data)

    def test_the_servers_own_target_has_no_methods(self) -> None:
        for method in (b"OPTIONS", b"GET", b"POST", b"options"):
            answer = self.client().ask(head(method, b"*", b"Content-Length: 0"))
            self.assertEqual((answer.status, answer.text), (405, MethodNotAllowed.message))
            self.assertEqual(answer.headers["allow"], "GET, HEAD, POST")
            self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
