"""One timeline: test commands of one template against one grid, in the order that Test Composer promises.

1. One of the ``first_`` commands, before any fault.
2. With faults: either one ``singleton_driver_``, or ``parallel_driver_`` commands, several at once and also beside
   themselves, and ``serial_driver_`` ones, each of them alone; and ``anytime_`` commands beside all of these.
3. Without faults: either everything that runs is killed, ``anytime_`` commands among it, and an ``eventually_`` command
   runs; or everything ends by itself, and a ``finally_`` command runs.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from glitchgrid.lab.composer.calls import HERE, Call, Ground, Running
from glitchgrid.lab.composer.templates import Command, Prefix, Template
from glitchgrid.waiting import settled, shield

AT_ONCE_MAX = 3
"""Drivers beside each other: on two processors more would mostly wait for each other."""

ANYTIME_EVERY_S_MAX = 1.0
POLL_S = 0.05
SEED_MAX = 2**63


@frozen
class Ended:
    """:ivar began_ns: of the monotonic clock, as `ended_ns`."""

    began_ns: int
    ended_ns: int
    calls: Sequence[Call]


class Faults(Protocol):
    """What breaks the system meanwhile."""

    def start(self) -> None: ...

    async def stop(self) -> None:
        """No more faults; returns when every server is up again."""

    def abandon(self) -> None:
        """Stop at once, and leave all as it is."""


class Timeline:
    """:param directory: what is recorded goes there.
    :param environment: what commands are given beside this process's own.
    :param seed_variable: the variable that gives each call a seed of its own.
    :param drivers_s: for so long drivers are called.
    :param patience_s: a command that has not ended by then is killed.
    :param ground: where commands run.
    """

    def __init__(
        self,
        reactor: Any,
        template: Template,
        nemesis: Faults,
        rng: random.Random,
        directory: Path,
        environment: Mapping[str, str],
        seed_variable: str,
        drivers_s: float,
        patience_s: float,
        announce: Callable[[Call], None],
        ground: Ground = HERE,
    ) -> None:
        self._ground = ground
        self._reactor = reactor
        self._template = template
        self._nemesis = nemesis
        self._rng = rng
        self._directory = directory
        self._environment = environment
        self._seed_variable = seed_variable
        self._drivers_s = drivers_s
        self._patience_s = patience_s
        self._announce = announce
        self._running: list[Running] = []
        self._calls: list[Call] = []
        self._is_driven = False
        self._drawn_last: list[Command] = []

    async def run(self) -> Ended:
        """From its beginning to its end. Whatever still runs when this is cancelled is killed.

        :raises CannotRun: when a server does not come up again.
        """
        began_ns = monotonic_ns()
        try:
            first = self._template.with_prefix(Prefix.FIRST)
            if first:
                await self._alone(self._rng.choice(first))
            self._nemesis.start()
            await self._drive()
            await self._end()
        finally:
            self._nemesis.abandon()
            await self._kill_all()
        return Ended(began_ns, monotonic_ns(), self._calls)

    async def _drive(self) -> None:
        """Drivers and anytime commands, for a while. What still runs at the end of it is for `_end`."""
        template, rng = self._template, self._rng
        singles = template.with_prefix(Prefix.SINGLETON)
        others = template.with_prefix(Prefix.PARALLEL, Prefix.SERIAL)
        single = rng.choice(singles) if singles and (not others or rng.random() < 1 / 2) else None
        beside = Deferred.fromCoroutine(self._anytimes(template.with_prefix(Prefix.ANYTIME)))
        try:
            await (self._drivers(others) if single is None else self._single(single))
        finally:
            self._is_driven = True
            beside.cancel()
            with suppress(CancelledError):
                await beside

    async def _anytimes(self, commands: Sequence[Command]) -> None:
        """One after the other, beside all drivers."""
        while not self._is_driven:
            command = self._pick(commands)
            if command is not None:
                await shield(self._begin(command).ended)
            await self._pause(self._rng.uniform(POLL_S, ANYTIME_EVERY_S_MAX))

    async def _single(self, command: Command) -> None:
        """To its end; or until its time is up, where an ``eventually_`` command is to end it."""
        running = self._begin(command)
        end_s = self._reactor.seconds() + self._drivers_s
        while running in self._running:
            if self._reactor.seconds() >= end_s and self._is_cut_short():
                return
            await self._pause(POLL_S)

    async def _drivers(self, commands: Sequence[Command]) -> None:
        end_s = self._reactor.seconds() + self._drivers_s
        at_once = self._rng.randint(1, AT_ONCE_MAX)
        drivers: list[Running] = []
        while commands and self._reactor.seconds() < end_s:
            drivers = [each for each in drivers if each in self._running]
            is_alone = any(each.command.prefix is Prefix.SERIAL for each in drivers)
            if not is_alone and len(drivers) < at_once:
                command = self._pick(commands)
                if command is not None and command.prefix is Prefix.SERIAL and drivers:
                    await settled(each.ended for each in drivers)
                if command is not None and self._ground.is_up(command):
                    drivers.append(self._begin(command))
            await self._pause(POLL_S)
        if not commands:
            await self._pause(self._drivers_s)

    async def _end(self) -> None:
        if self._is_cut_short():
            await self._kill_all()
        else:
            await settled(each.ended for each in self._running)
        await self._nemesis.stop()
        for command in self._last_commands():
            await self._alone(command)

    def _is_cut_short(self) -> bool:
        """Does an ``eventually_`` command end this timeline?"""
        return any(each.prefix is Prefix.EVENTUALLY for each in self._last_commands())

    def _last_commands(self) -> Sequence[Command]:
        """What ends it: one command, or none where there is none. It is drawn when it is first asked for."""
        ends = self._template.with_prefix(Prefix.EVENTUALLY, Prefix.FINALLY)
        if ends and not self._drawn_last:
            self._drawn_last = [self._rng.choice(ends)]
        return self._drawn_last

    def _pick(self, commands: Sequence[Command]) -> Command | None:
        """One of those that can be called now."""
        able = [each for each in commands if self._ground.is_up(each)]
        return self._rng.choice(able) if able else None

    async def _alone(self, command: Command) -> None:
        await self._begin(command).ended

    def _begin(self, command: Command) -> Running:
        seed = {self._seed_variable: str(self._rng.randrange(SEED_MAX))}
        environment = {**self._environment, **seed}
        running = Running(self._reactor, command, environment, self._directory, self._patience_s, self._ground)
        self._running.append(running)

        def ended(call: Call) -> Call:
            self._running.remove(running)
            self._calls.append(call)
            self._announce(call)
            return call

        running.ended.addCallback(ended)
        return running

    async def _kill_all(self) -> None:
        for running in self._running:
            running.stop()
        await settled(each.ended for each in self._running)

    async def _pause(self, seconds: float) -> None:
        await deferLater(self._reactor, seconds)
