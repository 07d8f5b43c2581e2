"""Clients of the lock server: each takes the lock, holds it for a while and gives it back, again and again."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

from attrs import define, field, frozen
from twisted.application.service import Service
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome
from glitchgrid.lab.limits import whole
from glitchgrid.lab.place.inside import Inside
from glitchgrid.lab.plan.plan import Habits
from glitchgrid.simulation.random_stream import RandomStream
from tests.lockserver.server import PORT

TRY_AGAIN_S = 0.05
OUTCOMES: dict[str | None, Outcome] = {"granted": Outcome.OK, "free": Outcome.OK, "busy": Outcome.FAILED}


@frozen
class LockHabits(Habits):
    """:ivar hold_ms: how long a client usually holds the lock.
    :ivar patience_ms: how long it waits for an answer.
    """

    clients: int = field(validator=whole(1, 10))
    hold_ms: int = field(validator=whole(1, 10_000))
    patience_ms: int = field(validator=whole(1, 10_000))


def draw_habits(rng: RandomStream) -> LockHabits:
    return LockHabits(rng.between(2, 4), rng.pick((20, 300)), rng.pick((200, 2000)))


@define
class Holdings:
    """Who holds the lock, as the clients see it.

    :param find: is told of two that hold it at one time.
    """

    now_ns: Callable[[], int]
    find: Callable[[str], object]
    holders: dict[str, int] = field(factory=dict)
    count: int = 0
    had_to_wait: int = 0
    operations: list[Operation] = field(factory=list)
    _log: StringIO = field(factory=StringIO)

    def calls(self, client: str, function: str) -> int:
        """A client asks for something. Until it hears, nobody knows whether that happens."""
        op = len(self.operations)
        called = Operation(op, client, function, None, UNKNOWN, self.now_ns(), None, Outcome.AMBIGUOUS)
        self.operations.append(called)
        return op

    def hears(self, op: int, outcome: Outcome) -> None:
        result = None if outcome is Outcome.OK else UNKNOWN
        called = self.operations[op]
        self.operations[op] = called._replace(return_ns=self.now_ns(), outcome=outcome, result=result)

    def begins(self, client: str, port: int) -> None:
        self.count += 1
        for other in self.holders:
            self.find(f"{client} was granted the lock, and {other} holds it")
        self.holders[client] = self.count
        self._note(op=self.count, client=client, port=port)

    def ends(self, client: str) -> None:
        self._note(op=self.holders.pop(client), end=True)

    def _note(self, **fields: object) -> None:
        print(json.dumps({**fields, "at_ns": self.now_ns()}), file=self._log)

    @property
    def history(self) -> str:
        return self._log.getvalue()


class _Question(LineOnlyReceiver):
    """One line, and the answer to it; None where none comes in time."""

    transport: Any

    delimiter = b"\n"

    def __init__(self, reactor: Any, line: str, patience_s: float, told: Callable[[str | None, int], object]) -> None:
        self._reactor = reactor
        self._line = line
        self._patience_s = patience_s
        self._told: Callable[[str | None, int], object] | None = told
        self._port = 0

    def connectionMade(self) -> None:
        self._port = self.transport.getHost().port
        self._timer = self._reactor.callLater(self._patience_s, self.transport.abortConnection)
        self.sendLine(self._line.encode("ascii"))

    def lineReceived(self, line: bytes) -> None:
        self._tell(line.decode("ascii"))
        self.transport.loseConnection()

    def connectionLost(self, reason: object = None) -> None:
        if self._timer.active():
            self._timer.cancel()
        self._tell(None)

    def _tell(self, answer: str | None) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(answer, self._port)


class LockClient(Service):
    """:ivar left: how often it will take the lock."""

    def __init__(self, name: str, process: Inside, address: str, habits: LockHabits, left: int, held: Holdings) -> None:
        self._name = name
        self._reactor = process.reactor
        self._rng = process.world.rng(f"client {name}")
        self._endpoint = TCP4ClientEndpoint(process.reactor, address, PORT, timeout=1)
        self._habits = habits
        self._held = held
        self._number = 0
        self.left = left

    def startService(self) -> None:
        super().startService()
        self._take()

    def _take(self) -> None:
        self._ask("take", self._taken)

    def _taken(self, answer: str | None, port: int) -> None:
        if answer != "granted":
            self._held.had_to_wait += answer == "busy"
            self._later(TRY_AGAIN_S, self._take)
            return
        self._held.begins(self._name, port)
        self._later(self._rng.rarely_long(self._habits.hold_ms) / 1000, self._end)

    def _end(self) -> None:
        """From here on the lock is not the client's any more, whatever becomes of its word."""
        self._held.ends(self._name)
        self._give()

    def _give(self) -> None:
        self._ask("give", self._given)

    def _given(self, answer: str | None, _port: int) -> None:
        if answer != "free":
            self._later(TRY_AGAIN_S, self._give)
            return
        self.left -= 1
        if self.left:
            self._later(TRY_AGAIN_S, self._take)

    def _ask(self, verb: str, told: Callable[[str | None, int], object]) -> None:
        self._number += 1
        patience_s = self._habits.patience_ms / 1000
        op = self._held.calls(self._name, verb)

        def hear(answer: str | None, port: int) -> None:
            self._held.hears(op, OUTCOMES.get(answer, Outcome.AMBIGUOUS))
            told(answer, port)

        question = _Question(self._reactor, f"{verb} {self._name} {self._number}", patience_s, hear)
        connectProtocol(self._endpoint, question).addErrback(self._not_connected, hear)

    def _not_connected(self, _failure: Failure, told: Callable[[str | None, int], object]) -> None:
        told(None, 0)

    def _later(self, seconds: float, step: Callable[[], object]) -> None:
        self._reactor.callLater(seconds, step)
