"""The file that holds a vault's value: how it is read, and how it is replaced without ever being half written.

Blocking, and meant for one thread at a time. A new record is written beside the old one, synced, renamed over
it, and the directory is synced: after a crash at any point the old record or the new one is read, and once
`save` has returned, the new one.
"""

import os
from collections.abc import Callable

from glitchgrid.disk import IDisk
from glitchgrid.errors import DataDirectoryUnusable, StoreDamaged
from glitchgrid.record import RECORD_BYTES_MAX, Record, RecordDamaged

VALUE_NAME = "value"
NEW_NAME = "value.new"


class ValueFile:
    def __init__(self, disk: IDisk, new_identity: Callable[[], str]) -> None:
        self._disk = disk
        self._new_identity = new_identity

    def recover(self) -> Record:
        """Claim the directory and read the record, or begin one where there has never been any.

        What was read is written anew before it is returned (condition 3 of the register's correctness): after
        a failed fsync the kernel calls the pages clean, so the value just read may be in its cache alone, and
        syncing the old file would succeed with nothing to write.

        :raises StartError: when the directory or its file can't be used; the directory is then let go.
        """
        self._disk.claim()
        try:
            record = self._read() or Record(self._new_identity(), 0)
            self.save(record)
        except OSError as error:
            self._disk.release()
            raise DataDirectoryUnusable(self._disk.path, error.strerror or str(error)) from error
        except StoreDamaged:
            self._disk.release()
            raise
        return record

    def save(self, record: Record) -> None:
        """Return once `record` is on the disk.

        :raises OSError: the record may or may not be on the disk then, now or later.
        """
        file = self._disk.create(NEW_NAME)
        try:
            file.write(record.encode())
            file.fsync()
        finally:
            file.close()
        self._disk.replace(NEW_NAME, VALUE_NAME)
        self._disk.fsync_directory()

    def close(self) -> None:
        self._disk.release()

    def _read(self) -> Record | None:
        """The record; None where there is no file. A file that can't be read is never taken for none."""
        try:
            file = self._disk.open(VALUE_NAME)
        except FileNotFoundError:
            return None
        try:
            data = file.read(RECORD_BYTES_MAX + 1)
        finally:
            file.close()
        try:
            return Record.decode(data)
        except RecordDamaged as error:
            raise StoreDamaged(os.path.join(self._disk.path, VALUE_NAME), str(error)) from error
