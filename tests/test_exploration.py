"""The register's conditions, explored: see `tests.exploration` and docs/explanation/correctness.md.

No TestCase: the exploration takes its time, and trial would run it a second time.
"""

import random
from contextlib import nullcontext
from unittest import mock

import pytest

from glitchgrid.outcome import Refused, Stored
from glitchgrid.protocol.coordinator import Coordinator
from tests.exploration.breaks import BREAKS, Break
from tests.exploration.brute import Attempt, attempts_of, is_linearizable
from tests.exploration.instances import SMALL, instance
from tests.exploration.key import Order, key_of, renumber
from tests.exploration.machine import Event, Machine, happen
from tests.exploration.plans import Planner
from tests.exploration.search import search
from tests.exploration.story import replay, tell
from tests.exploration.world import Action, Instance, State, World

STEPS = {
    "no-guard": 11,
    "answer-before-sync": 9,
    "show-before-sync": 12,
    "time-out-counts": 8,
    "any-412-counts": 12,
    "half-is-enough": 5,
    "same-vault-twice": 9,
    "no-write-back": 10,
    "join-running-round": 9,
}
"""How long the shortest story of each break is. (The others take longer to explore: `make explore` does.)"""


@pytest.mark.parametrize("name", SMALL)
def test_the_intact_protocol_has_no_violation(name: str) -> None:
    report = search(World(instance(name)))
    assert report.complete
    assert report.violation is None


def test_nor_with_time_outs_and_a_failed_sync() -> None:
    report = search(World(instance("w1|r", time_outs=2, failed_syncs=1)))
    assert report.complete
    assert report.violation is None


@pytest.mark.parametrize("name", STEPS)
def test_each_condition_is_needed(name: str) -> None:
    each = BREAKS[name]
    with each.patch():
        world = World(each.instance)
        report = search(world)
        assert report.violation is not None
        story = tell(world, report)
        path = replay(world, report)
    assert is_linearizable(attempts_of(world, path[:-1]))
    assert not is_linearizable(attempts_of(world, path))
    assert report.steps == STEPS[name] == len(story) - 1, "\n".join(story)


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in STEPS if name not in {"no-guard", "any-412-counts"}])
def test_and_with_it_the_same_instance_has_no_violation(name: str) -> None:
    report = search(World(BREAKS[name].intact))
    assert report.complete
    assert report.violation is None


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["answer-before-sync", "time-out-counts", "no-write-back", "join-running-round"])
def test_leaving_actions_for_later_leaves_out_no_shorter_story(name: str) -> None:
    """The second argument of `tests.exploration.plans`, by experiment: without it, much more is explored."""
    with BREAKS[name].patch(), mock.patch.object(Planner, "_can_wait", return_value=()):
        report = search(World(BREAKS[name].instance))
    assert report.steps == STEPS[name]


def random_path(world: World, chance: random.Random) -> list[tuple[State, Action]]:
    state, path = world.first(), []
    while actions := list(world.actions(state)):
        action = chance.choice(actions)
        path.append((state, action))
        if action.wrong or len(path) > 60:
            break
        state = action.state
    return path


@pytest.mark.parametrize("each", [None, *BREAKS.values()], ids=["intact", *BREAKS])
def test_the_rules_agree_with_a_search_for_an_order(each: Break | None) -> None:
    explored: Instance = instance("w1r|w2r", time_outs=1) if each is None else each.instance
    chance = random.Random(7)
    with each.patch() if each else nullcontext():
        world = World(explored)
        for _ in range(60):
            path = random_path(world, chance)
            attempts = attempts_of(world, path)
            assert is_linearizable(attempts) == (not path[-1][1].wrong), attempts


def test_the_search_for_an_order_knows_the_third_rule() -> None:
    late = [Attempt(False, 2, 0, 6), Attempt(True, 8, 2, 3), Attempt(True, 2, 5, 8)]
    assert not is_linearizable(late)
    assert is_linearizable([late[0], late[1], Attempt(True, 2, 1, 8)])


def met(time_outs: int = 1) -> Machine:
    """A machine with the states of a small instance."""
    world = World(instance("w1|r", time_outs))
    search(world)
    return world.machine


def events_at(machine: Machine, number: int) -> list[Event]:
    point = machine.points[number]
    answers = [("read_answered", each, "ABC"[each], 1) for each, busy in enumerate(point.reads) if busy]
    stores = [
        ("store_answered", each, "ABC"[each], answer)
        for each, sent in enumerate(point.stores)
        for answer in (Stored(sent), Refused(2))
        if sent
    ]
    return [*point.events, *answers, *stores, ("read", 7), ("write", 2, 8)]


@pytest.mark.thorough
def test_a_coordinator_treats_all_vaults_alike() -> None:
    machine = met()
    for number in range(1, len(machine)):
        for order in machine.orders:
            for event in events_at(machine, number):
                if event[0] == "expire":
                    continue
                one, other = machine.thaw(number), machine.thaw(number)
                told = happen(one, event)
                renumber(one, order)
                renumber(other, order)
                told_other = happen(other, elsewhere(event, order))
                assert (sorted(told_other), key_of(other)) == (sorted(told), key_of(one)), event


def elsewhere(event: Event, order: Order) -> Event:
    """The same event at the vault that has the other number."""
    match event:
        case (("read_answered" | "store_answered") as kind, int() as vault, _, answer):
            return (kind, order[vault], "ABC"[order[vault]], answer)
        case (("store_failed" | "read_failed" | "rested") as kind, int() as vault, *rest):
            return (kind, order[vault], *rest)
    return event


@pytest.mark.thorough
def test_coordinators_with_one_key_behave_alike() -> None:
    """Two ways to one key are rarely two like objects: what the key leaves out must not matter."""
    machine, chance = met(), random.Random(3)
    for _ in range(1000):
        core: Coordinator[int] = machine.thaw(machine.start)
        number = machine.start
        for _ in range(25):
            event = chance.choice(events_at(machine, number))
            if event[0] in {"read", "write"} and chance.random() < 0.7:
                continue
            number, told = machine.step(number, event)
            assert happen(core, event) == told
            assert key_of(core) == key_of(machine.thaw(number))
