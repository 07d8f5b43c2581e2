"""What a checker says of a history."""

from collections.abc import Hashable
from enum import IntEnum

from attrs import frozen

from glitchgrid.lab.checkers.answer import Branch
from glitchgrid.lab.history.operation import Operation


@frozen
class Linearizable:
    """Nothing is wrong with the history.

    :ivar orders: for each object, by its key, an order that explains what was returned; empty where the checker decides
        without one.
    """

    orders: tuple[tuple[Hashable, tuple[Operation, ...]], ...] = ()


@frozen
class NotLinearizable:
    """These operations contradict each other.

    :ivar rule: the rule that they break, where the checker has rules.
    :ivar operations: for a checker with rules the one that shows it comes first; else in the order of their calls.
    :ivar sentence: says how.
    :ivar is_smallest: leave out any one of them, and the rest can be explained.
    :ivar key: the object that they are on.
    :ivar branches: the orders of these operations, each as far as it goes, where the checker has looked for orders.
    :ivar prefix: an order of the longest part of the whole history that can be explained.
    """

    rule: IntEnum | None
    operations: tuple[Operation, ...]
    sentence: str
    is_smallest: bool = True
    key: Hashable = None
    branches: tuple[Branch, ...] = ()
    prefix: tuple[Operation, ...] = ()


@frozen
class CannotSay:
    """Nothing wrong was found, and too little happened, or a limit was reached."""

    reason: str


CheckResult = Linearizable | NotLinearizable | CannotSay
