"""What the page's clients remember, and what the checker makes of it."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import NotLinearizable
from glitchgrid.lab.history.format import READ, WRITE
from glitchgrid.lab.history.operation import UNKNOWN, History, Operation, Outcome
from glitchgrid.lab.register.live.clients import LOAD_PER_S_MAX, Checked, Clients, checked, shortened, written_by_others
from glitchgrid.value import VALUE_MAX


def write(op: int, value: int, call_ns: int, return_ns: int | None, outcome: Outcome = Outcome.OK) -> Operation:
    result = None if outcome is Outcome.OK else UNKNOWN
    return Operation(op, "c", WRITE, value, result, call_ns, return_ns, outcome)


def read(op: int, value: int, call_ns: int, return_ns: int) -> Operation:
    return Operation(op, "c", READ, None, value, call_ns, return_ns, Outcome.OK)


def test_what_is_kept_and_what_the_register_began_with() -> None:
    operations = [
        write(0, 5, 0, 1),
        read(1, 5, 2, 3),
        write(2, 9, 4, None, Outcome.AMBIGUOUS),
        write(3, 7, 5, 20),  # it goes on when the others are forgotten
        read(4, 5, 6, 21),
        write(5, 8, 10, 12),
        read(6, 9, 13, 14),
    ]
    kept, initial = shortened(operations, 0, 4)
    assert initial == 5
    assert [(each.op, each.outcome) for each in kept] == [
        (2, Outcome.AMBIGUOUS),
        (3, Outcome.AMBIGUOUS),
        (5, Outcome.OK),
        (6, Outcome.OK),
    ]
    assert kept[1].return_ns is None
    assert shortened(operations, 3, 7) == (operations, 3)


Steps = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4), st.booleans(), st.booleans()), max_size=25)


def history_of(steps: Sequence[tuple[int, int, bool, bool]]) -> list[Operation]:
    """What clients see of a register that does as it should: things happen at their calls, and return later."""
    operations, largest = [], 0
    for number, (value, takes, writes, is_lost) in enumerate(steps):
        at_ns = number + 1
        if writes:
            largest = max(largest, value)
            outcome = Outcome.AMBIGUOUS if is_lost else Outcome.OK
            operations.append(write(number, value, at_ns, None if is_lost else at_ns + takes, outcome))
        else:
            operations.append(read(number, largest, at_ns, at_ns + takes))
    return operations


@settings(max_examples=300)
@given(Steps, st.integers(1, 25))
def test_what_could_be_explained_can_be_when_some_is_forgotten(
    steps: list[tuple[int, int, bool, bool]], most: int
) -> None:
    kept, initial = shortened(history_of(steps), 0, most)
    assert not isinstance(check(History(tuple(kept), initial)), NotLinearizable)


def test_what_people_are_told() -> None:
    assert checked(History((), 0), 0).text == "nothing to check yet"
    assert checked(History((write(0, 5, 0, 1),), 0), 1).text == "so far 1 operations prove nothing"
    good = checked(History((write(0, 5, 0, 1), read(1, 5, 2, 3)), 0), 4120)
    assert (good.text, good.is_wrong) == ("linearizable so far, 4,120 operations", False)
    bad = checked(History((write(0, 5, 0, 1), read(1, 0, 2, 3)), 0), 2)
    assert bad.is_wrong
    assert {each.op for each in bad.wrong} == {0, 1}


def seen(operations: list[Operation], initial: int = 0) -> Checked:
    return checked(History((*written_by_others(operations, initial), *operations), initial), len(operations))


def test_others_may_write_too() -> None:
    """A shell, or an earlier history: what it wrote is no violation, and hides none."""
    good = seen([read(0, 50, 5, 6), write(1, 50, 7, 8), write(2, 51, 9, 10), read(3, 51, 11, 12)])
    assert good.text == "linearizable so far, 4 operations; 1 value was written by others"
    back = seen([read(0, 50, 5, 6), read(1, 40, 7, 8)])
    assert back.is_wrong
    assert seen([read(0, 50, 5, 6), read(1, 49, 7, 8)], 50).is_wrong
    refused = Operation(1, "c", WRITE, 50, 60, 7, 8, Outcome.REFUSED)
    assert not seen([read(0, 50, 5, 6), refused]).is_wrong
    assert not written_by_others([write(0, 5, 0, 1), read(1, 5, 2, 3)], 0)


def test_their_limits() -> None:
    clients = Clients(object(), [], lambda _done: None)
    for value in (0, -1, VALUE_MAX + 1):
        with pytest.raises(ValueError, match="a value is a number from 1"):
            clients.write("you", value)
    for per_s in (-1, LOAD_PER_S_MAX + 1):
        with pytest.raises(ValueError, match="a load is from 0"):
            clients.load(per_s)
    clients.load(0)
    unheard: Any = clients.per_s
    assert unheard == 0
