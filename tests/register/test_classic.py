"""The classic protocol over vaults that do as they are told: every pattern of up, down, slow and wrong."""

import itertools
from collections.abc import Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import TooManyOperations, VaultAnswerInvalid, VaultTimeout, VaultUnreachable
from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, Undecided
from glitchgrid.protocol.quorum import Vote
from glitchgrid.register import PROTOCOLS, classic
from glitchgrid.register.classic import ClassicRegister
from glitchgrid.register.interface import IRegister
from tests.fakes import CaughtLog

RIGHT = 7
WRONG = 5
UP, DOWN, SLOW, ODD = "up", "down", "slow", "wrong"

UNREACHABLE = VaultUnreachable("Connection was refused")
INVALID = VaultAnswerInvalid("it was sent 7 and echoed 5")
TIMEOUT = VaultTimeout("no whole answer within 1 s")


@define(slots=False)
class FakeVault:
    """A vault's client. One that is slow answers when its time is up, one that is wrong holds something else."""

    name: str
    mood: str = UP
    holds: int = RIGHT
    identity: str | None = None
    stored: list[int] = field(factory=list)
    traces: list[bytes | None] = field(factory=list)
    _waiting: list[Deferred[Vote]] = field(factory=list)

    def store(self, value: int, trace: bytes | None = None) -> Deferred[Vote]:
        self.traces.append(trace)
        self.stored.append(value)
        return fail(INVALID) if self.mood == ODD else self._answer(value)

    def read(self, trace: bytes | None = None) -> Deferred[Vote]:
        self.traces.append(trace)
        return self._answer(WRONG if self.mood == ODD else self.holds)

    def _answer(self, value: int) -> Deferred[Vote]:
        if self.mood == DOWN:
            return fail(UNREACHABLE)
        if self.mood == SLOW:
            self._waiting.append(Deferred())
            return self._waiting[-1]
        return succeed(Vote(self.name, self.identity, value))

    @property
    def still_asked(self) -> int:
        """Questions that have neither been answered nor been cancelled."""
        return sum(not answer.called for answer in self._waiting)

    def time_is_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.errback(TIMEOUT)


def vaults(*moods: str) -> list[FakeVault]:
    return [FakeVault(f"vault-{number}:8001", mood) for number, mood in enumerate(moods)]


def register(fakes: Sequence[FakeVault]) -> ClassicRegister:
    clients: Any = fakes
    return ClassicRegister(clients, Clock())


def more_than_half(count: int, of: int) -> bool:
    return 2 * count > of


class ClassicTestCase(SynchronousTestCase):
    def outcome_of(self, operation: Deferred[Any], fakes: Sequence[FakeVault]) -> Any:
        """What an operation comes to. It waits for every vault, and for no longer than that."""
        if any(fake.mood == SLOW for fake in fakes):
            self.assertFalse(operation.called)
        for fake in fakes:
            fake.time_is_up()
        return self.successResultOf(operation)


class PatternTests(ClassicTestCase):
    """Each pattern's outcome against a count that knows nothing of votes and rounds."""

    def check_patterns(self, count: int) -> None:
        for moods in itertools.product((UP, DOWN, SLOW, ODD), repeat=count):
            self.check_write(moods)
            self.check_read(moods)

    def check_write(self, moods: tuple[str, ...]) -> None:
        fakes = vaults(*moods)
        grid = register(fakes)
        acknowledged = moods.count(UP)
        committed = more_than_half(acknowledged, len(moods))
        kind = Committed if committed else Undecided
        self.assertEqual(self.outcome_of(grid.write(RIGHT), fakes), kind(acknowledged, len(moods)), moods)
        self.assertEqual([fake.stored for fake in fakes], [[RIGHT]] * len(moods), moods)
        lower = self.outcome_of(grid.write(RIGHT - 1), fakes if not committed else [])
        self.assertEqual(isinstance(lower, Decreases), committed, moods)

    def check_read(self, moods: tuple[str, ...]) -> None:
        fakes = vaults(*moods)
        expected: Any = Inconsistent()
        for mood, value in ((UP, RIGHT), (ODD, WRONG)):
            if more_than_half(moods.count(mood), len(moods)):
                expected = Holds(value)
        self.assertEqual(self.outcome_of(register(fakes).read(), fakes), expected, moods)

    def test_1_vault(self) -> None:
        self.check_patterns(1)

    def test_2_vaults(self) -> None:
        self.check_patterns(2)

    def test_3_vaults(self) -> None:
        self.check_patterns(3)

    def test_4_vaults(self) -> None:
        self.check_patterns(4)

    def test_5_vaults(self) -> None:
        self.check_patterns(5)

    def test_6_vaults(self) -> None:
        self.check_patterns(6)

    def test_7_vaults(self) -> None:
        self.check_patterns(7)

    def test_every_pattern_of_values_that_5_vaults_hold(self) -> None:
        for held in itertools.product((0, 1, 2, None), repeat=5):
            fakes = vaults(*(DOWN if value is None else UP for value in held))
            for fake, value in zip(fakes, held, strict=True):
                fake.holds = value or 0
            agreed = [value for value in (0, 1, 2) if more_than_half(held.count(value), 5)]
            expected: Any = Holds(agreed[0]) if agreed else Inconsistent()
            self.assertEqual(self.successResultOf(register(fakes).read()), expected, held)


