"""Holding an order against the definition: it is one only if the model goes along, and the times do."""

import math
from collections.abc import Sequence

from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model
from glitchgrid.lab.history.operation import Operation, Outcome


def explains(order: Sequence[Operation], operations: Sequence[Operation], model: Model) -> bool:
    """Whether an order explains operations on one object: each that returned is in it once, in its time."""
    told = {Outcome.OK, Outcome.REFUSED} if model.knows_refusals else {Outcome.OK}
    needed = {each.op for each in operations if each.outcome in told}
    placed = [each.op for each in order]
    if len(set(placed)) < len(placed) or not needed <= set(placed):
        return False
    latest_call_ns = -math.inf
    state = model.initial
    for each in order:
        # What returned before another one in front of it was called would have to come before that one.
        if each.outcome is not Outcome.AMBIGUOUS and each.return_ns is not None and each.return_ns < latest_call_ns:
            return False
        latest_call_ns = max(latest_call_ns, each.call_ns)
        state = model.step(each.function)(state, each)
        if state is IMPOSSIBLE:
            return False
    return True
