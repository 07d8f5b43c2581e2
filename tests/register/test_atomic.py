"""The atomic protocol over vaults that answer when told: time, cancelled clients, what is logged, what is left."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import TooManyOperations, VaultError, VaultTimeout, VaultUnreachable
from glitchgrid.http.face import CONNECTIONS_MAX
from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, Refused, Stored, StoreOutcome, Undecided
from glitchgrid.protocol.quorum import Vote
from glitchgrid.register import DEFAULT_PROTOCOL, PROTOCOLS, atomic
from glitchgrid.register.atomic import LAGGING_S, REST_FIRST_S, REST_MAX_S, AtomicRegister
from glitchgrid.register.interface import OPERATION_TIMEOUT_S, OPERATIONS_MAX, IRegister
from glitchgrid.vaults.client import GuardedAnswer
from tests.fakes import CaughtLog
from tests.vault_network import VaultNetwork

TIMEOUT = VaultTimeout("no whole answer within 1 s")
REFUSED = VaultUnreachable("Connection was refused")


@define(eq=False, slots=False)
class FakeVault:
    """A vault's client: keeps what it is asked. One with a `mood` answers at once, by that."""

    name: str
    identity: str | None = None
    holds: int = 0
    mood: Callable[[], None] | Exception | None = None
    traces: list[bytes | None] = field(factory=list)
    stores: list[tuple[int, Deferred[GuardedAnswer]]] = field(factory=list)
    reads: list[Deferred[Vote]] = field(factory=list)
    asked: int = 0

    @property
    def voter(self) -> str:
        return Vote(self.name, self.identity, 0).voter

    def store_guarded(self, value: int, trace: bytes | None = None) -> Deferred[GuardedAnswer]:
        self.asked += 1
        self.traces.append(trace)
        if isinstance(self.mood, Exception):
            return fail(self.mood)
        if self.mood is not None:
            return succeed(GuardedAnswer(self.voter, self.take(value)))
        self.stores.append((value, Deferred()))
        return self.stores[-1][1]

    def read(self, trace: bytes | None = None) -> Deferred[Vote]:
        self.asked += 1
        self.traces.append(trace)
        if isinstance(self.mood, Exception):
            return fail(self.mood)
        if self.mood is not None:
            return succeed(Vote(self.name, self.identity, self.holds))
        self.reads.append(Deferred())
        return self.reads[-1]

    def take(self, value: int) -> StoreOutcome:
        if value < self.holds:
            return Refused(self.holds)
        self.holds = value
        return Stored(value)

    def answer(self) -> None:
        """Answer what it is asked, as a vault does."""
        stores, self.stores = self.stores, []
        reads, self.reads = self.reads, []
        for value, stored in stores:
            stored.callback(GuardedAnswer(self.voter, self.take(value)))
        for read in reads:
            read.callback(Vote(self.name, self.identity, self.holds))

    def fails(self, error: Exception = TIMEOUT) -> None:
        stores, self.stores = self.stores, []
        reads, self.reads = self.reads, []
        for _, stored in stores:
            stored.errback(error)
        for read in reads:
            read.errback(error)

    @property
    def is_asked(self) -> bool:
        return bool(self.stores or self.reads)


def willing() -> None:
    """The mood of a vault that answers at once."""


class AtomicTestCase(SynchronousTestCase):
    count = 3

    def setUp(self) -> None:
        self.log = CaughtLog(self)
        self.clock = Clock()
        self.vaults = [FakeVault(f"vault-{number}:8001") for number in range(self.count)]
        clients: Any = self.vaults
        self.register = AtomicRegister(clients, self.clock)
        self.begin()

    def begin(self) -> None:
        """Have it know its floor."""
        self.register.start()
        for vault in self.vaults:
            vault.answer()

    def tearDown(self) -> None:
        """No test of this module ends with an error that nobody took."""
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def answer(self, *numbers: int) -> None:
        for number in numbers:
            self.vaults[number].answer()

    def fails(self, *numbers: int, error: Exception = TIMEOUT) -> None:
        for number in numbers:
            self.vaults[number].fails(error)

    def committed(self, value: int, *numbers: int) -> None:
        written = self.register.write(value)
        self.answer(*numbers)
        self.assertIsInstance(self.successResultOf(written), Committed)


