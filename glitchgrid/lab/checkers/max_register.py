"""Is a history linearizable? An exact answer for a max-register, in O(n log n).

The register is a largest value and the set of what was ever written; it begins with the initial value. At one
moment between its call and its return, both included,

- an acknowledged write adds its value; the largest is then no less;
- an ambiguous write does the same, at any moment from its call on, or never;
- a read returns the largest value;
- a write that is refused as a decrease from A changes nothing, and finds that its own value is less than A, and
  that A was written or is no more than the initial value.

What failed is not there. One operation precedes another where it returned before the other was called; where
the two times are equal, it does not.

Of a refusal no more is said, because no more is promised. It does not say that the largest value is A: a control
names the floor that it knows, and another control may have committed more long ago. It does say that A was
written, and not merely that something as large was: a floor comes from a commit or a read, so one that nobody
wrote is as wrong as a read of such a value. Below the initial value anything may have been written before the
history began.

The rules. Everything answered is a *return* of a value: a write's own, what was read, the A of a refusal; the
initial value returned before everything. A history is linearizable if and only if

1. what a read or a refusal names is the initial value (for a refusal: or less), or was written by a write that
   may have happened and was called no later than the answer came; and what is refused is less than what is named;
2. for each read of x: nothing larger than x returned before the read was called;
3. for each x that was read and is not the initial value: nothing larger than x returned before the first call of
   a write of x that may have happened.

They are necessary. A value that has returned is in the register from then on. So if rule 2 is broken, the register
holds more than x when the read begins. If rule 3 is broken, it holds more than x before any write of x begins, so x
is never the largest value. The
smallest history that needs rule 3 is a read of 2 over [0, 6], a write of 8 over [2, 3], a write of 2 over
[5, 8]: rule 2 lets the read come before the 8, and no 2 was there then.

They are sufficient: let everything happen as late as it may. The register reaches x at p(x), the earliest return
of x or more; what is called later than that changes nothing, and happens at its call. By 1 and 3, whoever
writes what is read has been called by then. A read of x happens when both it has been called and p(x) has come:
by 2 before anything larger, and p(x) is no later than its own return. A refusal happens at its return: by 1 what
it names was written. What happens at one moment happens in the order of the values, writes first; then what
changes nothing; refusals last.
"""

from bisect import bisect_left
from collections.abc import Iterator
from enum import IntEnum

from attrs import frozen

from glitchgrid.lab.history.format import History, Operation, OperationKind, Outcome, count, returned_value

ACKNOWLEDGED_MIN = 1
"""With fewer acknowledged writes, or fewer reads, a history proves nothing."""


class Rule(IntEnum):
    """The rules, by their numbers above."""

    FROM_NOWHERE = 1
    WENT_BACK = 2
    OVERTAKEN = 3


@frozen
class Linearizable:
    """Nothing is wrong with the history."""


@frozen
class NotLinearizable:
    """A rule is broken by these operations (the one that shows it comes first); `sentence` says how."""

    rule: Rule
    operations: tuple[Operation, ...]
    sentence: str


@frozen
class CannotSay:
    """Nothing wrong was found where too little happened."""

    reason: str


CheckResult = Linearizable | NotLinearizable | CannotSay


def check(history: History, acknowledged_min: int = ACKNOWLEDGED_MIN) -> CheckResult:
    """The verdict on a history.

    A violation is one however little happened; else there must be `acknowledged_min` acknowledged writes, and
    as many reads, for the history to prove anything.
    """
    for violation in violations(history):
        return violation
    counts = count(history)
    if min(counts.acknowledged_writes, counts.reads) < acknowledged_min:
        return CannotSay(
            f"{counts.acknowledged_writes} acknowledged writes and {counts.reads} reads prove nothing:"
            f" it takes {acknowledged_min} of each"
        )
    return Linearizable()


def violations(history: History) -> Iterator[NotLinearizable]:
    """The first violation of each rule that is broken, in the order of the rules."""
    answers = _Answers(history)
    for rule in (_from_nowhere, _went_back, _overtaken):
        yield from rule(answers)


