"""One or two Coordinators over model vaults, in any order of events: what clients see is a max-register.

Each example is a list of numbers; each number chooses one of the steps that are possible at that moment. After
each step the invariants are checked, and at the end the history of the clients, by trying every order.
"""

from functools import cache
from typing import Any

from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, StoreRequest, Undecided
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.effects import Began, Declined, Ended, Rest, RoundKind, SendRead, SendStore
from glitchgrid.protocol.quorum import majority
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from glitchgrid.storage.fold import fold

EXAMPLES = 80
OPERATIONS_MAX = 8
OFTEN = 8
NEVER = 10**9


@define(eq=False)
class Operation:
    """One client's call. A write that is not known to have happened never returns."""

    kind: str
    value: int
    called: int
    returned: int = NEVER
    outcome: Any = None


@frozen
class Step:
    """An operation as a checker sees it."""

    kind: str
    value: int
    called: int
    returned: int


def is_linearizable(steps: tuple[Step, ...]) -> bool:
    """Is there an order in which each write raises a maximum and each read gives it? Tries all of them."""
    must = frozenset(number for number, step in enumerate(steps) if step.returned < NEVER)

    @cache
    def search(done: frozenset[int], largest: int) -> bool:
        if must <= done:
            return True
        open_ = [number for number in range(len(steps)) if number not in done]
        first_return = min(steps[number].returned for number in open_)
        for number in open_:
            step = steps[number]
            if step.called > first_return:
                continue
            if step.kind == "write" and search(done | {number}, max(largest, step.value)):
                return True
            if step.kind == "read" and step.value == largest and search(done | {number}, largest):
                return True
        return False

    return search(frozenset(), 0)


class LinearizableTests(SynchronousTestCase):
    """The judge itself."""

    def test_what_is(self) -> None:
        self.assertTrue(is_linearizable(()))
        self.assertTrue(is_linearizable((Step("write", 5, 1, 2), Step("read", 5, 3, 4))))
        self.assertTrue(is_linearizable((Step("write", 5, 1, 9), Step("read", 0, 2, 3), Step("read", 5, 4, 5))))
        self.assertTrue(is_linearizable((Step("write", 5, 1, NEVER), Step("read", 5, 7, 8))))
        self.assertTrue(is_linearizable((Step("write", 5, 1, NEVER), Step("read", 0, 7, 8))))

    def test_what_is_not(self) -> None:
        self.assertFalse(is_linearizable((Step("write", 5, 1, 2), Step("read", 0, 3, 4))))
        self.assertFalse(is_linearizable((Step("read", 5, 1, 2), Step("write", 5, 3, 4))))
        self.assertFalse(is_linearizable((Step("write", 5, 1, NEVER), Step("read", 5, 2, 3), Step("read", 0, 4, 5))))

    def test_the_history_that_rule_3_is_for(self) -> None:
        read, larger, late = Step("read", 2, 0, 6), Step("write", 8, 2, 3), Step("write", 2, 5, 8)
        self.assertFalse(is_linearizable((read, larger, late)))
        self.assertTrue(is_linearizable((read, late)))
        self.assertTrue(is_linearizable((read, larger, Step("write", 2, 2, 8))))


@define(eq=False)
class Request:
    """One request to a vault. It arrives once, perhaps long after it was given up."""

    control: "Control"
    vault: int
    kind: RoundKind
    value: int
    arrived: bool = False
    answer: Any = None
    over: bool = False


@define(eq=False)
class Control:
    coordinator: Coordinator[Operation]
    rounds: list[Any] = field(factory=list)
    rests: set[tuple[int, RoundKind]] = field(factory=set)
    floor: int = 0


