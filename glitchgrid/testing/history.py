"""What the clients of a test saw, and whether that can be right."""

import json
from collections.abc import Callable, Hashable, Iterator

from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.checkers.result import CannotSay, NotLinearizable
from glitchgrid.lab.checkers.telling import did
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.operation import OPERATIONS_MAX, UNKNOWN, Operation, Outcome
from glitchgrid.lab.history.operation import History as Seen
from glitchgrid.testing.errors import WorldError

TEXT_CHARACTERS_MAX = 200


class Call:
    """An operation that was called: one of its methods says how it returned. Until then it is open."""

    def __init__(self, returned: Callable[[Outcome, Hashable], None]) -> None:
        self._returned = returned

    def ok(self, result: Hashable = None) -> None:
        """It happened, and this is what it returned."""
        self._returned(Outcome.OK, result)

    def refused(self, result: Hashable = None) -> None:
        """It did not happen, and the answer says something of the state."""
        self._returned(Outcome.REFUSED, result)

    def failed(self) -> None:
        """It certainly did not happen."""
        self._returned(Outcome.FAILED, UNKNOWN)

    def ambiguous(self) -> None:
        """It may have happened, may happen yet, or never: as after a time-out."""
        self._returned(Outcome.AMBIGUOUS, UNKNOWN)


class Contradiction(AssertionError):
    """No order of the operations explains what the clients saw.

    :ivar operations: the numbers of those that show it.
    """

    def __init__(self, message: str, operations: tuple[int, ...]) -> None:
        super().__init__(message)
        self.operations = operations


class History:
    """:param now_ns: the time of the world."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._operations: list[Operation] = []

    def __len__(self) -> int:
        return len(self._operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations)

    def call(self, client: str, function: str, argument: Hashable = None, key: Hashable = None) -> Call:
        """A client calls an operation, now.

        :param function: as the model knows it: "read", "write", "acquire" and so on.
        :param key: the object, where there are several.
        :raises WorldError: for too many operations.
        """
        number = len(self._operations)
        if number >= OPERATIONS_MAX:
            raise WorldError(f"{OPERATIONS_MAX} operations are the most")
        called = Operation(number, client, function, argument, UNKNOWN, self._now_ns(), None, Outcome.AMBIGUOUS, key)
        self._operations.append(called)

        def returned(outcome: Outcome, result: Hashable) -> None:
            # Who can't know what became of an operation, can't say when that was.
            at_ns = None if outcome is Outcome.AMBIGUOUS else self._now_ns()
            self._operations[number] = called._replace(outcome=outcome, result=result, return_ns=at_ns)

        return Call(returned)

    def check(self, model: str | Model, initial: Hashable = None) -> None:
        """That some order of the operations explains what was returned (linearizability, Herlihy and Wing, 1990).

        :param model: "register", "mutex", "queue" and so on, or a model of one's own.
        :param initial: what the object held before the first operation; None for what the model says.
        :raises Contradiction: where none does: the smallest set of operations that contradict each other.
        :raises WorldError: for a model that there is not.
        """
        if isinstance(model, str):
            if model not in MODELS:
                raise WorldError(f"there is no model {model!r}; there are {', '.join(MODELS)}")
            model = self._made(model, initial)
        try:
            verdict = judge(Seen(tuple(self._operations)), model)
        except ModelMismatch as error:
            raise WorldError(f"the history is none of a {model.name}: {error}") from error
        if isinstance(verdict, NotLinearizable):
            numbers = tuple(each.op for each in verdict.operations)
            told = "".join(f"\n  {did(each)}" for each in verdict.operations)
            raise Contradiction(f"{verdict.sentence}{told}", numbers)
        if isinstance(verdict, CannotSay) and self._operations:
            raise WorldError(f"the history can't be judged: {verdict.reason}")

    def _made(self, name: str, initial: Hashable) -> Model:
        try:
            return MODELS[name](initial)
        except ModelMismatch as error:
            raise WorldError(str(error)) from error

    def as_text(self) -> str:
        """JSON, an operation a line."""
        return "".join(
            json.dumps(
                {
                    "client": each.client,
                    "function": each.function,
                    "argument": None if each.argument is None else _brief(each.argument),
                    "text": _brief(each.function if each.argument is None else f"{each.function} {each.argument}"),
                    "detail": did(each),
                    "call_ns": each.call_ns,
                    "return_ns": each.return_ns,
                    "outcome": "open" if each.outcome is Outcome.AMBIGUOUS else each.outcome.value,
                }
            )
            + "\n"
            for each in self._operations
        )


def _brief(value: Hashable) -> str:
    return str(value)[:TEXT_CHARACTERS_MAX]
