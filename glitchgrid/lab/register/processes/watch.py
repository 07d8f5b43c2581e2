"""What a grid of real processes looks like: what its servers tell, and what their processes do."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from glitchgrid.lab.register.processes.localgrid import HOST, LocalGrid, Member
from glitchgrid.sight.asking import Asker
from glitchgrid.sight.grid import Grid
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
    """

    def __init__(self, reactor: Any, grid: LocalGrid, timeout_s: float = ASK_TIMEOUT_S) -> None:
        self._reactor = reactor
        self._grid = grid
        self._asker = Asker(reactor, timeout_s)
        self._counted: dict[str, _Counted] = {}

    async def look(self) -> Look:
        """Ask all of them at once; takes `timeout_s` at the most."""
        grid = self._grid
        seen = await self._asker.look_at(_addresses(grid.controls), _addresses(grid.vaults))
        return Look(seen, {member.name: _process(member) for member in grid.members}, self._rates(seen))

    def _rates(self, seen: Grid) -> dict[str, float]:
        """A control's read asks each vault: that is no client's request, either."""
        now_s = self._reactor.seconds()
        before, self._counted = self._counted, {}
        rates = {}
        for member, own in (
            *((control, QUESTIONS) for control in seen.controls),
            *((vault, QUESTIONS + len(seen.controls)) for vault in seen.vaults),
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
