"""What real coordinators count, beside what the exploration of membership takes for a quorum.

That exploration has no controls. It takes any consistent set of answers that was ever given for a quorum
(`tests.exploration.membership.answers`), whoever counted it, in whatever order it came. This says that no control
counts anything else. A real `Coordinator` with operations in progress is fed with what vaults may say, while some of
them are replaced: the disk that was, or the one that took its place; the value or nothing; those of the fences that are
known to whoever answers. Another control is in there as well: vaults may have the value from that one, and what two
controls know of each other comes by way of vaults alone. Of an answer that the coordinator gives this is asked:

- A write that commits, and a read that returns the value: a consistent majority has said that it holds it.
- A read that returns that nothing was written: a consistent majority has said so, each since the read began.
"""

import pickle
import random
import time
from collections.abc import Callable, Iterator
from itertools import chain, combinations
from typing import Any, NamedTuple

from attrs import field, frozen

from glitchgrid.outcome import Stored
from glitchgrid.protocol.coordinator import Coordinator
from tests.exploration.key import Core, key_of
from tests.exploration.machine import happen
from tests.exploration.membership.answers import Answer, Answers, consistent_majority, with_answer

VALUE = 1
NOTHING: Answers = frozenset()
EVENTS_MAX = 60
"""Of a walk, whose operations have all returned long before, as a rule."""

Event = tuple[Any, ...]
Fences = frozenset[str]


def heeds(core: Core, fences: Fences, count: Callable[[], Any]) -> Any:
    """How control takes an answer: what it says of fences first."""
    core.fence(fences)
    return count()


@frozen
class Instance:
    """:ivar replaced: the places whose disks were replaced: the old vault may answer there, or the new one.
    :ivar failures: how many requests may get no answer.
    :ivar knows: the control knows at first what the register holds: nothing.
    :ivar heeds: takes an answer.
    """

    writes: int = 1
    reads: int = 1
    vaults: int = 3
    replaced: str = "A"
    failures: int = 0
    knows: bool = True
    core: type[Core] = Coordinator
    heeds: Callable[[Core, Fences, Callable[[], Any]], Any] = heeds
    identities: tuple[tuple[str, ...], ...] = field(init=False)
    fences: tuple[Fences, ...] = field(init=False)

    @identities.default
    def _make_identities(self) -> tuple[tuple[str, ...], ...]:
        letters = "ABCDE"[: self.vaults]
        return tuple((f"{each}0", f"{each}1") if each in self.replaced else (f"{each}0",) for each in letters)

    @fences.default
    def _make_fences(self) -> tuple[Fences, ...]:
        old = [f"{each}0" for each in self.replaced]
        some = chain.from_iterable(combinations(old, number) for number in range(len(old) + 1))
        return tuple(map(frozenset, some))

    def first(self) -> "State":
        core = self.core(self.vaults)
        if self.knows:
            core.floor = 0
        operations = self.writes + self.reads
        return State(core, Heard((False,) * operations, operations, NOTHING, (None,) * operations, self.failures))

    def answers(self, vault: int, heard: "Heard") -> Iterator[tuple[str, int, Fences]]:
        """What may come from there: a vault never holds less than before, nor knows of fewer fences.

        The new one in a place names the old one; the old one has not heard of that.
        """
        for identity in self.identities[vault]:
            least, known = heard.latest_of(identity)
            own = frozenset({f"{identity[0]}0"}) if identity[1] == "1" else frozenset[str]()
            for fences in self.fences:
                if fences >= known | own and identity not in fences:
                    for value in range(least, VALUE + 1):
                        yield identity, value, fences


