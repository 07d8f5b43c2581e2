"""The kinds of fault that the register meets: those that any system does, and its own."""

from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.kinds import FAULTS
from glitchgrid.lab.register.assumptions import LostDisk, LostDisks, OtherList, StoreByHand
from glitchgrid.lab.register.strangers import Stranger

HARMLESS: tuple[type[Fault], ...] = (*FAULTS, Stranger, LostDisk)
"""Faults that leave the register's assumptions whole: whatever they do, no acknowledged write is lost."""

BREAKING: tuple[type[Fault], ...] = (StoreByHand, LostDisks, OtherList)
"""Faults that break one."""

KINDS: dict[str, type[Fault]] = {kind.kind: kind for kind in (*HARMLESS, *BREAKING)}
