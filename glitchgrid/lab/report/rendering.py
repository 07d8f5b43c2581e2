"""The picture of a part: what its clients did, which faults there were, and which test commands ran meanwhile."""

import re
from collections.abc import Iterator, Sequence

from glitchgrid.lab.checkers.result import NotLinearizable
from glitchgrid.lab.composer.calls import ENDS_WELL, Call
from glitchgrid.lab.composer.nemesis import Fault as Injected
from glitchgrid.lab.composer.nemesis import is_pause
from glitchgrid.lab.history.view import by_number, in_lanes, operation_view
from glitchgrid.lab.picture.model import Fault, Lane, LaneKind, Life, Mark, Picture, TraceLine
from glitchgrid.lab.report.part import Part
from glitchgrid.lab.report.report import verdict_name

CHECKER, COMMAND = "checker", "test command"
COMMANDS = "commands"
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
    lanes = [Lane(name, LaneKind.CLIENT) for name in sorted(dict.fromkeys(names), key=by_number)]
    lanes += [Lane(name, LaneKind.SERVER if name.startswith("control") else LaneKind.KEEPER) for name in members]
    return Picture(
        title=f"{part.name}: {verdict_name(verdict)}",
        notes=[],
        duration_ns=max(1, end_ns - begin_ns),
        lanes=lanes,
        lives=list(_lives(members, part.faults, begin_ns)),
        operations=[
            operation_view(each, lane, f"operation {each.op} by {each.client}", each.op in wrong, begin_ns)
            for lane, each in placed
        ],
        messages=[],
        faults=[
            Fault(each.members, each.kind, each.kind, each.began_ns - begin_ns, each.ended_ns - begin_ns)
            for each in part.faults
        ],
        stairs=[],
        marks=list(_marks(part, begin_ns)),
        trace=sorted([*_told(part.calls, begin_ns), *_struck(part.faults, begin_ns)]),
    )


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
    return client if match is None else match[1]


def _lives(members: Sequence[str], faults: Sequence[Injected], begin_ns: int) -> Iterator[Life]:
    """A server lives from the beginning, but for when it was killed."""
    for member in members:
        from_ns = 0
        for fault in sorted(faults, key=lambda each: each.began_ns):
            if member in fault.members and not is_pause(fault.kind):
                yield Life(member, from_ns, fault.began_ns - begin_ns)
                from_ns = fault.ended_ns - begin_ns
        yield Life(member, from_ns, None)


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
        yield TraceLine(fault.began_ns - begin_ns, "nemesis", f"{fault.kind}: {', '.join(fault.members)}")
        yield TraceLine(fault.ended_ns - begin_ns, "nemesis", f"over: {fault.kind}")
