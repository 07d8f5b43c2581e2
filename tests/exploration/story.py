"""A path through a world in plain words, one line a step.

The search folds symmetric vaults, so vaults may have changed names on its path. The story goes the same way without
folding: at each step it takes an action that leads to the next state's fold.
"""

from collections.abc import Iterator
from typing import Any

from tests.exploration.key import NAMES
from tests.exploration.machine import Return
from tests.exploration.search import Report
from tests.exploration.world import Action, State, World


def tell(world: World, report: Report) -> list[str]:
    """The story of a violation."""
    teller = _Teller(world)
    path = replay(world, report)
    for state, action in path:
        teller.tell(state, action)
    return [f"{number:2}. {line}" for number, line in enumerate(teller.lines, 1)] + [f"    But {path[-1][1].wrong}."]


def replay(world: World, report: Report) -> list[tuple[State, Action]]:
    """Each state on the way to a violation, unfolded, and what happened in it."""
    assert report.violation is not None
    state, path = world.first(), []
    for following in report.path[1:]:
        action = next(each for each in world.actions(state) if world.folded(each.state) == following)
        path.append((state, action))
        state = action.state
    goal = world.folded(report.violation.state)
    path.append((state, next(each for each in world.actions(state) if each.wrong and world.folded(each.state) == goal)))
    return path


class _Teller:
    def __init__(self, world: World) -> None:
        self._world = world
        self.lines: list[str] = []

    def tell(self, state: State, action: Action) -> None:
        lines = list(self._lines(state, action))
        lines[-1] += "".join(self._answer(each) for each in action.returns)
        self.lines += lines

    def _lines(self, state: State, action: Action) -> Iterator[str]:
        at = dict(enumerate(state.controls))
        for words in action.words:
            match words:
                case ("late", int() as place, value):
                    yield f"the late store of {value} reaches vault {_name(place)}"
                case ("vault", int() as place, what):
                    yield f"vault {_name(place)} {what}"
                case ("route",):
                    yield "the addresses are put right: each leads to a vault of its own"
                case (int() as control, *rest):
                    sent = self._world.machine.points[at[control]].stores
                    yield self._by_control(control, rest, sent, state, action)
                    event = rest if rest[0] in _OWN else None
                    if event is not None:
                        at[control], _ = self._world.machine.step(at[control], tuple(event))

    def _by_control(self, control: int, words: list[Any], sent: tuple[int, ...], state: State, action: Action) -> str:
        who = f"control {control + 1}"
        match words:
            case ["write", value, _]:
                return f"write {value} is called at {who}"
            case ["read", number]:
                return f"{self._operation(number)} is called at {who}"
            case ["store_failed", address]:
                return f"{who} gives up on its store of {sent[address]} to vault {_name(address)}; it may still come"
            case ["read_failed", address]:
                return f"{who} gives up on its read of vault {_name(address)}"
            case ["rested", address, kind]:
                return f"{who} has left vault {_name(address)} alone for long enough, and asks it ({kind}s) again"
            case _:
                return self._exchange(who, words, sent, state, action)

    def _exchange(self, who: str, words: list[Any], sent: tuple[int, ...], state: State, action: Action) -> str:
        if words[0] == "expire":
            return f"the deadline of a round of {who} passes"
        what, address, place = words
        before, after = (self._world.vaults[each.vaults][place].shown for each in (state, action.state))
        vault, value = _vault(address, place), sent[address]
        return {
            "meets read": f"vault {vault} tells {who} that it holds {before}",
            "meets store": f"vault {vault} has the store of {value} from {who}, holds {after} and answers",
            "answer lost": f"vault {vault} takes {value} from {who}, but its answer is lost; {who} gives up on it",
            "begins": f"vault {vault} shows {after}, and begins to store it for {who}",
            "sync fails": f"the sync of {value} from {who} fails in vault {vault}",
        }[what]

    def _answer(self, answer: Return) -> str:
        number, ending, value = answer
        end = {
            "committed": "is answered 200",
            "undecided": "is answered 500",
            "declined": f"is answered 400, for {value} is committed",
            "holds": f"returns {value}",
            "inconsistent": "is answered 500",
        }[ending]
        return f"; {self._operation(number)} {end}"

    def _operation(self, number: int) -> str:
        operations = self._world.instance.operations
        if operations[number].value is not None:
            return f"write {operations[number].value}"
        reads = [each for each, operation in enumerate(operations) if operation.value is None]
        return "the read" if len(reads) == 1 else f"read {'ab'[reads.index(number)]}"


_OWN = {"write", "read", "store_failed", "read_failed", "rested", "expire"}


def _name(place: int) -> str:
    return NAMES[place]


def _vault(address: int, place: int) -> str:
    return _name(place) if address == place else f"{_name(place)} (at the address of {_name(address)})"
