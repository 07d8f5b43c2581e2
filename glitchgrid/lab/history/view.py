"""The operations of a history, as a picture has them."""

from collections.abc import Callable, Iterable, Iterator

from glitchgrid.lab.history.format import RETURN_NAMES, WRITE
from glitchgrid.lab.history.operation import Operation, Outcome
from glitchgrid.lab.picture.model import Operation as View


def operation_view(operation: Operation, lane: str, detail: str, is_wrong: bool, begin_ns: int = 0) -> View:
    """:param begin_ns: where the picture begins, on the history's clock."""
    returned_ns = operation.return_ns
    return View(
        lane=lane,
        op=operation.op,
        kind=operation.function,
        text=_text(operation),
        detail=detail,
        called_ns=operation.call_ns - begin_ns,
        returned_ns=None if returned_ns is None else returned_ns - begin_ns,
        outcome="open" if returned_ns is None else RETURN_NAMES[operation.function, operation.outcome],
        is_wrong=is_wrong,
    )


def _text(operation: Operation) -> str:
    if operation.function == WRITE:
        return f"write {operation.argument}"
    return f"read {operation.result}" if operation.outcome is Outcome.OK else "read"


def in_lanes(operations: Iterable[Operation], kind_of_client: Callable[[str], str]) -> Iterator[tuple[str, Operation]]:
    """Each operation with a lane that is free for it. There may be hundreds of clients, and few of them at one time.

    One that never returned stays where it is, and takes its lane with it until the end.

    :param operations: in the order of their calls.
    :param kind_of_client: the clients of one kind share lanes.
    """
    free_from_ns: dict[str, list[float]] = {}
    for operation in operations:
        kind = kind_of_client(operation.client)
        lanes = free_from_ns.setdefault(kind, [])
        number = next((n for n, at_ns in enumerate(lanes) if at_ns <= operation.call_ns), len(lanes))
        if number == len(lanes):
            lanes.append(0)
        lanes[number] = float("inf") if operation.return_ns is None else operation.return_ns
        yield f"{kind} {number + 1}", operation


def by_number(lane: str) -> tuple[str, int]:
    """Lanes in their order."""
    kind, _, number = lane.rpartition(" ")
    return kind, int(number)
