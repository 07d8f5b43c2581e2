"""The picture of a part: what its clients did, which faults there were, and which test commands ran meanwhile."""

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

from glitchgrid.lab.checkers.rendering import view_of
from glitchgrid.lab.checkers.result import NotLinearizable
from glitchgrid.lab.composer.calls import ENDS_WELL, Call
from glitchgrid.lab.composer.faults import Fault as Injected
from glitchgrid.lab.composer.servers import Said, Sent
from glitchgrid.lab.history.operation import Operation
from glitchgrid.lab.history.view import by_number, in_lanes, operation_view
from glitchgrid.lab.picture.model import Fault, Lane, LaneKind, Life, Mark, Message, Picture, TraceLine
from glitchgrid.lab.picture.model import Operation as View
from glitchgrid.lab.report.part import Part
from glitchgrid.lab.report.report import verdict_name

CHECKER, COMMAND = "checker", "test command"
T = TypeVar("T")

COMMANDS = "commands"
ANY_CLIENT = "client"
"""One whose name says nothing of what it does."""

DRAWN_MAX = 10_000
"""So many messages, and so many lines that servers have said, a picture has."""

LOST_AFTER_NS = 20_000_000
"""The arrow of a message that never arrives is drawn for so long."""
_CLIENT = re.compile(r"(.*)-[a-z]+\d*")


def picture_of(part: Part) -> Picture:
    operations = () if part.history is None else part.history.operations
    begin_ns = min(_times_ns(part), default=0)
    end_ns = max(_times_ns(part), default=1)
    verdict = part.verdict
    wrong = {each.op for each in verdict.operations} if isinstance(verdict, NotLinearizable) else set()
    placed = list(in_lanes(operations, _kind_of_client))
    names = [lane for lane, _ in placed]
    members = () if part.about is None else part.about.members
    keepers = () if part.about is None else part.about.keepers
    ends = {end for each in part.sent for end in (each.source, each.target)}
    others = sorted({*ends, *(name for each in part.faults for name in each.members)} - {*members})
    lanes = [Lane(name, LaneKind.CLIENT) for name in sorted(dict.fromkeys(names), key=by_number)]
    lanes += [Lane(name, LaneKind.CLIENT) for name in others]
    lanes += [Lane(name, LaneKind.KEEPER if name in keepers else LaneKind.SERVER) for name in members]
    said = _said(_thinned(part.said), begin_ns, end_ns)
    return Picture(
        title=f"{part.name}: {verdict_name(verdict)}",
        notes=[],
        duration_ns=max(1, end_ns - begin_ns),
        lanes=lanes,
        lives=list(_lives(members, part, begin_ns)),
        operations=[_view(part, each, lane, each.op in wrong, begin_ns) for lane, each in placed],
        messages=[_message(each, begin_ns) for each in _thinned(part.sent) if begin_ns <= each.sent_ns <= end_ns],
        faults=[
            Fault(each.members, each.kind, each.text or each.kind, each.began_ns - begin_ns, each.ended_ns - begin_ns)
            for each in part.faults
        ],
        stairs=[],
        marks=list(_marks(part, begin_ns)),
        trace=sorted([*_told(part.calls, begin_ns), *_struck(part.faults, begin_ns), *said]),
    )


def _view(part: Part, operation: Operation, lane: str, is_wrong: bool, begin_ns: int) -> View:
    if part.model is None:
        return operation_view(operation, lane, f"operation {operation.op} by {operation.client}", is_wrong, begin_ns)
    return view_of(operation, lane, part.model, begin_ns, is_wrong)


def _times_ns(part: Part) -> Iterator[int]:
    for operation in () if part.history is None else part.history.operations:
        yield operation.call_ns
        yield operation.return_ns or operation.call_ns
    spans: tuple[Call | Injected, ...] = (*part.calls, *part.faults)
    for each in spans:
        yield each.began_ns
        yield each.ended_ns


def _kind_of_client(client: str) -> str:
    match = _CLIENT.fullmatch(client)
    return ANY_CLIENT if match is None else match[1]


def _lives(members: Sequence[str], part: Part, begin_ns: int) -> Iterator[Life]:
    """As somebody has seen them; else a server lives all the time."""
    for life in part.lives:
        yield Life(life.server, max(0, life.from_ns - begin_ns), max(0, life.to_ns - begin_ns))
    for member in () if part.lives else members:
        yield Life(member, 0, None)


def _marks(part: Part, begin_ns: int) -> Iterator[Mark]:
    if isinstance(part.verdict, NotLinearizable):
        first = part.verdict.operations[0]
        yield Mark((first.return_ns or first.call_ns) - begin_ns, CHECKER, part.verdict.sentence)
    for call in part.calls:
        if call.end not in ENDS_WELL:
            yield Mark(call.ended_ns - begin_ns, COMMAND, _ended(call))


def _ended(call: Call) -> str:
    return f"{call.command} {call.end.value}" + (f": {call.words[-1]}" if call.words else "")


def _told(calls: Sequence[Call], begin_ns: int) -> Iterator[TraceLine]:
    for call in calls:
        yield TraceLine(call.began_ns - begin_ns, COMMANDS, f"{call.command} begins")
        yield TraceLine(call.ended_ns - begin_ns, COMMANDS, _ended(call))


def _struck(faults: Sequence[Injected], begin_ns: int) -> Iterator[TraceLine]:
    for fault in faults:
        what = fault.text or f"{fault.kind}: {', '.join(fault.members)}"
        yield TraceLine(fault.began_ns - begin_ns, "nemesis", what)
        yield TraceLine(fault.ended_ns - begin_ns, "nemesis", f"over: {fault.kind}")


def _thinned(many: Sequence[T]) -> Sequence[T]:
    """Every so manyth, where there are more than a page can show."""
    return many[:: len(many) // DRAWN_MAX + 1]


def _said(said: Sequence[Said], begin_ns: int, end_ns: int) -> Iterator[TraceLine]:
    """What servers have said before clients came, or after them, is in their logs."""
    for each in said:
        if begin_ns <= each.at_ns <= end_ns:
            yield TraceLine(each.at_ns - begin_ns, each.server, each.line)


def _message(sent: Sent, begin_ns: int) -> Message:
    sent_ns = sent.sent_ns - begin_ns
    arrived_ns = None if sent.arrived_ns is None else sent.arrived_ns - begin_ns
    return Message(sent.source, sent.target, sent_ns, arrived_ns, sent_ns + LOST_AFTER_NS, sent.text, sent.text)