class _Answers:
    """What a history holds, in the order in which the rules need it.

    :ivar returned: the operations that return a value, in the order of their returns.
    :ivar first_write: for each value the write of it that was called first, of those that may have happened.
    """

    def __init__(self, history: History) -> None:
        self.initial = history.initial
        self.first_write: dict[int, Operation] = {}
        for each in sorted(history.operations, key=_call_ns):
            if each.kind is OperationKind.WRITE and each.outcome in {Outcome.OK, Outcome.AMBIGUOUS}:
                self.first_write.setdefault(returned_value(each), each)
        answered = (each for each in history.operations if each.outcome in {Outcome.OK, Outcome.DECREASES})
        self.returned = sorted(answered, key=_return_ns)
        self.reads = [each for each in self.returned if each.kind is OperationKind.READ]
        self._return_times_ns = [_return_ns(each) for each in self.returned]
        self._largest_until: list[Operation | None] = [None]
        largest, value = None, self.initial
        for each in self.returned:
            if returned_value(each) > value:
                largest, value = each, returned_value(each)
            self._largest_until.append(largest)

    def largest_before(self, at_ns: int) -> tuple[int, Operation | None]:
        """The largest value that returned before a moment; whose it was is None for the initial value."""
        largest = self._largest_until[bisect_left(self._return_times_ns, at_ns)]
        return (self.initial, None) if largest is None else (returned_value(largest), largest)


def _from_nowhere(answers: _Answers) -> Iterator[NotLinearizable]:
    """Rule 1."""
    for each in answers.returned:
        value = returned_value(each)
        write = answers.first_write.get(value)
        if each.outcome is Outcome.DECREASES and each.value is not None and each.value >= value:
            sentence, write = f"{_did(each)}, which it is not", None
        elif _needs_no_write(each, answers.initial) or (write is not None and write.call_ns <= _return_ns(each)):
            continue
        elif write is None:
            sentence = f"{_did(each)}, and no write of {value} can have happened"
        else:
            sentence = f"{_did(each)}, before the first write of {value} ({_name(write)}) was called"
        yield NotLinearizable(Rule.FROM_NOWHERE, (each, *_those_of(write)), sentence)
        return


def _went_back(answers: _Answers) -> Iterator[NotLinearizable]:
    """Rule 2."""
    for read in answers.reads:
        largest, whose = answers.largest_before(read.call_ns)
        if largest > returned_value(read):
            sentence = f"{_did(read)}, although {_had(whose, largest)} before it was called"
            yield NotLinearizable(Rule.WENT_BACK, (read, *_those_of(whose)), sentence)
            return


def _overtaken(answers: _Answers) -> Iterator[NotLinearizable]:
    """Rule 3. What nobody wrote is left to rule 1."""
    for read in answers.reads:
        value = returned_value(read)
        write = answers.first_write.get(value)
        if value == answers.initial or write is None:
            continue
        largest, whose = answers.largest_before(write.call_ns)
        if largest > value:
            overtaken = f"the first write of {value} ({_name(write)}) was called"
            sentence = f"{_did(read)}, although {_had(whose, largest)} before {overtaken}"
            yield NotLinearizable(Rule.OVERTAKEN, (read, write, *_those_of(whose)), sentence)
            return


def _needs_no_write(answered: Operation, initial: int) -> bool:
    """An acknowledged write writes by itself; other answers can name what was there when the history began."""
    if answered.outcome is Outcome.DECREASES:
        return returned_value(answered) <= initial
    return answered.kind is OperationKind.WRITE or returned_value(answered) == initial


def _call_ns(operation: Operation) -> int:
    return operation.call_ns


def _return_ns(operation: Operation) -> int:
    assert operation.return_ns is not None
    return operation.return_ns


def _those_of(whose: Operation | None) -> tuple[Operation, ...]:
    return () if whose is None else (whose,)


def _name(operation: Operation) -> str:
    return f"#{operation.op} by {operation.client}"


def _did(answered: Operation) -> str:
    if answered.kind is OperationKind.READ:
        return f"read {_name(answered)} returned {answered.value}"
    return f"{_write(answered)} was refused as a decrease from {answered.floor}"


def _had(whose: Operation | None, largest: int) -> str:
    if whose is None:
        return f"the register had begun at {largest}"
    if whose.kind is OperationKind.READ:
        return f"read {_name(whose)} had returned {largest}"
    if whose.outcome is Outcome.DECREASES:
        return f"{_write(whose)} had been refused as a decrease from {largest}"
    return f"{_write(whose)} had been answered 200"


def _write(write: Operation) -> str:
    return f"write #{write.op} of {write.value} by {write.client}"
