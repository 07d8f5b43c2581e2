"""The kinds of fault that any system may meet."""

from glitchgrid.lab.faults.disks import (
    DiskFull,
    DisksStall,
    DiskStall,
    ReadOnly,
    ReadsFail,
    SyncFails,
    SyncsFail,
    WritesFail,
)
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.links import Clog, Congestion, Cut, Jam, Partition, Reset, Slow
from glitchgrid.lab.faults.names import NameElsewhere, NameLate, NameSilent
from glitchgrid.lab.faults.processes import (
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

FAULTS: tuple[type[Fault], ...] = (
    Kill, Stop, PowerLoss, PowerLossInSync, Blackout, Outage, Pause, Throttle, ProcessorVaries, ThreadsPaused,
    Cut, Partition, Jam, Slow, Congestion, Clog, Reset, ClockJump, ClockDrift,
    DiskStall, DisksStall, DiskFull, SyncFails, SyncsFail, WritesFail, ReadsFail, ReadOnly,
    NameLate, NameSilent, NameElsewhere, DescriptorsRunOut,
)  # fmt: skip
