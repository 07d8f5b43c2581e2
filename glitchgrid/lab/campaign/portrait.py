"""The picture of a simulated run: from its history, its trace and its recording."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from glitchgrid.lab.campaign.plan import BENCH, CLIENTS
from glitchgrid.lab.campaign.recording import Recording, Span
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.talk import heard_in, said_on
from glitchgrid.lab.drawn import drawn
from glitchgrid.lab.faults.fault import Reach
from glitchgrid.lab.history import read_history
from glitchgrid.lab.picture.model import (
    DURABLE,
    SHOWN,
    Fault,
    Lane,
    LaneKind,
    Life,
    Mark,
    Message,
    Operation,
    Picture,
    Stair,
    TraceLine,
)

LOST_AFTER_NS = 1_000_000
"""The arrow of a message that never arrives is drawn for so long."""

MAJORITY = "majority"
"""The lane of M and S: what a majority holds durably, and what every majority shows."""


def picture_of(result: Result, notes: Sequence[str]) -> Picture:
    """The picture of a run that was kept whole.

    :param notes: what stands above it, a line each.
    """
    recording, layout = result.recording, result.plan.layout
    assert recording is not None, "the run was kept whole"
    events = _Events(result)
    # Exercises take longer than all the rest, and are of interest where they have found something.
    has_exercise = any(finding.at_ns > recording.end_ns for finding in result.findings)
    until_ns = result.duration_ns if has_exercise else recording.end_ns
    messages = sorted(_messages(recording, events.client_of), key=lambda message: message.sent_ns)
    messages = [message for message in messages if message.sent_ns <= until_ns]
    bench = sorted({name for each in messages for name in (each.source, each.target) if name.startswith(BENCH)})
    # Hostile clients are in no history: what they send is the machine's.
    clients = [*events.clients, *([CLIENTS] if any(CLIENTS in (m.source, m.target) for m in messages) else [])]
    lanes = [
        *(Lane(name, LaneKind.CLIENT) for name in clients),
        *(Lane(name, LaneKind.CONTROL) for name in layout.control_names),
        Lane(MAJORITY, LaneKind.REGISTER),
        *(Lane(name, LaneKind.VAULT) for name in layout.vault_names),
        *(Lane(name, LaneKind.CONTROL if name == BENCH else LaneKind.VAULT) for name in bench),
    ]
    heard = heard_in(recording.ways)
    trace = [
        TraceLine(at_ns, who, what, heard.get((who, at_ns), "") if what.startswith("received ") else "")
        for at_ns, who, what in map(_parts, result.trace)
        if at_ns <= until_ns
    ]
    return Picture(
        title=f"Seed {result.plan.seed}: {result.verdict.value}",
        notes=notes,
        duration_ns=until_ns,
        lanes=lanes,
        lives=list(_lives(trace, [*layout.servers, *bench])),
        operations=list(events.operations()),
        messages=messages,
        faults=[_fault(span, layout.servers, layout.vault_names, until_ns) for span in recording.spans],
        stairs=list(_stairs(recording, layout.vault_names)),
        marks=[Mark(finding.at_ns, finding.oracle, finding.message) for finding in result.findings],
        trace=trace,
    )


def _parts(line: str) -> tuple[int, str, str]:
    at_ns, who, what = line.rstrip("\n").split(" ", 2)
    return int(at_ns), who, what


class _Events:
    """The operations of a history, and the notes that stand beside them."""

    def __init__(self, result: Result) -> None:
        lines = result.history.splitlines()
        self._recorded = read_history(line.encode() + b"\n" for line in lines).operations
        self._wrong = {op for finding in result.findings for op in finding.operations}
        self._notes: dict[int, dict[str, Any]] = {}
        for line in lines[1:]:
            fields = json.loads(line)
            self._notes.setdefault(fields["op"], {}).update(fields)
        by_number = {operation.op: operation for operation in self._recorded}
        self._client_at = {
            fields["port"]: by_number[op].client for op, fields in self._notes.items() if "port" in fields
        }
        self.clients = sorted(dict.fromkeys(operation.client for operation in self._recorded), key=_natural)

    def client_of(self, port: int) -> str:
        """Whose connection it is, by its port."""
        return self._client_at.get(port, CLIENTS)

    def operations(self) -> Iterator[Operation]:
        for each in self._recorded:
            notes = self._notes[each.op]
            target = notes.get("control", notes.get("vault", ""))
            status = f", status {notes['status']}" if "status" in notes else ""
            detail = f"operation {each.op}, at {target}{status}"
            yield drawn(each, each.client, detail, each.op in self._wrong)


def _natural(client: str) -> tuple[int, int, str]:
    """c2 before c10, and whoever is not such a client after them."""
    number = client[1:]
    return (0, int(number), client) if client.startswith("c") and number.isdecimal() else (1, 0, client)


def _messages(recording: Recording, client_of: Any) -> Iterator[Message]:
    for way in recording.ways:
        source, target = (
            client_of(port) if machine == CLIENTS else machine for machine, port in (way.source, way.target)
        )
        for said in said_on(way):
            yield Message(
                source=source,
                target=target,
                sent_ns=said.sent_ns,
                arrived_ns=said.arrived_ns,
                lost_ns=said.sent_ns + LOST_AFTER_NS,
                text=said.text,
                detail=said.detail,
                tone=said.tone,
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


def _fault(span: Span, servers: Sequence[str], vaults: Sequence[str], duration_ns: int) -> Fault:
    fault = span.planned.fault
    touched = {Reach.NAMED: fault.machines, Reach.KEEPERS: vaults, Reach.SERVERS: servers}[fault.reaches]
    return Fault(
        lanes=[name for name in servers if name in touched],
        kind=fault.kind,
        text=str(fault),
        begin_ns=span.begin_ns,
        end_ns=duration_ns if span.end_ns is None else span.end_ns,
        was_idle=span.was_idle,
    )


def _stairs(recording: Recording, vaults: Sequence[str]) -> Iterator[Stair]:
    changes = recording.changes
    for number, name in enumerate(vaults):
        yield Stair(name, DURABLE, _steps((change.at_ns, change.durable[number]) for change in changes))
        yield Stair(name, SHOWN, _steps((change.at_ns, change.shown[number]) for change in changes))
    yield Stair(MAJORITY, DURABLE, _steps((change.at_ns, change.durable_majority) for change in changes))
    yield Stair(MAJORITY, SHOWN, _steps((change.at_ns, change.shown_majority) for change in changes))


def _steps(values: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Only where the value is another one than before."""
    steps: list[tuple[int, int]] = []
    for at_ns, value in values:
        if not steps or steps[-1][1] != value:
            steps.append((at_ns, value))
    return steps
