"""Disks that are ill, for real vaults: put over the product's file when a vault is started, as glitches are.

A vault's start is left alone: it writes a file of its own, and without that there would be nobody to look at.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from glitchgrid.storage.disk import LocalFile

VARIABLE = "GLITCHGRID_DISK"
"""The environment variable in which a launcher finds the name of one."""

SLOW_S = 0.5
"""So much longer a sync takes on a disk that is slow."""

WELL = ""


def _full(_file: LocalFile, _data: bytes, _offset_bytes: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _failing(_file: LocalFile) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _slow(original: Callable[[LocalFile], None]) -> Callable[[LocalFile], None]:
    def fdatasync(file: LocalFile) -> None:
        time.sleep(SLOW_S)  # on the store's own thread
        original(file)

    return fdatasync


ILLS: Mapping[str, str] = {
    "full": "its disk is full: a store fails, and no later one is taken",
    "failing": "its syncs fail: a store fails, and no later one is taken",
    "slow": f"each sync takes {SLOW_S:g} s longer",
}


@contextmanager
def disk_that_is(ill: str) -> Iterator[None]:
    """One of `ILLS`, or `WELL`, until the end of the block."""
    original: Any = LocalFile.fdatasync
    instead: Mapping[str, tuple[str, Any]] = {
        "full": ("write_at", _full),
        "failing": ("fdatasync", _failing),
        "slow": ("fdatasync", _slow(original)),
    }
    if ill == WELL:
        yield
        return
    name, function = instead[ill]
    with patch.object(LocalFile, name, function):
        yield
