"""Through a world in the order of the number of steps, so that the first violation found is a shortest one."""

import resource
import time

from attrs import frozen

from glitchgrid.protocol.member import Phase
from tests.exploration.membership.world import State, World


@frozen
class Report:
    """What a search has seen.

    :ivar path: from the first state to one that is violated; empty where none was found.
    :ivar came_from: the state before each that was seen.
    """

    transitions: int
    seconds: float
    peak_mib: int
    complete: bool
    steps: int
    path: tuple[State, ...]
    came_from: dict[State, State | None]

    @property
    def states(self) -> int:
        return len(self.came_from)


def search(world: World, limit_s: float = float("inf")) -> Report:
    """Explore all of a world, or as far as a shortest violation."""
    began = time.monotonic()
    first = world.folded(world.first())
    came_from: dict[State, State | None] = {first: None}
    level, transitions, steps = [first], 0, 0
    wrong: State | None = None
    in_time = True
    while level and wrong is None and in_time:
        steps += 1
        following: list[State] = []
        for state in level:
            for action in world.actions(state):
                transitions += 1
                after = world.folded(action.state)
                if after not in came_from:
                    came_from[after] = state
                    following.append(after)
                    if wrong is None and world.violated(after):
                        wrong = after
            in_time = time.monotonic() - began < limit_s
            if wrong is not None or not in_time:
                break
        level = following
    return Report(
        transitions,
        time.monotonic() - began,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        wrong is None and in_time,
        steps,
        path_to(wrong, came_from),
        came_from,
    )


def path_to(state: State | None, came_from: dict[State, State | None]) -> tuple[State, ...]:
    path = []
    while state is not None:
        path.append(state)
        state = came_from[state]
    return tuple(reversed(path))


@frozen
class Ends:
    """Where a world comes to rest when no disk is lost, no vault crashes, and vaults do all that they can.

    :ivar formed: states in which all vaults are formed, and nobody has fenced them.
    :ivar at_rest: of these, how many where no vault has anything left to do.
    :ivar dead: states that no such state can be reached from.
    """

    formed: int
    at_rest: int
    dead: tuple[State, ...]


def ends(world: World, report: Report) -> Ends:
    before: dict[State, list[State]] = {state: [] for state in report.came_from}
    good, at_rest = [], 0
    for state in report.came_from:
        after = {world.folded(action.state) for action in world.progress(state)} - {state}
        for each in after:
            before[each].append(state)
        if is_well(world, state):
            good.append(state)
            at_rest += not after
    alive, waiting = set(good), list(good)
    while waiting:
        for each in before[waiting.pop()]:
            if each not in alive:
                alive.add(each)
                waiting.append(each)
    return Ends(len(good), at_rest, tuple(each for each in report.came_from if each not in alive))


def is_well(world: World, state: State) -> bool:
    vaults = world.at(state)
    fenced = frozenset[str]().union(*(world.model.fences(each) for each in vaults))
    return all(each.phase is Phase.FORMED and each.identity not in fenced for each in vaults)
