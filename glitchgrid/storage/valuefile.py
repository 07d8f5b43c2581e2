"""The file that holds a vault's value: how it is found again after a crash, and how a save changes it.

Blocking, and meant for one thread at a time. `recover` leaves a new file of two slots (see `glitchgrid.storage.slots`),
all of it synced, and keeps it open. A save then writes one slot in its place and syncs the data: one write, and
one barrier of the disk, with nothing to tell about names, lengths or blocks. After a crash at any point the last
record is read or the one being saved, and once `save` has returned, the new one.
"""

import contextlib
import errno
import os
from collections.abc import Callable

from antithesis.assertions import always, unreachable

from glitchgrid.errors import DataDirectoryUnusable, StartError, StoreDamaged
from glitchgrid.storage.disk import IDisk, IFile
from glitchgrid.storage.record import Record, RecordDamaged
from glitchgrid.storage.slots import FILE_BYTES, Contents, Slot, decode_file, encode_file

VALUE_NAME = "value"
NEW_NAME = "value.new"


def _with_cure(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
        return reason
    return (
        f"{reason}: a start writes the value to a new file, which takes {FILE_BYTES // 1024} KiB; make room and start"
        " again. Nothing is lost"
    )


class ValueFile:
    _file: IFile | None = None
    _durable: Slot

    def __init__(self, disk: IDisk, new_identity: Callable[[], str]) -> None:
        self._disk = disk
        self._new_identity = new_identity

    @property
    def path(self) -> str:
        """For messages."""
        return os.path.join(self._disk.path, VALUE_NAME)

    @property
    def durable_value(self) -> int:
        """Of the last save that returned, or of the recovery; for any thread."""
        return self._durable.record.value

    def recover(self) -> Contents:
        """Claim the directory and read the record, or begin one where there has never been any.

        What was read is written to a new file before it is returned (condition 3 of the register's
        correctness): after a failed sync the kernel calls the pages clean, so the value just read may be in its
        cache alone, and syncing the old file would succeed with nothing to write.

        :raises StartError: when the directory or its file can't be used; the directory is then let go.
        """
        self._disk.claim()
        try:
            contents = self._read() or Contents(Record(self._new_identity(), 0), 0)
            # The numbers go on, so that no block of an older file can pass for a newer one.
            self._write_anew(Slot(contents.sequence + 2, contents.record))
        except OSError as error:
            self.close()
            raise DataDirectoryUnusable(self._disk.path, _with_cure(error)) from error
        except StartError as error:
            if isinstance(error, StoreDamaged):
                unreachable("vault: neither of its slots is whole")
            self.close()
            raise
        return contents

    def save(self, record: Record) -> None:
        """Return once `record` is on the disk. Only after `recover`, and not after a save that failed.

        :raises OSError: the record may or may not be on the disk then, now or later.
        """
        assert self._file is not None
        slot = self._durable.followed_by(record)
        always(slot.offset_bytes != self._durable.offset_bytes, "vault: the only good copy is never written over")
        self._file.write_at(slot.encode(), slot.offset_bytes)
        self._file.fdatasync()
        self._durable = slot

    def close(self) -> None:
        if self._file is not None:
            # What was acknowledged was synced before: no error can come too late for it.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        self._disk.release()

    def _read(self) -> Contents | None:
        """The file's contents; None where there is no file. A file that cannot be read is an error, never None."""
        try:
            file = self._disk.open(VALUE_NAME)
        except FileNotFoundError:
            return None
        try:
            data = file.read(FILE_BYTES + 1)
        finally:
            file.close()
        try:
            return decode_file(data)
        except RecordDamaged as error:
            raise StoreDamaged(self.path, str(error)) from error

    def _write_anew(self, slot: Slot) -> None:
        """Put a new file in the place of the old one, whatever that was, and keep it open for the saves."""
        self._file = self._disk.create(NEW_NAME)
        self._file.write(encode_file(slot))
        self._file.fsync()
        self._disk.replace(NEW_NAME, VALUE_NAME)
        self._disk.fsync_directory()
        self._durable = slot
