"""Faults in the form in which Antithesis's fault injector tells of them, a line each, beside the SDK's output.

Its names, kinds and fields are those of the published schema; what it has no name for (a disk's faults) has ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from glitchgrid.lab.faults import disks, links, processes
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.plan.plan import Planned

EVENTS = "events.jsonl"
SOURCE = {"name": "fault_injector"}
NETWORK, NODE, CLOCK, DISK = "network", "node", "clock", "disk"
PER_MILLE, MS_PER_S, US_PER_S = 1000, 1000, 1_000_000

NAMES: Mapping[type[Fault], tuple[str, str]] = {
    links.Cut: ("partition", NETWORK),
    links.Partition: ("partition", NETWORK),
    links.Jam: ("clog", NETWORK),
    links.Slow: ("clog", NETWORK),
    links.Congestion: ("clog", NETWORK),
    links.Clog: ("clog", NETWORK),
    processes.Kill: ("kill", NODE),
    processes.Stop: ("stop", NODE),
    processes.Pause: ("pause", NODE),
    processes.Throttle: ("throttle", NODE),
    processes.ProcessorVaries: ("throttle", NODE),
    processes.PowerLoss: ("kill", NODE),
    processes.PowerLossInSync: ("kill", NODE),
    processes.Blackout: ("kill", NODE),
    processes.Outage: ("kill", NODE),
    processes.ClockJump: ("skip", CLOCK),
}
OURS: Mapping[str, str] = {disks.__name__: DISK, links.__name__: NETWORK, processes.__name__: NODE}


def began(planned: Planned, nodes: Sequence[str], at_s: float) -> dict[str, Any]:
    """:param at_s: since faults began."""
    fault = planned.fault
    name, kind = NAMES.get(type(fault), (fault.kind, OURS.get(type(fault).__module__, NODE)))
    told = {
        "name": name,
        "type": kind,
        "affected_nodes": list(nodes),
        "max_duration": planned.for_ms / MS_PER_S,
        "details": _details(fault),
    }
    return {"source": SOURCE, "moment": {"vtime": at_s}, "fault": told}


def ended(planned: Planned, nodes: Sequence[str], at_s: float) -> dict[str, Any]:
    """All is as it was."""
    told = began(planned, nodes, at_s)
    told["fault"] |= {"name": "restore", "details": {"of": planned.fault.kind}}
    return told


def _details(fault: Fault) -> dict[str, Any]:
    if isinstance(fault, links.Slow | links.Congestion | links.Clog):
        return _disruption(fault)
    match fault:
        case links.Partition(groups=groups, one_way=one_way):
            return {"partitions": [list(group) for group in groups], "asymmetric": one_way}
        case links.Cut():
            return {"asymmetric": True}
        case links.Jam():
            return {"disruption_type": "Jammed", "asymmetric": True}
        case processes.ClockJump(by_s=by_s):
            return {"offset": by_s}
        case _:
            return {"kind": fault.kind}


def _disruption(fault: links.Slow | links.Congestion | links.Clog) -> dict[str, Any]:
    return {
        "disruption_type": fault.how.capitalize() if isinstance(fault, links.Clog) else "Slowed",
        "asymmetric": fault.way != "both" if isinstance(fault, links.Clog) else isinstance(fault, links.Slow),
        "latency": {"mean": fault.latency_us / US_PER_S, "deviation": fault.jitter_us / US_PER_S},
        "drop_rate": fault.loss_per_mille / PER_MILLE,
    }
