"""Faults on real processes: servers are killed (kill -9) and started again, or stop and go on.

What a signal can do to a process, and no more: the network and the disks of this machine are left alone.
"""

import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Any

from attrs import asdict, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from glitchgrid.lab.composer import lines
from glitchgrid.lab.localgrid import LocalGrid, Member
from glitchgrid.lab.testkit.weights import draw, pick
from glitchgrid.lab.waiting import abandon

FAULTS = "faults.jsonl"
BETWEEN_S_MAX = 2.0
LASTS_S_MAX = 3.0

KILL_VAULT, KILL_CONTROL, KILL_VAULTS, PAUSE_VAULT, PAUSE_CONTROL = (
    "kill a vault",
    "kill a control",
    "kill all vaults",
    "pause a vault",
    "pause a control",
)
KINDS = (KILL_VAULT, KILL_CONTROL, KILL_VAULTS, PAUSE_VAULT, PAUSE_CONTROL)


def is_pause(kind: str) -> bool:
    """Whether servers of such a fault stop and go on; of the others they are killed and started again."""
    return kind in {PAUSE_VAULT, PAUSE_CONTROL}


@frozen
class Fault:
    """:ivar began_ns: of the monotonic clock, as `ended_ns`."""

    kind: str
    members: tuple[str, ...]
    began_ns: int
    ended_ns: int


class Nemesis:
    """One fault after another, as often and of such kinds as its weights have it, until it is stopped."""

    def __init__(
        self, reactor: Any, grid: LocalGrid, draws: random.Random, directory: Path, announce: Callable[[str], None]
    ) -> None:
        self._reactor = reactor
        self._grid = grid
        self._draws = draws
        self._directory = directory
        self._announce = announce
        self._weights = draw(KINDS, draws)
        self._working: Deferred[None] | None = None
        self._is_on = False

    def start(self) -> None:
        self._is_on = True
        self._working = Deferred.fromCoroutine(self._work())

    async def stop(self) -> None:
        """No more faults; returns when every server is up again.

        :raises CannotRun: when one does not come up.
        """
        self._is_on = False
        if self._working is not None:
            await self._working

    def abandon(self) -> None:
        """No more faults, and nothing that was hurt comes up again. Nothing where it has been stopped."""
        self._is_on = False
        if self._working is not None:
            abandon(self._working)

    async def _work(self) -> None:
        while self._is_on:
            await self._pause(BETWEEN_S_MAX)
            kind = pick(self._weights, KINDS, self._draws)
            if self._is_on and kind is not None:
                await self._strike(kind)

    async def _strike(self, kind: str) -> None:
        members = self._victims(kind)
        began_ns = monotonic_ns()
        self._announce(f"{kind}: {', '.join(member.name for member in members)}")
        for member in members:
            await self._hurt(member, kind)
        await self._pause(LASTS_S_MAX)
        for member in members:
            if is_pause(kind):
                member.signal(signal.SIGCONT)
            else:
                member.start()
        for member in members:
            await self._grid.until_it_listens(member)
        fault = Fault(kind, tuple(member.name for member in members), began_ns, monotonic_ns())
        lines.append(self._directory / FAULTS, asdict(fault))

    async def _hurt(self, member: Member, kind: str) -> None:
        if is_pause(kind):
            member.signal(signal.SIGSTOP)
            return
        member.kill()
        if member.child is not None:
            await member.child.when_ended()

    def _victims(self, kind: str) -> Sequence[Member]:
        if kind == KILL_VAULTS:
            return self._grid.vaults
        return [self._draws.choice(self._grid.vaults if kind in {KILL_VAULT, PAUSE_VAULT} else self._grid.controls)]

    async def _pause(self, seconds_max: float) -> None:
        """For a while, and no longer than faults are on."""
        end_s = self._reactor.seconds() + self._draws.uniform(0.0, seconds_max)
        while self._is_on and self._reactor.seconds() < end_s:
            await deferLater(self._reactor, 0.05)


def read_faults(directory: Path) -> tuple[Fault, ...]:
    """What was written down; nothing where nothing was.

    :raises CannotRun: for a line that is no fault.
    """
    return lines.read(directory / FAULTS, lambda fields: Fault(**{**fields, "members": tuple(fields["members"])}))
