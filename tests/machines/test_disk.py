"""A machine's disk, as FUSE calls it: what a power loss takes, and what faults do. (Mounted for real: end_to_end.)"""

import errno
import os
import stat
import threading
import time

import pytest

from glitchgrid.machines.disk import Mounted, Platters


class Bench:
    def __init__(self, *, is_harsh: bool = False, seed: str = "0") -> None:
        self.told: list[tuple[int, int]] = []
        self.syncs = 0
        self.power_goes = True
        self.platters = Platters(seed, "m", lambda *told: self.told.append(told), is_harsh=is_harsh)
        self.disk = Mounted(self.platters, lambda: None, self.syncing)

    def syncing(self) -> None:
        self.syncs += 1
        threading.Timer(0.01, self.go_on).start()

    def go_on(self) -> None:
        with self.disk.changed:
            self.disk.watches_syncs, self.disk.loses_power = False, self.power_goes
            self.disk.changed.notify_all()

    def write(self, path: str, data: bytes, *, sync: bool) -> None:
        handle = self.disk.create(path, 0o644)
        assert self.disk.write(path, data, 0, handle) == len(data)
        if sync:
            self.disk.fsync(path, 0, handle)
        self.disk.release(path, handle)

    def read(self, path: str) -> bytes:
        handle = self.disk.open(path, os.O_RDONLY)
        try:
            return self.disk.read(path, 1 << 20, 0, handle)
        finally:
            self.disk.release(path, handle)

    def names(self) -> set[str]:
        return {name for name, _, _ in self.disk.readdir("/", 0)} - {".", ".."}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fails(number: int) -> "pytest.RaisesExc[OSError]":
    return pytest.raises(OSError, match=f"Errno {number}")


def test_what_was_synced_is_kept_with_its_name(bench: Bench) -> None:
    bench.write("/kept", b"a" * 9000, sync=True)
    bench.platters.lose_power()
    assert bench.read("/kept") == b"a" * 9000


def test_what_was_not_may_be_gone_or_there_by_whole_sectors() -> None:
    outcomes = set()
    for seed in range(60):
        bench = Bench(seed=f"{seed}")
        bench.write("/old", b"o" * 2048, sync=True)
        handle = bench.disk.open("/old", os.O_RDWR)
        bench.disk.write("/old", b"n" * 2048, 0, handle)
        bench.platters.lose_power()
        data = bench.read("/old")
        assert len(data) == 2048
        for begin in range(0, 2048, 512):
            assert data[begin : begin + 512] in (b"o" * 512, b"n" * 512)
        outcomes.add(data)
    assert {b"o" * 2048, b"n" * 2048} < outcomes, "and some that are torn"


def test_a_harsh_disk_tears_within_sectors_and_loses_names() -> None:
    names, torn = set(), False
    for seed in range(60):
        bench = Bench(is_harsh=True, seed=f"{seed}")
        bench.write("/file", b"o" * 512, sync=True)
        bench.platters.lose_power()
        names.add(frozenset(bench.names()))
    assert names == {frozenset(), frozenset({"file"})}, "its directory was not synced"
    for seed in range(200):
        bench = Bench(is_harsh=True, seed=f"{seed}")
        bench.write("/file", b"o" * 512, sync=True)
        bench.disk.fsyncdir("/", 0, 0)
        handle = bench.disk.open("/file", os.O_RDWR)
        bench.disk.write("/file", b"n" * 512, 0, handle)
        bench.platters.lose_power()
        torn |= bench.read("/file") not in (b"o" * 512, b"n" * 512)
    assert torn


def test_names_come_in_their_order() -> None:
    found = set()
    for seed in range(60):
        bench = Bench(seed=f"{seed}")
        for name in "abc":
            bench.write(f"/{name}", b"", sync=False)
        bench.platters.lose_power()
        found.add("".join(sorted(bench.names())))
    assert found == {"", "a", "ab", "abc"}


