"""One turn of a test command: what it is given, and how it ends."""

import random
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from antithesis.random import AntithesisRandom
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from glitchgrid.clock import run_on_monotonic_clock
from glitchgrid.errors import GlitchgridError, one_line
from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.lab.register.testkit.actions import ACTIONS
from glitchgrid.lab.register.testkit.client import RecordedClient, read_value
from glitchgrid.lab.register.testkit.environment import CommandEnvironment
from glitchgrid.lab.register.testkit.fault import RealFault
from glitchgrid.lab.register.testkit.http import Http
from glitchgrid.lab.register.testkit.shared import Beginning, SharedDirectory
from glitchgrid.lab.weights import Weights, draw
from glitchgrid.vaults.address import VaultAddress

NOTHING_FOUND, FAULT, CALLED_WRONGLY = 0, 1, 2

BUDGET_S = 8.0
"""A driver begins nothing new after that: Test Composer calls it again."""

RECOVERY_S = 60.0
"""Once faults have ended, the grid has so long to serve."""

RETRY_S = 0.2


class Turn:
    """What a command works with.

    :ivar random: where every choice comes from, at the moment that it is made: Antithesis decides it there.
    """

    def __init__(self, reactor: Any, name: str, given: CommandEnvironment, held: ExitStack) -> None:
        self.reactor = reactor
        self.name = name
        self.controls = given.controls
        self.vaults = given.vaults
        self.shared = SharedDirectory(given.directory)
        self.random: random.Random = AntithesisRandom() if given.seed is None else random.Random(given.seed)
        self.http = Http(reactor, given.token)
        self._held = held
        self._end_s = reactor.seconds() + BUDGET_S
        self._recorder: Recorder | None = None

    @property
    def has_time(self) -> bool:
        return bool(self.reactor.seconds() < self._end_s)

    async def weights(self) -> Weights | None:
        """This timeline's weights, drawn now if nobody has; None where the grid cannot say yet where it begins."""
        beginning = await self._beginning()
        return None if beginning is None else beginning.weights

    async def client(self, name: str) -> RecordedClient | None:
        """A client whose operations are recorded; None where the grid cannot say yet where it begins."""
        if self._recorder is None:
            beginning = await self._beginning()
            if beginning is None:
                return None
            self._recorder = self._held.enter_context(self.shared.recorder(self.name, beginning.initial))
        return RecordedClient(f"{self.name}-{name}"[-64:], self.http, self._recorder)

    async def _beginning(self) -> Beginning | None:
        begun = self.shared.beginning()
        if begun is None:
            initial = await self.read_within(BUDGET_S, self.controls)
            if initial is not None:
                begun = self.shared.begin(Beginning(initial, draw(ACTIONS, self.random)))
        return begun

    async def read_within(self, seconds: float, controls: Iterable[VaultAddress]) -> int | None:
        """Read at these controls in turn until one answers; recorded nowhere."""
        end_s = self.reactor.seconds() + seconds
        while True:
            for control in controls:
                value = await read_value(self.http, control)
                if value is not None:
                    return value
            if self.reactor.seconds() >= end_s:
                return None
            await self.pause(RETRY_S)

    async def pause(self, seconds: float) -> None:
        await deferLater(self.reactor, seconds)

    def any_control(self) -> VaultAddress:
        return self.random.choice(self.controls)

    async def together(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Do all of it at once. The first that fails ends the turn."""
        await gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)


def run(command: Callable[[Turn], Coroutine[Any, Any, None]]) -> NoReturn:
    """Be a test command: do its turn, and exit."""
    name = Path(sys.argv[0]).stem

    async def main(reactor: Any) -> None:
        status = NOTHING_FOUND
        try:
            run_on_monotonic_clock(reactor)
            with ExitStack() as held:
                turn = Turn(reactor, name, CommandEnvironment.here(), held)
                await command(turn)
                await turn.http.close()
        except Exception as error:  # noqa: BLE001 - every end has its line and its status
            status = _told(name, _cause(error))
        sys.stdout.flush()
        raise SystemExit(status)

    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
    raise SystemExit(CALLED_WRONGLY)


def _told(name: str, error: Exception) -> int:
    """Say how it ended, and with which status that is."""
    match error:
        case RealFault():
            status, text = FAULT, str(error)
        case GlitchgridError() | OSError():
            status, text = CALLED_WRONGLY, str(error)
        case _:
            status, text = CALLED_WRONGLY, f"internal error: {type(error).__name__}: {error}"
    print(one_line(f"{name}: {text}"), file=sys.stderr, flush=True)
    return status


def _cause(error: Exception) -> Exception:
    """What is in Twisted's FirstError, which is what things that are done together fail with."""
    failure = getattr(error, "subFailure", None)
    return error if failure is None else failure.value
