"""The real primitives, on a real directory."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from glitchgrid.errors import DataDirectoryInUse, DataDirectoryUnusable
from glitchgrid.storage.disk import LOCK_NAME, IDisk, IFile, LocalDisk, LocalFile
from glitchgrid.storage.record import Record
from glitchgrid.storage.valuefile import ValueFile
from tests.fakes import IDENTITY
from tests.memory_disk import MemoryDisk


def _failing(number: int) -> Callable[[int], None]:
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


class DiskTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.top = directory.name
        self.path = os.path.join(self.top, "data")

    def disk(self, path: str | None = None) -> LocalDisk:
        """A claimed directory."""
        disk = LocalDisk(path or self.path)
        disk.claim()
        self.addCleanup(disk.release)
        return disk

    def content(self, name: str) -> bytes:
        with open(os.path.join(self.path, name), "rb") as file:
            return file.read()

    def write(self, name: str, data: bytes) -> None:
        with open(os.path.join(self.path, name), "wb") as file:
            file.write(data)

    def open_descriptors(self) -> int:
        return len(os.listdir("/proc/self/fd"))


class ClaimTests(DiskTestCase):
    def test_a_missing_directory_is_made_with_its_parents(self) -> None:
        self.disk(os.path.join(self.path, "a", "b"))
        self.assertTrue(os.path.isdir(os.path.join(self.path, "a", "b")))

    def test_each_new_directory_is_synced_into_its_parent(self) -> None:
        synced: list[str] = []
        self.patch(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
        self.disk(os.path.join(self.path, "a"))
        above = os.path.dirname(os.path.realpath(self.top))
        self.assertEqual(synced, [above, os.path.realpath(self.top), os.path.realpath(self.path)])

    def test_a_name_that_an_earlier_start_has_made_is_synced_before_anything_is_made_in_it(self) -> None:
        """That start may have been killed in between."""
        os.mkdir(self.path)
        done: list[str] = []
        self.patch(os, "fsync", lambda fd: done.append(os.readlink(f"/proc/self/fd/{fd}")))
        mkdir = os.mkdir

        def make(path: str) -> None:
            done.append(f"mkdir {path}")
            mkdir(path)

        self.patch(os, "mkdir", make)
        below = os.path.join(self.path, "a")
        self.disk(below)
        self.assertEqual(done[:3], [f"mkdir {self.path}", os.path.realpath(self.top), f"mkdir {below}"])

    def test_an_empty_directory_is_made_anew_so_that_a_sync_writes_its_name(self) -> None:
        """It keeps its permissions. One with something in it is left alone."""
        os.mkdir(self.path)
        os.chmod(self.path, 0o2700)
        made: list[str] = []
        mkdir = os.mkdir

        def make(path: str) -> None:
            made.append(path)
            mkdir(path)

        self.patch(os, "mkdir", make)
        self.disk().release()
        self.assertEqual(made, [self.path])
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o2700)
        self.disk()
        self.assertEqual(made, [self.path])

    def test_an_empty_directory_whose_name_could_not_be_synced_is_removed(self) -> None:
        """The kernel takes the name for clean: another sync would say that all is well, and write nothing."""
        os.mkdir(os.path.join(self.top, "another"))
        failing = patch.object(os, "fsync", _failing(errno.EIO))
        with failing:
            self.assertRaises(DataDirectoryUnusable, LocalDisk(self.path).claim)
        self.assertFalse(os.path.exists(self.path))
        self.assertTrue(os.path.exists(self.top))
        os.mkdir(self.path)  # as a start that was killed before it could sync it
        with failing:
            self.assertRaises(DataDirectoryUnusable, LocalDisk(self.path).claim)
        self.assertFalse(os.path.exists(self.path))
        self.disk()
        with failing:
            self.assertRaises(DataDirectoryUnusable, LocalDisk(self.path).claim)
        self.assertTrue(os.path.exists(self.path), "something is in it, so its name was synced before")

    def test_where_names_cannot_be_synced_a_directory_stays_and_those_above_do_not_matter(self) -> None:
        os.mkdir(self.path)
        with patch.object(os, "fsync", _failing(errno.EINVAL)):
            self.assertRaises(DataDirectoryUnusable, LocalDisk(self.path).claim)
        self.assertTrue(os.path.exists(self.path))
        above = os.path.realpath(self.top)
        fsync = os.fsync

        def only_below(descriptor: int) -> None:
            if os.readlink(f"/proc/self/fd/{descriptor}") == above:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            fsync(descriptor)

        self.patch(os, "fsync", only_below)
        self.disk(os.path.join(self.path, "a"))

    def test_a_directory_in_use_is_refused_and_named(self) -> None:
        self.disk()
        error = self.assertRaises(DataDirectoryInUse, LocalDisk(self.path).claim)
        self.assertEqual(str(error), f"data directory {self.path} is in use by another vault")

    def test_a_refused_claim_takes_nothing_from_who_holds_it(self) -> None:
        self.disk()
        for _ in range(3):
            self.assertRaises(DataDirectoryInUse, LocalDisk(self.path).claim)

    def test_it_is_free_again_once_released(self) -> None:
        self.disk().release()
        self.disk()

    def test_a_lock_file_that_was_left_behind_is_no_lock(self) -> None:
        os.mkdir(self.path)
        self.write(LOCK_NAME, b"")
        self.disk()

    def test_what_can_not_be_used_is_refused_and_named(self) -> None:
        self.write_top("file")
        for path, reason in (
            (os.path.join(self.top, "file"), "Not a directory"),
            (os.path.join(self.top, "file", "data"), "Not a directory"),
            (os.path.join(self.top, "x" * 300), "File name too long"),
        ):
            error = self.assertRaises(DataDirectoryUnusable, LocalDisk(path).claim)
            self.assertEqual(str(error), f"data directory {path} cannot be used: {reason}")

    def write_top(self, name: str) -> None:
        with open(os.path.join(self.top, name), "wb"):
            pass

    def test_a_directory_without_permission_is_refused_and_named(self) -> None:
        """Root may do everything, so the kernel's answer is given in its place."""

        def denied(*args: Any, **kwargs: Any) -> int:
            raise PermissionError(13, "Permission denied")

        os.mkdir(self.path)
        self.patch(os, "open", denied)
        error = self.assertRaises(DataDirectoryUnusable, LocalDisk(self.path).claim)
        self.assertEqual(str(error), f"data directory {self.path} cannot be used: Permission denied")

    def test_no_descriptor_is_left_open(self) -> None:
        before = self.open_descriptors()
        disk = self.disk()
        self.assertRaises(DataDirectoryInUse, LocalDisk(self.path).claim)
        disk.release()
        disk.release()
        self.assertEqual(self.open_descriptors(), before)

    def test_descriptors_are_not_inherited(self) -> None:
        disk = self.disk()
        for descriptor in disk._held:
            self.assertFalse(os.get_inheritable(descriptor))

    def test_a_relative_path_stays_what_it_was(self) -> None:
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.top)
        disk = LocalDisk("data")
        os.chdir("/")
        disk.claim()
        self.addCleanup(disk.release)
        self.assertTrue(os.path.isdir(self.path))
        self.assertEqual(os.path.realpath(disk.path), os.path.realpath(self.path))


