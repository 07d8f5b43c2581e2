"""The stage of real machines, and which faults cannot be done on it."""

from collections.abc import Mapping, Sequence

from attrs import frozen

from glitchgrid.lab.faults import disks, links, names, processes
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.kinds import ASKED_FOR, FAULTS, OF_FRAMES
from glitchgrid.lab.rehearsal.host import Host, World

NOT_HERE: Mapping[type[Fault], str] = {
    processes.ThreadsPaused: "the threads of a real process cannot be stopped one by one",
    processes.DescriptorsRunOut: "nobody outside knows how many a real process has open",
    names.NameLate: "real machines look names up in /etc/hosts",
    names.NameSilent: "real machines look names up in /etc/hosts",
    names.NameElsewhere: "real machines look names up in /etc/hosts",
}
"""What no real machine can be made to do from outside."""

OF_LOSSY_DISKS: Sequence[type[Fault]] = (
    processes.PowerLoss, processes.PowerLossInSync, processes.Blackout, processes.Outage,
    disks.DiskStall, disks.DisksStall, disks.DiskFull, disks.SyncFails, disks.SyncsFail, disks.WritesFail,
    disks.ReadsFail, disks.ReadOnly,
)  # fmt: skip

OF_LINKS: Sequence[type[Fault]] = (
    links.Cut, links.Partition, links.Jam, links.Slow, links.Congestion, links.Clog, links.Reset, *OF_FRAMES,
)  # fmt: skip

OF_CLOCKS: Sequence[type[Fault]] = (processes.ClockJump, processes.ClockDrift)


@frozen
class Means:
    """:ivar no_disks: why no disk can fail or lose power; empty where they can.
    :ivar no_clocks: why no clock can be set.
    :ivar no_links: why nothing can be done to what lies between machines.
    """

    no_disks: str = ""
    no_clocks: str = ""
    no_links: str = ""

    def refusals(self) -> Mapping[str, str]:
        """The kinds of fault that cannot be done, and why."""
        found = {kind.kind: why for kind, why in NOT_HERE.items()}
        for why, kinds in (
            (self.no_disks, OF_LOSSY_DISKS),
            (self.no_clocks, OF_CLOCKS),
            (self.no_links, OF_LINKS),
        ):
            if why:
                found |= {kind.kind: why for kind in kinds}
        return found

    def kinds(self) -> tuple[type[Fault], ...]:
        """What can be done."""
        refused = self.refusals()
        return tuple(kind for kind in (*FAULTS, *ASKED_FOR) if kind.kind not in refused)


class RealStage:
    """See `glitchgrid.lab.faults.fault.Stage`."""

    by_name = True

    def __init__(self, world: World, servers: Sequence[Host], keepers: Sequence[Host], clients: Host) -> None:
        self.world = world
        self.servers = servers
        self.keepers = keepers
        self.machines: Sequence[Host] = [*servers, clients]

    def start(self, machine: Host) -> None:
        machine.start()
