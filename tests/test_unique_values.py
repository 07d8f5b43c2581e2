"""Registers whose values are unique: the fast way says what the search for all models says, and stops where it does."""

from itertools import count
from random import Random

from glitchgrid.lab.checkers.answer import Found, GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.just_in_time import search_just_in_time
from glitchgrid.lab.checkers.models.registers import CasRegister, MaxRegister, Register
from glitchgrid.lab.checkers.replay import explains
from glitchgrid.lab.checkers.unique_values import are_unique, search_unique_values
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome

SEED = 16
HISTORIES = 3000
CLIENTS = 5


def did(function: str, argument: object = None, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(0, "c", function, argument, None, 1, 2, outcome)


def long(random: Random) -> list[Operation]:
    """What clients see of a register for a while: writes that are in doubt, and sometimes a read of what was before."""
    numbers = count(1)
    lies = random.random() < 0.5
    free = [0] * CLIENTS
    moments = []
    for _ in range(random.randint(5, 40)):
        client = random.randrange(CLIENTS)
        call = free[client] + random.randint(0, 4)
        end = free[client] = call + random.randint(0, 9)
        moments.append((random.randint(call, end), client, call, end))
    held: list[int | None] = [None]
    operations = []
    for op, (_, client, call, end) in enumerate(sorted(moments)):
        is_known = random.random() < 0.8
        if random.random() < 0.5:
            value = next(numbers)
            held += [value] if is_known or random.random() < 0.5 else []
            outcome, result = (Outcome.OK, None) if is_known else (Outcome.AMBIGUOUS, UNKNOWN)
            operations.append(Operation(op, f"c{client}", "write", value, result, call, end, outcome))
        else:
            seen = held[-2] if lies and len(held) > 1 and random.random() < 0.1 else held[-1]
            operations.append(Operation(op, f"c{client}", "read", None, seen, call, end, Outcome.OK))
    return sorted(operations, key=lambda each: each.call_ns)


def seen_until(stuck: Stuck, operations: list[Operation]) -> list[Operation]:
    """What had happened just before an operation returned."""
    places = [(each.return_ns or 0, index) for index, each in enumerate(operations)]
    last = places[operations.index(stuck.operation)]
    return [
        each if place < last and each.outcome is Outcome.OK else each._replace(outcome=Outcome.AMBIGUOUS)
        for each, place in zip(operations, places, strict=True)
        if each.call_ns <= last[0] and (place < last or each.function == "write")
    ]


def test_the_same_as_by_the_search_for_all_models() -> None:
    random = Random(SEED)
    stuck = 0
    for _ in range(HISTORIES):
        operations = long(random)
        assert are_unique(operations, Register())
        fast = search_unique_values(operations, Register(), Limits())
        slow = search_just_in_time(operations, Register(), Limits())
        if isinstance(slow, Found):
            assert isinstance(fast, Found)
            assert explains(fast.order, operations, Register())
        else:
            assert isinstance(fast, Stuck)
            assert isinstance(slow, Stuck)
            assert fast.operation.op == slow.operation.op
            (branch,) = fast.branches
            assert explains(branch.order, seen_until(fast, operations), Register())
            stuck += 1
    assert HISTORIES // 10 < stuck < HISTORIES * 9 // 10


def test_where_it_is_exact() -> None:
    assert are_unique([did("write", 1), did("write", 2), did("read")], Register())
    assert are_unique([did("write", 1), did("write", 1, Outcome.FAILED)], CasRegister())
    assert not are_unique([did("write", 1), did("write", 1, Outcome.AMBIGUOUS)], Register())
    assert not are_unique([did("write", 1)], Register(1))
    assert not are_unique([did("write", 1), did("cas", (1, 2))], CasRegister())
    assert not are_unique([did("write", 1)], MaxRegister())


def test_no_time_is_left() -> None:
    operations = [
        Operation(0, "a", "write", 1, None, 1, 2, Outcome.OK),
        Operation(1, "a", "write", 2, None, 3, 4, Outcome.OK),
        Operation(2, "a", "read", None, 1, 5, 6, Outcome.OK),
    ]
    assert search_unique_values(operations, Register(), Limits(deadline_s=0)) == GaveUp("the time limit was reached", 0)


def test_what_may_be_left_out_is_not_missed_before_it_is_seen() -> None:
    operations = [
        Operation(0, "a", "write", 1, None, 1, 2, Outcome.OK),
        Operation(1, "a", "write", 2, UNKNOWN, 3, 4, Outcome.AMBIGUOUS),
        Operation(2, "a", "read", None, 1, 5, 6, Outcome.OK),
        Operation(3, "a", "read", None, 2, 7, 8, Outcome.OK),
    ]
    for search in (search_unique_values, search_just_in_time):
        assert isinstance(search(operations, Register(), Limits()), Found)
        found = search(operations, Register(), Limits(), {1})
        assert isinstance(found, Stuck)
        assert found.operation.op == 3