class OrderTests(AtomicTestCase):
    def test_the_next_store_is_sent_before_a_crowd_is_answered(self) -> None:
        crowd = [self.register.write(5) for _ in range(3)]
        following = self.register.write(6)
        in_flight: list[list[int]] = []
        for each in crowd:
            each.addCallback(lambda _: in_flight.append([value for vault in self.vaults for value, _ in vault.stores]))
        first, second, _ = self.vaults
        first.answer()
        self.assertEqual(in_flight, [])
        second.answer()
        self.assertTrue(in_flight)
        # The third vault still has the 5; the two that have answered it work on the 6 by then.
        self.assertTrue(all(values.count(6) == 2 for values in in_flight), in_flight)
        self.assertNoResult(following)


class OperationTests(AtomicTestCase):
    def test_it_is_a_register_and_the_default(self) -> None:
        self.assertTrue(IRegister.providedBy(self.register))
        self.assertIs(PROTOCOLS[DEFAULT_PROTOCOL], AtomicRegister)
        self.assertEqual(DEFAULT_PROTOCOL, "atomic")

    def test_a_write_is_answered_with_the_deciding_acknowledgement(self) -> None:
        written = self.register.write(7)
        self.answer(2)
        self.assertNoResult(written)
        self.answer(0)
        self.assertEqual(self.successResultOf(written), Committed(2, 3))
        self.answer(1)
        self.assertEqual([vault.holds for vault in self.vaults], [7, 7, 7])

    def test_it_counts_the_vaults_that_had_acknowledged(self) -> None:
        written = self.register.write(7)
        self.answer(2)
        self.fails(0, 1)
        self.assertEqual(self.successResultOf(written), Undecided(1, 3))

    def test_all_at_once_is_no_more_than_the_majority(self) -> None:
        """Answers that are there before anybody listens are heard one after the other."""
        for vault in self.vaults:
            vault.mood = willing
        self.assertEqual(self.successResultOf(self.register.write(7)), Committed(2, 3))
        self.assertEqual(self.successResultOf(self.register.read()), Holds(7))
        self.assertEqual([vault.holds for vault in self.vaults], [7, 7, 7])

    def test_failures_at_once(self) -> None:
        for vault in self.vaults:
            vault.mood = REFUSED
        self.assertEqual(self.successResultOf(self.register.write(7)), Undecided(0, 3))
        self.assertEqual(self.successResultOf(self.register.read()), Inconsistent())

    def test_a_read(self) -> None:
        self.vaults[1].holds = 9
        read = self.register.read()
        self.answer(0)
        self.answer(1)
        self.assertNoResult(read)
        self.assertEqual([vault.stores[0][0] for vault in self.vaults if vault.stores], [9, 9])
        self.answer(2)
        self.assertEqual(self.successResultOf(read), Holds(9))

    def test_a_decrease(self) -> None:
        self.committed(9, 0, 1)
        self.assertEqual(self.successResultOf(self.register.write(8)), Decreases(9, 8))

    def test_operations_that_wait_share_a_request(self) -> None:
        first = self.register.write(1)
        more = [self.register.write(value) for value in (5, 9, 7)]
        self.answer(0, 1)
        self.successResultOf(first)
        self.assertEqual([vault.stores[0][0] for vault in self.vaults], [9, 9, 1])
        self.answer(0, 1)
        self.assertEqual([self.successResultOf(each) for each in more], [Committed(2, 3)] * 3)


