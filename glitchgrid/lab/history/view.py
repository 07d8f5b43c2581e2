"""The operations of a history, as a picture has them."""

from glitchgrid.lab.history.format import Operation, OperationKind, Outcome
from glitchgrid.lab.picture.model import Operation as View


def operation_view(operation: Operation, lane: str, detail: str, is_wrong: bool, begin_ns: int = 0) -> View:
    """:param begin_ns: where the picture begins, on the history's clock."""
    returned_ns = operation.return_ns
    return View(
        lane=lane,
        op=operation.op,
        kind=operation.kind.value,
        text=_text(operation),
        detail=detail,
        called_ns=operation.call_ns - begin_ns,
        returned_ns=None if returned_ns is None else returned_ns - begin_ns,
        outcome="open" if returned_ns is None else operation.outcome.value,
        is_wrong=is_wrong,
    )


def _text(operation: Operation) -> str:
    if operation.kind is OperationKind.WRITE:
        return f"write {operation.value}"
    return f"read {operation.value}" if operation.outcome is Outcome.OK else "read"
