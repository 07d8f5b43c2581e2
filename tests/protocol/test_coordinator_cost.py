"""What the coordinator does for each failure, and what it keeps."""

from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Refused, Stored
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.effects import (
    Began,
    Ended,
    FloorRecovered,
    SendRead,
    SendStore,
)
from glitchgrid.protocol.request_queue import PENDING_PRUNED_AT
from tests.bench import Bench


class Costly:
    """A ticket that says how often somebody has looked at it."""

    looks = 0

    def __eq__(self, other: object) -> bool:
        type(self).looks += 1
        return self is other

    def __hash__(self) -> int:
        type(self).looks += 1
        return id(self)


class CountedWrites(list[Any]):
    """The writes of a round, and how many of them were walked."""

    walked = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            type(self).walked += 1
            yield each


class CostTests(SynchronousTestCase):
    def rounds_at(self, bench: Bench) -> int:
        """How many rounds the coordinator still knows of."""
        coordinator = bench.coordinator
        lines = [line for vault in coordinator._vaults for line in (vault.stores, vault.reads)]
        return sum(len(line.pending) + len(line.carried) for line in lines) + len(coordinator._healing.reads)

    def test_a_failure_touches_rounds_and_not_operations(self) -> None:
        coordinator: Coordinator[Any] = Coordinator(3)
        coordinator.recover()
        for number in range(3):
            coordinator.read_answered(number, str(number), 0)
        coordinator.write(1, Costly())
        for _ in range(5000):
            coordinator.write(2, Costly())
            coordinator.read(Costly())
        waiting = coordinator._gathering_writes
        reads = coordinator._gathering_reads
        assert waiting is not None
        assert reads is not None
        waiting.writes = CountedWrites(waiting.writes)
        tickets: list[Any] = CountedWrites(reads.tickets)
        reads.tickets = tickets
        Costly.looks = CountedWrites.walked = 0
        coordinator.store_failed(0)
        coordinator.read_failed(0)
        coordinator.store_answered(1, "1", Stored(1))
        coordinator.read_answered(1, "1", 0)
        coordinator.rested(0, "store")
        coordinator.store_answered(2, "2", Stored(1))
        self.assertEqual((Costly.looks, CountedWrites.walked), (0, 0))
        self.assertEqual((len(waiting.writes), len(reads.tickets)), (5000, 4999))

    def test_a_stuck_vault_does_not_collect_what_passes_it(self) -> None:
        bench = Bench(3)
        for value in range(1, 10_001):
            bench.write(value, f"w{value}")
            bench.stored(0, 1)
            bench.read(f"r{value}")
            bench.holds(0, value)
            bench.holds(1, value)
            bench.news.clear()
            self.assertLess(self.rounds_at(bench), 4 * PENDING_PRUNED_AT)
        self.assertEqual(len(bench.outcomes), 20_000)
        self.assertEqual((bench.stored_values, list(bench.reads)), ({2: 1}, [2]))
        bench.stored(2)
        self.assertEqual(bench.stored_values, {2: 10_000})
        bench.holds(2, 1)
        bench.stored(2)
        self.assertEqual((self.rounds_at(bench), bench.running), (0, []))

    def test_nor_does_one_that_fails_again_and_again(self) -> None:
        bench = Bench(3)
        for value in range(1, 1001):
            bench.write(value, f"w{value}")
            bench.stored(0, 1)
            if 2 in bench.stores:
                bench.store_fails(2)
            bench.rested(2, "store")
        self.assertLess(self.rounds_at(bench), 2 * PENDING_PRUNED_AT)

    def test_effects_are_handed_out_once(self) -> None:
        coordinator: Coordinator[str] = Coordinator(1)
        coordinator.read("r")
        effects = coordinator.take()
        self.assertEqual([type(each) for each in effects], [Began, SendRead])
        self.assertEqual(coordinator.take(), [])
        coordinator.read_answered(0, "v", 0)
        coordinator.write(7, "w")
        self.assertEqual([type(each) for each in coordinator.take()], [Ended, FloorRecovered, Began, SendStore])
        coordinator.store_answered(0, "v", Refused(8))
        self.assertEqual([type(each) for each in coordinator.take()], [Ended])
