"""All kinds of fault that there are."""

from glitchgrid.lab.campaign.faults.assumptions import LostDisk, StoreByHand
from glitchgrid.lab.campaign.faults.disks import (
    DiskFull,
    DisksStall,
    DiskStall,
    ReadOnly,
    ReadsFail,
    SyncFails,
    SyncsFail,
    WritesFail,
)
from glitchgrid.lab.campaign.faults.fault import Fault
from glitchgrid.lab.campaign.faults.links import Clog, Congestion, Cut, Jam, Partition, Reset, Slow
from glitchgrid.lab.campaign.faults.names import NameElsewhere, NameLate, NameSilent
from glitchgrid.lab.campaign.faults.processes import (
    Blackout,
    ClockDrift,
    ClockJump,
    DescriptorsRunOut,
    Kill,
    Outage,
    Pause,
    PowerLoss,
    PowerLossInSync,
    ProcessorVaries,
    Stop,
    ThreadsPaused,
    Throttle,
)
from glitchgrid.lab.campaign.faults.strangers import Stranger

HARMLESS: tuple[type[Fault], ...] = (
    Kill, Stop, PowerLoss, PowerLossInSync, Blackout, Outage, Pause, Throttle, ProcessorVaries, ThreadsPaused,
    Cut, Partition, Jam, Slow, Congestion, Clog, Reset, ClockJump, ClockDrift,
    DiskStall, DisksStall, DiskFull, SyncFails, SyncsFail, WritesFail, ReadsFail, ReadOnly,
    NameLate, NameSilent, NameElsewhere, DescriptorsRunOut, Stranger,
)  # fmt: skip
"""Faults that leave the register's assumptions whole: whatever they do, no acknowledged write is lost."""

BREAKING: tuple[type[Fault], ...] = (StoreByHand, LostDisk)
"""Faults that break one."""

KINDS: dict[str, type[Fault]] = {kind.kind: kind for kind in (*HARMLESS, *BREAKING)}
