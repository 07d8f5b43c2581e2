"""Conditions of the register that need more than one vault's test and no exploration.

They are numbered as in docs/explanation/correctness.md.
"""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Decreases, Holds, Refused, Stored
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.effects import Declined, Effect, Ended, SendStore


def recovered(floor: int) -> Coordinator[str]:
    """A coordinator of three vaults that knows the floor, with nothing under way."""
    coordinator: Coordinator[str] = Coordinator(3)
    coordinator.recover()
    for number in range(3):
        coordinator.read_answered(number, "ABC"[number], floor)
    coordinator.take()
    return coordinator


def sent(effects: list[Effect[str]]) -> list[int]:
    return [effect.value for effect in effects if isinstance(effect, SendStore)]


def declined(effects: list[Effect[str]]) -> list[Declined[str]]:
    return [effect for effect in effects if isinstance(effect, Declined)]


class DecreaseTests(SynchronousTestCase):
    """Condition 8: 400 only before anything was sent, and only against a committed floor."""

    def test_below_the_floor_nothing_is_sent(self) -> None:
        coordinator = recovered(5)
        coordinator.write(4, "four")
        self.assertEqual(coordinator.take(), [Declined("four", Decreases(5, 4))])

    def test_the_floor_itself_is_no_decrease(self) -> None:
        coordinator = recovered(5)
        coordinator.write(5, "five")
        effects = coordinator.take()
        self.assertEqual((declined(effects), sent(effects)), ([], [5, 5, 5]))

    def test_a_larger_write_that_is_not_committed_is_no_floor(self) -> None:
        coordinator = recovered(0)
        coordinator.write(5, "five")
        coordinator.store_answered(0, "A", Stored(5))
        coordinator.take()
        coordinator.write(4, "four")
        effects = coordinator.take()
        self.assertEqual((declined(effects), sent(effects)), ([], [4]))

    def test_nor_one_that_was_undecided(self) -> None:
        coordinator = recovered(0)
        coordinator.write(5, "five")
        for number in (0, 1):
            coordinator.store_failed(number)
        coordinator.take()
        coordinator.write(4, "four")
        self.assertEqual(declined(coordinator.take()), [])

    def test_what_was_sent_is_not_declined_when_something_larger_is_committed(self) -> None:
        coordinator = recovered(0)
        coordinator.write(4, "four")
        coordinator.take()
        for number in (0, 1):
            coordinator.read("read")
            coordinator.read_answered(number, "ABC"[number], 5)
        coordinator.read_answered(2, "C", 5)
        self.assertEqual((coordinator.floor, declined(coordinator.take())), (5, []))
        coordinator.store_answered(0, "A", Refused(5))
        coordinator.store_answered(1, "B", Refused(5))
        ended = [effect.round for effect in coordinator.take() if isinstance(effect, Ended)]
        self.assertEqual([(each.tickets, each.outcome) for each in ended], [(["four"], Committed(2, 3))])

    def test_what_waits_for_the_floor_is_declined_below_it_and_never_sent(self) -> None:
        coordinator: Coordinator[str] = Coordinator(3)
        coordinator.write(4, "four")
        coordinator.write(6, "six")
        self.assertEqual(sent(coordinator.take()), [])
        coordinator.read_answered(0, "A", 5)
        self.assertEqual(declined(coordinator.take()), [])
        coordinator.read_answered(1, "B", 5)
        effects = coordinator.take()
        self.assertEqual(declined(effects), [Declined("four", Decreases(5, 4))])
        self.assertEqual(sent(effects), [6, 6, 6])

    def test_what_one_vault_alone_holds_is_no_floor_yet(self) -> None:
        coordinator: Coordinator[str] = Coordinator(3)
        coordinator.write(4, "four")
        coordinator.read_answered(0, "A", 5)
        coordinator.read_answered(1, "B", 0)
        self.assertEqual((coordinator.floor, declined(coordinator.take())), (None, []))
        coordinator.store_answered(1, "B", Stored(5))
        self.assertEqual(declined(coordinator.take()), [Declined("four", Decreases(5, 4))])


class LargerThanWhatIsHealedTests(SynchronousTestCase):
    """A read that spans a larger write and the later call of a smaller one (rule 3 of the checker)."""

    def setUp(self) -> None:
        # B has answered 0. Then, elsewhere, 2 is committed on B and C, and only then write 1 called, which A takes.
        self.coordinator = recovered(0)
        self.coordinator.read("read")
        self.coordinator.read_answered(1, "B", 0)
        self.coordinator.read_answered(0, "A", 1)
        self.coordinator.take()

    def ended(self) -> list[object]:
        return [effect.round.outcome for effect in self.coordinator.take() if isinstance(effect, Ended)]

    def test_a_vault_that_holds_more_makes_the_read_go_on_with_that(self) -> None:
        self.coordinator.store_answered(1, "B", Refused(2))
        effects = self.coordinator.take()
        self.assertEqual([(each.vault, each.value) for each in effects if isinstance(each, SendStore)], [(0, 2)])
        self.coordinator.store_answered(2, "C", Refused(2))
        effects = self.coordinator.take()
        self.assertNotIn(Holds(1), [each.round.outcome for each in effects if isinstance(each, Ended)])

    def test_it_answers_the_larger_value_once_a_majority_holds_it(self) -> None:
        self.coordinator.store_answered(1, "B", Refused(2))
        self.assertNotIn(Holds(2), self.ended())
        self.coordinator.store_answered(2, "C", Refused(2))
        self.assertIn(Holds(2), self.ended())
        self.assertEqual(self.coordinator.floor, 2)

    def test_a_commit_of_its_own_control_does_not_make_it_answer_less(self) -> None:
        coordinator = recovered(0)
        coordinator.write(2, "two")
        coordinator.read("read")
        coordinator.read_answered(0, "A", 0)
        coordinator.store_answered(0, "A", Stored(2))
        coordinator.store_answered(2, "C", Stored(2))
        coordinator.take()
        coordinator.read_answered(1, "B", 1)
        ended = [effect.round.outcome for effect in coordinator.take() if isinstance(effect, Ended)]
        self.assertIn(Holds(2), ended)
        self.assertNotIn(Holds(1), ended)
