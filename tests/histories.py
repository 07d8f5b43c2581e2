"""Histories for the tests of the checkers: made by hand, or drawn from a seed."""

from random import Random

from glitchgrid.lab.history.format import READ, WRITE, written_value
from glitchgrid.lab.history.operation import UNKNOWN, History, Operation, Outcome


def write(value: int, call: int, end: int, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(0, "c", WRITE, value, None if outcome is Outcome.OK else UNKNOWN, call, end, outcome)


def ambiguous(value: int, call: int, end: int | None = None) -> Operation:
    return Operation(0, "c", WRITE, value, UNKNOWN, call, end, Outcome.AMBIGUOUS)


def refused(value: int, floor: int, call: int, end: int) -> Operation:
    return Operation(0, "c", WRITE, value, floor, call, end, Outcome.REFUSED)


def read(value: int, call: int, end: int) -> Operation:
    return Operation(0, "c", READ, None, value, call, end, Outcome.OK)


def failed_read(call: int, end: int | None = None) -> Operation:
    return Operation(0, "c", READ, None, UNKNOWN, call, end, Outcome.FAILED)


def history(*operations: Operation, initial: int = 0) -> History:
    """The operations numbered from 1, each by a client of its own."""
    return History(tuple(each._replace(op=n, client=f"c{n}") for n, each in enumerate(operations, start=1)), initial)


def drawn_history(random: Random, most: int = 9) -> History:
    """What clients see of a register that may lie, on a clock so coarse that many times are equal.

    Each operation happens at one moment of its own. A register that lies lets some happen before their calls or
    after their returns, or answers with any value that was ever written, or with any value at all.
    """
    initial = random.choice([0, 0, 0, 3])
    off = random.choice([0, 6])
    moments = []
    for _ in range(random.randint(2, most)):
        call = random.randint(0, 9)
        end = call + random.choice([0, 1, 2, 3, 5, 8])
        moments.append((random.randint(call - off, end + off), call, end))
    largest, written = initial, [initial]
    operations = []
    for _, call, end in sorted(moments):
        operation = _drawn_operation(random, largest, written, call, end)
        if operation.function == WRITE and operation.outcome in {Outcome.OK, Outcome.AMBIGUOUS}:
            largest = max(largest, written_value(operation))
            written.append(written_value(operation))
        operations.append(operation)
    if random.random() < 0.1:
        operations = operations[:2] + _overtaken(random)
    random.shuffle(operations)
    if random.random() < 0.6:
        answers = random.choice([written, written, list(range(1, 7))])
        operations = [_changed(random, answers, each) if random.random() < 0.4 else each for each in operations]
    return history(*operations, initial=initial)


def _overtaken(random: Random) -> list[Operation]:
    """Operations like those of the smallest history that needs rule 3, which chance alone seldom draws."""
    small, large = sorted(random.sample(range(1, 7), 2))
    call, end = random.randint(0, 4), random.randint(3, 9)
    overtaker = random.choice([write(large, call, call + 1), refused(small, large, call, call + 1)])
    late = random.choice([write(small, end, end + 3), ambiguous(small, end)])
    return [read(small, 0, random.randint(6, 12)), overtaker, ambiguous(large, 0), late]


def _drawn_operation(random: Random, largest: int, written: list[int], call: int, end: int) -> Operation:
    value = random.randint(1, 6)
    dice = random.random()
    if dice < 0.42:
        # A long read overlaps much, which is what rule 3 is about.
        return read(largest, call, end + random.choice([0, 0, 9]))
    if dice < 0.47:
        return failed_read(call, random.choice([end, None]))
    if dice < 0.52:
        return write(value, call, end, Outcome.FAILED)
    if dice < 0.68:
        return ambiguous(value, call, random.choice([end, None]))
    floor = random.choice(written)
    return refused(value, floor, call, end) if value < floor and dice < 0.9 else write(value, call, end)


def _changed(random: Random, answers: list[int], operation: Operation) -> Operation:
    if operation.outcome is Outcome.REFUSED:
        return operation._replace(result=max(random.choice(answers), 1))
    if operation.function == READ and operation.outcome is Outcome.OK:
        return operation._replace(result=random.choice(answers))
    return operation
