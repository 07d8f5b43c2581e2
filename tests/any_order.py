"""The definition of linearizability for any model, and histories to try checkers on: drawn from a seed, for any model.

Nothing of the search is used here, and nothing that a model says of itself but what its methods do.
"""

from collections.abc import Callable, Hashable, Sequence
from random import Random

from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome

CLIENTS = 4


def linearizable(operations: Sequence[Operation], model: Model) -> bool:
    """Is there an order? Every one is tried."""
    happened = [each for each in operations if each.outcome is not Outcome.FAILED]
    return _goes_on(model, model.initial, happened)


def _goes_on(model: Model, state: State, left: list[Operation]) -> bool:
    if all(each.outcome is Outcome.AMBIGUOUS for each in left):
        return True
    first_end = min(
        each.return_ns for each in left if each.outcome is not Outcome.AMBIGUOUS and each.return_ns is not None
    )
    for index, each in enumerate(left):
        if each.call_ns <= first_end:
            after = model.step(each.function)(state, each)
            if after is not IMPOSSIBLE and _goes_on(model, after, left[:index] + left[index + 1 :]):
                return True
    return False


Draw = Callable[[Random], tuple[str, Hashable]]
"""Draws a function and its argument."""

Results = Callable[[State, str, Hashable], Sequence[Hashable]]
"""What a function with its argument may return in a state: the true result first, lies behind it."""


def drawn(random: Random, model: Model, draw: Draw, results: Results) -> list[Operation]:
    """What clients see of an object that may lie, on a clock so coarse that many times are equal."""
    lies = random.random() < 0.6
    moments = []
    for _ in range(random.randint(2, 7)):
        call = random.randint(0, 9)
        end = call + random.choice([0, 1, 2, 3, 5])
        early, late = (2, 2) if lies and random.random() < 0.2 else (0, 0)
        moments.append((random.randint(call - early, end + late), call, end))
    state = model.initial
    operations = []
    for op, (_, call, end) in enumerate(sorted(moments)):
        function, argument = draw(random)
        true, *others = results(state, function, argument)
        client = f"c{random.randrange(CLIENTS)}"
        operation = Operation(op, client, function, argument, true, call, end, Outcome.OK)
        after = model.step(function)(state, operation)
        dice = random.random()
        if after is IMPOSSIBLE:
            outcome = Outcome.OK if lies and dice < 0.3 else Outcome.FAILED
        elif dice < 0.2:
            outcome = Outcome.AMBIGUOUS
            after = after if random.random() < 0.5 else state
        else:
            outcome = Outcome.OK
        result = random.choice(others) if others and lies and random.random() < 0.2 else true
        if after is not IMPOSSIBLE and outcome is not Outcome.FAILED:
            state = after
        operations.append(
            Operation(
                op,
                client,
                function,
                argument,
                UNKNOWN if outcome is not Outcome.OK else result,
                call,
                None if outcome is Outcome.AMBIGUOUS and random.random() < 0.5 else end,
                outcome,
            )
        )
    return operations
