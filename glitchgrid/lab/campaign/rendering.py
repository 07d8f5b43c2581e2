"""The picture of a simulated run: from its history, its trace and its recording."""

from collections.abc import Iterator, Mapping, Sequence

from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.faults.fault import Scope
from glitchgrid.lab.layout import CLIENTS
from glitchgrid.lab.picture.model import Fault, Lane, LaneKind, Life, Mark, Message, Picture, TraceLine
from glitchgrid.lab.system import system_of
from glitchgrid.lab.trace.recording import Recording, Span
from glitchgrid.lab.trace.transcript import Reader, heard_in, told_on

LOST_AFTER_NS = 1_000_000
"""The arrow of a message that never arrives is drawn for so long."""


def picture_of(result: Result, notes: Sequence[str]) -> Picture:
    """The picture of a run that was kept whole.

    :param notes: what stands above it, a line each.
    """
    recording, layout = result.recording, result.plan.layout
    assert recording is not None, "the run was kept whole"
    system = system_of(layout)
    acts = system.acts(result.history, frozenset(op for finding in result.findings for op in finding.operations))
    # What comes after the system's end takes longer than all the rest, and is of interest where something was found.
    is_found_later = any(finding.at_ns > recording.end_ns for finding in result.findings)
    until_ns = result.duration_ns if is_found_later else recording.end_ns
    messages = sorted(_messages(recording, system.read, acts.client_at), key=lambda message: message.sent_ns)
    messages = [message for message in messages if message.sent_ns <= until_ns]
    speaking = {name for each in messages for name in (each.source, each.target)}
    others = sorted(speaking - {*layout.machines, *acts.clients})
    # Clients that are in no history: what they send is their machine's.
    clients = [*acts.clients, *([CLIENTS] if CLIENTS in speaking else [])]
    heard = heard_in(recording.flows, system.read)
    trace = [
        TraceLine(at_ns, who, what, heard.get((who, at_ns), "") if what.startswith("received ") else "")
        for at_ns, who, what in map(_parts, result.trace)
        if at_ns <= until_ns
    ]
    return Picture(
        title=f"Seed {result.plan.seed}: {result.verdict.value}",
        notes=notes,
        duration_ns=until_ns,
        lanes=[*(Lane(name, LaneKind.CLIENT) for name in clients), *system.lanes(layout, others)],
        lives=list(_lives(trace, [*layout.servers, *others])),
        operations=list(acts.operations),
        messages=messages,
        faults=[_fault(span, layout.servers, layout.keepers, until_ns) for span in recording.spans],
        stairs=list(recording.stairs),
        marks=[Mark(finding.at_ns, finding.oracle, finding.message) for finding in result.findings],
        trace=trace,
    )


def _parts(line: str) -> tuple[int, str, str]:
    at_ns, who, what = line.rstrip("\n").split(" ", 2)
    return int(at_ns), who, what


def _messages(recording: Recording, read: Reader, client_at: Mapping[int, str]) -> Iterator[Message]:
    for flow in recording.flows:
        if flow.source[0] == flow.target[0]:
            continue  # what a machine says to itself goes over no link
        source, target = (
            client_at.get(port, CLIENTS) if machine == CLIENTS else machine
            for machine, port in (flow.source, flow.target)
        )
        for told in told_on(flow, read):
            yield Message(
                source=source,
                target=target,
                sent_ns=told.sent_ns,
                arrived_ns=told.arrived_ns,
                lost_ns=told.sent_ns + LOST_AFTER_NS,
                text=told.text,
                detail=told.detail,
                tone=told.tone,
            )


def _lives(trace: Sequence[TraceLine], servers: Sequence[str]) -> Iterator[Life]:
    since: dict[str, int] = {}
    for at_ns, who, what, _ in trace:
        if who not in servers:
            continue
        if what.startswith("start "):
            since[who] = at_ns
        elif what.startswith("exit ") or what == "power off":
            from_ns = since.pop(who, None)
            if from_ns is not None:
                yield Life(who, from_ns, at_ns)
    for who, from_ns in since.items():
        yield Life(who, from_ns, None)


def _fault(span: Span, servers: Sequence[str], keepers: Sequence[str], duration_ns: int) -> Fault:
    fault = span.planned.fault
    touched = {Scope.NAMED: fault.machines, Scope.KEEPERS: keepers, Scope.SERVERS: servers}[fault.scope]
    return Fault(
        lanes=[name for name in servers if name in touched],
        kind=fault.kind,
        text=str(fault),
        begin_ns=span.begin_ns,
        end_ns=duration_ns if span.end_ns is None else span.end_ns,
        was_idle=span.was_idle,
    )
