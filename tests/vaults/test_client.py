"""One vault as control sees it: what counts, what does not, and a deadline over all of it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import treq.client
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import VaultAnswerInvalid, VaultError, VaultRefused, VaultTimeout, VaultUnreachable
from glitchgrid.outcome import Refused, Stored
from glitchgrid.protocol.quorum import Vote
from glitchgrid.protocol.roster import list_digest
from glitchgrid.shortcuts import BytesProducer
from glitchgrid.vaults import client as vaultclient
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.client import GuardedAnswer, VaultClient, VaultSight
from glitchgrid.vaults.connections import IN_FLIGHT_MAX
from tests.fakes import CaughtLog
from tests.vault_network import ADDRESS, VaultEnd, VaultNetwork


class ClientTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = VaultNetwork()
        self.client = self.network.client
        self.clock = self.network.reactor

    def asked(self) -> tuple[Deferred[Vote], VaultEnd]:
        vote = self.client.read()
        return vote, self.network.accept()

    def assert_closed_for_good(self, end: VaultEnd) -> None:
        """The connection is closed, no time is left waiting, and the next request takes a new one."""
        self.assertTrue(end.is_closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        dialled = len(self.network.dialled)
        self.client.read().addErrback(lambda _: None)
        self.assertEqual(len(self.network.dialled), dialled + 1)


class TraceTests(ClientTestCase):
    def test_the_vault_is_told(self) -> None:
        for ask in (self.client.read, partial(self.client.store, 5), partial(self.client.store_guarded, 5)):
            ask(trace=b"00-1-2-3").addErrback(lambda _: None)
            self.assertIn(b"traceparent: 00-1-2-3", self.network.accept().received.lower().split(b"\r\n"))
            ask().addErrback(lambda _: None)
            self.assertNotIn(b"traceparent", self.network.accept().received.lower())


class ReadTests(ClientTestCase):
    def test_what_is_asked(self) -> None:
        _vote, end = self.asked()
        head = end.received.split(b"\r\n")
        self.assertEqual(head[0], b"GET / HTTP/1.1")
        self.assertIn(b"Host: " + ADDRESS.encode(), head)

    def test_a_value(self) -> None:
        for body, value in ((b"0", 0), (b"42", 42), (b"42\n", 42), (b"9223372036854775807", 2**63 - 1)):
            vote = self.client.read()
            self.network.accept().answer(body, b"Connection: close")
            self.assertEqual(self.successResultOf(vote), Vote(ADDRESS, None, value))

    def test_an_identity(self) -> None:
        vote, end = self.asked()
        end.answer(b"42", b"Glitchgrid-Vault: abc")
        self.assertEqual(self.successResultOf(vote), Vote(ADDRESS, "abc", 42))

    def test_what_is_no_number_does_not_count(self) -> None:
        for body in (b"", b"-1", b"+5", b"1_0", b"9223372036854775808", b"<html>", b"5\v"):
            vote = self.client.read()
            self.network.accept().answer(body, b"Connection: close")
            self.assertEqual(str(self.failureResultOf(vote, VaultAnswerInvalid).value), "its answer is no number")

    def test_no_other_status_counts(self) -> None:
        for status in (b"201 Created", b"204 No Content", b"302 Found", b"404 Nope", b"412 No", b"500 No", b"503 Busy"):
            vote = self.client.read()
            self.network.accept().answer(b"", b"Connection: close", b"Location: /", status=status)
            self.assertEqual(
                str(self.failureResultOf(vote, VaultRefused).value), f"it answered {status[:3].decode('ascii')}"
            )

    def test_a_redirect_is_not_followed(self) -> None:
        vote, end = self.asked()
        end.answer(b"", b"Location: http://elsewhere/", status=b"302 Found")
        self.failureResultOf(vote, VaultRefused)
        self.assertEqual(len(self.network.dialled), 1)

    def test_a_malformed_identity_does_not_count(self) -> None:
        for identity in (b"", b"a b", b"\xff", b"x" * 129, b"a\tb"):
            vote = self.client.read()
            self.network.accept().answer(b"42", b"Connection: close", b"Glitchgrid-Vault: " + identity)
            self.assertEqual(str(self.failureResultOf(vote, VaultAnswerInvalid).value), "its identity is malformed")

    def test_two_identities_do_not_count(self) -> None:
        vote, end = self.asked()
        end.answer(b"42", b"Glitchgrid-Vault: a", b"Glitchgrid-Vault: b")
        self.failureResultOf(vote, VaultAnswerInvalid)

    def test_the_longest_identity(self) -> None:
        vote, end = self.asked()
        end.answer(b"42", b"Glitchgrid-Vault: " + b"x" * 128)
        self.assertEqual(self.successResultOf(vote).identity, "x" * 128)

    def test_what_is_no_http_does_not_count(self) -> None:
        for data in (
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 OK 200\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n5",
        ):
            vote = self.client.read()
            end = self.network.accept()
            end.send(data)
            end.close()
            self.failureResultOf(vote, VaultUnreachable)


class SightTests(ClientTestCase):
    def test_by_its_latest_answer(self) -> None:
        self.assertEqual(self.client.sight, VaultSight(ADDRESS, None, None, ""))
        _vote, end = self.asked()
        end.answer(b"42", b"Glitchgrid-Vault: abc", b"Connection: close")
        self.assertEqual(self.client.sight, VaultSight(ADDRESS, "abc", 42, ""))
        self.client.store_guarded(43)
        self.network.accept().answer(b"44", b"Glitchgrid-Vault: abc", b"Connection: close", status=b"412 No")
        self.assertEqual(self.client.sight, VaultSight(ADDRESS, "abc", 44, ""))
        self.client.store_guarded(45)
        self.network.accept().answer(b"45", b"Glitchgrid-Guard: increase", b"Connection: close")
        self.assertEqual(self.client.sight, VaultSight(ADDRESS, None, 45, ""))

    def test_one_that_fails_and_answers_again(self) -> None:
        self.client.read().addErrback(lambda _: None)
        self.network.accept().answer(b"", b"Connection: close", status=b"500 No")
        self.assertEqual(self.client.sight, VaultSight(ADDRESS, None, None, "it answered 500"))
        self.client.read()
        self.network.accept().answer(b"7", b"Connection: close")
        self.assertEqual(self.client.sight, VaultSight(ADDRESS, None, 7, ""))


class StoreTests(ClientTestCase):
    def stored(self, value: int, body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Deferred[Vote]:
        vote = self.client.store(value)
        self.network.accept().answer(body, b"Connection: close", *headers, status=status)
        return vote

    def test_what_is_sent(self) -> None:
        self.client.store(2**63 - 1)
        end = self.network.accept()
        head, _, body = end.received.partition(b"\r\n\r\n")
        self.assertEqual(head.split(b"\r\n")[0], b"POST / HTTP/1.1")
        self.assertIn(b"Content-Length: 19", head.split(b"\r\n"))
        self.assertNotIn(b"glitchgrid-guard", head.lower())
        self.assertEqual(body, b"9223372036854775807")

    def test_an_acknowledgement_echoes_the_value(self) -> None:
        vote = self.stored(42, b"42\n", b"Glitchgrid-Vault: abc")
        self.assertEqual(self.successResultOf(vote), Vote(ADDRESS, "abc", 42))

    def test_any_other_echo_is_none(self) -> None:
        for body in (b"41", b"43", b"0", b"4", b"420"):
            error = self.failureResultOf(self.stored(42, body), VaultAnswerInvalid).value
            self.assertEqual(str(error), f"it was sent 42 and echoed {body.decode('ascii')}")

    def test_no_other_status_is_one(self) -> None:
        for status in (b"202 Accepted", b"400 No", b"412 No", b"500 No"):
            self.failureResultOf(self.stored(42, b"42", status=status), VaultRefused)

    def test_no_number_is_none(self) -> None:
        self.failureResultOf(self.stored(42, b"OK"), VaultAnswerInvalid)


class GuardedStoreTests(ClientTestCase):
    GUARD = b"Glitchgrid-Guard: increase"

    def stored(self, value: int, body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Deferred[GuardedAnswer]:
        answer = self.client.store_guarded(value)
        self.network.accept().answer(body, b"Connection: close", *headers, status=status)
        return answer

    def test_what_is_sent(self) -> None:
        self.client.store_guarded(2**63 - 1)
        head, _, body = self.network.accept().received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.assertEqual(lines[0], b"POST / HTTP/1.1")
        self.assertEqual([line for line in lines if line.lower().startswith(b"glitchgrid-")], [self.GUARD])
        self.assertIn(b"Host: " + ADDRESS.encode(), lines)
        self.assertIn(b"Content-Length: 19", lines)
        self.assertEqual(body, b"9223372036854775807")

    def test_a_read_has_no_guard(self) -> None:
        self.client.read().addErrback(lambda _: None)
        self.assertNotIn(b"glitchgrid-guard", self.network.accept().received.lower())

    def test_an_acknowledgement_echoes_the_value_or_refuses_with_as_much(self) -> None:
        refused = b"412 Precondition Failed"
        for status, body, outcome in (
            (b"200 OK", b"42", Stored(42)),
            (b"200 OK", b"042\n", Stored(42)),
            (refused, b"43", Refused(43)),
            (refused, b"42", Refused(42)),
        ):
            answer = self.stored(42, body, self.GUARD, b"Glitchgrid-Vault: abc", status=status)
            self.assertEqual(self.successResultOf(answer), GuardedAnswer("abc", outcome))

    def test_another_echo_or_a_refusal_with_less_is_none_and_logged(self) -> None:
        log = CaughtLog(self)
        for status, body, said in ((b"200 OK", b"43", "200 with 43"), (b"412 No", b"41", "412 with 41")):
            answer = self.stored(42, body, self.GUARD, status=status)
            error = self.failureResultOf(answer, VaultAnswerInvalid).value
            self.assertEqual(str(error), f"it was sent 42 and answered {said}")
        self.assertEqual(log.warnings, [f"vault {ADDRESS} fails: it was sent 42 and answered 200 with 43"])

    def test_one_that_does_not_say_who_it_is_counts_by_its_address(self) -> None:
        answer = self.successResultOf(self.stored(42, b"42", self.GUARD))
        self.assertEqual(answer.voter, Vote(ADDRESS, None, 42).voter)
        self.assertIn(ADDRESS, answer.voter)

    def test_no_other_status_counts(self) -> None:
        for status in (b"201 Created", b"204 None", b"302 Found", b"400 No", b"409 No", b"500 No", b"503 Busy"):
            answer = self.stored(42, b"42", self.GUARD, b"Location: /", status=status)
            error = self.failureResultOf(answer, VaultRefused).value
            self.assertEqual(str(error), f"it answered {status[:3].decode('ascii')}")

    def test_what_is_no_number_does_not_count(self) -> None:
        for status in (b"200 OK", b"412 No"):
            for body in (b"", b"OK", b"-1", b"+42", b"4_2", b"9223372036854775808", b"4 2"):
                self.failureResultOf(self.stored(42, body, self.GUARD, status=status), VaultAnswerInvalid)

    def test_a_malformed_identity_does_not_count(self) -> None:
        for identity in (b"", b"a b", b"\xff", b"x" * 129):
            answer = self.stored(42, b"42", self.GUARD, b"Glitchgrid-Vault: " + identity)
            self.failureResultOf(answer, VaultAnswerInvalid)

    def test_a_guard_that_is_not_echoed_is_said_once(self) -> None:
        log = CaughtLog(self)
        for value in (42, 43):
            self.assertEqual(self.successResultOf(self.stored(value, b"%d" % value)).outcome, Stored(value))
        self.assertEqual(log.warnings, [f"vault {ADDRESS} ignores the guard: a late store may undo newer ones there"])

    def test_a_guard_that_is_echoed_is_not(self) -> None:
        log = CaughtLog(self)
        self.successResultOf(self.stored(42, b"42", self.GUARD))
        self.successResultOf(self.stored(42, b"43", self.GUARD, status=b"412 No"))
        self.assertEqual(log.warnings, [])

    def test_an_answer_that_does_not_count_says_nothing_of_the_guard(self) -> None:
        log = CaughtLog(self)
        self.failureResultOf(self.stored(42, b"", status=b"503 Busy"), VaultRefused)
        self.assertEqual(log.warnings, [f"vault {ADDRESS} fails: it answered 503"])

    def test_over_a_connection_that_breaks_it_is_sent_once_more(self) -> None:
        answer = self.client.store_guarded(42)
        first = self.network.accept()
        sent = first.received
        first.close()
        second = self.network.accept()
        self.assertEqual(second.received.partition(b"\r\n\r\n")[2], b"42")
        self.assertEqual(sent.split(b"\r\n")[0], second.received.split(b"\r\n")[0])
        self.assertIn(self.GUARD, second.received.split(b"\r\n"))
        second.answer(b"42", self.GUARD)
        self.assertEqual(self.successResultOf(answer).outcome, Stored(42))

    def test_and_no_more_than_that(self) -> None:
        log = CaughtLog(self)
        answer = self.client.store_guarded(42)
        self.network.accept().close()
        self.network.accept().close()
        self.failureResultOf(answer, VaultUnreachable)
        self.assertEqual((len(self.network.dialled), len(log.warnings)), (2, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nor_after_a_refused_connection_or_the_deadline(self) -> None:
        answer = self.client.store_guarded(42)
        self.network.refuse()
        self.failureResultOf(answer, VaultUnreachable)
        answer = self.client.store_guarded(42)
        self.network.accept()
        self.clock.advance(1)
        self.failureResultOf(answer, VaultTimeout)
        self.assertEqual(len(self.network.dialled), 2)

    def test_one_whose_answer_broke_off_is_sent_once_more(self) -> None:
        answer = self.client.store_guarded(42)
        end = self.network.accept()
        end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n4")
        end.close()
        self.network.accept().answer(b"42", self.GUARD)
        self.assertEqual(self.successResultOf(answer).outcome, Stored(42))

    def test_each_question_may_be_repeated_once(self) -> None:
        for value in (42, 43):
            answer = self.client.store_guarded(value)
            self.network.accept().close()
            self.network.accept().answer(b"%d" % value, self.GUARD, b"Connection: close")
            self.assertEqual(self.successResultOf(answer).outcome, Stored(value))

    def test_who_asked_may_give_up(self) -> None:
        answer = self.client.store_guarded(42)
        end = self.network.accept()
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assert_closed_for_good(end)

    def test_or_while_waiting_for_a_connection(self) -> None:
        others = [self.client.read() for _ in range(IN_FLIGHT_MAX)]
        answer = self.client.store_guarded(42)
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.network.accept(0).answer(b"1")
        self.assertEqual(len(self.network.dialled), IN_FLIGHT_MAX)
        self.clock.advance(1)
        for other in others:
            other.addErrback(lambda _: None)

    def test_a_bug_in_what_reads_the_answer_reaches_who_asked(self) -> None:
        def broken(response: Any) -> None:
            raise ZeroDivisionError

        self.patch(vaultclient, "_identity", broken)
        self.failureResultOf(self.stored(42, b"42", self.GUARD), ZeroDivisionError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class BodyTests(ClientTestCase):
    def test_a_body_without_a_length_ends_with_its_connection(self) -> None:
        """As the original vaults send them."""
        vote, end = self.asked()
        end.send(b"HTTP/1.0 200 OK\r\n\r\n4")
        end.send(b"2")
        self.assertNoResult(vote)
        end.close(ConnectionDone())
        self.assertEqual(self.successResultOf(vote).value, 42)

    def test_one_that_is_cut_does_not_count(self) -> None:
        """A number that was cut off is another number."""
        for reason in (ConnectionLost(), ConnectionAborted(), ConnectError()):
            for version in (b"1.0", b"1.1"):
                network = VaultNetwork()
                vote = network.client.read()
                for _ in range(2):  # a read is asked once more where its connection broke
                    if not vote.called:
                        end = network.accept()
                        end.send(b"HTTP/%s 200 OK\r\n\r\n4" % version)
                        end.close(reason)
                self.failureResultOf(vote, VaultError)

    def test_since_http_1_1_an_answer_tells_its_end(self) -> None:
        """The process that sent half of it may have ended, and its kernel has closed the connection properly."""
        vote, end = self.asked()
        end.send(b"HTTP/1.1 200 OK\r\n\r\n4")
        end.close(ConnectionDone())
        error = self.failureResultOf(vote, VaultAnswerInvalid).value
        self.assertEqual(str(error), "nothing tells where its body ends")

    def test_a_whole_answer_counts_however_its_connection_ends(self) -> None:
        for reason in (ConnectionLost(), ConnectionDone()):
            network = VaultNetwork()
            vote = network.client.read()
            end = network.accept()
            end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n42")
            end.close(reason)
            self.assertEqual(self.successResultOf(vote).value, 42)

    def test_a_chunked_body(self) -> None:
        vote, end = self.asked()
        end.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n1\r\n2\r\n0\r\n\r\n")
        self.assertEqual(self.successResultOf(vote).value, 42)

    def test_64_bytes_are_read(self) -> None:
        vote, end = self.asked()
        end.answer(b"42".zfill(64))
        self.assertEqual(self.successResultOf(vote).value, 42)

    def answered_too_long(self) -> Iterator[tuple[Deferred[Vote], VaultEnd]]:
        for head in (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"):
            network = VaultNetwork()
            vote = network.client.read()
            end = network.accept()
            end.send(head + b"0" * 64)
            self.assertNoResult(vote)
            end.send(b"0")
            yield vote, end

    def test_a_longer_body_does_not_count(self) -> None:
        for vote, _end in self.answered_too_long():
            self.assertEqual(str(self.failureResultOf(vote, VaultAnswerInvalid).value), "its body is too long")

    def test_a_longer_body_is_not_read_to_its_end(self) -> None:
        for vote, end in self.answered_too_long():
            self.failureResultOf(vote, VaultAnswerInvalid)
            self.assertTrue(end.is_closed)

    def test_a_longer_body_that_is_all_there_does_not_count(self) -> None:
        vote, end = self.asked()
        end.answer(b"42".zfill(65))
        self.failureResultOf(vote, VaultAnswerInvalid)

    def test_a_body_that_breaks_off_does_not_count(self) -> None:
        vote, end = self.asked()
        for connection in (end, None):
            end = connection or self.network.accept()
            end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n42")
            end.close()
        self.failureResultOf(vote, VaultUnreachable)

    @given(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
    def test_whatever_is_in_it_it_counts_or_is_a_vault_error(self, parts: list[bytes]) -> None:
        network = VaultNetwork()
        vote = network.client.read()
        end = network.accept()
        end.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % sum(map(len, parts)))
        for part in parts:
            end.send(part)
        results: list[Any] = []
        vote.addBoth(results.append)
        if not isinstance(results[0], Vote):
            results[0].trap(VaultError)


class UnbufferedTests(ClientTestCase):
    def test_nothing_keeps_a_body_beside_what_reads_it(self) -> None:
        """treq's own response would have all of it, however long it is."""

        def buffered(*_arguments: object) -> None:
            raise AssertionError("it is buffered")

        self.patch(treq.client, "_BufferedResponse", buffered)
        vote, end = self.asked()
        end.answer(b"42")
        self.assertEqual(self.successResultOf(vote).value, 42)