class World:
    """Controls, vaults, what is under way between them, and what clients saw."""

    def __init__(self, vaults: int, controls: int, disks: list[int] | None = None) -> None:
        # Which disk is behind each address: usually each has its own.
        self.disk_of = disks or list(range(vaults))
        self.held = [0] * vaults
        self.now = 0
        self.requests: list[Request] = []
        self.history: list[Operation] = []
        self.controls = [Control(Coordinator(vaults)) for _ in range(controls)]
        self.vaults = vaults
        for control in self.controls:
            control.coordinator.recover()
            self.settle(control)

    # What may happen next.

    def choices(self) -> list[tuple[Any, ...]]:
        """Every step that is possible now; what brings things forward is listed more than once."""
        steps: list[tuple[Any, ...]] = []
        for request in self.requests:
            if not request.arrived:
                steps += [(self.arrive, request)] * OFTEN
            elif not request.over:
                steps += [(self.deliver, request)] * OFTEN
            if not request.over:
                steps.append((self.give_up, request))
        for control in self.controls:
            steps += [(self.rest_ends, control, *rest) for rest in sorted(control.rests)] * OFTEN
            steps += [(self.expire, control, round_) for round_ in control.rounds]
            if len(self.history) < OPERATIONS_MAX:
                steps += [(self.write, control, value) for value in range(1, OFTEN)]
                steps += [(self.read, control)] * OFTEN
        return steps

    def arrive(self, request: Request) -> None:
        request.arrived = True
        disk = self.disk_of[request.vault]
        if request.kind == "read":
            request.answer = self.held[disk]
        else:
            self.held[disk], (request.answer,) = fold(self.held[disk], [StoreRequest(request.value, guarded=True)])
        self.tidy()

    def deliver(self, request: Request) -> None:
        request.over = True
        self.tidy()
        voter = f"disk {self.disk_of[request.vault]}"
        if request.kind == "read":
            request.control.coordinator.read_answered(request.vault, voter, request.answer)
        else:
            request.control.coordinator.store_answered(request.vault, voter, request.answer)
        self.settle(request.control)

    def give_up(self, request: Request) -> None:
        request.over = True
        self.tidy()
        if request.kind == "read":
            request.control.coordinator.read_failed(request.vault)
        else:
            request.control.coordinator.store_failed(request.vault)
        self.settle(request.control)

    def tidy(self) -> None:
        """A store that was given up may still arrive."""
        self.requests = [each for each in self.requests if not each.over or (each.kind == "store" and not each.arrived)]

    def rest_ends(self, control: Control, vault: int, kind: RoundKind) -> None:
        control.rests.discard((vault, kind))
        control.coordinator.rested(vault, kind)
        self.settle(control)

    def expire(self, control: Control, round_: Any) -> None:
        control.coordinator.expire(round_)
        self.settle(control)

    def write(self, control: Control, value: int) -> None:
        operation = Operation("write", value, self.now)
        self.history.append(operation)
        control.coordinator.write(value, operation)
        self.settle(control)

    def read(self, control: Control) -> None:
        operation = Operation("read", 0, self.now)
        self.history.append(operation)
        control.coordinator.read(operation)
        self.settle(control)

    # What comes of it.

    def settle(self, control: Control) -> None:
        for effect in control.coordinator.take():
            match effect:
                case SendStore(vault, value):
                    self.requests.append(Request(control, vault, "store", value))
                case SendRead(vault):
                    self.requests.append(Request(control, vault, "read", 0))
                case Began(round_):
                    control.rounds.append(round_)
                case Ended(round_):
                    self.end_round(control, round_)
                case Declined(operation, outcome):
                    self.end(operation, outcome)
                case Rest(vault, kind, _):
                    control.rests.add((vault, kind))

    def end_round(self, control: Control, round_: StoreRound[Operation] | ReadRound[Operation]) -> None:
        assert round_.outcome is not None
        if round_ in control.rounds:
            control.rounds.remove(round_)
        for operation in round_.tickets:
            self.end(operation, round_.outcome)

    def end(self, operation: Operation, outcome: Any) -> None:
        assert operation.outcome is None, "two outcomes"
        operation.outcome = outcome
        match outcome:
            case Holds(value):
                operation.value = value
                operation.returned = self.now
            case Committed():
                operation.returned = self.now
                assert self.holders(operation.value) >= majority(self.vaults)
            case Decreases(floor, value):
                assert value == operation.value < floor
                assert self.holders(floor) >= majority(self.vaults)

    def holders(self, value: int) -> int:
        return sum(held >= value for held in self.held)

    def check(self) -> None:
        for control in self.controls:
            in_flight = [(each.vault, each.kind) for each in self.requests if each.control is control and not each.over]
            assert len(in_flight) == len(set(in_flight)), "two of a kind in flight to a vault"
            floor = control.coordinator.floor or 0
            assert floor >= control.floor, "the floor fell"
            assert self.holders(floor) >= majority(self.vaults), "the floor is not committed"
            control.floor = floor
            gathering = (control.coordinator._gathering_writes, control.coordinator._gathering_reads)
            under_way = [
                round_ for vault in control.coordinator._vaults for line in (vault.stores, vault.reads)
                for round_ in line.carried
            ]  # fmt: skip
            assert not any(round_ in under_way for round_ in gathering if round_ is not None), "a newcomer joins"

    def steps(self) -> tuple[Step, ...]:
        """The history without what says nothing: reads without a value, and writes that were never sent."""
        return tuple(
            Step(each.kind, each.value, each.called, each.returned)
            for each in self.history
            if (each.kind == "write" and not isinstance(each.outcome, Decreases))
            or (each.kind == "read" and isinstance(each.outcome, Holds))
        )

    def run(self, numbers: list[int]) -> None:
        self.check()
        for number in numbers:
            choices = self.choices()
            if not choices:
                break
            step, *arguments = choices[number % len(choices)]
            self.now += 1
            step(*arguments)
            self.check()

    def finish(self) -> None:
        """Give up what is under way, so that each operation has its outcome; the network keeps what it holds."""
        for _ in range(1000):
            waiting = [each for each in self.requests if not each.over]
            if all(each.outcome is not None for each in self.history) or not waiting:
                break
            self.now += 1
            self.give_up(waiting[0])
            self.check()
        for control in self.controls:
            for round_ in [each for each in control.rounds if each.tickets]:
                self.now += 1
                self.expire(control, round_)
        for operation in self.history:
            assert operation.outcome is not None, f"no outcome for {operation}"
            expected = (Committed, Undecided, Decreases) if operation.kind == "write" else (Holds, Inconsistent)
            assert isinstance(operation.outcome, expected)
        lasting: list[StoreRound[Any] | ReadRound[Any]] = [
            round_ for control in self.controls for round_ in control.rounds if round_.outcome is not None
        ]
        assert lasting == [], "a round is decided and still runs"


