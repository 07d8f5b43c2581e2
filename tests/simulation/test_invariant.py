"""The invariant, over disks and stores that say what the test says."""

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.register.oracles.invariant import Invariant
from glitchgrid.outcome import Refused, Stored, StoreOutcome, StoreRequest
from glitchgrid.storage.record import Record
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
        disk = SimpleNamespace(changes=0, durable=lambda _name: self.data)
        self.machine: Any = BusyMachine(name, disk)

    def begin(self, invariant: Invariant) -> None:
        """Start, and begin to store something."""
        invariant.watch(self.machine, self.store, self.process)
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

    def test_a_disk_that_was_replaced(self) -> None:
        self.hold(5, 5, 5)
        self.vaults[0].machine.process = None
        self.vaults[0].data = None
        self.vaults[0].machine.disk.changes += 1
        self.invariant.check()
        self.assertIn("fell from 5 to 0", self.invariant.broken[0].what)

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
