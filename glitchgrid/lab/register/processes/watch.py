"""What a grid of real processes looks like: what its servers tell, and what their processes do."""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, frozen

from glitchgrid.lab.register.processes.localgrid import HOST, LocalGrid, Member
from glitchgrid.sight.asking import Asker
from glitchgrid.sight.grid import Grid
from glitchgrid.sight.members import Answer
from glitchgrid.vaults.address import VaultAddress

ASK_TIMEOUT_S = 1.5
QUESTIONS = 2
"""So many each server is asked at each look."""


@frozen
class Process:
    """:ivar pid: 0 where it does not run.
    :ivar ended: how it ended, where it does not run.
    """

    pid: int
    ended: str = ""


@frozen
class Look:
    """One look at a grid.

    :ivar processes: by the members' names.
    :ivar per_s: how many requests a second each has answered since the look before, without those of looks.
    """

    grid: Grid
    processes: Mapping[str, Process]
    per_s: Mapping[str, float] = field(factory=dict)

    @property
    def answers(self) -> dict[str, str]:
        """What each member answers, in a word or two; "-" where it does not."""
        found = {}
        for member in (*self.grid.controls, *self.grid.vaults):
            answer = member.answer
            found[member.name] = (
                "-" if answer.problem else answer.text if answer.is_ok else f"{answer.code} {answer.text}"
            )
        return found

    def state(self, name: str) -> str:
        """Of a member: up, down, or alive without an answer."""
        process = self.processes[name]
        if not process.pid:
            return f"down ({process.ended})"
        member = next(each for each in (*self.grid.controls, *self.grid.vaults) if each.name == name)
        return "up" if member.is_up else "no answer"


@frozen
class _Counted:
    """:ivar others: how many of the requests answered were not ours, those before the first look among them."""

    answered: int
    others: int
    ours: int
    at_s: float


class Watch:
    """Asks every member of a grid what it holds.

    :param timeout_s: one that has not answered by then does not.
    :param reads_every: controls read at each so many looks: a read asks all vaults.
    """

    def __init__(self, reactor: Any, grid: LocalGrid, timeout_s: float = ASK_TIMEOUT_S, reads_every: int = 1) -> None:
        self._reads_every = reads_every
        self._looks = 0
        self._read: dict[str, Answer] = {}
        self._reactor = reactor
        self._grid = grid
        self._asker = Asker(reactor, timeout_s, grid.token)
        self._counted: dict[str, _Counted] = {}

    async def look(self) -> Look:
        """Ask all of them at once; takes `timeout_s` at the most."""
        grid = self._grid
        read = self._read if self._looks % self._reads_every else None
        self._looks += 1
        seen = await self._asker.look_at(_addresses(grid.controls), _addresses(grid.vaults), read)
        # One that has not answered is asked anew at the next look.
        self._read = {control.address: control.answer for control in seen.controls if not control.answer.problem}
        processes = {member.name: _process(member) for member in grid.members}
        return Look(seen, processes, self._rates(seen, reads=read is None))

    def _rates(self, seen: Grid, *, reads: bool) -> dict[str, float]:
        """A control's read asks each vault: that is no client's request, either."""
        now_s = self._reactor.seconds()
        before, self._counted = self._counted, {}
        rates = {}
        for member, own in (
            *((control, QUESTIONS if reads else 1) for control in seen.controls),
            *((vault, QUESTIONS + reads * len(seen.controls)) for vault in seen.vaults),
        ):
            if member.answered is None:
                continue
            then = before.get(member.name)
            if then is None or member.answered < then.answered:  # it was started anew
                self._counted[member.name] = _Counted(member.answered, member.answered, 0, now_s)
                continue
            # Which of our questions it had answered when it counted is a matter of chance: what is counted too early in
            # one look is not there in the next. So it is the most that counts.
            ours = then.ours + own
            others = max(then.others, member.answered - ours)
            self._counted[member.name] = _Counted(member.answered, others, ours, now_s)
            if now_s > then.at_s:
                rates[member.name] = (others - then.others) / (now_s - then.at_s)
        return rates


def _addresses(members: list[Member]) -> list[VaultAddress]:
    return [VaultAddress(HOST, member.port) for member in members]


def _process(member: Member) -> Process:
    if member.running and member.child is not None:
        return Process(member.child.pid)
    return Process(0, member.last_words())


def changes(before: Look | None, now: Look) -> list[str]:
    """Lines for a pipe: the headline where it is another, and one for each member whose state or answer is another."""
    lines = [] if before is not None and before.grid.headline == now.grid.headline else [now.grid.headline]
    for member in (*now.grid.controls, *now.grid.vaults):
        name = member.name
        told = f"{name} {member.address}: {now.state(name)}, answers {now.answers[name]}"
        if before is None or (before.state(name), before.answers[name]) != (now.state(name), now.answers[name]):
            lines.append(told)
    return lines


class Happenings:
    """What happens from look to look, in sentences."""

    def __init__(self) -> None:
        self._before: Look | None = None
        self._left_behind: set[str] = set()

    def since_the_last(self, now: Look) -> list[str]:
        """Nothing at the first look."""
        before, self._before = self._before, now
        return [] if before is None else list(self._between(before, now))

    def _between(self, before: Look, now: Look) -> Iterator[str]:
        for name in now.processes:
            was, state = before.state(name), now.state(name)
            if was != state:
                yield f"{name} {_became(was, state)}"
        for old, new in zip(before.grid.vaults, now.grid.vaults, strict=True):
            # Who shows another value than before is not left behind: the look came in the middle of a write.
            if now.grid.lag(new) and (not old.is_up or (before.grid.lag(old) and old.shown == new.shown)):
                self._left_behind.add(new.name)
            elif now.grid.lag(new) == 0 and new.name in self._left_behind:
                self._left_behind.remove(new.name)
                yield f"{new.name} has caught up: it shows {new.shown}"
        if before.grid.serves != now.grid.serves:
            yield "the grid serves again" if now.grid.serves else "the grid serves no more"


def _became(was: str, state: str) -> str:
    """What has happened to a member whose state is another."""
    was_down = was.startswith("down")
    if state == "up":
        return "is up again" if was_down else "answers again"
    if state == "no answer":
        return "is started again" if was_down else "does not answer any more"
    return f"is {state}"
