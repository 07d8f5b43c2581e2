"""One run of what a directory has: a timeline of test commands, or a simulated run that was kept."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import field, frozen

from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.checkers.result import CannotSay, CheckResult, NotLinearizable
from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.calls import CALLS, Call, read_calls
from glitchgrid.lab.composer.faults import Fault, read_faults
from glitchgrid.lab.composer.servers import Lived, Said, Sent, read_lives, read_said, read_sent
from glitchgrid.lab.errors import CannotRun, HistoryInvalid
from glitchgrid.lab.history.format import lines_of, read_history
from glitchgrid.lab.history.merging import HISTORY, read_merged
from glitchgrid.lab.history.operation import History
from glitchgrid.lab.report.sdk import SDK_OUTPUT, Evidence, read_evidence

TIMELINE = "timeline.jsonl"
TIMELINES = "timeline-*"
HISTORY_SUFFIX = ".history.jsonl"
PLAN_SUFFIX = ".plan.json"
SIMULATED = f"seed-*{HISTORY_SUFFIX}"


@frozen
class About:
    """What whoever ran it has written down of it.

    :ivar history: the model of the history; empty for a max-register's.
    :ivar keepers: those members that keep something on their disks.
    """

    template: str
    seed: int
    glitch: str | None
    members: tuple[str, ...]
    history: str = ""
    keepers: tuple[str, ...] = ()


@frozen(slots=False)
class Part:
    """:ivar lives: where nobody has written them down, they follow from the faults.
    :ivar history: None where no client has recorded anything.
    :ivar plan: the file with the plan of a simulated run, where it is there.
    """

    name: str
    about: About | None = None
    evidence: Evidence = field(factory=Evidence)
    calls: tuple[Call, ...] = ()
    faults: tuple[Fault, ...] = ()
    lives: tuple[Lived, ...] = ()
    said: tuple[Said, ...] = ()
    sent: tuple[Sent, ...] = ()
    history: History | None = None
    plan: Path | None = None

    @property
    def model(self) -> Model | None:
        """None for a max-register, whose history has a form of its own."""
        named = MODELS.get(self.about.history) if self.about is not None else None
        return None if named is None else named()

    @cached_property
    def verdict(self) -> CheckResult:
        if self.history is None:
            return CannotSay("there is no history")
        return check(self.history) if self.model is None else judge(self.history, self.model)

    @property
    def is_violated(self) -> bool:
        return isinstance(self.verdict, NotLinearizable)


def read_parts(directory: Path) -> list[Part]:
    """All that there are: timelines each in a directory of its own, a timeline in `directory` itself, simulated runs.

    :raises CannotRun: when something is not what it should be.
    """
    try:
        return [*_timelines(directory), *_simulated(directory)]
    except HistoryInvalid as error:
        raise CannotRun(f"{directory}: {error}") from error


def _timelines(directory: Path) -> Iterator[Part]:
    places = sorted(directory.glob(TIMELINES), key=lambda path: (len(path.name), path.name))
    for place in (directory, *places):
        if any((place / name).exists() for name in (SDK_OUTPUT, CALLS, HISTORY)):
            yield _timeline(place)


def _timeline(place: Path) -> Part:
    output = place / SDK_OUTPUT
    about = read_about(place)
    has_history = any((place / HISTORY).glob("*.jsonl"))
    return Part(
        place.name,
        about[0] if about else None,
        read_evidence(output) if output.exists() else Evidence(),
        read_calls(place),
        read_faults(place),
        read_lives(place),
        read_said(place),
        read_sent(place),
        read_merged(place / HISTORY) if has_history else None,
    )


def read_about(place: Path) -> tuple[About, ...]:
    """One, or none where nobody has written it down.

    :raises CannotRun: for what is no such thing.
    """
    return lines.read(place / TIMELINE, _about)


def _about(fields: dict[str, Any]) -> About:
    lists = {name: tuple(fields.get(name, ())) for name in ("members", "keepers")}
    return About(**{**fields, **lists})


def _simulated(directory: Path) -> Iterator[Part]:
    for path in sorted(directory.glob(SIMULATED), key=lambda path: (len(path.name), path.name)):
        with path.open("rb") as file:
            name = path.name.removesuffix(HISTORY_SUFFIX)
            plan = path.with_name(f"{name}{PLAN_SUFFIX}")
            yield Part(name, history=read_history(lines_of(file)), plan=plan if plan.exists() else None)
