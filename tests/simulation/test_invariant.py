"""The invariant, over disks and stores that say what the test says."""

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.register.oracles.invariant import VALUE, Invariant
from glitchgrid.outcome import Refused, Stored, StoreOutcome, StoreRequest
from glitchgrid.protocol.member import Membership, Phase
from glitchgrid.protocol.roster import Place, Roster
from glitchgrid.storage.record import Record
from glitchgrid.storage.rosterfile import encode_membership
from glitchgrid.storage.slots import Slot, encode_file

IDENTITY = "0" * 32


class BusyMachine:
    """Whenever one looks, something has run on it."""

    def __init__(self, name: str, disk: Any) -> None:
        self.name = name
        self.disk = disk
        self._activity = 0

    @property
    def activity(self) -> int:
        self._activity += 1
        return self._activity


class Vault:
    """One vault, as far as the invariant looks at it."""

    def __init__(self, name: str) -> None:
        self.sequence = 1
        self.data: bytes | None = None
        self.store: Any = SimpleNamespace(is_open=True, value=0)
        self.process: Any = SimpleNamespace(alive=True)
        self.waits: str | None = None
        self.fenced: frozenset[str] = frozenset()
        self.membership: Any = SimpleNamespace(is_open=True, fault=lambda: self.waits)
        disk = SimpleNamespace(changes=0, durable=self._durable, replace=self._replace)
        self.machine: Any = BusyMachine(name, disk)

    def _durable(self, name: str) -> bytes | None:
        if name == VALUE:
            return self.data
        peers = ("a:1", "b:1", "c:1")
        places = tuple(Place(each, f"{number:032x}") for number, each in enumerate(peers))
        return encode_membership(Membership(IDENTITY, Phase.FORMED, peers, Roster(places, self.fenced)))

    def _replace(self) -> None:
        self.data = None
        self.machine.disk.changes += 1

    def begin(self, invariant: Invariant) -> None:
        """Start, and begin to store something."""
        invariant.watch(self.machine, self.store, self.membership, self.process)
        self.observer = invariant.observer(self.machine)
        self.observer.sync_began(1, stores=1)

    def answer(self, value: int, outcome: StoreOutcome, *, guarded: bool = True) -> None:
        request = StoreRequest(value, guarded)
        self.observer.store_arrived(request)
        self.observer.store_answered(request, outcome)

    def make_durable(self, value: int) -> None:
        self.sequence += 1
        self.data = encode_file(Slot(self.sequence, Record(IDENTITY, value)))
        self.machine.disk.changes += 1

    def hold(self, value: int) -> None:
        self.make_durable(value)
        self.store.value = value


class InvariantTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.vaults = [Vault(f"vault{number}") for number in range(3)]
        self.now_ns = 5
        self.invariant = Invariant.of([vault.machine for vault in self.vaults], lambda: self.now_ns)
        self.invariant.written.update(range(10))
        for vault in self.vaults:
            vault.begin(self.invariant)
        self.invariant.check()

    def hold(self, *values: int) -> None:
        for vault, value in zip(self.vaults, values, strict=True):
            vault.hold(value)
        self.invariant.check()

    def assert_broken(self, *words: str) -> None:
        self.invariant.check()
        self.assertEqual(len(self.invariant.broken), 1, self.invariant.broken)
        for word in words:
            self.assertIn(word, self.invariant.broken[0].what)

    def test_a_vault_holds_what_nobody_has_written(self) -> None:
        self.vaults[2].hold(77)
        self.assert_broken("vault2 holds 77 durably, and nobody has ever written that")

    def test_what_a_process_showed_that_has_ended_is_not_held_against_another_program(self) -> None:
        """The power failed in the middle of a store, which had reached the disk, and a stranger came (seed 4671)."""
        self.hold(5, 5, 5)
        vault = self.vaults[2]
        vault.make_durable(6)
        vault.observer.store_is_idle()
        vault.process.alive = False
        self.invariant.check()
        self.assertEqual(self.invariant.broken, [])
        vault.process.alive = True
        self.assert_broken("vault2 is idle, shows 5 and holds 6 durably")

    def test_a_vault_says_that_it_holds_what_it_does_not(self) -> None:
        self.hold(5, 5, 5)
        for says in (Stored(4), Stored(5), Refused(5)):
            self.vaults[1].answer(4, says)
        self.assertEqual(self.invariant.broken, [])
        self.vaults[1].answer(4, Refused(6))
        self.assert_broken("vault1 answers that it holds 6, and holds 5 durably")

    def test_a_vault_that_stores_nothing_shows_what_it_holds(self) -> None:
        self.hold(5, 5, 5)
        self.vaults[1].observer.store_is_idle()
        self.invariant.check()
        self.assertEqual(self.invariant.broken, [])
        self.vaults[1].make_durable(7)
        self.assert_broken("vault1 is idle", "shows 5", "holds 7")
        self.assertEqual(self.invariant.broken[0].at_ns, self.now_ns)

    def test_what_changes_is_kept_where_it_is_to_be_shown(self) -> None:
        invariant = Invariant.of([vault.machine for vault in self.vaults], lambda: self.now_ns, keep_changes=True)
        for vault in self.vaults:
            vault.begin(invariant)
        self.vaults[0].make_durable(7)
        invariant.check()
        self.vaults[1].hold(8)
        self.now_ns = 9
        invariant.check()
        invariant.check()
        changes = invariant.changes or []
        self.assertEqual(
            [(each.at_ns, each.durable, each.shown) for each in changes],
            [(5, (7, 0, 0), (0, 0, 0)), (9, (7, 8, 0), (0, 8, 0))],
        )
        self.assertEqual([(each.durable_majority, each.shown_majority) for each in changes], [(0, 0), (7, 0)])

    def test_nothing_is_wrong_with_a_grid_that_works(self) -> None:
        for value in range(1, 10):
            for count in range(3):
                self.vaults[count].make_durable(value)
                self.invariant.check()
                self.vaults[count].store.value = value
                self.invariant.check()
            self.invariant.acknowledged(value)
            self.invariant.was_read(value, value)
        self.assertEqual(self.invariant.broken, [])

    def test_the_majorities(self) -> None:
        for values, expected in (((5, 0, 0), 0), ((5, 3, 0), 3), ((5, 3, 4), 4), ((5, 6, 4), 5)):
            with self.subTest(values=values):
                self.setUp()
                self.hold(*values)
                self.assertEqual((self.invariant.durable_majority, self.invariant.shown_majority), (expected, expected))

    def test_shown_before_it_is_durable(self) -> None:
        self.vaults[1].store.value = 7
        self.assert_broken("vault1 shows 7 and holds 0")

    def test_what_is_durable_falls(self) -> None:
        self.hold(5, 5, 5)
        self.vaults[0].make_durable(4)
        self.vaults[0].store.value = 4
        self.assert_broken("vault0", "fell from 5 to 4")

    def test_what_a_majority_shows_falls(self) -> None:
        self.hold(5, 5, 0)
        self.vaults[0].store.value = 3
        self.assert_broken("every majority", "fell from 5 to 3")

    def test_a_disk_that_is_gone(self) -> None:
        self.hold(5, 5, 5)
        self.vaults[0].machine.process = None
        self.vaults[0].data = None
        self.vaults[0].machine.disk.changes += 1
        self.invariant.check()
        self.assertIn("fell from 5 to 0", self.invariant.broken[0].what)

    def hold_by_others(self, *values: int) -> None:
        for vault, value in zip(self.vaults[1:], values, strict=True):
            vault.hold(value)
        self.invariant.check()

    def replace(self, *held: int) -> Vault:
        """The first of three vaults that hold these has a new disk, and runs with it."""
        self.hold(*held)
        first = self.vaults[0]
        first.store.value = 0
        self.invariant.replace_disk(first.machine)
        first.waits = "its disk was replaced"
        self.invariant.check()
        self.assertEqual(self.invariant.broken, [])
        return first

    def rejoin(self, first: Vault, value: int, *fencing: int) -> list[str]:
        for number in fencing:
            self.vaults[number].fenced = frozenset({IDENTITY})
        first.begin(self.invariant)
        first.make_durable(value)
        first.store.value, first.waits = value, None
        self.invariant.written.add(value)
        self.invariant.check()
        return [each.what for each in self.invariant.broken]

    def test_a_disk_that_was_replaced_and_its_vault_taken_in_again(self) -> None:
        first = self.replace(5, 5, 3)
        self.assertEqual(self.invariant.shown_majority, 5)
        self.assertEqual(self.rejoin(first, 5, 1, 2), [])

    def test_taken_in_with_less_than_its_peers_had_shown(self) -> None:
        (broken,) = self.rejoin(self.replace(3, 5, 3), 4, 1, 2)
        self.assertIn("votes with a new disk and 4, and its peers had shown 5", broken)

    def test_one_that_let_it_in_has_lost_its_own_disk_since(self) -> None:
        first = self.replace(5, 5, 5)
        third = self.vaults[2]
        third.waits = "its disk was replaced"
        third.store.value = 0
        self.invariant.replace_disk(third.machine)
        self.assertEqual(self.rejoin(first, 5, 1), [])

    def test_taken_in_by_too_few(self) -> None:
        (broken,) = self.rejoin(self.replace(5, 5, 5), 5, 1)
        self.assertIn("1 others know that its old one does not", broken)

    def test_what_is_acknowledged_while_one_does_not_vote_is_shown_by_the_others(self) -> None:
        self.replace(5, 5, 3)
        self.invariant.acknowledged(5)
        self.assertEqual(self.invariant.broken, [])
        self.invariant.acknowledged(6)
        self.assertIn("a majority may still show 5", self.invariant.broken[0].what)

    def test_what_is_read_may_count_what_a_disk_said_before_it_was_replaced(self) -> None:
        first = self.replace(5, 0, 3)
        self.hold_by_others(3, 5)
        self.invariant.was_read(5, 0)
        self.assertEqual(self.invariant.broken, [])
        self.assertEqual(self.rejoin(first, 5, 1, 2), [])
        self.hold_by_others(3, 7)
        self.invariant.was_read(7, 0)
        self.assert_broken("read returned 7", "no majority holds more than 5")

    def test_but_no_more_than_that(self) -> None:
        self.replace(4, 0, 3)
        self.hold_by_others(0, 5)
        self.invariant.was_read(5, 0)
        self.assert_broken("read returned 5", "no majority holds more than 4")

    def test_a_vault_that_is_down_shows_what_it_showed(self) -> None:
        self.hold(5, 5, 5)
        self.vaults[0].machine.process = None
        self.vaults[0].store.value = 0
        self.invariant.check()
        self.assertEqual(self.invariant.broken, [])

    def test_a_write_that_was_acknowledged_too_early(self) -> None:
        self.hold(5, 0, 0)
        self.invariant.acknowledged(5)
        self.assert_broken("write of 5", "still show 0")

    def test_a_read_of_what_no_majority_holds(self) -> None:
        self.hold(5, 0, 0)
        self.invariant.was_read(5, 0)
        self.assert_broken("read returned 5")

    def test_a_read_of_less_than_every_majority_showed(self) -> None:
        self.hold(5, 5, 5)
        self.invariant.was_read(3, 5)
        self.assert_broken("read returned 3", "showed 5")

    def test_a_torn_slot_is_not_there(self) -> None:
        self.hold(5, 5, 5)
        data = self.vaults[0].data
        assert data is not None
        self.vaults[0].data = b"x" * 4096 + data[4096:]
        self.vaults[0].machine.disk.changes += 1
        self.invariant.check()
        self.assertEqual(self.invariant.broken, [])