def test_any_sync_takes_all_names_along(bench: Bench) -> None:
    bench.disk.mkdir("/d", 0o755)
    bench.write("/d/a", b"", sync=False)
    bench.disk.rename("/d/a", "/d/b")
    bench.write("/other", b"", sync=True)
    bench.platters.lose_power()
    assert bench.disk.getattr("/d/b")["st_size"] == 0
    with fails(errno.ENOENT):
        bench.disk.getattr("/d/a")


def test_a_failed_sync_is_told_and_does_not_come_back(bench: Bench) -> None:
    bench.platters.syncs_to_fail = 1
    with fails(errno.EIO):
        bench.write("/a", b"x", sync=True)
    assert bench.told == [(1, 0)]
    handle = bench.disk.open("/a", os.O_RDWR)
    bench.disk.fsync("/a", 0, handle)


def test_full_read_only_and_broken(bench: Bench) -> None:
    bench.write("/a", b"x", sync=True)
    bench.platters.is_full = True
    with fails(errno.ENOSPC):
        bench.write("/b", b"x", sync=False)
    assert bench.disk.statfs("/")["f_bavail"] == 0
    bench.platters.is_full = False
    bench.platters.is_read_only = True
    with fails(errno.EROFS):
        bench.disk.open("/a", os.O_RDWR)
    assert bench.read("/a") == b"x"
    bench.platters.is_read_only = False
    bench.platters.fails_to.add("read")
    with fails(errno.EIO):
        bench.read("/a")
    assert [refusals for refusals, _ in bench.told] == [1, 2, 3]


def test_all_wait_while_it_stalls(bench: Bench) -> None:
    bench.platters.stalled_until_ns = time.monotonic_ns() + 50_000_000
    began_s = time.monotonic()
    bench.disk.getattr("/")
    assert time.monotonic() - began_s >= 0.05


def test_a_sync_that_is_watched_for_waits_and_has_not_happened(bench: Bench) -> None:
    bench.disk.watches_syncs = True
    with fails(errno.EIO):
        bench.write("/a", b"x", sync=True)
    assert bench.syncs == 1
    assert bench.platters.durable("/a") != b"x"


def test_a_sync_that_is_watched_for_no_more_happens(bench: Bench) -> None:
    bench.power_goes = False
    bench.disk.watches_syncs = True
    bench.write("/a", b"x", sync=True)
    assert bench.platters.durable("/a") == b"x"


def test_what_there_is_beside_files(bench: Bench) -> None:
    bench.disk.symlink("/l", "target")
    assert bench.disk.readlink("/l") == "target"
    bench.disk.mknod("/s", stat.S_IFSOCK | 0o600, 0)
    assert stat.S_ISSOCK(bench.disk.getattr("/s")["st_mode"])
    bench.write("/a", b"x", sync=False)
    bench.disk.link("/b", "/a")
    assert bench.disk.getattr("/a")["st_nlink"] == 2
    bench.disk.unlink("/a")
    bench.disk.chmod("/b", 0o100600)
    bench.disk.chown("/b", 5, -1)
    bench.disk.utimens("/b", (1, 2))
    found = bench.disk.getattr("/b")
    assert (found["st_mode"], found["st_uid"], found["st_mtime"]) == (0o100600, 5, 2)
    handle = bench.disk.open("/b", os.O_RDWR)
    bench.disk.fallocate("/b", 0, 0, 100, handle)
    bench.disk.truncate("/b", 50, handle)
    assert bench.disk.getattr("/b")["st_size"] == 50
    with fails(errno.EOPNOTSUPP):
        bench.disk.fallocate("/b", 0x10, 0, 100, handle)
    with fails(errno.EPERM):
        bench.disk.mknod("/p", stat.S_IFIFO, 0)
    bench.disk.mkdir("/d", 0o700)
    bench.disk.rmdir("/d")
    assert bench.names() == {"l", "s", "b"}
    assert {number for _, found, _ in bench.disk.readdir("/", 0) for number in [found["st_ino"]]} & {0} == set()
