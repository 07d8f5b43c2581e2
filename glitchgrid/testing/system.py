"""A simulated test, as the laboratory has to be told of it: its machines, its plans, its picture."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import evolve, field, frozen

from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.layout import Layout, Link
from glitchgrid.lab.limits import text
from glitchgrid.lab.picture.model import Lane, LaneKind
from glitchgrid.lab.picture.model import Operation as Drawn
from glitchgrid.lab.plan.plan import Environment, Habits, Plan
from glitchgrid.lab.plan.simpler import PLAIN_LATENCY_US, plainer_environment
from glitchgrid.lab.plan.vocabulary import Vocabulary
from glitchgrid.lab.system import Acts, Deployment, Run, Runner, System
from glitchgrid.lab.trace.transcript import Message
from glitchgrid.lab.verdict import STATEMENT, Oracles
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.testing import faults

ASSERTION = "assertion"
"""The test itself."""

ALWAYS = "always"
EVENTUALLY = "eventually"
CRASH = "crash"
"""A function that a test runs on a machine has raised something."""

ENDED = "ended"
"""A program has ended by itself, and not well."""

HISTORY = "history"
HANG = "hang"
"""The run took too long in real time."""

DIED = "died"
"""The real process of the run has ended in the middle of it."""

END = "end"


def _names(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _all_names(_layout: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(type(each) is str for each in value):
        raise ValueError(f"{attribute.name} is {value!r}, and no list of names")


@frozen
class TestLayout(Layout):
    """The machines of a test.

    :ivar test: where it stands: FILE::NAME.
    :ivar names: all that it has named.
    :ivar targets: those that faults are for.
    """

    __test__ = False
    system: ClassVar[str] = "glitchgrid.testing.system:TESTS"
    test: str = field(validator=text)
    names: Sequence[str] = field(default=(), converter=_names, validator=_all_names)
    targets: Sequence[str] = field(default=(), converter=_names, validator=_all_names)

    @property
    def servers(self) -> Sequence[str]:
        return self.targets

    @property
    def keepers(self) -> Sequence[str]:
        return self.targets

    @property
    def machines(self) -> Sequence[str]:
        return self.names

    def draw_link(self, rng: RandomStream) -> Link:
        one = rng.pick(self.targets)
        other = rng.pick([each for each in self.names if each != one] or [one])
        return (one, other) if rng.below(2) else (other, one)


class _Vocabulary(Vocabulary):
    """Its kinds are found when they are asked for: a test makes some of its own."""

    @property
    def kinds(self) -> Mapping[str, type[Fault]]:
        return faults.kinds()


PLAIN = Environment(
    latency_us=PLAIN_LATENCY_US, loss_per_mille=0, cuts_segments=False, drift_ppm=0, disk_slowness=1, by_name=True
)


def read(data: bytes, start: int) -> Message | None:
    """Lines of text as such, and whatever else as so many bytes."""
    end = data.find(b"\n", start)
    if end < 0:
        return None
    line = data[start : end + 1].rstrip(b"\r\n")
    if not line.isascii() or not line.decode("ascii").isprintable():
        return None
    return Message(end + 1, line.decode("ascii"))


class TestSystem(System):
    __test__ = False
    plans = _Vocabulary(TestLayout, Habits, lambda _rng: Habits(), (), (), (END,))
    simpler = (plainer_environment,)
    oracles = Oracles(
        outside=(ASSERTION, HISTORY, EVENTUALLY), inside=(ALWAYS, STATEMENT, CRASH, ENDED, HANG, DIED), excused=()
    )
    lines: Sequence[str] = ()
    package = ""
    read = staticmethod(read)
    glitches: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self._runner: Runner | None = None

    @property
    def runner(self) -> Runner:
        """Who runs tests: a process elsewhere, unless it was set."""
        if self._runner is None:
            from glitchgrid.testing.elsewhere import Elsewhere  # noqa: PLC0415 - it needs what is here

            self._runner = Elsewhere()
        return self._runner

    @runner.setter
    def runner(self, runner: Runner) -> None:
        self._runner = runner

    def draw_layout(self, seed: str) -> Layout:
        raise NotImplementedError("a test says itself which machines there are")

    def deploy(self, run: Run) -> Deployment:
        raise NotImplementedError("a test deploys itself")

    def lanes(self, layout: Layout, others: Sequence[str]) -> Sequence[Lane]:
        return [
            *(Lane(name, LaneKind.KEEPER) for name in layout.servers),
            *(Lane(name, LaneKind.SERVER) for name in layout.machines if name not in layout.servers),
            *(Lane(name, LaneKind.SERVER) for name in others),
        ]

    def acts(self, history: str, wrong: "frozenset[int]") -> Acts:
        """Its history is JSON, an operation a line."""
        operations = []
        for number, line in enumerate(history.splitlines()):
            data = json.loads(line)
            operations.append(
                Drawn(
                    lane=data["client"],
                    op=number,
                    kind="write" if data["argument"] is not None else "read",
                    text=data["text"],
                    detail=data["detail"],
                    called_ns=data["call_ns"],
                    returned_ns=data["return_ns"],
                    outcome=data["outcome"],
                    is_wrong=number in wrong,
                )
            )
        return Acts([], operations, {})


TESTS = TestSystem()


def plan_of(layout: Layout, seed: str) -> Plan:
    """A plan without faults."""
    return Plan(seed, layout, PLAIN, Habits(), (), END)


def layout_of(plan: Plan) -> TestLayout:
    assert isinstance(plan.layout, TestLayout)
    return plan.layout


def with_layout(plan: Plan, **changes: Any) -> Plan:
    return evolve(plan, layout=evolve(layout_of(plan), **changes))
