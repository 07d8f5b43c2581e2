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
from glitchgrid.lab.faults.links import (
    Bandwidth,
    Clog,
    Congestion,
    Cut,
    Duplication,
    Jam,
    Partition,
    Reordering,
    Reset,
    Slow,
)
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
    Signal,
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
"""Those that are drawn where nobody says which."""

OF_FRAMES: tuple[type[Fault], ...] = (Duplication, Reordering, Bandwidth)
"""What is done to frames: where connections are made of them."""

ASKED_FOR: tuple[type[Fault], ...] = (Signal, *OF_FRAMES)
"""Those that are drawn where somebody names them. What a signal means is for each program to say; TCP hides most of
what is done to frames.
"""