class RoundTests(ClassicTestCase):
    def test_every_vault_is_asked_at_once_and_waited_for(self) -> None:
        fakes = vaults(SLOW, UP, UP)
        written = register(fakes).write(9)
        self.assertEqual([fake.stored for fake in fakes], [[9], [9], [9]])
        self.assertNoResult(written)
        fakes[0].time_is_up()
        self.assertEqual(self.successResultOf(written), Committed(2, 3))

    def test_a_client_that_leaves_stops_nothing(self) -> None:
        fakes = vaults(SLOW, SLOW, SLOW)
        grid = register(fakes)
        for operation in (grid.write(RIGHT), grid.read()):
            operation.cancel()
            self.failureResultOf(operation, CancelledError)
        for fake in fakes:
            self.assertEqual(fake.still_asked, 2)

    def test_so_many_wait_and_no_more(self) -> None:
        self.patch(classic, "OPERATIONS_MAX", 2)
        fakes = vaults(SLOW, SLOW, SLOW)
        grid = register(fakes)
        for operation in (grid.write(RIGHT), grid.read()):
            operation.cancel()
            self.failureResultOf(operation, CancelledError)
        for operation in (grid.write(RIGHT), grid.read()):
            self.failureResultOf(operation, TooManyOperations)
        for fake in fakes:
            self.assertEqual(fake.still_asked, 2)
            fake.time_is_up()
        self.assertNoResult(grid.read())

    def test_a_vault_that_fails_is_no_error_in_the_log(self) -> None:
        log = CaughtLog(self)
        fakes = vaults(UP, DOWN, ODD)
        self.outcome_of(register(fakes).write(9), fakes)
        self.assertEqual((log.errors, self.flushLoggedErrors()), ([], []))

    def test_a_bug_in_a_client_is_logged_and_counts_as_no_answer(self) -> None:
        fakes: Any = vaults(UP, UP, UP)
        self.patch(fakes[1], "read", lambda _trace: fail(ZeroDivisionError()))
        self.assertEqual(self.successResultOf(register(fakes).read()), Holds(RIGHT))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_write_that_reached_a_minority_leaves_no_majority(self) -> None:
        """The original's weakness, on purpose: all vaults are up, and no value has a majority."""
        fakes = vaults(UP, UP, UP, UP)
        for fake, value in zip(fakes, (1, 1, 2, 2), strict=True):
            fake.holds = value
        self.assertEqual(self.successResultOf(register(fakes).read()), Inconsistent())

    def test_nothing_stored_is_a_value(self) -> None:
        fakes = vaults(UP, UP, UP)
        for fake in fakes:
            fake.holds = 0
        self.assertEqual(self.successResultOf(register(fakes).read()), Holds(0))

    def test_it_is_a_register_and_listed_by_its_name(self) -> None:
        clients: Any = vaults(UP)
        self.assertTrue(IRegister.providedBy(PROTOCOLS["classic"](clients, Clock())))
        self.assertIsInstance(PROTOCOLS["classic"](clients, Clock()), ClassicRegister)


class TraceTests(SynchronousTestCase):
    def test_it_is_handed_on(self) -> None:
        fakes = [FakeVault(f"vault-{number}:8001") for number in range(3)]
        clients: Any = fakes
        register = ClassicRegister(clients, Clock())
        register.write(5, b"one")
        register.read(b"two")
        self.assertEqual([fake.traces for fake in fakes], [[b"one", b"two"]] * 3)


