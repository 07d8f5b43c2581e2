"""A path through a world in plain words, one line a step.

The search takes places for one another, so places may have changed names on its path. The story goes the same way
without that: at each step it takes an action that leads to the next state's fold.
"""

from collections.abc import Callable, Sequence

from tests.exploration.membership.answers import Answer, consistent_majority
from tests.exploration.membership.search import Report
from tests.exploration.membership.vaults import Words
from tests.exploration.membership.world import Action, State, World

Step = tuple[State, Action]


def tell(world: World, report: Report) -> list[str]:
    """The story of a violation."""
    path = replay(world, report)
    wrong = path[-1][1].state
    zeros = consistent_majority(world.answers[wrong.answers], world.instance.vaults)
    assert zeros is not None
    lines: list[str] = []
    for before, action in path:
        after = action.state
        line = sentence(action.words)
        if after.committed and not before.committed:
            line += f"; v is committed, by {_listed(_committed_by(world, before, action))}"
        was = _newly(world, before, after, zeros)
        if was:
            line += f"; {_listed(was)} may answer a read from now on, without v"
        lines.append(line)
    told = [f"{number:2}. {line}" for number, line in enumerate(lines, 1)]
    return [*told, f"    But {_listed([each.identity for each in zeros])} are a majority that knows nothing of v."]


def replay(world: World, report: Report) -> list[Step]:
    """Each state on the way to a violation, with the names that the places had at first, and what happened in it."""
    state, path = world.first(), []
    for following in report.path[1:]:
        action = next(each for each in world.actions(state) if world.folded(each.state) == following)
        path.append((state, action))
        state = action.state
    return path


def _committed_by(world: World, before: State, action: Action) -> list[str]:
    """Whose acknowledgements are enough: those from before, and those that this step has added."""
    some = consistent_majority(world.acknowledged(before, action.state), world.instance.vaults)
    assert some is not None
    return [each.identity for each in some]


def _newly(world: World, before: State, after: State, wanted: tuple[Answer, ...]) -> list[str]:
    """Whose answer of those that make the violation is new."""
    if not after.committed:
        return []
    known = world.answers[before.answers] if before.committed else frozenset()
    return [each.identity for each in wanted if each in world.answers[after.answers] and each not in known]


def sentence(words: Words) -> str:
    """What one action was."""
    kind, *rest = words
    return _SENTENCES[kind](*rest)


def _loss(place: str, lost: str, new: str, address: str | None) -> str:
    where = f", at the new address {address}" if address else ""
    return f"vault {place} loses its disk: {new} comes in the place of {lost}, empty{where}"


def _ask(one: str, others: tuple[str, ...]) -> str:
    return f"{one} asks {_listed(others)} what {'it is' if len(others) == 1 else 'they are'}"


def _fence(told: str) -> Callable[..., str]:
    def tell_of(one: str, other: str, fenced: tuple[str, ...], value: int) -> str:
        return f"{one} asks {other} to fence; {other} holds {_value(value)}, has {_listed(fenced)} fenced, {told}"

    return tell_of


_SENTENCES: dict[str, Callable[..., str]] = {
    "loss": _loss,
    "store": "{} stores v and acknowledges it".format,
    "ask": _ask,
    "hear": lambda one, others: f"{one} decides by what it heard of {_listed(others)}",
    "crash": "{} crashes and is started again".format,
    "late": lambda one, other, value: f"{one} hears late that {other} has fenced, and held {_value(value)}",
    "join": lambda one, value: f"{one} joins with {_value(value)}: it is formed, and votes",
    "half join": lambda one, value: f"{one} stores {_value(value)}, and crashes before it writes that it is formed",
    "fence": _fence("and says so"),
    "fence late": _fence("and its answer is on its way"),
    "fence unheard": _fence("and its answer is lost"),
}


def _value(value: int) -> str:
    return "v" if value else "nothing"


def _listed(names: Sequence[str]) -> str:
    *most, last = names or ["nobody"]
    return f"{', '.join(most)} and {last}" if most else last