class TraceTests(AtomicTestCase):
    def traces(self) -> list[set[bytes | None]]:
        """What each vault was told since the last call, if it was asked at all."""
        told = [set(vault.traces) for vault in self.vaults]
        for vault in self.vaults:
            vault.traces.clear()
        return told

    def setUp(self) -> None:
        super().setUp()
        self.traces()

    def test_it_is_handed_on_with_a_write_and_a_read(self) -> None:
        self.register.write(5, b"trace")
        self.assertEqual(self.traces(), [{b"trace"}] * 3)
        self.register.read(b"another")
        self.assertEqual(self.traces(), [{b"another"}] * 3)

    def test_those_that_share_a_request_share_the_first(self) -> None:
        self.register.write(5)
        self.assertEqual(self.traces(), [{None}] * 3)
        for value, trace in ((6, None), (7, b"first"), (8, b"second")):
            self.register.write(value, trace)
        self.assertEqual(self.traces(), [set()] * 3)
        self.answer(0, 1, 2)
        self.assertEqual(self.traces(), [{b"first"}] * 3)
        self.answer(0, 1, 2)
        self.register.write(9)
        self.assertEqual(self.traces(), [{None}] * 3)

    def test_and_with_what_a_read_heals(self) -> None:
        self.vaults[0].holds = 9
        self.register.read(b"trace")
        self.traces()
        self.answer(0, 1)
        self.assertIn({b"trace"}, self.traces())

    def test_nothing_is_kept_of_it(self) -> None:
        written, read = self.register.write(5, b"trace"), self.register.read(b"trace")
        self.answer(0, 1, 2)
        declined = self.register.write(1, b"trace")
        for ended in (written, read, declined):
            self.assertTrue(ended.called)
        self.assertEqual(self.register._traces, {})


class StartTests(AtomicTestCase):
    def begin(self) -> None:
        """Not yet."""

    def test_it_asks_for_the_floor(self) -> None:
        self.register.start()
        self.assertEqual([len(vault.reads) for vault in self.vaults], [1, 1, 1])

    def test_it_is_learnt_once(self) -> None:
        self.register.start()
        written = self.register.write(7)
        self.assertEqual([len(vault.reads) for vault in self.vaults], [1, 1, 1])
        self.answer(0, 1)
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(written), Committed(2, 3))

    def test_a_decrease_is_refused_right_after_the_start(self) -> None:
        for vault in self.vaults:
            vault.holds = 9
        self.register.start()
        low, high = self.register.write(8), self.register.write(10)
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(low), Decreases(9, 8))
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(high), Committed(2, 3))

    def test_without_vaults_a_write_is_undecided_at_once(self) -> None:
        for vault in self.vaults:
            vault.mood = REFUSED
        self.register.start()
        self.assertEqual(self.successResultOf(self.register.write(7)), Undecided(0, 3))
        for vault in self.vaults:
            vault.mood = willing
        self.assertEqual(self.successResultOf(self.register.write(7)), Committed(2, 3))

    def test_an_operation_that_waits_for_it_has_4_s(self) -> None:
        self.register.start()
        self.clock.advance(2)
        written = self.register.write(7)
        self.clock.advance(1.99)
        self.assertNoResult(written)
        self.clock.advance(2.01)
        self.assertEqual(self.successResultOf(written), Undecided(0, 3))


