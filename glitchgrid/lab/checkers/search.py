"""The search for an order: the fast way where there is one that is exact, and the one for all models elsewhere."""

from collections.abc import Container, Sequence

from glitchgrid.lab.checkers.answer import Found, GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.growing_sets import grows_only, search_growing_sets
from glitchgrid.lab.checkers.just_in_time import search_just_in_time
from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.unique_values import are_unique, search_unique_values
from glitchgrid.lab.history.operation import Operation


def search(
    operations: Sequence[Operation], model: Model, limits: Limits | None = None, optional: Container[int] = ()
) -> Found | Stuck | GaveUp:
    """Is there an order of the operations that explains what they returned?

    :param optional: operations, by their numbers, that may be left out: in the order or not, but in their time.
    :raises ModelMismatch: where the model has no such function, or not with such an argument.
    """
    limits = limits or Limits()
    if are_unique(operations, model):
        return search_unique_values(operations, model, limits, optional)
    if grows_only(operations, model):
        return search_growing_sets(operations, model, limits, optional)
    return search_just_in_time(operations, model, limits, optional)