class FileTests(DiskTestCase):
    def test_what_is_written_is_read(self) -> None:
        disk = self.disk()
        file = disk.create("a")
        file.write(b"one ")
        file.write(b"two")
        file.fsync()
        file.close()
        again = disk.open("a")
        self.assertEqual((again.read(5), again.read(100), again.read(100)), (b"one t", b"wo", b""))
        again.close()

    def test_create_empties_what_was_there(self) -> None:
        disk = self.disk()
        self.write("a", b"long before")
        file = disk.create("a")
        file.write(b"x")
        file.close()
        self.assertEqual(self.content("a"), b"x")

    def test_there_is_no_file_to_open(self) -> None:
        self.assertRaises(FileNotFoundError, self.disk().open, "a")

    def test_a_write_in_pieces_is_whole(self) -> None:
        write = os.write
        self.patch(os, "write", lambda fd, data: write(fd, data[:3]))
        file = self.disk().create("a")
        file.write(b"0123456789")
        file.close()
        self.assertEqual(self.content("a"), b"0123456789")

    def test_write_at_writes_over_what_is_there_and_nothing_else(self) -> None:
        file = self.disk().create("a")
        file.write(b"0123456789")
        file.write_at(b"abc", 4)
        file.write_at(b"x", 0)
        file.write(b"!")
        file.close()
        self.assertEqual(self.content("a"), b"x123abc789!")

    def test_write_at_in_pieces_is_whole(self) -> None:
        pwrite = os.pwrite
        self.patch(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:3], offset))
        file = self.disk().create("a")
        file.write(b"0123456789")
        file.write_at(b"abcdefgh", 1)
        file.close()
        self.assertEqual(self.content("a"), b"0abcdefgh9")

    def test_a_read_in_pieces_is_whole(self) -> None:
        disk = self.disk()
        self.write("a", b"0123456789")
        read = os.read
        self.patch(os, "read", lambda fd, size: read(fd, min(size, 3)))
        file = disk.open("a")
        self.assertEqual(file.read(8), b"01234567")
        file.close()

    def test_replace_puts_one_file_in_the_place_of_another(self) -> None:
        disk = self.disk()
        self.write("old", b"old")
        self.write("new", b"new")
        disk.replace("new", "old")
        self.assertEqual(self.content("old"), b"new")
        self.assertEqual(sorted(os.listdir(self.path)), [LOCK_NAME, "old"])

    def test_fsync_reaches_the_file_and_the_directory(self) -> None:
        synced: list[str] = []
        disk = self.disk()
        self.patch(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
        file = disk.create("a")
        file.fsync()
        file.close()
        disk.fsync_directory()
        path = os.path.realpath(self.path)
        self.assertEqual(synced, [os.path.join(path, "a"), path])

    def test_a_failed_fsync_is_told(self) -> None:
        def failing(fd: int) -> None:
            raise OSError(5, "Input/output error")

        disk = self.disk()
        file = disk.create("a")
        self.patch(os, "fsync", failing)
        self.assertRaises(OSError, file.fsync)
        self.assertRaises(OSError, disk.fsync_directory)
        file.close()

    def test_fdatasync_reaches_the_file(self) -> None:
        synced: list[str] = []
        self.patch(os, "fdatasync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
        file = self.disk().create("a")
        file.fdatasync()
        file.close()
        self.assertEqual(synced, [os.path.join(os.path.realpath(self.path), "a")])

    def test_a_failed_fdatasync_is_told(self) -> None:
        def failing(fd: int) -> None:
            raise OSError(5, "Input/output error")

        file = self.disk().create("a")
        self.patch(os, "fdatasync", failing)
        self.assertRaises(OSError, file.fdatasync)
        file.close()

    def test_a_file_that_was_removed_or_replaced_keeps_nothing(self) -> None:
        disk = self.disk()
        removed, replaced = disk.create("a"), disk.create("b")
        disk.create("c").close()
        removed.fdatasync()
        replaced.fdatasync()
        os.remove(os.path.join(self.path, "a"))
        disk.replace("c", "b")
        for file in (removed, replaced):
            self.assertRaises(FileNotFoundError, file.fdatasync)
            file.close()

    def test_a_files_descriptor_is_not_inherited(self) -> None:
        disk = self.disk()
        for file in (disk.create("a"), disk.open("a")):
            self.assertFalse(os.get_inheritable(file._fd))
            file.close()

    def test_a_full_disk_is_told(self) -> None:
        file = LocalFile(os.open("/dev/full", os.O_WRONLY))
        self.assertRaises(OSError, file.write, b"x")
        self.assertRaises(OSError, file.write_at, b"x", 0)
        file.close()

    def test_what_is_no_file_is_refused_and_does_not_hang(self) -> None:
        """A pipe without another end, with one, a directory, a device: under each name that a vault opens."""
        disk = self.disk()
        os.mkfifo(os.path.join(self.path, "pipe"))
        os.mkdir(os.path.join(self.path, "directory"))
        os.symlink("/dev/null", os.path.join(self.path, "device"))
        os.symlink("nowhere", os.path.join(self.path, "dangling"))
        for name in ("pipe", "dangling"):
            self.assertIn("it is not a regular file", str(self.assertRaises(OSError, disk.open, name)))
        reader = None
        for _ in range(2):
            for name in ("pipe", "directory", "device"):
                for use in (disk.open, disk.create):
                    error = self.assertRaises(OSError, use, name)
                    self.assertIn(f"open {name}: ", str(error))
            if reader is None:
                reader = os.open(os.path.join(self.path, "pipe"), os.O_RDONLY | os.O_NONBLOCK)
                self.addCleanup(os.close, reader)

    def test_a_lock_that_is_no_file_is_refused(self) -> None:
        os.mkdir(self.path)
        os.mkfifo(os.path.join(self.path, LOCK_NAME))
        error = self.assertRaises(DataDirectoryUnusable, LocalDisk(self.path).claim)
        self.assertIn("open lock: it is not a regular file", str(error))

    def test_a_file_system_that_cannot_sync_names_is_told_as_that(self) -> None:
        def fsync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

        claimed = self.disk()
        self.patch(os, "fsync", fsync)
        error = self.assertRaises(DataDirectoryUnusable, LocalDisk(self.path + "/new").claim)
        self.assertIn(f"fsync of the directory {self.path}: Invalid argument: its file system cannot", str(error))
        told = self.assertRaises(OSError, claimed.fsync_directory)
        self.assertIn("choose a directory on another one", told.strerror)

    def test_files_are_made_as_the_umask_has_it(self) -> None:
        disk = self.disk()
        self.addCleanup(os.umask, os.umask(0))
        for umask, mode in ((0o027, 0o640), (0, 0o666)):
            os.umask(umask)
            disk.create(f"file {umask}").close()
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.path, f"file {umask}")).st_mode), mode)


class BothDisksTests(DiskTestCase):
    """What the store sees of the disk in memory is what it sees of a real one."""

    def test_they_provide_what_the_store_needs(self) -> None:
        for disk in (self.disk(), MemoryDisk()):
            verifyObject(IDisk, disk)
            file = disk.create("a")
            verifyObject(IFile, file)
            file.close()

    def test_a_vaults_life(self) -> None:
        for disk in (LocalDisk(self.path), MemoryDisk()):
            file = ValueFile(disk, lambda: IDENTITY)
            self.assertEqual(file.recover().record, Record(IDENTITY, 0))
            for value in (5, 7, 3):
                file.save(Record(IDENTITY, value))
            file.close()
            again = ValueFile(disk, lambda: "f" * 32)
            self.assertEqual(again.recover().record, Record(IDENTITY, 3))
            again.close()
        self.assertEqual(sorted(os.listdir(self.path)), [LOCK_NAME, "value"])