class DeadlineTests(ClientTestCase):
    def assert_timeout(self, vote: Deferred[Vote]) -> None:
        """No result a moment before the deadline, and VaultTimeout at it."""
        self.clock.advance(0.999 - self.clock.seconds())
        self.assertNoResult(vote)
        self.clock.advance(1.0 - self.clock.seconds())
        self.clock.advance(0)
        error = self.failureResultOf(vote, VaultTimeout).value
        self.assertEqual(str(error), "no whole answer within 1 s")

    def test_over_connecting(self) -> None:
        vote = self.client.read()
        self.assert_timeout(vote)
        self.assertTrue(self.clock.connectors[0].stoppedConnecting)

    def test_over_a_name_that_is_looked_up(self) -> None:
        network = VaultNetwork("vault-1:8001")
        self.clock = network.reactor
        network.reactor.installNameResolver(SilentResolver())
        self.assert_timeout(network.client.read())

    def test_over_the_head(self) -> None:
        for said in (b"", b"HTTP/1.1 200 OK\r\nContent-Le"):
            self.setUp()
            vote, end = self.asked()
            end.send(said)
            self.assert_timeout(vote)
            self.assert_closed_for_good(end)

    def test_over_the_body(self) -> None:
        for said in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n4",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n",
        ):
            self.setUp()
            vote, end = self.asked()
            end.send(said)
            self.assert_timeout(vote)
            self.assert_closed_for_good(end)

    def test_over_a_body_without_a_length(self) -> None:
        """A number that was cut off by the deadline is another number."""
        vote, end = self.asked()
        end.send(b"HTTP/1.0 200 OK\r\n\r\n4")
        self.assert_timeout(vote)
        self.assert_closed_for_good(end)

    def test_over_a_body_that_trickles_in(self) -> None:
        vote, end = self.asked()
        end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
        for _ in range(9):
            self.clock.advance(0.1)
            end.send(b"0")
        self.assert_timeout(vote)
        self.assertTrue(end.is_closed)

    def test_over_the_wait_for_a_free_connection(self) -> None:
        votes = [self.client.read() for _ in range(IN_FLIGHT_MAX + 1)]
        self.assertEqual(len(self.network.dialled), IN_FLIGHT_MAX)
        for vote in votes:
            self.assertNoResult(vote)
        self.assert_timeout(votes[-1])
        for vote in votes[:-1]:
            self.failureResultOf(vote, VaultTimeout)
        self.client.read().addErrback(lambda _: None)
        self.assertEqual(self.network.dialled[-1][:2], ("10.0.0.1", 8001))

    def test_a_connection_that_gets_free_is_given_to_who_waits(self) -> None:
        votes = [self.client.read() for _ in range(IN_FLIGHT_MAX + 1)]
        end = self.network.accept(0)
        end.answer(b"1")
        self.assertEqual(self.successResultOf(votes[0]).value, 1)
        self.assertEqual(len(self.network.dialled), IN_FLIGHT_MAX)
        end.answer(b"2")
        self.assertEqual(self.successResultOf(votes[-1]).value, 2)
        self.clock.advance(1)
        for vote in votes[1:-1]:
            self.failureResultOf(vote, VaultTimeout)

    def test_an_answer_in_time_leaves_no_timer(self) -> None:
        vote, end = self.asked()
        self.clock.advance(0.999)
        end.answer(b"42", b"Connection: close")
        self.assertEqual(self.successResultOf(vote).value, 42)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_late_answer_changes_nothing(self) -> None:
        vote, end = self.asked()
        self.assert_timeout(vote)
        end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5")
        self.assertEqual(self.flushLoggedErrors(), [])


