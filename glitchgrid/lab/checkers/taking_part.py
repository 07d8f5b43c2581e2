"""Which operations an order has to hold, and until when each has taken effect."""

import math
from collections.abc import Container, Sequence

from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.history.operation import Operation, Outcome


def taking_part(operations: Sequence[Operation], model: Model) -> list[Operation]:
    """The operations that say something, or that may have done something that another one saw."""
    return [each for each in model.without_unseen(operations) if _says_something(each, model)]


def until_ns(operation: Operation, optional: Container[int] = ()) -> float:
    """When an operation has taken effect at the latest, if it has.

    :param optional: ambiguous operations, by their numbers, that may take effect in their time alone.
    """
    is_open = operation.outcome is Outcome.AMBIGUOUS and operation.op not in optional
    return math.inf if is_open or operation.return_ns is None else operation.return_ns


def _says_something(operation: Operation, model: Model) -> bool:
    """What failed did not happen, and an observer that returned nothing has seen nothing."""
    if operation.outcome is Outcome.AMBIGUOUS:
        return not model.observes(operation.function)
    if operation.outcome is Outcome.REFUSED:
        return model.knows_refusals
    return operation.outcome is not Outcome.FAILED
