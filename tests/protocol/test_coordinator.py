"""The protocol without a network: what counts as a majority of whom, and what the coordinator states of itself."""

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.evaluations import collecting
from glitchgrid.lab.properties import Seen
from glitchgrid.outcome import Committed, Holds, Inconsistent, Undecided
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.effects import (
    SameVault,
)
from tests.bench import Bench


class StatedTests(SynchronousTestCase):
    """What the coordinator states of itself, and when."""

    FLOOR = "control: a read begins with a floor that is known"
    HEALED = "control: a read stores its value where it is lacking"

    def test_of_a_read(self) -> None:
        seen: Seen = Counter()
        coordinator: Coordinator[str] = Coordinator(1)
        with collecting("glitchgrid", seen, self.fail):
            for value in (1, 1):
                coordinator.read("r")
                coordinator.read_answered(0, "v", value)
        self.assertEqual((seen[self.FLOOR, False], seen[self.FLOOR, True]), (1, 1))
        self.assertEqual((seen[self.HEALED, False], seen[self.HEALED, True]), (2, 0))

    def test_that_two_stores_never_are_on_their_way_to_one_vault(self) -> None:
        broke: list[str] = []
        coordinator: Coordinator[str] = Coordinator(1)
        coordinator.read("r")
        coordinator.read_answered(0, "v", 0)
        coordinator.write(7, "w")
        with collecting("glitchgrid", Counter(), broke.append):
            coordinator._ask_to_store(coordinator._vaults[0])
        self.assertEqual(broke, ["control: two stores are on their way to one vault"])


class NumbersOfVaultsTests(SynchronousTestCase):
    def test_one(self) -> None:
        bench = Bench(1)
        bench.write(7, "w")
        bench.stored(0)
        bench.read("r")
        bench.holds(0, 9)
        self.assertEqual(bench.outcomes, {"w": Committed(1, 1), "r": Holds(9)})
        bench.read("dead")
        bench.read_fails(0)
        bench.write(10, "lost")
        bench.store_fails(0)
        self.assertEqual((bench.outcomes["dead"], bench.outcomes["lost"]), (Inconsistent(), Undecided(0, 1)))

    def test_two_need_both(self) -> None:
        bench = Bench(2)
        bench.write(7, "w")
        bench.stored(0)
        self.assertEqual(bench.outcomes, {})
        bench.stored(1)
        self.assertEqual(bench.outcomes, {"w": Committed(2, 2)})
        bench.write(8, "lost")
        bench.store_fails(1)
        self.assertEqual(bench.outcomes["lost"], Undecided(0, 2))

    def test_half_of_four_is_no_majority(self) -> None:
        bench = Bench(4)
        bench.write(7, "w")
        bench.stored(0, 1)
        bench.store_fails(2)
        self.assertEqual(bench.outcomes, {})
        bench.store_fails(3)
        self.assertEqual(bench.outcomes, {"w": Undecided(2, 4)})
        bench.read("r")
        bench.holds(0, 7)
        bench.holds(1, 7)
        self.assertEqual(bench.outcomes.get("r"), None)
        bench.holds(2, 0)
        self.assertEqual(bench.stored_values, {2: 7, 3: 7})
        bench.stored(3)
        self.assertEqual(bench.outcomes["r"], Holds(7))

    def test_three_of_four_are_one(self) -> None:
        bench = Bench(4)
        bench.write(7, "w")
        bench.stored(3, 1, 0)
        self.assertEqual(bench.outcomes, {"w": Committed(3, 4)})


class IdentityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench(3)
        self.bench.voters = ["same", "same", "other"]

    def test_two_addresses_of_one_vault_are_no_majority(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.stored(2)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3)})

    def test_nor_for_a_read_or_for_what_heals_it(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 5)
        self.bench.holds(1, 7)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.holds(2, 9)
        self.assertEqual(self.bench.stored_values, {0: 9, 1: 9})
        self.bench.stored(0)
        self.assertEqual(self.bench.outcomes, {"r": Holds(9)})

    def test_what_heals_counts_a_vault_once(self) -> None:
        bench = Bench(4)
        bench.voters = ["same", "same", "other", "third"]
        bench.read("r")
        bench.holds(2, 9)
        bench.holds(3, 5)
        bench.holds(0, 5)
        bench.stored(0, 1)
        self.assertEqual(bench.outcomes, {})
        bench.stored(3)
        self.assertEqual(bench.outcomes, {"r": Holds(9)})

    def test_it_is_said_when_it_is_seen(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.heard(SameVault), [SameVault(0, 1, "same")])
        self.bench.read("r")
        self.bench.holds(1, 7)
        self.bench.holds(0, 7)
        self.assertEqual(len(self.bench.heard(SameVault)), 1)

    def test_one_that_became_another_is_no_double(self) -> None:
        """An address can lead elsewhere after a failure; what it was is forgotten then."""
        bench = Bench(2)
        bench.voters = ["a", "b"]
        bench.write(7, "w")
        bench.stored(0)
        bench.store_fails(1)
        bench.voters = ["b", "a"]
        bench.write(8, "again")
        bench.store_fails(0)
        bench.stored(1)
        self.assertEqual(bench.heard(SameVault), [])