class SilentResolver:
    """A name server that never answers."""

    def resolveHostName(self, receiver: Any, *args: Any, **kwargs: Any) -> Any:
        receiver.resolutionBegan(None)
        return self

    def cancel(self) -> None:
        pass


class ConnectionTests(ClientTestCase):
    def test_it_is_kept_for_the_next_request(self) -> None:
        first, end = self.asked()
        end.answer(b"1")
        second = self.client.store(2)
        end.answer(b"2")
        self.assertEqual([self.successResultOf(each).value for each in (first, second)], [1, 2])
        self.assertEqual(len(self.network.dialled), 1)

    def test_it_is_kept_after_a_refusal(self) -> None:
        first, end = self.asked()
        end.answer(b"Store failed", status=b"500 No")
        self.failureResultOf(first, VaultRefused)
        self.client.read().addErrback(lambda _: None)
        self.assertEqual(len(self.network.dialled), 1)

    def test_a_refused_one(self) -> None:
        vote = self.client.read()
        self.network.refuse()
        self.assertIn("An error occurred while connecting", str(self.failureResultOf(vote, VaultUnreachable).value))

    def test_one_that_breaks_before_the_answer_is_replaced_once(self) -> None:
        vote, end = self.asked()
        end.close()
        self.assertNoResult(vote)
        self.assertEqual(len(self.network.dialled), 2)
        self.network.accept().close()
        self.failureResultOf(vote, VaultUnreachable)
        self.assertEqual(len(self.network.dialled), 2)

    def test_the_answer_on_the_second_one_counts(self) -> None:
        vote, end = self.asked()
        end.close()
        self.network.accept().answer(b"42")
        self.assertEqual(self.successResultOf(vote).value, 42)

    def test_the_second_one_is_fresh_even_if_another_is_kept(self) -> None:
        votes = [self.client.read(), self.client.read()]
        ends = [self.network.accept(0), self.network.accept(1)]
        for end in ends:
            end.answer(b"42")
        self.assertEqual([self.successResultOf(vote).value for vote in votes], [42, 42])
        vote = self.client.read()
        self.assertEqual(len(self.network.dialled), 2)
        for end in ends:
            if end.received:
                end.close()
        self.assertEqual(len(self.network.dialled), 3)
        self.network.accept().answer(b"43")
        self.assertEqual(self.successResultOf(vote).value, 43)

    def test_one_that_is_refused_is_not_tried_again(self) -> None:
        vote = self.client.read()
        self.network.refuse()
        self.failureResultOf(vote, VaultUnreachable)
        self.assertEqual(len(self.network.dialled), 1)

    def test_the_deadline_covers_both(self) -> None:
        vote, end = self.asked()
        self.network.reactor.advance(0.6)
        end.close()
        second = self.network.accept()
        self.network.reactor.advance(0.39)
        self.assertNoResult(vote)
        self.network.reactor.advance(0.02)
        self.failureResultOf(vote, VaultTimeout)
        self.assertTrue(second.is_closed)
        self.assertEqual(len(self.network.dialled), 2)

    def test_an_unguarded_store_is_never_repeated(self) -> None:
        vote = self.client.store(5)
        self.network.accept().close()
        self.failureResultOf(vote, VaultUnreachable)
        self.assertEqual(len(self.network.dialled), 1)


