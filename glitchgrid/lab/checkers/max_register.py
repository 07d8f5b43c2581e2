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
from collections.abc import Hashable, Iterator
from enum import IntEnum
from operator import attrgetter

from glitchgrid.lab.checkers.result import CannotSay, CheckResult, Linearizable, NotLinearizable
from glitchgrid.lab.history.format import (
    READ,
    WRITE,
    count,
    initial_value,
    returned_values,
    written_value,
)
from glitchgrid.lab.history.operation import History, Operation, Outcome

ACKNOWLEDGED_MIN = 1
"""With fewer acknowledged writes, or fewer reads, a history proves nothing."""


class Rule(IntEnum):
    """The rules, by their numbers above."""

    FROM_NOWHERE = 1
    WENT_BACK = 2
    OVERTAKEN = 3


def check(history: History, acknowledged_min: int = ACKNOWLEDGED_MIN) -> CheckResult:
    """The verdict on a history.

    A violation is one however little happened; else there must be `acknowledged_min` acknowledged writes, and
    as many reads, for the history to prove anything.
    """
    for violation in violations(history):
        return violation
    return enough(history, acknowledged_min)


def enough(history: History, acknowledged_min: int = ACKNOWLEDGED_MIN) -> CheckResult:
    """The verdict on a history in which no rule is broken."""
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

    :ivar named: the reads and the refusals, in the order of their returns, each with the value that it names.
    :ivar reads: the reads among them.
    :ivar first_write: for each value the write of it that was called first, of those that may have happened.
    """

    def __init__(self, history: History) -> None:
        self.initial = initial_value(history)
        self.first_write: dict[Hashable, Operation] = {}
        for each in sorted(history.operations, key=attrgetter("call_ns")):
            if each.function == WRITE and (each.outcome is Outcome.OK or each.outcome is Outcome.AMBIGUOUS):
                self.first_write.setdefault(each.argument, each)
        answered = [
            each for each in history.operations if each.outcome is Outcome.OK or each.outcome is Outcome.REFUSED
        ]
        returned = sorted(answered, key=attrgetter("return_ns"))
        values = returned_values(returned)
        self._return_times_ns: list[int] = list(map(attrgetter("return_ns"), returned))
        largest: tuple[int, Operation | None] = (self.initial, None)
        self._largest_until = [largest]
        for each, value in zip(returned, values, strict=True):
            if value > largest[0]:
                largest = (value, each)
            self._largest_until.append(largest)
        pairs = zip(returned, values, strict=True)
        self.named = [pair for pair in pairs if pair[0].function == READ or pair[0].outcome is Outcome.REFUSED]
        self.reads = [pair for pair in self.named if pair[0].function == READ]

    def largest_before(self, at_ns: int) -> tuple[int, Operation | None]:
        """The largest value that returned before a moment; whose it was is None for the initial value."""
        return self._largest_until[bisect_left(self._return_times_ns, at_ns)]


def _from_nowhere(answers: _Answers) -> Iterator[NotLinearizable]:
    """Rule 1."""
    for each, value in answers.named:
        write = answers.first_write.get(value)
        is_refused = each.outcome is Outcome.REFUSED
        if is_refused and written_value(each) >= value:
            sentence, write = f"{_did(each)}, which it is not", None
        elif (
            value == answers.initial
            or (is_refused and value < answers.initial)
            or (write is not None and write.call_ns <= _return_ns(each))
        ):
            continue
        elif write is None:
            sentence = f"{_did(each)}, and no write of {value} can have happened"
        else:
            sentence = f"{_did(each)}, before the first write of {value} ({_name(write)}) was called"
        yield NotLinearizable(Rule.FROM_NOWHERE, (each, *_those_of(write)), sentence)
        return


def _went_back(answers: _Answers) -> Iterator[NotLinearizable]:
    """Rule 2."""
    for read, value in answers.reads:
        largest, whose = answers.largest_before(read.call_ns)
        if largest > value:
            sentence = f"{_did(read)}, although {_had(whose, largest)} before it was called"
            yield NotLinearizable(Rule.WENT_BACK, (read, *_those_of(whose)), sentence)
            return


def _overtaken(answers: _Answers) -> Iterator[NotLinearizable]:
    """Rule 3. What nobody wrote is left to rule 1."""
    for read, value in answers.reads:
        write = answers.first_write.get(value)
        if value == answers.initial or write is None:
            continue
        largest, whose = answers.largest_before(write.call_ns)
        if largest > value:
            overtaken = f"the first write of {value} ({_name(write)}) was called"
            sentence = f"{_did(read)}, although {_had(whose, largest)} before {overtaken}"
            yield NotLinearizable(Rule.OVERTAKEN, (read, write, *_those_of(whose)), sentence)
            return


def _return_ns(operation: Operation) -> int:
    assert operation.return_ns is not None
    return operation.return_ns


def _those_of(whose: Operation | None) -> tuple[Operation, ...]:
    return () if whose is None else (whose,)


def _name(operation: Operation) -> str:
    return f"#{operation.op} by {operation.client}"


def _did(answered: Operation) -> str:
    if answered.function == READ:
        return f"read {_name(answered)} returned {answered.result}"
    return f"{_write(answered)} was refused as a decrease from {answered.result}"


def _had(whose: Operation | None, largest: int) -> str:
    if whose is None:
        return f"the register had begun at {largest}"
    if whose.function == READ:
        return f"read {_name(whose)} had returned {largest}"
    if whose.outcome is Outcome.REFUSED:
        return f"{_write(whose)} had been refused as a decrease from {largest}"
    return f"{_write(whose)} had been answered 200"


def _write(write: Operation) -> str:
    return f"write #{write.op} of {write.argument} by {write.client}"
