"""The page's own clients: one that a person moves, some that work by themselves, and a checker that looks at both.

What they see is a history, and a max-register's rules say at any time whether it can be explained. The history is kept
short by forgetting in such a way that what can be explained stays so, whatever comes.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import CannotSay, NotLinearizable
from glitchgrid.lab.history.format import READ, WRITE
from glitchgrid.lab.history.operation import UNKNOWN, History, Operation, Outcome
from glitchgrid.sight.asking import Asker
from glitchgrid.sight.members import Answer
from glitchgrid.value import VALUE_MAX
from glitchgrid.vaults.address import VaultAddress

log = Logger()

YOU = "you"
SOMEBODY_ELSE = "somebody else"
OPERATIONS_KEPT = 20_000
LOAD_PER_S_MAX = 200
LOAD_CLIENTS = 4
PATIENCE_S = 6.0
"""Control answers within 4 s; with a slow link it may take longer to hear of it."""

AMBIGUOUS = "ambiguous: it may have happened, or may happen yet, or never"
REFUSED_PREFIX = "Client would make value decrease from "


@frozen
class Done:
    """An operation that has ended, for people.

    :ivar means: what its answer means.
    """

    client: str
    kind: str
    value: int | None
    code: int
    text: str
    means: str
    took_s: float
    number: int


@frozen
class Checked:
    """:ivar wrong: the operations that contradict each other, where some do."""

    operations: int
    text: str
    is_wrong: bool = False
    wrong: tuple[Operation, ...] = ()


class Clients:
    """:param controls: where they ask, in turns.
    :param told: is told of each operation when it has ended.
    :param token: what they present; None for nothing.
    """

    def __init__(
        self,
        reactor: Any,
        controls: Sequence[VaultAddress],
        told: Callable[[Done], object],
        token: bytes | None = None,
    ) -> None:
        self._reactor = reactor
        self._asker = Asker(reactor, PATIENCE_S, token)
        self._controls = controls
        self._told = told
        self._operations: list[Operation] = []
        self._initial = 0
        self._number = 0
        self._largest = 0
        self._counted = 0
        self._counted_before = 0
        self._loops: list[LoopingCall] = []
        self.per_s = 0

    # What they do.

    def write(self, client: str, value: int) -> "Deferred[Done]":
        """:raises ValueError: for what is no value."""
        if not 1 <= value <= VALUE_MAX:
            raise ValueError(f"a value is a number from 1 to {VALUE_MAX}")
        return Deferred.fromCoroutine(self._do(client, WRITE, value))

    def read(self, client: str) -> "Deferred[Done]":
        return Deferred.fromCoroutine(self._do(client, READ, None))

    def load(self, per_s: int) -> None:
        """Have so many operations made a second, half of them writes; 0 for none.

        :raises ValueError: for more than `LOAD_PER_S_MAX`.
        """
        if not 0 <= per_s <= LOAD_PER_S_MAX:
            raise ValueError(f"a load is from 0 to {LOAD_PER_S_MAX} operations a second")
        self.stop()
        self.per_s = per_s
        for number in range(1, LOAD_CLIENTS + 1) if per_s else ():
            loop = LoopingCall(self._one_more, f"load{number}")
            loop.clock = self._reactor
            self._loops.append(loop)
            loop.start(LOAD_CLIENTS / per_s, now=False).addErrback(
                lambda failure: log.failure("a client of the load has ended", failure)
            )

    def stop(self) -> None:
        loops, self._loops, self.per_s = self._loops, [], 0
        for loop in loops:
            if loop.running:
                loop.stop()

    def _one_more(self, client: str) -> "Deferred[Any]":
        self._number += 1
        if self._number % 2:
            return self.read(client)
        return self.write(client, min(self._largest + 1, VALUE_MAX))

    async def _do(self, client: str, kind: str, value: int | None) -> Done:
        number = self._counted
        self._counted += 1
        if value is not None:
            self._largest = max(self._largest, value)
        place = len(self._operations)
        open_outcome = Outcome.AMBIGUOUS if kind == WRITE else Outcome.FAILED
        called = Operation(number, client, kind, value, UNKNOWN, time.monotonic_ns(), None, open_outcome)
        self._operations.append(called)
        answer = await self._asker.ask(self._controls[number % len(self._controls)], value=value)
        returned_ns = time.monotonic_ns()
        ended = _ended(called, answer, returned_ns)
        if ended.outcome is Outcome.OK and kind == READ:
            self._largest = max(self._largest, int(answer.text))
        self._put(place, ended)
        took_s = (returned_ns - called.call_ns) / 1e9
        done = Done(client, kind, value, answer.code, answer.text, _means(ended, answer), took_s, number)
        self._told(done)
        return done

    def _put(self, place: int, ended: Operation) -> None:
        """In the place of the call, which may have moved meanwhile."""
        for number in range(min(place, len(self._operations) - 1), -1, -1):
            if self._operations[number].op == ended.op:
                self._operations[number] = ended
                return

    # What is made of it.

    def begin_anew(self) -> None:
        """Forget all: the register is another one, or is known to have gone wrong."""
        self._operations = []
        self._initial = 0
        self._counted_before = self._counted

    def check(self) -> "Deferred[Checked]":
        """Can all of it be explained so far? Looked at in another thread."""
        self._operations, self._initial = shortened(self._operations, self._initial, OPERATIONS_KEPT)
        others = written_by_others(self._operations, self._initial)
        history = History((*others, *self._operations), self._initial)
        return deferToThread(checked, history, self._counted - self._counted_before)


def _ended(called: Operation, answer: Answer, returned_ns: int) -> Operation:
    """How it has ended, as far as its client can know."""
    if answer.is_ok:
        result = answer.value if called.function == READ else None
        if called.function == READ and result is None:
            return called
        return called._replace(outcome=Outcome.OK, result=result, return_ns=returned_ns)
    if answer.text.startswith(REFUSED_PREFIX):
        words = answer.text.removeprefix(REFUSED_PREFIX).split()
        if words and words[0].isdecimal():
            return called._replace(outcome=Outcome.REFUSED, result=int(words[0]), return_ns=returned_ns)
    return called


def _means(ended: Operation, answer: Answer) -> str:
    if ended.outcome is Outcome.OK:
        return ""
    if ended.outcome is Outcome.REFUSED:
        return "refused: it was sent to no vault"
    why = answer.problem or "no majority of the vaults decided"
    return f"{AMBIGUOUS} ({why})" if ended.function == WRITE else f"inconsistent: {why}"


def shortened(operations: list[Operation], initial: int, most: int) -> tuple[list[Operation], int]:
    """A history of at most so many operations, and what its register began with.

    What had ended before a moment is forgotten; the register began with the largest of that. Of what went on at that
    moment reads are forgotten, and writes may happen at any time: so nothing that could be explained before can't be
    explained any more.
    """
    if len(operations) <= most:
        return operations, initial
    since_ns = operations[len(operations) - max(1, most // 2)].call_ns
    kept: list[Operation] = []
    for each in operations:
        if each.call_ns >= since_ns:
            kept.append(each)
        elif each.return_ns is not None and each.return_ns < since_ns:
            initial = max(initial, _returned(each))
        elif each.function == WRITE and each.outcome is not Outcome.REFUSED:
            kept.append(each._replace(outcome=Outcome.AMBIGUOUS, result=UNKNOWN, return_ns=None))
    return kept, initial


def _returned(operation: Operation) -> int:
    value = operation.argument if operation.function == WRITE and operation.outcome is Outcome.OK else operation.result
    return value if isinstance(value, int) else 0


def written_by_others(operations: Sequence[Operation], initial: int) -> list[Operation]:
    """A write for each value that was returned before any of these clients had begun to write it.

    The register is open: whoever has a shell writes to it too, and it may have held a value before the history began.
    Such a write may have happened at any time. So a read that goes back is still found, and a value that nobody can
    have written is not: `checked` says how many there are.
    """
    returned_ns: dict[int, int] = {}
    called_ns: dict[int, int] = {}
    for each in operations:
        if isinstance(each.result, int) and each.return_ns is not None and each.result > initial:
            returned_ns[each.result] = min(each.return_ns, returned_ns.get(each.result, each.return_ns))
        if each.function == WRITE and each.outcome is not Outcome.REFUSED and isinstance(each.argument, int):
            called_ns.setdefault(each.argument, each.call_ns)
    values = sorted(value for value, at_ns in returned_ns.items() if called_ns.get(value, at_ns + 1) > at_ns)
    return [
        Operation(-1 - place, SOMEBODY_ELSE, WRITE, value, UNKNOWN, operations[0].call_ns, None, Outcome.AMBIGUOUS)
        for place, value in enumerate(values)
    ]


def checked(history: History, counted: int) -> Checked:
    """The verdict, for people."""
    result = check(history)
    if isinstance(result, NotLinearizable):
        return Checked(counted, result.sentence, is_wrong=True, wrong=result.operations)
    if isinstance(result, CannotSay):
        return Checked(counted, "nothing to check yet" if not counted else f"so far {counted} operations prove nothing")
    others = sum(each.client == SOMEBODY_ELSE for each in history.operations)
    besides = f"; {others:,} {'value was' if others == 1 else 'values were'} written by others" if others else ""
    return Checked(counted, f"linearizable so far, {counted:,} operations{besides}")
