"""Faults on real processes: servers are killed (kill -9) and started again, or stop and go on.

What a signal can do to a process, and no more: the network and the disks of this machine are left alone.
"""

import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Any, Protocol

from attrs import asdict, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from glitchgrid.lab.composer import lines
from glitchgrid.lab.weights import draw, pick
from glitchgrid.waiting import abandon

FAULTS = "faults.jsonl"
BETWEEN_S_MAX = 2.0
LASTS_S_MAX = 3.0

PAUSE = "pause "
"""Kinds whose names begin so pause servers (SIGSTOP, SIGCONT). All other kinds kill servers and start them again."""


def is_pause(kind: str) -> bool:
    return kind.startswith(PAUSE)


class Member(Protocol):
    """A real process that is a server of the system."""

    name: str

    def start(self) -> None:
        """Start it, unless it runs."""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""

    def kill(self) -> None:
        """kill -9, if it runs."""

    def when_ended(self) -> Deferred[Any]:
        """Fires once it runs no more."""


@frozen
class Kind:
    """:ivar name: what is done, and to whom, as in "kill a vault".
    :ivar members: those to whom it may be done.
    :ivar all_of_them: it is done to all of them at once, else to one at random.
    """

    name: str
    members: Sequence[Member]
    all_of_them: bool = False


@frozen
class Fault:
    """:ivar members: the servers that it is done to, itself or by way of their links.
    :ivar began_ns: of the monotonic clock, as `ended_ns`.
    :ivar text: all of it in words; empty where its kind says all.
    """

    kind: str
    members: tuple[str, ...]
    began_ns: int
    ended_ns: int
    text: str = ""


class Nemesis:
    """One fault after another, as often and of such kinds as its weights have it, until it is stopped.

    :param until_it_listens: waits until a member serves again.
    """

    def __init__(
        self,
        reactor: Any,
        kinds: Sequence[Kind],
        until_it_listens: Callable[[Any], Awaitable[None]],
        rng: random.Random,
        directory: Path,
        announce: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._kinds = {kind.name: kind for kind in kinds}
        self._until_it_listens = until_it_listens
        self._rng = rng
        self._directory = directory
        self._announce = announce
        self._weights = draw(tuple(self._kinds), rng)
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
        """Stop at once, without restarting servers that were killed or paused."""
        self._is_on = False
        if self._working is not None:
            abandon(self._working)

    async def _work(self) -> None:
        while self._is_on:
            await self._pause(BETWEEN_S_MAX)
            kind = pick(self._weights, tuple(self._kinds), self._rng)
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
            await self._until_it_listens(member)
        fault = Fault(kind, tuple(member.name for member in members), began_ns, monotonic_ns())
        lines.append(self._directory / FAULTS, asdict(fault))

    async def _hurt(self, member: Member, kind: str) -> None:
        if is_pause(kind):
            member.signal(signal.SIGSTOP)
            return
        member.kill()
        await member.when_ended()

    def _victims(self, kind: str) -> Sequence[Member]:
        struck = self._kinds[kind]
        return struck.members if struck.all_of_them else [self._rng.choice(struck.members)]

    async def _pause(self, seconds_max: float) -> None:
        """Wait for a random time, or until faults are switched off."""
        end_s = self._reactor.seconds() + self._rng.uniform(0.0, seconds_max)
        while self._is_on and self._reactor.seconds() < end_s:
            await deferLater(self._reactor, 0.05)


def read_faults(directory: Path) -> tuple[Fault, ...]:
    """Read the faults of a timeline; none where there is no file.

    :raises CannotRun: for a line that is no fault.
    """
    return lines.read(directory / FAULTS, lambda fields: Fault(**{**fields, "members": tuple(fields["members"])}))
