"""What a sequential object does: the specification that a history is held against.

A model of one's own is a class with a method for each function. A method is given the state and an operation, and
returns the state after it, or `IMPOSSIBLE` where the operation cannot have returned what it did::

    class Stack(Model):
        name = "stack"
        initial = ()

        def push(self, state, operation):
            return (*state, operation.argument)

        def pop(self, state, operation):
            return state[:-1] if state and operation.returns(state[-1]) else IMPOSSIBLE

States are hashable, and equal where they behave alike. A method must not depend on anything else, and must not
change the state that it is given: the search asks it once for each state and each kind of operation.
"""

import enum
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import ClassVar

from glitchgrid.lab.checkers.telling import named
from glitchgrid.lab.history.operation import Operation

State = Hashable


class _Impossible(enum.Enum):
    IMPOSSIBLE = "impossible"


IMPOSSIBLE = _Impossible.IMPOSSIBLE
"""What a method returns where an operation cannot have come to what it did in this state."""

Step = Callable[[State, Operation], State]


class Model:
    """A sequential object.

    :cvar name: how people ask for the model.
    :cvar initial: the state before the first operation.
    :cvar observers: the methods that never change the state.
    :cvar blind: the methods that can always happen, and leave a state that does not depend on the one before.
    :cvar is_register: whether ``read`` returns what the last ``write`` left, and these two do nothing else.
    :cvar is_set: whether ``add`` puts an element in, ``read`` returns all, and these two do nothing else.
    :cvar knows_clients: whether the methods look at an operation's client.
    :cvar knows_refusals: whether a refusal says something; else it is an operation that did not happen, and no more.
    """

    name: ClassVar[str]
    initial: State = None
    observers: ClassVar[frozenset[str]] = frozenset()
    blind: ClassVar[frozenset[str]] = frozenset()
    is_register: ClassVar[bool] = False
    is_set: ClassVar[bool] = False
    knows_clients: ClassVar[bool] = False
    knows_refusals: ClassVar[bool] = False

    def __init__(self, initial: State = None) -> None:
        """
        :param initial: the state before the first operation; None for the model's own.
        :raises ModelMismatch: for one that the object cannot have.
        """
        if initial is not None:
            self.initial = self.begun(initial)

    def begun(self, initial: State) -> State:
        """A state to begin with. A model that cannot begin with anything overrides this.

        :raises ModelMismatch: for a state that the object cannot have.
        """
        return initial

    def knowing(self, operations: Sequence[Operation]) -> "Model":
        """The model for these operations. A model that can judge faster when it knows them overrides this."""
        del operations
        return self

    def tell(self, state: State) -> str:
        """A state in words, behind "then"."""
        return f"the state is {named(state)}"

    def reason(self, last: Operation, others: Sequence[Operation], everything: Sequence[Operation]) -> str:
        """Why the last of some operations contradicts the others, in one sentence; empty where the model has no
        better words than anybody.

        :param others: those that it contradicts.
        :param everything: all operations on the object that may have happened.
        """
        del last, others, everything
        return ""

    def observes(self, function: str) -> bool:
        """Whether a function never changes the state."""
        return method_name(function) in self.observers

    def is_blind(self, function: str) -> bool:
        """Whether a function can always happen, and leaves a state that does not depend on the one before."""
        return method_name(function) in self.blind

    @classmethod
    def functions(cls) -> frozenset[str]:
        """What can be called: the public methods that the class itself and its bases below `Model` define."""
        named: set[str] = set()
        for base in cls.__mro__[: cls.__mro__.index(Model)]:
            named |= {name for name, value in vars(base).items() if callable(value) and not name.startswith("_")}
        return frozenset(named - set(dir(Model)))

    def step(self, function: str) -> Step:
        """The method of a function."""
        found: Step = getattr(self, method_name(function))
        return found

    def without_unseen(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """The operations without those ambiguous ones whose effect nobody can have seen.

        Only what may be left out of any order that explains the history may be left out here.
        """
        return operations

    def parts(self, operations: Iterable[Operation]) -> "dict[Hashable, list[Operation]]":
        """The operations by their keys: each object is judged by itself, which Herlihy and Wing call locality."""
        by_key: dict[Hashable, list[Operation]] = {}
        for operation in operations:
            by_key.setdefault(operation.key, []).append(operation)
        return by_key


def method_name(function: str) -> str:
    """The method of a function: ``compare-and-set`` is ``compare_and_set``."""
    return function.replace("-", "_")