class UnguardedTests(SynchronousTestCase):
    """Under the classic protocol stores are unguarded, and take back what was there: that is not the vault's fault."""

    def setUp(self) -> None:
        self.vault = Vault("vault1")
        self.invariant = Invariant.of([self.vault.machine], lambda: 0, all_are_guarded=False)
        self.invariant.written.update(range(10))
        self.vault.begin(self.invariant)
        self.vault.hold(5)
        self.invariant.check()

    def test_to_what_was_asked_for(self) -> None:
        self.vault.observer.store_arrived(StoreRequest(3, guarded=False))
        self.vault.make_durable(3)
        self.invariant.check()
        self.vault.hold(3)
        self.invariant.check()
        self.invariant.acknowledged(5)
        self.invariant.was_read(3, 5)
        self.assertEqual(self.invariant.broken, [])

    def test_and_to_nothing_else(self) -> None:
        self.vault.observer.store_arrived(StoreRequest(3, guarded=False))
        self.vault.make_durable(2)
        self.invariant.check()
        self.assertIn("fell from 5 to 2", self.invariant.broken[0].what)

    def test_what_is_shown_is_durable_all_the_same(self) -> None:
        self.vault.store.value = 6
        self.invariant.check()
        self.assertIn("shows 6 and holds 5", self.invariant.broken[0].what)