class FloorTests(ClassicTestCase):
    def setUp(self) -> None:
        self.vaults = vaults(UP, UP, UP)
        self.register = register(self.vaults)

    def write(self, value: int) -> Any:
        return self.outcome_of(self.register.write(value), self.vaults)

    def test_nothing_is_below_it_at_the_start(self) -> None:
        self.assertEqual(self.write(1), Committed(3, 3))

    def test_below_it_nothing_is_sent(self) -> None:
        self.write(9)
        self.assertEqual(self.write(8), Decreases(9, 8))
        self.assertEqual([fake.stored for fake in self.vaults], [[9]] * 3)

    def test_an_equal_value_is_written(self) -> None:
        self.write(9)
        self.assertEqual(self.write(9), Committed(3, 3))
        self.assertEqual([fake.stored for fake in self.vaults], [[9, 9]] * 3)

    def test_a_minority_does_not_raise_it(self) -> None:
        self.vaults[0].mood = self.vaults[1].mood = DOWN
        self.assertEqual(self.write(9), Undecided(1, 3))
        self.assertEqual(self.write(5), Undecided(1, 3))

    def test_it_is_not_raised_before_the_majority_has_answered(self) -> None:
        self.vaults[0].mood = SLOW
        first = self.register.write(9)
        second = self.register.write(5)
        for fake in self.vaults:
            fake.time_is_up()
        self.assertEqual([self.successResultOf(each) for each in (first, second)], [Committed(2, 3)] * 2)
        self.vaults[0].mood = UP
        self.assertEqual(self.write(8), Decreases(9, 8))

    def test_it_never_falls(self) -> None:
        """A lower write that was under way when a higher one was committed does not lower it."""
        self.vaults[0].mood = SLOW
        lower = self.register.write(5)
        self.vaults[0].mood = UP
        self.assertEqual(self.successResultOf(self.register.write(9)), Committed(3, 3))
        self.vaults[0].time_is_up()
        self.assertEqual(self.successResultOf(lower), Committed(2, 3))
        self.assertEqual(self.write(8), Decreases(9, 8))

    def test_a_read_does_not_raise_it(self) -> None:
        for fake in self.vaults:
            fake.holds = 50
        self.assertEqual(self.successResultOf(self.register.read()), Holds(50))
        self.assertEqual(self.write(40), Committed(3, 3))


class DoubleTests(ClassicTestCase):
    """Two addresses behind which one vault answers are one vote."""

    ERROR = "vault-0:8001 and vault-1:8001 are one vault (same): it counts once"

    def doubled(self, *moods: str) -> list[FakeVault]:
        fakes = vaults(*moods)
        fakes[0].identity = fakes[1].identity = "same"
        return fakes

    def test_a_write_counts_once(self) -> None:
        log = CaughtLog(self)
        self.assertEqual(self.successResultOf(register(self.doubled(UP, UP, DOWN)).write(9)), Undecided(1, 3))
        self.assertEqual(self.successResultOf(register(self.doubled(UP, UP, UP)).write(9)), Committed(2, 3))
        self.assertEqual(log.errors, [self.ERROR] * 2)

    def test_a_read_counts_once(self) -> None:
        self.assertEqual(self.successResultOf(register(self.doubled(UP, UP, DOWN)).read()), Inconsistent())
        self.assertEqual(self.successResultOf(register(self.doubled(UP, UP, UP)).read()), Holds(RIGHT))

    def test_a_read_takes_the_smaller_of_its_two_answers(self) -> None:
        for first, second in ((5, 7), (7, 5)):
            fakes = self.doubled(UP, UP, UP)
            fakes[0].holds, fakes[1].holds, fakes[2].holds = first, second, 5
            self.assertEqual(self.successResultOf(register(fakes).read()), Holds(5))
            fakes[2].holds = 7
            self.assertEqual(self.successResultOf(register(fakes).read()), Inconsistent())

    def test_it_is_logged_once(self) -> None:
        log = CaughtLog(self)
        fakes = self.doubled(UP, UP, UP)
        grid = register(fakes)
        for value in range(1, 5):
            fakes[0].holds = value % 2
            self.successResultOf(grid.write(value))
            self.successResultOf(grid.read())
        self.assertEqual(log.errors, [self.ERROR])

    def test_each_pair_is_logged(self) -> None:
        log = CaughtLog(self)
        fakes = vaults(UP, UP, UP, UP)
        for fake, identity in zip(fakes, ("a", "b", "a", "b"), strict=True):
            fake.identity = identity
        self.successResultOf(register(fakes).read())
        self.assertEqual(
            sorted(log.errors),
            [
                "vault-0:8001 and vault-2:8001 are one vault (a): it counts once",
                "vault-1:8001 and vault-3:8001 are one vault (b): it counts once",
            ],
        )

    def test_vaults_that_do_not_say_who_they_are_count_by_address(self) -> None:
        self.assertEqual(self.successResultOf(register(vaults(UP, UP, UP)).write(9)), Committed(3, 3))

    def test_different_identities_count_each(self) -> None:
        log = CaughtLog(self)
        fakes = vaults(UP, UP, UP)
        for number, fake in enumerate(fakes):
            fake.identity = str(number)
        self.assertEqual(self.successResultOf(register(fakes).write(9)), Committed(3, 3))
        self.assertEqual(log.errors, [])