class DeadlineTests(AtomicTestCase):
    def assert_ends_at_4_s(self, *operations: Deferred[Any]) -> list[Any]:
        self.clock.advance(OPERATION_TIMEOUT_S - 0.01)
        for operation in operations:
            self.assertNoResult(operation)
        self.clock.advance(0.01)
        return [self.successResultOf(operation) for operation in operations]

    def test_an_operation_has_4_s(self) -> None:
        ended = self.assert_ends_at_4_s(self.register.write(7), self.register.read())
        self.assertEqual(ended, [Undecided(0, 3), Inconsistent()])

    def test_it_counts_what_was_acknowledged_by_then(self) -> None:
        written = self.register.write(7)
        self.answer(1)
        self.assertEqual(self.assert_ends_at_4_s(written), [Undecided(1, 3)])

    def test_a_read_that_heals_has_no_more(self) -> None:
        self.vaults[0].holds = 9
        read = self.register.read()
        self.clock.advance(2)
        self.vaults[1].answer()
        self.vaults[0].answer()
        self.clock.advance(1.99)
        self.assertNoResult(read)
        self.clock.advance(0.01)
        self.assertEqual(self.successResultOf(read), Inconsistent())

    def test_what_waits_behind_it_has_its_own(self) -> None:
        first = self.register.write(7)
        self.clock.advance(1)
        second = self.register.write(8)
        self.clock.advance(3)
        self.successResultOf(first)
        self.assertNoResult(second)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(second), Undecided(0, 3))

    def test_an_answer_after_it_is_not_lost_on_the_vaults(self) -> None:
        written = self.register.write(7)
        self.clock.advance(OPERATION_TIMEOUT_S)
        self.successResultOf(written)
        self.answer(0, 1, 2)
        read = self.register.read()
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(read), Holds(7))

    def test_what_has_ended_leaves_no_timer(self) -> None:
        operations: list[Deferred[Any]] = [self.register.write(7), self.register.read()]
        self.answer(0, 1, 2)
        for operation in operations:
            self.successResultOf(operation)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LeavingClientTests(AtomicTestCase):
    def leave(self, operation: Deferred[Any]) -> None:
        operation.cancel()
        self.failureResultOf(operation, CancelledError)

    def test_the_others_are_answered(self) -> None:
        leaves, stays = self.register.write(7), self.register.write(8)
        self.leave(leaves)
        self.answer(0, 1)
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(stays), Committed(2, 3))
        self.assertEqual(self.vaults[0].holds, 8)

    def test_the_others_of_the_same_round(self) -> None:
        first = self.register.write(1)
        leaves, stays = self.register.write(7), self.register.write(6)
        self.leave(leaves)
        self.answer(0, 1)
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(stays), Committed(2, 3))
        self.successResultOf(first)
        self.assertEqual(self.vaults[0].holds, 7, "its write is not undone")

    def test_its_store_goes_on(self) -> None:
        written = self.register.write(7)
        self.leave(written)
        self.answer(0, 1, 2)
        self.assertEqual([vault.holds for vault in self.vaults], [7, 7, 7])
        self.assertEqual(self.successResultOf(self.register.write(6)), Decreases(7, 6))

    def test_a_read(self) -> None:
        leaves: Deferred[Any] = self.register.read()
        stays = self.register.read()
        self.leave(leaves)
        self.answer(0, 1)
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(stays), Holds(0))

    def test_at_the_deadline_too(self) -> None:
        self.leave(self.register.write(7))
        self.leave(self.register.read())
        self.clock.advance(OPERATION_TIMEOUT_S)
        self.assertEqual((self.log.errors, self.log.warnings), ([], []))


