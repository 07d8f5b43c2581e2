"""What a vault does to its disk, and its disk to it."""

import contextlib
import os
from typing import Any

from attrs import evolve

from glitchgrid.lab.register.glitches.catalogue import glitch
from glitchgrid.storage.disk import LocalFile
from glitchgrid.storage.slots import Slot, encode_file
from glitchgrid.storage.valuefile import VALUE_NAME, ValueFile
from glitchgrid.value import NOTHING_STORED


@glitch(
    "acknowledge-before-fsync",
    ValueFile,
    "save",
    what="A vault writes a value and acknowledges it, and leaves it to the kernel to bring it to the disk.",
    so="A power loss takes back what was acknowledged.",
)
def _acknowledge_before_fsync(_original: Any) -> Any:
    def save(self: Any, record: Any) -> None:
        slot = self._durable.followed_by(record)
        self._file.write_at(slot.encode(), slot.offset_bytes)
        self._durable = slot

    return save


@glitch(
    "acknowledge-after-failed-fsync",
    ValueFile,
    "save",
    what="A vault logs that its disk has failed, and goes on as if it had not.",
    so="The kernel calls the pages clean: what was acknowledged is in the cache alone, and no later sync writes it.",
)
def _acknowledge_after_failed_fsync(original: Any) -> Any:
    def save(self: Any, record: Any) -> None:
        slot = self._durable.followed_by(record)
        with contextlib.suppress(OSError):
            original(self, record)
        self._durable = slot

    return save


@glitch(
    "no-rewrite-at-recovery",
    ValueFile,
    "_write_anew",
    what="A vault that starts syncs the file that it found, and goes on with it.",
    so="After a failed sync there is nothing left to sync: it serves a value that the next power loss takes away.",
    unseen="A majority would have to serve a value that none of them has on its disk, and lose power before its next"
    " store. Each of these happens in many runs; all of them at once did not.",
)
def _no_rewrite_at_recovery(original: Any) -> Any:
    def write_anew(self: Any, slot: Any) -> None:
        try:
            self._file = LocalFile(os.open(os.path.join(self._disk.path, VALUE_NAME), os.O_RDWR | os.O_CLOEXEC))
        except FileNotFoundError:
            original(self, slot)
            return
        self._file.fsync()
        self._disk.fsync_directory()
        self._durable = Slot(slot.sequence - 2, slot.record)

    return write_anew


@glitch(
    "torn-write",
    ValueFile,
    "save",
    what="A vault writes both of its slots at once, the only good copy among them.",
    so="A power loss in the middle leaves neither.",
    unseen="A vault that finds neither slot whole does not start. The grid lacks a vote, and says nothing wrong.",
)
def _torn_write(_original: Any) -> Any:
    def save(self: Any, record: Any) -> None:
        slot = Slot(self._durable.sequence + 2, record)
        self._file.write_at(encode_file(slot), 0)
        self._file.fdatasync()
        self._durable = slot

    return save


@glitch(
    "forget-on-restart",
    ValueFile,
    "_read",
    what="A vault begins with nothing whenever it starts, as the original ones did.",
    so="Restarts of a majority, one after another, and the register has forgotten everything.",
)
def _forget_on_restart(original: Any) -> Any:
    def read(self: Any) -> Any:
        found = original(self)  # its name it keeps: a vault without one would be taken for a new one, and let in
        return found and evolve(found, record=evolve(found.record, value=NOTHING_STORED))

    return read