class LogTests(ClientTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = CaughtLog(self)

    def fails(self) -> None:
        vote = self.client.read()
        self.network.refuse()
        self.failureResultOf(vote, VaultUnreachable)

    def succeeds(self) -> None:
        vote = self.client.read()
        self.network.accept().answer(b"42", b"Connection: close")
        self.successResultOf(vote)

    def test_the_first_failure_is_logged_and_no_more(self) -> None:
        for _ in range(5):
            self.fails()
        (warning,) = self.log.warnings
        self.assertTrue(warning.startswith(f"vault {ADDRESS} fails: An error occurred while connecting"), warning)

    def test_its_return_is_logged_once(self) -> None:
        self.fails()
        self.succeeds()
        self.succeeds()
        self.assertEqual(self.log.infos, [f"vault {ADDRESS} answers again"])

    def test_a_failure_after_a_success_is_logged_again(self) -> None:
        for step in (self.fails, self.succeeds, self.fails, self.fails):
            step()
        self.assertEqual(len(self.log.warnings), 2)

    def test_nothing_is_logged_while_all_is_well(self) -> None:
        self.succeeds()
        self.succeeds()
        self.assertEqual((self.log.infos, self.log.warnings, self.log.errors), ([], [], []))

    def test_a_timeout_and_a_bad_answer_are_failures(self) -> None:
        vote = self.client.read()
        self.clock.advance(1)
        self.failureResultOf(vote, VaultTimeout)
        self.succeeds()
        vote = self.client.read()
        self.network.accept().answer(b"x", b"Connection: close")
        self.failureResultOf(vote, VaultAnswerInvalid)
        self.assertEqual(
            self.log.warnings,
            [
                f"vault {ADDRESS} fails: no whole answer within 1 s",
                f"vault {ADDRESS} fails: its answer is no number",
            ],
        )


class BytesProducerTests(SynchronousTestCase):
    def test_it_writes_at_once(self) -> None:
        written: list[bytes] = []

        class Consumer:
            write = written.append

        consumer: Any = Consumer()
        producer = BytesProducer(b"42")
        self.assertEqual(producer.length, 2)
        self.successResultOf(producer.startProducing(consumer))
        self.assertEqual(written, [b"42"])


class GridTests(ClientTestCase):
    """What a client that has a list of vaults tells of it, and what vaults with a roster answer."""

    GUARD = b"Glitchgrid-Guard: increase"
    ONE, OTHER = "1" * 32, "2" * 32

    def setUp(self) -> None:
        super().setUp()
        self.differing: list[str] = []
        vaults = [VaultAddress.parse(each) for each in (ADDRESS, "[::FFFF:10.0.0.2]:8001", "Vault.:1")]
        self.client = VaultClient(
            self.network.http, self.clock, vaults[0], 1.0, vaults=vaults, list_differs=self.differing.append
        )

    def test_the_list_is_named_with_each_request(self) -> None:
        digest = list_digest([ADDRESS, "10.0.0.2:8001", "vault:1"])
        for ask in (self.client.read, lambda: self.client.store_guarded(42), lambda: self.client.store(42)):
            ask()
            self.assertIn(f"Glitchgrid-List: {digest}".encode(), self.network.accept().received.split(b"\r\n"))

    def test_another_list_is_told(self) -> None:
        said = b"The vaults of this grid are a:1,b:1"
        for ask in (self.client.read, lambda: self.client.store_guarded(42)):
            answer = ask()
            self.network.accept().answer(said, b"Connection: close", status=b"409 Conflict")
            error = self.failureResultOf(answer, VaultRefused).value
            self.assertEqual(str(error), f"its list of vaults is another one: {said.decode()}")
        self.assertEqual(self.differing, [said.decode()] * 2)

    def test_a_long_list_is_read(self) -> None:
        answer = self.client.read()
        said = b"The vaults of this grid are " + b",".join([b"x" * 250 + b":8001"] * 64)
        self.network.accept().answer(said, b"Connection: close", status=b"409 Conflict")
        self.failureResultOf(answer, VaultRefused)
        self.assertEqual(self.differing, [said.decode()])

    def test_why_a_vault_does_not_vote_is_told(self) -> None:
        for said in ("Forming", "Rejoining", "Replaced"):
            answer = self.client.read()
            self.network.accept().answer(said.encode(), b"Connection: close", status=b"503 Service Unavailable")
            self.assertEqual(str(self.failureResultOf(answer, VaultRefused).value), f"it answered 503: {said}")
        self.assertEqual(self.differing, [])

    def fenced(self, said: bytes) -> Deferred[Any]:
        answer = self.client.store_guarded(42)
        self.network.accept().answer(b"42", b"Connection: close", self.GUARD, b"Glitchgrid-Fenced: " + said)
        return answer

    def test_who_does_not_count_comes_with_the_answer(self) -> None:
        both = f"{self.ONE} {self.OTHER}".encode()
        self.assertEqual(self.successResultOf(self.fenced(both)).fenced, {self.ONE, self.OTHER})
        vote = self.client.read()
        self.network.accept().answer(b"42", b"Connection: close", b"Glitchgrid-Fenced: " + self.ONE.encode())
        self.assertEqual(self.successResultOf(vote).fenced, {self.ONE})
        vote = self.client.read()
        self.network.accept().answer(b"42", b"Connection: close")
        self.assertEqual(self.successResultOf(vote).fenced, set())

    def test_as_long_as_it_stays_the_same_it_is_one_object(self) -> None:
        first, second = (self.successResultOf(self.fenced(self.ONE.encode())).fenced for _ in range(2))
        self.assertIs(first, second)

    def test_an_answer_with_anything_else_there_does_not_count(self) -> None:
        for said in (b"x", b"1" * 31, b"1" * 32 + b"  " + b"2" * 32, b"A" * 32):
            self.failureResultOf(self.fenced(said), VaultAnswerInvalid)
