"""The picture of a history and of the verdict on it."""

from collections.abc import Iterator, Mapping

from attrs import evolve

from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.result import CheckResult, Linearizable, NotLinearizable
from glitchgrid.lab.checkers.telling import did, has_answer, name, named
from glitchgrid.lab.history.operation import History, Operation, Outcome
from glitchgrid.lab.history.view import by_number, in_lanes
from glitchgrid.lab.picture.model import Fault, Lane, LaneKind, Mark, Picture, TraceLine
from glitchgrid.lab.picture.model import Operation as View

CHECKER = "checker"
READ, WRITE = "read", "write"
"""How the picture colours what only looks, and what changes something."""

_ENDED = {Outcome.REFUSED: "is refused", Outcome.FAILED: "fails", Outcome.AMBIGUOUS: "ends, and may have happened"}
_OUTCOMES = {Outcome.REFUSED: "decreases"}


def picture_of(history: History, model: Model, verdict: CheckResult, title: str) -> Picture:
    """The operations, the order that was found as far as it goes, and the contradiction if there is one.

    Where one object of several has the contradiction, its operations alone are drawn.
    """
    if isinstance(verdict, NotLinearizable) and verdict.key is not None:
        history = evolve(history, operations=tuple(each for each in history.operations if each.key == verdict.key))
    strikes = [at_ns for each in history.strikes for at_ns in (each.begin_ns, each.end_ns) if at_ns is not None]
    begin_ns = min((each.call_ns for each in history.operations), default=0)
    begin_ns = min((begin_ns, *strikes))
    end_ns = max((begin_ns, *strikes, *(each.return_ns or each.call_ns for each in history.operations)))
    placed = list(in_lanes(history.operations, lambda _client: "client"))
    lanes = [Lane(lane, LaneKind.CLIENT) for lane in sorted({lane for lane, _ in placed}, key=by_number)]
    places = _places(verdict)
    wrong = {each.op for each in verdict.operations} if isinstance(verdict, NotLinearizable) else set()
    return Picture(
        title=title,
        notes=list(_notes(history, verdict)),
        duration_ns=max(1, end_ns - begin_ns),
        lanes=lanes,
        lives=[],
        operations=[view_of(each, lane, model, begin_ns, each.op in wrong, places) for lane, each in placed],
        messages=[],
        faults=[
            Fault(
                [lane.name for lane in lanes],
                strike.name,
                strike.name,
                strike.begin_ns - begin_ns,
                (end_ns if strike.end_ns is None else strike.end_ns) - begin_ns,
            )
            for strike in history.strikes
        ],
        stairs=[],
        marks=list(_marks(verdict, begin_ns)),
        trace=sorted(_events(history, begin_ns)),
    )


def _places(verdict: CheckResult) -> dict[int, int] | None:
    """By its number, which place an operation has in the order that was found; None where none was looked for."""
    match verdict:
        case NotLinearizable(prefix=order) if order:
            return {each.op: place for place, each in enumerate(order, start=1)}
        case Linearizable(orders=orders) if orders:
            return {each.op: place for _, order in orders for place, each in enumerate(order, start=1)}
    return None


def view_of(
    operation: Operation,
    lane: str,
    model: Model,
    begin_ns: int,
    is_wrong: bool,
    places: Mapping[int, int] | None = None,
) -> View:
    """An operation of any model's, as a picture has it.

    :param begin_ns: where the picture begins, on the history's clock.
    :param places: by its number, which place an operation has in the order that was found.
    """
    place = None if places is None else places.get(operation.op)
    happened = operation.outcome in {Outcome.OK, Outcome.REFUSED}
    of = "" if operation.key is None else f" [{named(operation.key)}]"
    where = f"; number {place} in the order that was found" if place is not None else ""
    return View(
        lane=lane,
        op=operation.op,
        kind=READ if model.observes(operation.function) else WRITE,
        text=f"{operation.function}{of} {_essence(operation)}".rstrip(),
        detail=f"{did(operation)}{where}",
        called_ns=operation.call_ns - begin_ns,
        returned_ns=None if operation.return_ns is None else operation.return_ns - begin_ns,
        outcome="open" if operation.return_ns is None else _OUTCOMES.get(operation.outcome, operation.outcome.value),
        is_wrong=is_wrong,
        is_outside=places is not None and place is None and happened,
    )


def _essence(operation: Operation) -> str:
    """What matters most of an operation: what it took, or else what it returned."""
    if operation.argument is not None:
        return named(operation.argument)
    return named(operation.result) if operation.outcome is Outcome.OK and has_answer(operation) else ""


def _events(history: History, begin_ns: int) -> Iterator[TraceLine]:
    for each in history.operations:
        yield TraceLine(each.call_ns - begin_ns, f"client {each.client}", f"calls {name(each)}")
        if each.return_ns is not None:
            ended = did(each) if each.outcome is Outcome.OK else f"{name(each)} {_ENDED[each.outcome]}"
            yield TraceLine(each.return_ns - begin_ns, f"client {each.client}", ended)
    for strike in history.strikes:
        yield TraceLine(strike.begin_ns - begin_ns, "nemesis", strike.name)


def _marks(verdict: CheckResult, begin_ns: int) -> Iterator[Mark]:
    if isinstance(verdict, NotLinearizable):
        last = max(verdict.operations, key=lambda each: each.return_ns or each.call_ns)
        yield Mark((last.return_ns or last.call_ns) - begin_ns, CHECKER, verdict.sentence)


def _notes(history: History, verdict: CheckResult) -> Iterator[str]:
    if isinstance(verdict, NotLinearizable) and verdict.prefix:
        yield "Framed in red: what contradicts each other. Dashed: what the longest order that was found lacks."
    if isinstance(verdict, NotLinearizable) and verdict.key is not None:
        yield f"Operations on {named(verdict.key)} alone."
    if not history.has_times:
        yield "The history has no times: the picture shows its events one millisecond apart."
