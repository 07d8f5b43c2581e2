"""How far a history can be explained, for ways of searching that only say whether all of it can."""

import math
import time
from collections.abc import Callable, Container, Sequence

from glitchgrid.lab.checkers.answer import Branch, GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.model import Model, State
from glitchgrid.lab.checkers.taking_part import until_ns
from glitchgrid.lab.history.operation import Operation

Order = Callable[[Sequence[tuple[Operation, float]]], Sequence[Operation] | None]
"""An order that explains operations, each with the moment at which it has taken effect at the latest; or None."""


class Prefixes:
    """What had happened at the moment of each return."""

    def __init__(self, operations: Sequence[Operation], model: Model, order: Order, optional: Container[int]) -> None:
        self._operations = operations
        self._model = model
        self._order = order
        self._optional = optional
        ends = ((until_ns(each, optional), number) for number, each in enumerate(operations))
        self._returns = sorted(end for end in ends if end[0] < math.inf)

    def longest(self, limits: Limits) -> Stuck | GaveUp:
        """The longest one that can be explained, and the return behind it. The whole cannot."""
        explained, failed = 0, len(self._returns)
        while failed - explained > 1:
            if limits.deadline_s is not None and time.monotonic() > limits.deadline_s:
                return GaveUp("the time limit was reached", explained)
            middle = (explained + failed) // 2
            if self._ordered(middle) is None:
                failed = middle
            else:
                explained = middle
        order = self._ordered(explained)
        assert order is not None  # nothing has returned yet, or it was found above
        branch = Branch(tuple(order), self._state_after(order))
        return Stuck(self._operations[self._returns[explained][1]], (branch,))

    def _ordered(self, returns: int) -> Sequence[Operation] | None:
        """An order of what had been called when so many had returned. What had not may have happened, or not."""
        over = {number for _, number in self._returns[:returns]}
        at_ns = self._returns[returns - 1][0] if returns else -math.inf
        there: list[tuple[Operation, float]] = []
        for number, each in enumerate(self._operations):
            if number in over:
                there.append((each, until_ns(each, self._optional)))
            elif each.call_ns <= at_ns and not self._model.observes(each.function):
                there.append((each, math.inf))
        return self._order(there)

    def _state_after(self, order: Sequence[Operation]) -> State:
        state = self._model.initial
        for each in order:
            state = self._model.step(each.function)(state, each)
        return state