class Heard(NamedTuple):
    """What the control was told, and what it has to answer.

    :ivar called: which operations have begun: writes, then reads.
    :ivar left: how many have not returned.
    :ivar holding: what vaults said that held the value.
    :ivar empty: what vaults said that held nothing, since each operation began; None for one that is not going on.
    :ivar failures: how many requests may still get no answer.
    :ivar latest: what each vault said last.
    """

    called: tuple[bool, ...]
    left: int
    holding: Answers
    empty: tuple[Answers | None, ...]
    failures: int
    latest: frozenset[tuple[str, int, Fences]] = frozenset()

    def latest_of(self, identity: str) -> tuple[int, Fences]:
        return next(((value, fences) for each, value, fences in self.latest if each == identity), (0, frozenset()))

    def told(self, answer: Answer, value: int) -> "Heard":
        others = [each for each in self.latest if each[0] != answer.identity]
        told = self._replace(latest=frozenset([*others, (answer.identity, value, answer.fenced)]))
        if value:
            return told._replace(holding=with_answer(told.holding, answer))
        return told._replace(empty=tuple(each if each is None else with_answer(each, answer) for each in told.empty))

    def calls(self, number: int) -> "Heard":
        return self._replace(called=_put(self.called, number, True), empty=_put(self.empty, number, NOTHING))

    def returned(self, number: int) -> "Heard":
        return self._replace(left=self.left - 1, empty=_put(self.empty, number, None))


def _put(items: tuple[Any, ...], number: int, item: Any) -> tuple[Any, ...]:
    return (*items[:number], item, *items[number + 1 :])


class State(NamedTuple):
    core: Core
    heard: Heard

    @property
    def key(self) -> Any:
        """The coordinator's own key leaves out what matters only where somebody was replaced."""
        vaults = [(each.voter, each.stores.doubtful, each.reads.doubtful) for each in self.core._vaults]
        return key_of(self.core), self.core._fenced, tuple(vaults), self.heard

    def events(self, instance: Instance) -> Iterator[Event]:
        if not self.heard.left:
            return
        for number, called in enumerate(self.heard.called):
            if not called:
                yield ("write", VALUE, number) if number < instance.writes else ("read", number)
        for vault in self.core._vaults:
            for kind, queue in (("store", vault.stores), ("read", vault.reads)):
                if queue.busy:
                    yield from self._ends(instance, kind, vault.number)
                if queue.resting:
                    yield ("rested", vault.number, kind)

    def _ends(self, instance: Instance, kind: str, vault: int) -> Iterator[Event]:
        """A request is answered, or fails."""
        for identity, value, fences in instance.answers(vault, self.heard):
            if kind == "read" or value:
                yield (f"{kind}_answered", vault, identity, value, fences)
        if self.heard.failures:
            yield (f"{kind}_failed", vault)

    def after(self, instance: Instance, event: Event) -> tuple["State", str]:
        """Feed the coordinator, which is changed. Returns what is wrong with an answer that it gives, too."""
        core, heard = self
        match event:
            case ("write" | "read", *_, number):
                heard, returns = heard.calls(number), happen(core, event)
            case ("store_answered" | "read_answered" as method, vault, identity, value, fences):
                heard = heard.told(Answer(identity[0], identity, fences), value)
                told = method, vault, identity, Stored(value) if method == "store_answered" else value
                returns = instance.heeds(core, fences, lambda: happen(core, told))
            case ("rested", *_):
                returns = happen(core, event)
            case _:
                heard, returns = heard._replace(failures=heard.failures - 1), happen(core, event)
        for number, ending, value in returns:
            if not _may_say(heard, number, ending, value, instance.vaults):
                return State(core, heard), f"{ending} {value}, and no majority that can be counted together has said so"
            heard = heard.returned(number)
        return State(core, heard), ""


def _may_say(heard: Heard, number: int, ending: str, value: int, vaults: int) -> bool:
    if ending not in ("committed", "holds"):
        return True
    counted = heard.holding if ending == "committed" or value else heard.empty[number]
    return consistent_majority(counted or NOTHING, vaults) is not None


@frozen
class Report:
    """:ivar story: the events that lead to an answer which nobody may give; `wrong` is that answer."""

    states: int
    transitions: int
    complete: bool
    story: tuple[Event, ...] = ()
    wrong: str = ""


