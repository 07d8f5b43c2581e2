"""How answers leave: at once and in one piece, never out of order, over a socket that takes as much as it likes."""

import itertools
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.http.face import IDLE_TIMEOUT_S
from glitchgrid.http.intake import PIPELINED_MAX
from tests.echo_face import EchoFace, site
from tests.raw_client import Answer, get, head, parse_answers, post

PEER = IPv4Address("TCP", "192.0.2.1", 40000)
ALL = 1 << 30


class Reactor:
    """Notes which sockets are to be watched, as one with epoll does."""

    def __init__(self) -> None:
        self.writers: set[Any] = set()
        self.watched = 0

    def addWriter(self, writer: Any) -> None:
        self.watched += 1
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)

    def addReader(self, reader: Any) -> None:
        """What is read is the tests' to say."""
        reader.is_reading = True

    def removeReader(self, reader: Any) -> None:
        reader.is_reading = False

    def turn(self) -> None:
        """One turn of the loop, over sockets that have room."""
        for writer in list(self.writers):
            writer.doWrite()


class Socket(FileDescriptor):
    """Twisted's transport over a kernel that takes `room` bytes a call, or fails."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.connected = 1
        self.room = ALL
        self.fails = False
        self.pieces: list[bytes] = []
        self.closed = False
        self.is_reading = True

    def writeSomeData(self, data: bytes) -> int | Exception:
        if self.fails:
            return CONNECTION_LOST
        taken = bytes(data[: self.room])
        if taken:
            self.pieces.append(taken)
        return len(taken)

    def _postLoseConnection(self) -> None:
        self.closed = True

    def getPeer(self) -> IPv4Address:
        return PEER

    def getHost(self) -> IPv4Address:
        return PEER


class SendingTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock: Any = Clock()
        self.echo = EchoFace()
        self.face = site(self.echo, self.clock)
        self.reactor = Reactor()
        self.socket = Socket(self.reactor)
        self.protocol: Any = self.face.buildProtocol(PEER)
        self.protocol.makeConnection(self.socket)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.protocol.dataReceived(part)

    def answers(self) -> list[Answer]:
        """All that the kernel has been given."""
        return parse_answers(b"".join(self.socket.pieces))

    def texts(self) -> list[str]:
        return [answer.text for answer in self.answers()]

    def until_sent(self) -> None:
        while self.reactor.writers:
            self.reactor.turn()


class AtOnceTests(SendingTestCase):
    def test_an_answer_is_one_piece_and_nothing_is_watched(self) -> None:
        for number in range(3):
            self.send(post(b"%d" % number))
        self.assertEqual(self.texts(), ["0", "1", "2"])
        self.assertEqual(len(self.socket.pieces), 3)
        self.assertEqual(self.reactor.watched, 0)

    def test_it_is_what_twisted_would_send(self) -> None:
        self.patch(time, "time", lambda: 1e9)
        self.send(get())
        (gathered,) = self.answers()
        self.protocol._at_once = False
        self.send(get())
        self.until_sent()
        _, left_to_twisted = self.answers()
        self.assertEqual(gathered, left_to_twisted)

    def test_an_answer_that_took_its_time(self) -> None:
        self.send(get(b"/slow"))
        self.assertEqual(self.answers(), [])
        self.echo.waiting[0].callback("done")
        self.assertEqual(self.texts(), ["done"])
        self.assertEqual(self.reactor.watched, 0)

    def test_what_waited_for_it_goes_with_it(self) -> None:
        self.send(get(b"/slow") + post(b"1") + post(b"2"))
        self.echo.waiting[0].callback("done")
        self.assertEqual(self.texts(), ["done", "1", "2"])
        self.assertEqual(self.reactor.watched, 0)

    def test_no_body_for_head(self) -> None:
        self.send(head(b"HEAD"))
        (answer,) = parse_answers(b"".join(self.socket.pieces), heads_only=True)
        self.assertEqual((answer.status, answer.headers["content-length"]), (200, "5"))


class OrderTests(SendingTestCase):
    """What waits in the transport is never overtaken."""

    def slow_kernel(self, rooms: Iterable[int]) -> None:
        for room in rooms:
            self.socket.room = room
            self.reactor.turn()

    def test_what_the_kernel_does_not_take_follows(self) -> None:
        self.socket.room = 10
        self.send(post(b"1"))
        self.send(post(b"2"))
        self.assertEqual(sum(map(len, self.socket.pieces)), 10)
        self.slow_kernel([0, 1, 7, 0, 50])
        self.send(post(b"3"))
        self.socket.room = ALL
        self.until_sent()
        self.assertEqual(self.texts(), ["1", "2", "3"])

    def test_a_kernel_that_takes_nothing(self) -> None:
        self.socket.room = 0
        self.send(post(b"1"))
        self.socket.room = ALL
        self.send(post(b"2"))
        self.until_sent()
        self.assertEqual(self.texts(), ["1", "2"])

    def test_behind_an_answer_of_kleins(self) -> None:
        self.send(get(b"/nowhere"), post(b"1"))
        self.until_sent()
        self.assertEqual([answer.status for answer in self.answers()], [404, 200])

    def test_behind_100_continue(self) -> None:
        self.send(head(b"POST", b"/", b"Content-Length: 1", b"expect: 100-continue"), b"5")
        self.until_sent()
        self.assertEqual([(answer.status, answer.text) for answer in self.answers()], [(100, ""), (200, "5")])

    def test_100_continue_does_not_overtake_an_answer_that_the_kernel_took_in_part(self) -> None:
        self.send(get(b"/slow") + head(b"POST", b"/", b"Content-Length: 1", b"Expect: 100-continue"))
        self.socket.room = 10
        self.echo.waiting[0].callback("done")
        self.socket.room = ALL
        self.until_sent()
        self.send(b"5")
        self.until_sent()
        self.assertEqual(
            [(answer.status, answer.text) for answer in self.answers()], [(200, "done"), (100, ""), (200, "5")]
        )

    def test_whatever_the_kernel_takes_of_each_piece(self) -> None:
        """The kinds of what is sent, each behind each, with a kernel that takes a little more at each call."""
        asked = {
            "hello": get(),
            "Not found": get(b"/nowhere"),
            "5": post(b"5", b"Expect: 100-continue"),
            "Method not allowed": head(b"OPTIONS", b"*"),
            "Store failed": get(b"/refuses"),
        }
        for room in range(1, 40, 3):
            for first, second in itertools.permutations(asked, 2):
                self.setUp()
                self.socket.room = room
                self.send(asked[first] + asked[second], get(b"/", b"Connection: close"))
                self.until_sent()
                texts = [answer.text for answer in self.answers() if answer.status != HTTPStatus.CONTINUE]
                self.assertEqual(texts, [first, second, "hello"])

    def test_before_a_refusal_in_the_same_segment(self) -> None:
        self.socket.room = 10
        self.send(get(b"/slow") + b"no request\r\n\r\n")
        self.echo.waiting[0].callback("done")
        self.socket.room = ALL
        self.until_sent()
        self.assertEqual([answer.status for answer in self.answers()], [200, 400])

    def test_before_the_end_of_the_connection_in_the_same_segment(self) -> None:
        self.socket.room = 10
        self.send(get(b"/slow") + get(b"/", b"Connection: close"))
        self.echo.waiting[0].callback("done")
        self.assertFalse(self.socket.closed)
        self.socket.room = ALL
        self.until_sent()
        self.assertEqual(self.texts(), ["done", "hello"])
        self.assertTrue(self.socket.closed)

    def test_the_last_answer_of_a_connection(self) -> None:
        self.send(get(b"/", b"Connection: close"))
        self.until_sent()
        self.assertEqual(self.texts(), ["hello"])
        self.assertTrue(self.socket.closed)


class UnreadTests(SendingTestCase):
    """A client that asks and asks, and reads nothing of what it is answered."""

    FLOOD = get() * 2000

    def held(self) -> int:
        """What the server keeps for this client, in bytes."""
        return len(self.protocol._buffer) + len(self.socket.dataBuffer) + self.socket._tempDataLen

    def turn_of_the_clock(self) -> None:
        """What is due by now, as a reactor does it: what that schedules comes a turn later."""
        for call in [each for each in self.clock.calls if each.getTime() <= self.clock.seconds()]:
            self.clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)

    def test_it_fills_no_memory(self) -> None:
        self.socket.room = 0
        for _ in range(20):
            self.send(self.FLOOD)
            for _ in range(2000):
                self.clock.advance(0)
            if not self.socket.is_reading:
                break
        self.assertFalse(self.socket.is_reading)
        self.assertEqual(self.clock.getDelayedCalls(), self.clock.getDelayedCalls()[:1])  # its idle timer
        self.assertLess(self.held(), len(self.FLOOD) + 2 * self.socket.bufferSize)

    def test_it_is_answered_in_turns_once_it_reads(self) -> None:
        self.socket.room = 0
        self.send(self.FLOOD)
        self.clock.advance(0)
        self.socket.room = ALL
        answered = [self.face.requests_answered]
        while answered[-1] < 2000:
            self.reactor.turn()
            self.turn_of_the_clock()
            answered.append(self.face.requests_answered)
            self.assertLessEqual(answered[-1] - answered[-2], 2 * PIPELINED_MAX)
            self.assertLess(len(answered), 2000)
        self.until_sent()
        self.assertEqual(len(self.answers()), 2000)
        self.assertTrue(self.socket.is_reading)

    def test_while_one_is_answered_those_behind_it_wait_outside(self) -> None:
        self.send(get(b"/slow"))
        self.assertTrue(self.socket.is_reading)
        self.send(self.FLOOD)
        self.assertFalse(self.socket.is_reading)
        self.echo.waiting[0].callback("done")
        for _ in range(2000):
            self.clock.advance(0)
        self.assertEqual(len(self.answers()), 2001)
        self.assertTrue(self.socket.is_reading)

    def test_who_goes_on_not_reading_is_left(self) -> None:
        self.socket.room = 0
        self.send(self.FLOOD)
        self.clock.pump([1.0] * (IDLE_TIMEOUT_S + 1))
        self.assertTrue(self.socket.disconnecting)

    def test_one_that_leaves_meanwhile_leaves_nothing(self) -> None:
        self.send(self.FLOOD)
        self.protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SequenceTests(SendingTestCase):
    def test_pieces_leave_as_one(self) -> None:
        self.protocol.writeSequence([b"one ", b"piece"])
        self.assertEqual(b"".join(self.socket.pieces), b"one piece")


class BrokenTests(SendingTestCase):
    def test_an_error_is_the_reactors_to_see(self) -> None:
        self.socket.fails = True
        self.send(get())
        self.assertIn(self.socket, self.reactor.writers)
        self.assertEqual(self.socket.doWrite(), CONNECTION_LOST)

    def test_nothing_is_sent_on_a_lost_connection(self) -> None:
        self.send(get(b"/shielded"))
        self.protocol.connectionLost(Failure(ConnectionLost()))
        self.echo.waiting[0].callback("too late")
        self.assertEqual(self.socket.pieces, [])
        self.assertEqual(self.reactor.watched, 0)