NUMBERS = st.lists(st.integers(0, 10_000), max_size=120)


class HistoryTests(SynchronousTestCase):
    def play(self, world: World, numbers: list[int]) -> None:
        world.run(numbers)
        world.finish()
        self.assertTrue(is_linearizable(world.steps()), world.steps())

    @settings(max_examples=EXAMPLES)
    @given(st.integers(1, 5), NUMBERS)
    def test_one_control(self, vaults: int, numbers: list[int]) -> None:
        self.play(World(vaults, 1), numbers)

    @settings(max_examples=EXAMPLES)
    @given(st.integers(2, 4), NUMBERS)
    def test_two_controls(self, vaults: int, numbers: list[int]) -> None:
        self.play(World(vaults, 2), numbers)

    @settings(max_examples=EXAMPLES)
    @given(NUMBERS)
    def test_three_controls(self, numbers: list[int]) -> None:
        self.play(World(3, 3), numbers)

    @settings(max_examples=EXAMPLES)
    @given(NUMBERS)
    def test_two_of_four_addresses_lead_to_one_disk(self, numbers: list[int]) -> None:
        """Three of four are needed: all of the disks that there are."""
        self.play(World(4, 2, [0, 0, 1, 2]), numbers)

    def test_a_read_does_not_settle_for_less_than_what_came_before_it(self) -> None:
        """The history that rule 3 is for, in so many steps: see `glitchgrid.protocol.rounds`."""
        world = World(3, 3)
        for request in list(world.requests):
            world.arrive(request)
            world.deliver(request)
        reader, fresh, stale = world.controls

        def under_way(control: Control, kind: RoundKind, vault: int) -> Request:
            (request,) = [
                each for each in world.requests
                if each.control is control and each.kind == kind and each.vault == vault and not each.over
            ]  # fmt: skip
            return request

        def does(control: Control, kind: RoundKind, vault: int) -> None:
            world.now += 1
            request = under_way(control, kind, vault)
            world.arrive(request)
            world.deliver(request)

        world.read(reader)
        does(reader, "read", 1)
        world.write(fresh, 8)
        does(fresh, "store", 1)
        does(fresh, "store", 2)
        world.now += 1
        world.write(stale, 2)
        does(stale, "store", 0)
        does(stale, "store", 1)
        self.assertEqual([each.outcome for each in world.history], [None, Committed(2, 3), Committed(2, 3)])
        does(reader, "read", 0)
        does(reader, "store", 1)
        self.assertIsNone(world.history[0].outcome)
        does(reader, "store", 2)
        self.assertEqual(world.history[0].outcome, Holds(8))
        self.assertTrue(is_linearizable(world.steps()))