def search(instance: Instance, limit_s: float = float("inf")) -> Report:
    """All that may happen, in the order of the number of events: the story is a shortest one."""
    until = time.monotonic() + limit_s
    first = instance.first()
    came_from: dict[Any, tuple[Any, Event] | None] = {first.key: None}
    waiting, transitions = [first], 0
    while waiting:
        following = []
        for state in waiting:
            if time.monotonic() > until:
                return Report(len(came_from), transitions, complete=False)
            key, kept = state.key, pickle.dumps(state.core, pickle.HIGHEST_PROTOCOL)
            for event in state.events(instance):
                transitions += 1
                after, wrong = State(pickle.loads(kept), state.heard).after(instance, event)
                if wrong:
                    story = (*_story(key, came_from), event)
                    return Report(len(came_from), transitions, False, story, wrong)
                if after.key not in came_from:
                    came_from[after.key] = key, event
                    following.append(after)
        waiting = following
    return Report(len(came_from), transitions, complete=True)


def _story(key: Any, came_from: dict[Any, tuple[Any, Event] | None]) -> tuple[Event, ...]:
    events: list[Event] = []
    while (step := came_from[key]) is not None:
        key = step[0]
        events.append(step[1])
    return tuple(reversed(events))


def walk(instance: Instance, seed: int) -> Report:
    """One of the runs of a world that is too large to go through."""
    rng = random.Random(seed)
    state = instance.first()
    story: list[Event] = []
    while len(story) < EVENTS_MAX and (events := list(state.events(instance))):
        story.append(rng.choice(events))
        state, wrong = state.after(instance, story[-1])
        if wrong:
            return Report(len(story), len(story), True, tuple(story), wrong)
    return Report(len(story), len(story), complete=not state.heard.left)


def tell(report: Report) -> list[str]:
    """A story, one line an event."""
    return [*map(_said, report.story), f"the control says: {report.wrong}"]


def _said(event: Event) -> str:
    match event:
        case ("store_answered" | "read_answered" as method, _, identity, value, fences):
            what = "has stored it" if method == "store_answered" else f"holds {value}" if value else "holds nothing"
            return f"{identity} answers that it {what}" + (
                f", and that {', '.join(sorted(fences))} is fenced" if fences else ""
            )
        case ("store_failed" | "read_failed" as method, vault):
            return f"the {method.removesuffix('_failed')} at vault {vault} gets no answer"
        case ("rested", vault, kind):
            return f"vault {vault} may be asked again ({kind})"
    return f"a client calls: {event[0]}"


class KeepsVotes(Coordinator[int]):
    """Who is fenced is known, and what they have voted for counts."""

    def fence(self, identities: Fences) -> None:
        self._fenced |= identities


class ForgetsFences(Coordinator[int]):
    """Votes are taken back, and the next one is counted."""

    def fence(self, identities: Fences) -> None:
        super().fence(identities)
        self._fenced = frozenset()


def heeds_too_late(core: Core, fences: Fences, count: Callable[[], Any]) -> Any:
    """The answer is counted, and then it is seen whom it fences."""
    returns = count()
    core.fence(fences)
    return returns


SMALL = {
    "read": Instance(writes=0, failures=1),
    "write": Instance(reads=0, failures=2),
    "write-two-replaced": Instance(reads=0, replaced="AB"),
}
"""What every run of the tests goes through."""

LARGE = {
    "read-two-replaced": Instance(writes=0, replaced="AB"),
    "write-unknowing": Instance(reads=0, failures=1, knows=False),
}
"""Some minutes each, by `python -m tests.exploration.membership --counting all`."""

INSTANCES = SMALL | LARGE

ALL_AT_ONCE = Instance(writes=2, reads=3, replaced="AB", failures=6, knows=False)
"""Too large to go through."""

BREAKS = {
    "keeps-votes": Instance(writes=0, core=KeepsVotes),
    "forgets-fences": Instance(writes=0, core=ForgetsFences),
    "heeds-too-late": Instance(writes=0, heeds=heeds_too_late),
}
