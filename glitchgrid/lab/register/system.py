"""The register, as the laboratory has to be told of it."""

import json
from collections.abc import Sequence
from typing import Any

from glitchgrid.lab.history.format import read_history
from glitchgrid.lab.history.view import operation_view
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.picture.model import Lane, LaneKind
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.layout import GridLayout, Wanted
from glitchgrid.lab.register.oracles import availability
from glitchgrid.lab.register.oracles.coverage import EVENTS
from glitchgrid.lab.register.oracles.names import ORACLES
from glitchgrid.lab.register.oracles.wire import HOSTILE
from glitchgrid.lab.register.plans import PLANS, SIMPLER
from glitchgrid.lab.register.simulated import aftermath, hostile
from glitchgrid.lab.register.simulated.deployment import MAJORITY, REFUSED, JudgedGrid
from glitchgrid.lab.register.simulated.exercises import turns
from glitchgrid.lab.register.simulated.exercises.bench import BENCH
from glitchgrid.lab.register.simulated.grid import LIST_REFUSED
from glitchgrid.lab.system import SHOWED, Acts, Deployment, Run, System, fault_lines
from glitchgrid.lab.trace.http import http_reader
from glitchgrid.wire import GUARD_HEADER


class Register(System):
    """Vaults, the controls that ask them, and clients that write and read."""

    plans = PLANS
    simpler = SIMPLER
    oracles = ORACLES
    package = "glitchgrid"
    glitches = GLITCHES
    read = staticmethod(http_reader({GUARD_HEADER: "with the guard"}))
    lines = (
        *EVENTS,
        SHOWED,
        REFUSED,
        LIST_REFUSED,
        availability.JUDGED,
        hostile.JUDGED,
        *aftermath.LINES,
        *turns.LINES,
        *(hostile.SENT + name for name in HOSTILE),
        *fault_lines(PLANS),
    )

    def draw_layout(self, seed: str) -> GridLayout:
        return Wanted().layout(seed)

    def deploy(self, run: Run) -> Deployment:
        return JudgedGrid(run)

    def lanes(self, layout: Layout, others: Sequence[str]) -> Sequence[Lane]:
        assert isinstance(layout, GridLayout), "a layout of the register's"
        return [
            *(Lane(name, LaneKind.SERVER) for name in layout.control_names),
            Lane(MAJORITY, LaneKind.SUMMARY),
            *(Lane(name, LaneKind.KEEPER) for name in layout.vault_names),
            *(Lane(name, LaneKind.SERVER if name == BENCH else LaneKind.KEEPER) for name in others),
        ]

    def acts(self, history: str, wrong: frozenset[int]) -> Acts:
        lines = history.splitlines()
        recorded = read_history(line.encode() + b"\n" for line in lines).operations
        notes: dict[int, dict[str, Any]] = {}
        for line in lines[1:]:
            fields = json.loads(line)
            notes.setdefault(fields["op"], {}).update(fields)
        by_number = {operation.op: operation for operation in recorded}
        operations = []
        for each in recorded:
            target = notes[each.op].get("control", notes[each.op].get("vault", ""))
            status = f", status {notes[each.op]['status']}" if "status" in notes[each.op] else ""
            detail = f"operation {each.op}, at {target}{status}"
            operations.append(operation_view(each, each.client, detail, each.op in wrong))
        return Acts(
            sorted(dict.fromkeys(operation.client for operation in recorded), key=_natural),
            operations,
            {fields["port"]: by_number[op].client for op, fields in notes.items() if "port" in fields},
        )


def _natural(client: str) -> tuple[int, int, str]:
    """c2 before c10, and whoever is not such a client after them."""
    number = client[1:]
    return (0, int(number), client) if client.startswith("c") and number.isdecimal() else (1, 0, client)


REGISTER = Register()
