"""The store held against condition 2's own words: each store applied by itself, in the order of arrival.

Random lives of a vault: stores, guarded and not, arrive while syncs begin, end and are reported. A life ends with
a crash or with a failing disk, and the next one begins from what is left. The last life is ended at each of its
primitives in turn, in every way that a disk has.
"""

import contextlib
from collections.abc import Sequence
from enum import Enum, auto

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import StoreFailed
from glitchgrid.outcome import Refused, Stored, StoreOutcome, StoreRequest
from glitchgrid.storage.store import Store
from glitchgrid.storage.valuefile import VALUE_NAME
from glitchgrid.value import NOTHING_STORED
from tests.fakes import IDENTITY, record_in, threads
from tests.memory_disk import Crashed, MemoryDisk

RECOVER_STEPS_MAX = 8


class Disk(Enum):
    """What the thread and the reactor do next."""

    WORKS = auto()
    IS_HEARD = auto()


class End(Enum):
    """How a life ends, at a step of its choice; a failing disk is followed by kill -9."""

    CRASHES = auto()
    CRASHES_HALFWAY = auto()
    FAILS = auto()


Event = StoreRequest | Disk
VALUES = st.integers(1, 12)
EVENTS = st.lists(
    st.one_of(st.builds(StoreRequest, VALUES, st.booleans()), st.sampled_from(Disk)), min_size=1, max_size=14
)


@frozen
class EarlierLife:
    events: Sequence[Event]
    end: End
    step: int
    survivor: int


EARLIER_LIVES = st.lists(
    st.builds(EarlierLife, EVENTS, st.sampled_from(End), st.integers(1, 30), st.integers(0, 10_000)), max_size=2
)


def store_alone(held: int, request: StoreRequest) -> tuple[int, StoreOutcome]:
    """What condition 2 says of one store."""
    if request.guarded and request.value < held:
        return held, Refused(held)
    return request.value, Stored(request.value, held if request.value < held else None)


class Definition:
    """What a vault is by definition: arrivals, what each of them leaves, and how many share each sync."""

    def __init__(self, held: int) -> None:
        self.held_after = [held]
        self.outcomes: list[StoreOutcome] = []
        self.told = 0
        self.in_sync = 0
        """How many arrivals are told at the end of the sync that runs; with none running, `told`."""

    @property
    def shown(self) -> int:
        return self.held_after[self.told]

    @property
    def right(self) -> set[int]:
        """What may be on the disk: the last sync's value, or the running one's."""
        return {self.held_after[self.told], self.held_after[self.in_sync]}

    def arrives(self, request: StoreRequest) -> None:
        held, outcome = store_alone(self.held_after[-1], request)
        self.held_after.append(held)
        self.outcomes.append(outcome)
        if self.in_sync == self.told:
            self._begin()

    def sync_ends(self) -> None:
        self.told = self.in_sync
        if self.told < len(self.outcomes):
            self._begin()

    def _begin(self) -> None:
        self.in_sync = len(self.outcomes)
        if self.held_after[self.in_sync] == self.shown:
            self.told = self.in_sync  # it is on the disk already


class Life:
    """A store and its definition, side by side.

    :param may_hold: what the lives before may have left.
    """

    def __init__(self, case: SynchronousTestCase, disk: MemoryDisk, may_hold: set[int]) -> None:
        self.case = case
        self.disk = disk
        self.reactor, self.pool = threads()
        self.store = Store(self.reactor, disk, self.pool, lambda: IDENTITY)
        self.told: list[StoreOutcome] = []
        self.failed = 0
        self.definition: Definition | None = None
        self.may_hold = may_hold

    @property
    def right(self) -> set[int]:
        """What may be read after this life."""
        return self.may_hold if self.definition is None else self.definition.right

    def start(self) -> Definition:
        opened = self.store.open()
        self.pool.finish()
        self.case.successResultOf(opened)
        self.case.assertIn(self.store.value, self.may_hold)
        self.definition = Definition(self.store.value)
        return self.definition

    def play(self, events: Sequence[Event]) -> None:
        """Start, let it all happen, and then the disk come to its end."""
        definition = self.start()
        for event in [*events, *[Disk.WORKS, Disk.IS_HEARD] * (len(events) + 1)]:
            if isinstance(event, StoreRequest):
                if not self.failed:
                    definition.arrives(event)
                self._submit(event)
            elif event is Disk.WORKS and self.pool.waiting:
                self.pool.work()
            elif event is Disk.IS_HEARD and self.reactor.handed_over:
                self.reactor.handed_over.popleft()()
                if not self.failed:
                    definition.sync_ends()
            self._check(definition)

    def _submit(self, request: StoreRequest) -> None:
        stored: Deferred[StoreOutcome] = self.store.submit(request)
        stored.addCallbacks(self.told.append, self._store_failed)

    def _store_failed(self, failure: Failure) -> None:
        failure.trap(StoreFailed)
        self.failed += 1

    def _check(self, definition: Definition) -> None:
        """Shown and told is what the definition has at this moment: neither more, nor less, nor other."""
        self.case.assertEqual(self.told, definition.outcomes[: definition.told])
        self.case.assertEqual(self.store.value, definition.shown)
        if self.failed:
            self.case.assertGreaterEqual(self.failed + len(self.told), len(definition.outcomes))


class DefinitionTests(SynchronousTestCase):
    @given(EARLIER_LIVES, EVENTS)
    @settings(max_examples=100, deadline=None)
    def test_a_store_is_its_definition_whenever_it_crashes(
        self, earlier: list[EarlierLife], events: list[Event]
    ) -> None:
        disk, may_hold = MemoryDisk(), {0}
        for each in earlier:
            life = self.ended(Life(self, disk, may_hold), each.events, each.end, each.step)
            self.check_survivors(life)
            survivors = list(life.disk.after_crashes())
            disk, may_hold = survivors[each.survivor % len(survivors)], life.right
        whole = Life(self, disk.after_kill(), may_hold)
        whole.play(events)
        assert whole.definition is not None
        self.assertEqual(whole.told, whole.definition.outcomes)
        for end in End:
            for step in range(1, len(whole.disk.steps) + 2):
                self.check_survivors(self.ended(Life(self, disk.after_kill(), may_hold), events, end, step))

    def ended(self, life: Life, events: Sequence[Event], end: End, step: int) -> Life:
        if end is not End.FAILS:
            life.disk.crash_at = step
            life.disk.crash_halfway = end is End.CRASHES_HALFWAY
        elif step > RECOVER_STEPS_MAX:  # a start that fails is for `test_valuefile`
            life.disk.fail_at = {step}
        with contextlib.suppress(Crashed):
            life.play(events)
        return life

    def check_survivors(self, life: Life) -> None:
        """What a power loss leaves is right; so is what a restart after a kill shows, and that stays for good."""
        self.check_power_losses(life.disk, life.right)
        restarted = Life(self, life.disk.after_kill(), life.right)
        self.check_power_losses(restarted.disk, {restarted.start().shown})

    def check_power_losses(self, disk: MemoryDisk, right: set[int]) -> None:
        for survivor in disk.after_power_losses():
            data = survivor.durable(VALUE_NAME)
            self.assertIn(NOTHING_STORED if data is None else record_in(data).value, right)
