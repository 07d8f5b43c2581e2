"""Through a world in the order of the number of steps, so that the first violation found is a shortest one."""

import resource
import time
from collections import defaultdict

from attrs import frozen

from tests.exploration.world import Action, State, World

_FIRST = -1


@frozen
class Report:
    """What a search has seen; `path` leads from the first state to the one before the `violation`."""

    states: int
    transitions: int
    coordinators: int
    seconds: float
    peak_mib: int
    complete: bool
    path: tuple[State, ...] = ()
    violation: Action | None = None
    steps: int = 0
    """How many the story has."""


def search(world: World, limit_s: float = float("inf")) -> Report:
    """Explore all of a world, or as far as a shortest violation.

    An action has one or more steps. States wait under the number of steps that leads to them, and count as seen, with
    the state that they were reached from, when their turn comes.
    """
    began = time.monotonic()
    waiting: dict[int, list[tuple[int, int, Action | None]]] = defaultdict(list)
    waiting[0].append((pack(world.folded(world.first())), _FIRST, None))
    came_from: dict[int, int] = {}
    transitions = steps = 0
    violation: Action | None = None
    source = _FIRST
    while waiting and violation is None and time.monotonic() - began < limit_s:
        steps = min(waiting)
        for packed, source, violation in waiting.pop(steps):
            if violation is not None:
                break
            if packed in came_from:
                continue
            came_from[packed] = source
            for action in world.actions(unpack(packed)):
                transitions += 1
                key = pack(world.folded(action.state))
                if action.wrong:
                    waiting[steps + len(action.words)].append((key, packed, action))
                elif key not in came_from:
                    waiting[steps + len(action.words)].append((key, packed, None))
    return Report(
        states=len(came_from),
        transitions=transitions,
        coordinators=len(world.machine),
        seconds=time.monotonic() - began,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        complete=not waiting,
        path=path_to(source, came_from) if violation else (),
        violation=violation,
        steps=steps,
    )


def path_to(packed: int, came_from: dict[int, int]) -> tuple[State, ...]:
    path = []
    while packed != _FIRST:
        path.append(unpack(packed))
        packed = came_from[packed]
    return tuple(reversed(path))


def pack(state: State) -> int:
    """A state as one number: a fifth of the memory."""
    vaults, (one, two), history, time_outs, syncs, route = state
    assert max(one, two) < 1 << 24
    assert history < 1 << 16
    assert max(time_outs, syncs, route) < 1 << 4
    return (((vaults << 24 | one) << 24 | two) << 16 | history) << 12 | time_outs << 8 | syncs << 4 | route


def unpack(packed: int) -> State:
    one, two = packed >> 52 & 0xFFFFFF, packed >> 28 & 0xFFFFFF
    return State(packed >> 76, (one, two), packed >> 12 & 0xFFFF, packed >> 8 & 15, packed >> 4 & 15, packed & 15)