class LimitTests(AtomicTestCase):
    """Operations wait, also for clients that have left: so many, and no more."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(atomic, "OPERATIONS_MAX", 10)

    def begin_all(self) -> list[Deferred[Any]]:
        operations: list[Deferred[Any]] = []
        for number in range(5):
            operations += [self.register.read(), self.register.write(number + 1)]
        for operation in operations:
            operation.addErrback(lambda failure: failure.trap(CancelledError))
            operation.cancel()
        return operations

    def test_the_limit_is_twice_that_of_connections(self) -> None:
        self.assertEqual(OPERATIONS_MAX, 2 * CONNECTIONS_MAX)

    def test_one_more_is_refused_and_nothing_is_sent_for_it(self) -> None:
        self.begin_all()
        for operation in (self.register.read(), self.register.write(1000)):
            self.failureResultOf(operation, TooManyOperations)
        for _ in range(4):
            for vault in self.vaults:
                vault.answer()
        self.assertEqual({vault.holds for vault in self.vaults}, {5})

    def test_there_is_room_again_when_they_have_ended(self) -> None:
        self.begin_all()
        for _ in range(4):
            for vault in self.vaults:
                vault.answer()
        for _ in range(20):
            self.assertEqual(self.successResultOf(self.register.write(2)), Decreases(5, 2))
        reads = [self.register.read() for _ in range(10)]
        self.failureResultOf(self.register.read(), TooManyOperations)
        for _ in range(3):
            for vault in self.vaults:
                vault.answer()
        self.assertEqual([self.successResultOf(read) for read in reads], [Holds(5)] * 10)

    def test_there_is_room_again_at_their_deadlines(self) -> None:
        self.begin_all()
        self.clock.advance(OPERATION_TIMEOUT_S)
        self.begin_all()
        self.failureResultOf(self.register.read(), TooManyOperations)


class BugTests(AtomicTestCase):
    def test_a_bug_while_an_answer_is_taken_is_logged(self) -> None:
        def bug(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(self.register._coordinator, "store_answered", bug)
        written = self.register.write(7)
        self.answer(0, 1, 2)
        self.clock.advance(OPERATION_TIMEOUT_S)
        self.assertEqual(self.successResultOf(written), Undecided(0, 3))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)


class ReentrancyTests(AtomicTestCase):
    def test_an_answer_that_asks_again(self) -> None:
        ended: list[Any] = []

        def again(outcome: Any) -> None:
            ended.append(outcome)
            if len(ended) < 10:
                self.register.write(10 + len(ended)).addCallback(again)
                self.register.read().addCallback(ended.append)

        self.register.write(7).addCallback(again)
        for _ in range(20):
            self.answer(0, 1, 2)
        self.assertEqual([each for each in ended if isinstance(each, Committed)][:2], [Committed(2, 3)] * 2)
        values = [each.value for each in ended if isinstance(each, Holds)]
        self.assertEqual(values, sorted(values))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_over_vaults_that_answer_at_once_it_does_not_nest(self) -> None:
        """A thousand writes, each begun by the answer to the one before."""
        ended: list[Any] = []

        def again(outcome: Any) -> None:
            ended.append(outcome)
            if len(ended) < 1000:
                self.register.write(1 + len(ended)).addCallback(again)

        self.register.write(1).addCallback(again)
        for vault in self.vaults:
            vault.mood = willing
        self.answer(0, 1)
        self.assertEqual(ended, [Committed(2, 3)] * 1000)

    def test_a_decrease_that_asks_again(self) -> None:
        self.committed(9, 0, 1, 2)
        reads: list[Any] = []
        self.register.write(8).addCallback(lambda _: self.register.read().addCallback(reads.append))
        self.answer(0, 1)
        self.assertEqual(reads, [Holds(9)])

    def test_a_client_whose_callback_breaks_harms_nobody(self) -> None:
        def broken(_: Any) -> None:
            raise ZeroDivisionError

        breaks, other = self.register.read().addCallback(broken), self.register.read()
        self.answer(0, 1)
        self.answer(0, 1)
        self.assertEqual(self.successResultOf(other), Holds(0))
        self.failureResultOf(breaks, ZeroDivisionError)


class RestTests(AtomicTestCase):
    def time_to_next(self, vault: FakeVault, at_most_s: float = 2.0) -> float:
        """How long it takes until a vault is asked, in steps of a hundredth."""
        began_s = self.clock.seconds()
        while not vault.is_asked:
            self.clock.advance(0.01)
            self.assertLess(self.clock.seconds() - began_s, at_most_s, "it is not asked")
        return self.clock.seconds() - began_s

    def test_a_vault_that_has_missed_a_store_is_asked_again_without_any_traffic(self) -> None:
        self.committed(7, 0, 1)
        pauses = []
        for _ in range(7):
            self.vaults[2].fails()
            pauses.append(round(self.time_to_next(self.vaults[2]), 2))
        for pause, expected in zip(pauses, (0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5), strict=True):
            self.assertApproximates(pause, expected, 0.011)
        self.assertEqual(REST_MAX_S, 0.5)
        self.vaults[2].answer()
        self.assertEqual(self.vaults[2].holds, 7)
        self.clock.advance(10)
        self.assertFalse(self.vaults[2].is_asked)

    def test_a_success_begins_the_count_anew(self) -> None:
        self.committed(7, 0, 1)
        for _ in range(5):
            self.vaults[2].fails()
            self.time_to_next(self.vaults[2])
        self.vaults[2].answer()
        self.committed(8, 0, 1)
        self.vaults[2].fails()
        self.assertApproximates(self.time_to_next(self.vaults[2]), REST_FIRST_S, 0.011)

    def test_under_traffic_it_is_asked_now_and_then(self) -> None:
        dead = self.vaults[2]
        dead.mood = REFUSED
        self.vaults[0].mood = self.vaults[1].mood = willing
        before = dead.asked
        for value in range(1, 1001):
            self.assertEqual(self.successResultOf(self.register.write(value)), Committed(2, 3))
            self.successResultOf(self.register.read())
            self.clock.advance(0.01)
        self.assertGreaterEqual(dead.asked - before, 2 * 10 / REST_MAX_S - 4)
        self.assertLess(dead.asked - before, 2 * 10 / REST_MAX_S + 12)

    def test_one_that_returns_is_used_within_half_a_second_under_traffic(self) -> None:
        self.vaults[2].mood = REFUSED
        self.vaults[0].mood = self.vaults[1].mood = willing
        for value in range(1, 500):
            self.register.write(value)
            self.clock.advance(0.01)
        self.vaults[2].mood = willing
        for value in range(500, 551):
            self.register.write(value)
            self.clock.advance(0.01)
        self.assertGreater(self.vaults[2].holds, 500)

    def test_and_when_it_missed_a_store_without_any(self) -> None:
        self.vaults[0].mood = self.vaults[1].mood = willing
        self.vaults[2].mood = REFUSED
        for value in range(1, 20):
            self.register.write(value)
        self.clock.pump([0.1] * 50)
        self.vaults[2].mood = willing
        self.clock.advance(0.5)
        self.assertEqual(self.vaults[2].holds, 19)

    def test_one_that_lacks_nothing_is_left_in_peace(self) -> None:
        self.vaults[0].mood = self.vaults[1].mood = willing
        self.vaults[2].mood = REFUSED
        self.successResultOf(self.register.read())
        asked = self.vaults[2].asked
        self.clock.pump([0.1] * 50)
        self.assertEqual(self.vaults[2].asked, asked)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_without_a_majority_each_operation_asks_at_once(self) -> None:
        self.vaults[0].mood = willing
        self.vaults[1].mood = self.vaults[2].mood = REFUSED
        for value in range(1, 10):
            self.assertEqual(self.successResultOf(self.register.write(value)), Undecided(1, 3))
            self.assertEqual(self.successResultOf(self.register.read()), Inconsistent())
        self.vaults[1].mood = willing
        self.assertEqual(self.successResultOf(self.register.write(10)), Committed(2, 3))
        self.assertEqual(self.successResultOf(self.register.read()), Holds(10))

    def test_it_never_waits_for_more_than_one_rest_of_a_kind(self) -> None:
        self.vaults[0].mood = willing
        self.vaults[1].mood = self.vaults[2].mood = REFUSED
        for value in range(1, 100):
            self.register.write(value)
            self.register.read()
        self.assertLessEqual(len(self.clock.getDelayedCalls()), 4)


class StopTests(AtomicTestCase):
    def test_nothing_stays_scheduled(self) -> None:
        operations = [self.register.write(7), self.register.read(), self.register.write(8)]
        self.vaults[2].fails()
        self.assertNotEqual(self.clock.getDelayedCalls(), [])
        self.register.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        for operation in operations:
            self.assertNoResult(operation)

    def test_nor_is_anything_begun_by_what_vaults_say_later(self) -> None:
        self.register.write(7)
        self.register.write(8)
        self.vaults[2].fails()
        self.register.stop()
        asked = [vault.asked for vault in self.vaults]
        self.vaults[0].fails()
        self.vaults[1].answer()
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual([vault.asked for vault in self.vaults], asked)

    def test_an_idle_one(self) -> None:
        self.register.stop()
        self.register.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LagTests(AtomicTestCase):
    """A straggler is said when it begins to be one; one that fails is not one, its client says that."""

    count = 5

    def lag(self, number: int, value: int, by_s: float) -> None:
        others = [each for each in range(self.count) if each != number]
        self.committed(value, *others)
        self.clock.advance(by_s)
        self.answer(number)

    def test_it_is_said_once(self) -> None:
        self.lag(4, 7, 0.6)
        self.lag(4, 8, 0.6)
        self.lag(4, 9, 0.7)
        self.assertEqual(self.log.warnings, ["vault vault-4:8001 lags 0.6 s behind the others"])

    def test_a_little_is_not_worth_a_line(self) -> None:
        self.lag(4, 7, LAGGING_S - 0.01)
        self.assertEqual(self.log.warnings, [])
        self.lag(4, 8, LAGGING_S)
        self.assertEqual(len(self.log.warnings), 1)

    def test_again_after_it_has_been_in_time(self) -> None:
        self.lag(4, 7, 0.6)
        self.lag(4, 8, 0.1)
        self.lag(4, 9, 0.6)
        self.assertEqual(len(self.log.warnings), 2)

    def test_again_after_it_was_of_those_that_decided(self) -> None:
        self.lag(4, 7, 0.6)
        self.committed(8, 4, 0, 1, 2, 3)
        self.lag(4, 9, 0.6)
        self.assertEqual(len(self.log.warnings), 2)

    def test_others_that_were_slower_than_the_majority_alone_are_not_accused(self) -> None:
        self.committed(7, 0, 1, 2)
        self.answer(3)
        self.clock.advance(0.6)
        self.answer(4)
        self.assertEqual(self.log.warnings, ["vault vault-4:8001 lags 0.6 s behind the others"])

    def test_each_has_its_own_line(self) -> None:
        self.committed(7, 0, 1, 2)
        self.clock.advance(0.6)
        self.answer(3)
        self.clock.advance(0.3)
        self.answer(4)
        self.assertEqual(
            self.log.warnings,
            ["vault vault-3:8001 lags 0.6 s behind the others", "vault vault-4:8001 lags 0.9 s behind the others"],
        )

    def test_reads_too(self) -> None:
        read = self.register.read()
        self.answer(0, 1, 2, 3)
        self.successResultOf(read)
        self.clock.advance(0.6)
        self.answer(4)
        self.assertEqual(len(self.log.warnings), 1)

    def test_a_failure_is_none(self) -> None:
        self.committed(7, 0, 1, 2, 3)
        self.clock.advance(1)
        self.fails(4)
        self.assertEqual(self.log.warnings, [])

    def test_nor_does_it_end_one(self) -> None:
        self.lag(4, 7, 0.6)
        self.committed(8, 0, 1, 2, 3)
        self.fails(4)
        self.clock.advance(0.05)
        self.answer(4)
        self.lag(4, 9, 0.6)
        self.assertEqual(len(self.log.warnings), 1)


class DeadVaultTests(SynchronousTestCase):
    """With the real client: a vault that is gone is one line, and its return is one."""

    def test_it_is_logged_once(self) -> None:
        log = CaughtLog(self)
        network = VaultNetwork()
        others: list[Any] = [FakeVault("b:1", mood=willing), FakeVault("c:1", mood=willing)]
        register = AtomicRegister([network.client, *others], network.reactor)
        register.start()
        for value in range(1, 51):
            self.assertEqual(self.successResultOf(register.write(value)), Committed(2, 3))
            for number, connector in enumerate(network.reactor.connectors):
                if not hasattr(connector, "refused"):
                    connector.refused = True
                    network.refuse(number)
            network.reactor.advance(0.1)
        self.assertEqual(len(log.warnings), 1)
        self.assertIn("vault 10.0.0.1:8001 fails: ", log.warnings[0])
        self.assertEqual(log.infos, [])
        network.reactor.advance(0.5)
        end = network.accept()
        end.answer(b"50", b"Glitchgrid-Guard: increase")
        self.assertEqual((len(log.warnings), log.infos), (1, ["vault 10.0.0.1:8001 answers again"]))
        register.stop()
        self.assertEqual(self.flushLoggedErrors(), [])


class ReportTests(AtomicTestCase):
    ONE_VAULT = "vault-0:8001 and vault-1:8001 are one vault (same): it counts once"

    def test_one_vault_under_two_addresses_is_said_once(self) -> None:
        self.vaults[0].identity = self.vaults[1].identity = "same"
        for value in (7, 8, 9):
            self.committed(value, 0, 1, 2)
        self.assertEqual(self.log.errors, [self.ONE_VAULT])
        self.fails(0)
        written = self.register.write(10)
        self.fails(1)
        self.clock.advance(0.05)
        self.answer(0, 2)
        self.successResultOf(written)
        self.clock.advance(0.5)
        self.answer(0, 1, 2)
        self.assertEqual(self.log.errors, [self.ONE_VAULT])

    def test_each_pair_is(self) -> None:
        for vault in self.vaults:
            vault.identity = "same"
        written = self.register.write(7)
        self.answer(2, 1, 0)
        self.assertEqual(self.successResultOf(written), Undecided(1, 3))
        self.assertEqual(len(self.log.errors), 3)
        self.assertIn(self.ONE_VAULT, self.log.errors)

    def test_what_was_lost_is_said(self) -> None:
        self.committed(9, 0, 1, 2)
        for vault in self.vaults:
            vault.holds = 4
        read = self.register.read()
        self.answer(0, 1)
        self.assertEqual(
            self.log.errors,
            ["a majority of the vaults holds at most 4, but 9 was committed: a vault has lost data"],
        )
        self.answer(0, 1, 2)
        self.answer(0, 1, 2)
        self.assertEqual(self.successResultOf(read), Holds(9))
        self.assertEqual([vault.holds for vault in self.vaults], [9, 9, 9])

    def test_a_bug_in_a_client_is_logged_and_is_a_failure(self) -> None:
        written, read = self.register.write(7), self.register.read()
        self.fails(0, 1, error=ZeroDivisionError())
        self.assertEqual(self.successResultOf(written), Undecided(0, 3))
        self.assertEqual(self.successResultOf(read), Inconsistent())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)

    def test_a_vault_that_fails_is_no_error(self) -> None:
        for error in (TIMEOUT, REFUSED, VaultError("any")):
            self.register.write(7)
            self.register.read()
            self.fails(0, 1, 2, error=error)
            self.clock.advance(0.5)
            self.fails(0, 1, 2, error=error)
        self.assertEqual((self.log.errors, self.log.warnings), ([], []))


class GarbageTests(AtomicTestCase):
    def test_nothing_is_kept_of_an_operation_that_has_ended(self) -> None:
        # When a property is evaluated for the first time the SDK holds on to its caller's frames, until a collection.
        self.operate(range(1, 6))
        gc.disable()
        self.addCleanup(gc.enable)
        kept = self.operate(range(6, 11))
        alive = [each for each in (reference() for reference in kept) if each is not None]
        self.assertEqual(alive, [])
        self.assertEqual((self.register._deadlines, self.register._asked), ({}, {}))

    def operate(self, values: range) -> list[weakref.ref[Any]]:
        """Write and read, with a vault that fails now and then; returns references to all that is to be gone."""
        kept: list[weakref.ref[Any]] = []
        for value in values:
            operations: list[Deferred[Any]] = [self.register.write(value), self.register.read()]
            kept += [weakref.ref(operation) for operation in operations]
            kept += [weakref.ref(deadline) for deadline in self.register._deadlines.values()]
            self.answer(0, 1)
            if value % 2:
                self.fails(2)
                self.clock.advance(0.5)
            self.answer(2)
            for operation in operations:
                self.successResultOf(operation)
            del operations, operation
        return kept

    @staticmethod
    def lists_alive() -> int:
        gc.collect()
        return sum(type(each) is DeferredList for each in gc.get_objects())

    def test_rounds_are_forgotten_while_a_vault_is_stuck(self) -> None:
        others = self.lists_alive()
        for value in range(1, 2000):
            self.committed(value, 0, 1)
        self.assertEqual((self.register._deadlines, self.register._asked), ({}, {}))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertLess(self.lists_alive() - others, 10)
