"""Operations and values in words."""

from collections.abc import Hashable

from glitchgrid.lab.history.formats.values import edn_text
from glitchgrid.lab.history.operation import ANSWERING, UNKNOWN, Operation, Outcome

TEXT_MAX = 60
"""Characters of a value that are shown."""


def named(value: Hashable) -> str:
    """A value, as short as it takes: a text as it is, anything else in EDN."""
    text = value if isinstance(value, str) else edn_text(value)
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 4]} ..."


def name(operation: Operation) -> str:
    """An operation, without what came of it: "write #5 of 3 by client 4"."""
    of = "" if operation.argument is None else f" of {named(operation.argument)}"
    return f"{operation.function} #{operation.op}{of} by client {operation.client}"


def had(operation: Operation) -> str:
    """An operation that was over before another one: "read #7 by client 2 had returned 3"."""
    return _told(operation, "had returned", "had been refused")


def did(operation: Operation) -> str:
    """An operation, and what came of it: "read #7 by client 2 returned 3"."""
    return _told(operation, "returned", "was refused")


def _told(operation: Operation, returned: str, refused: str) -> str:
    if operation.outcome is Outcome.REFUSED:
        return f"{name(operation)} {refused}, with {named(operation.result)}"
    if operation.outcome is not Outcome.OK:
        return f"{name(operation)} has never returned"
    return (
        f"{name(operation)} {returned} {named(operation.result)}"
        if has_answer(operation)
        else f"{name(operation)} {returned}"
    )


def has_answer(operation: Operation) -> bool:
    """Whether what an operation returned is worth telling: more than that it is done."""
    if operation.result is None:
        return operation.function in ANSWERING
    return operation.result is not UNKNOWN and operation.result != operation.argument
