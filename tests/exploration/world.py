"""The grid as a graph: two controls, the vaults, what is under way between them, and what the clients have seen.

A state is a few numbers: of the vaults' states, of the two coordinators' (`tests.exploration.machine`), of the history
(`tests.exploration.history`), how many syncs may still fail, where the addresses lead. What may happen:

- a client calls an operation; a round's deadline passes; a rest ends;
- a request reaches its vault and the answer its control, in one step;
- a control gives up on a request (lost, or timed out): a store may then still reach its vault, once, at any later
  time; or the vault takes it now and the answer is lost;
- the sync of a store fails; a vault is restarted, or loses its power. What is under way to a vault that crashes is
  given up on by its control, or comes after the restart: those are actions of their own, so a crash takes what
  that vault holds in memory alone, and with an intact vault and no failed sync that is nothing.

All of these are unlimited but for failed syncs. To keep it small, with no violation left out:

- **Plans.** A control's own actions come as late as they can (`tests.exploration.plans`).
- **Symmetric vaults are folded.** Of the states that differ in the vaults' numbers alone one is kept: vaults are sorted
  by their own state, and where those are equal the least numbers of the coordinators' states decide. This is sound
  when a coordinator treats all vaults alike, which a test checks on the real ones, state by state.
- **A control with nothing more to do retires.** When all its operations have returned and it has no undecided round, it
  can only send a vault the store that is under way, or the floor again. These become late stores.
- **Late guarded stores of no more than what is durable are dropped**: they change nothing.
- **Nothing is explored after the last read**: no later answer can break a rule.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from attrs import field, frozen

from glitchgrid.protocol.coordinator import Coordinator
from tests.exploration.files import File
from tests.exploration.history import History, Operation, called, nothing_yet, returned
from tests.exploration.key import NAMES, Core, Order
from tests.exploration.machine import RETIRED, Event, Machine, Return
from tests.exploration.plans import Late, Planner
from tests.exploration.vaults import Vault, VaultModel

Words = tuple[object, ...]


@frozen
class Instance:
    """What is explored: who writes and reads what where, and what may go wrong how often."""

    operations: tuple[Operation, ...]
    vaults: int = 3
    time_outs: int = 0
    failed_syncs: int = 0
    recovers_at_start: bool = False
    core: type[Core] = Coordinator
    model: VaultModel = field(factory=VaultModel)
    routes: tuple[Order, ...] = ((0, 1, 2, 3),)
    """To which vault each address leads: at first, after one change, after two ..."""


class State(NamedTuple):
    vaults: int
    controls: tuple[int, int]
    history: int
    time_outs: int
    """How many more there may be; so with the failed syncs."""
    syncs: int
    route: int


class Result(NamedTuple):
    """What a plan and its exchange come to."""

    point: int
    vault: Vault
    calls: tuple[int, ...]
    late: Late
    returns: tuple[Return, ...]
    time_outs: int
    syncs: int


class Action(NamedTuple):
    """What happens, one entry in `words` for each step; where it leads; what an answer in it breaks."""

    words: tuple[Words, ...]
    state: State
    returns: tuple[Return, ...] = ()
    wrong: str | None = None


class World:
    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.machine = Machine(instance.core, instance.vaults, instance.recovers_at_start)
        self.vaults: File[tuple[Vault, ...]] = File()
        self.histories: File[History] = File()
        self._planner = Planner(self.machine, instance.operations)
        self._exchanges = cache(self._make_exchanges)
        self._refusals = cache(self._make_refusals)
        self._heard = cache(self._make_heard)
        self._uncalled = cache(self._make_uncalled)
        self._sorted = cache(self._make_sorted)
        self._changed = cache(self._make_changed)

    def first(self) -> State:
        vaults = self.vaults.number((Vault(),) * self.instance.vaults)
        history = self.histories.number(nothing_yet(self.instance.operations))
        start = self.machine.start
        return State(vaults, (start, start), history, self.instance.time_outs, self.instance.failed_syncs, 0)

    def actions(self, state: State) -> Iterator[Action]:
        history = self.histories[state.history]
        if all(done for done, each in zip(history.done, self.instance.operations, strict=True) if each.value is None):
            return
        for control in (0, 1):
            if state.controls[control] != RETIRED:
                yield from self._by_control(state, control)
        yield from self._by_vaults(state)

    def _by_control(self, state: State, control: int) -> Iterator[Action]:
        at, uncalled = state.controls[control], self._uncalled(state.history, control)
        for result, words in self._refusals(at, uncalled, control, state.time_outs):
            yield self._then(state, control, None, result, words)
        vaults, left = self.vaults[state.vaults], (state.time_outs, state.syncs)
        for address, place in enumerate(self.instance.routes[state.route][: len(vaults)]):
            for result, words in self._exchanges(at, uncalled, control, address, place, vaults[place], left):
                yield self._then(state, control, place, result, words)

    def _by_vaults(self, state: State) -> Iterator[Action]:
        model = self.instance.model
        for place, vault in enumerate(self.vaults[state.vaults]):
            for value in set(vault.late):
                after, _ = model.store(model.forget(vault, value), value)
                yield self._alone(state, place, after, ("late", place, value))
            for words, after in model.by_itself(vault):
                yield self._alone(state, place, after, ("vault", place, words.format(shown=after.shown)))
        if state.route + 1 < len(self.instance.routes):
            yield Action((("route",),), state._replace(route=state.route + 1))

    def _alone(self, state: State, place: int, after: Vault, words: Words) -> Action:
        return Action((words,), state._replace(vaults=self._changed(state.vaults, place, after, ())))

    def _then(self, state: State, control: int, place: int | None, result: Result, words: tuple[Words, ...]) -> Action:
        """What a plan and its exchange lead to."""
        point, vault, calls, late, returns, time_outs, syncs = result
        history, wrong = state.history, None
        if calls or returns:
            history, wrong = self._heard(history, calls, returns)
        if self.machine.points[point].quiet and self._has_returned(history, control):
            late, point = late + self._owed(point), RETIRED
        if late:
            late = tuple((self.instance.routes[state.route][address], value) for address, value in late)
        vaults = state.vaults if place is None and not late else self._changed(state.vaults, place, vault, late)
        controls = (point, state.controls[1]) if control == 0 else (state.controls[0], point)
        left = (state.time_outs - time_outs, state.syncs - syncs)
        return Action(words, State(vaults, controls, history, *left, state.route), returns, wrong)

    def _owed(self, number: int) -> Late:
        """What a control that retires may still send, and to what address."""
        point = self.machine.points[number]
        return tuple(
            (address, value)
            for address in range(self.instance.vaults)
            for value in {point.stores[address], point.owed[address]} - {0}
        )

    def _has_returned(self, number: int, control: int) -> bool:
        done, operations = self.histories[number].done, self.instance.operations
        return all(done[each] for each, operation in enumerate(operations) if operation.control == control)

    # What is computed once: all of it depends on its arguments alone.

    def _make_exchanges(
        self,
        at: int,
        uncalled: tuple[int, ...],
        control: int,
        address: int,
        place: int,
        vault: Vault,
        left: tuple[int, int],
    ) -> tuple[tuple[Result, tuple[Words, ...]], ...]:
        """Every plan, and every way in which it may go on with one vault."""
        found: dict[Result, tuple[Words, ...]] = {}
        for plan, own in self._planner.plans(at, uncalled, left[0])[0].items():
            for name, after, event, syncs in self._meets(plan.point, address, place, vault):
                time_outs = plan.time_outs + (name == "answer lost")
                if time_outs > left[0] or syncs > left[1]:
                    continue
                if not self._planner.can_wait(plan.point, plan.waiting, event):
                    point, told = self.machine.step(plan.point, event)
                    result = Result(point, after, plan.calls, plan.late, (*plan.returns, *told), time_outs, syncs)
                    words = (*((control, *each) for each in own), (control, name, address, place))
                    if result not in found or len(words) < len(found[result]):
                        found[result] = words
        return tuple(found.items())

    def _make_refusals(
        self, at: int, uncalled: tuple[int, ...], control: int, time_outs_max: int
    ) -> tuple[tuple[Result, tuple[Words, ...]], ...]:
        return tuple(
            (
                Result(plan.point, Vault(), plan.calls, plan.late, plan.returns, plan.time_outs, 0),
                tuple((control, *each) for each in own),
            )
            for plan, own in self._planner.plans(at, uncalled, time_outs_max)[1].items()
        )

    def _meets(self, at: int, address: int, place: int, vault: Vault) -> Iterator[tuple[str, Vault, Event, int]]:
        """What may come of the requests under way from a control to an address, and how many failed syncs it takes."""
        point, model, voter = self.machine.points[at], self.instance.model, NAMES[place]
        if point.reads[address]:
            yield "meets read", vault, ("read_answered", address, voter, vault.shown), 0
        value = point.stores[address]
        if not value:
            return
        stored, answer = model.store(vault, value)
        failed: Event = ("store_failed", address)
        yield "meets store", stored, failed if answer is None else ("store_answered", address, voter, answer), 0
        if stored != vault:
            yield "answer lost", stored, failed, 0
        begun = model.begin(vault, value)
        if begun != vault:
            yield "begins", begun, ("begin", address), 0
        unsynced = model.fail_to_sync(vault, value)
        if unsynced != vault:
            yield "sync fails", unsynced, failed, 1

    def _make_heard(self, number: int, calls: tuple[int, ...], returns: tuple[Return, ...]) -> tuple[int, str | None]:
        history, wrong = self.histories[number], None
        for operation in calls:
            history = called(history, self.instance.operations, operation)
        for answer in returns:
            history, is_wrong = returned(history, self.instance.operations, answer)
            wrong = wrong or is_wrong
        return self.histories.number(history), wrong

    def _make_uncalled(self, number: int, control: int) -> tuple[int, ...]:
        before = self.histories[number].before
        return tuple(
            each
            for each, operation in enumerate(self.instance.operations)
            if operation.control == control and before[each] is None
        )

    def _make_changed(self, number: int, place: int | None, vault: Vault, late: Late) -> int:
        vaults, model = list(self.vaults[number]), self.instance.model
        if place is not None:
            vaults[place] = vault
        for each, value in late:
            vaults[each] = model.remember(vaults[each], value)
        return self.vaults.number(tuple(model.tidied(each) for each in vaults))

    def _make_sorted(self, number: int) -> tuple[int, tuple[int, ...]]:
        """The vaults' states in order, and each order of the vaults that leads there."""
        vaults = self.vaults[number]
        if len(self.instance.routes) > 1:
            return number, (0,)
        lined_up = tuple(sorted(vaults))
        orders = [
            number
            for number, order in enumerate(self.machine.orders)
            if all(lined_up[new] == vaults[old] for old, new in enumerate(order))
        ]
        return self.vaults.number(lined_up), tuple(orders)

    def folded(self, state: State) -> State:
        """The one of all states that differ from this one in the vaults' numbers alone."""
        vaults, orders = self._sorted(state.vaults)
        one, two = state.controls
        renumbered = self.machine.renumbered
        controls = min([(renumbered(one, order), renumbered(two, order)) for order in orders])
        return State(vaults, controls, *state[2:])
