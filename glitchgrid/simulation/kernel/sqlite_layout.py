"""SQLite's interface to its operating system, as ctypes sees it (sqlite3.h; https://sqlite.org/c3ref/vfs.html)."""

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_void_p

OK, BUSY, IOERR, NOTFOUND, FULL, CANTOPEN = 0, 5, 10, 12, 13, 14
IOERR_READ, IOERR_SHORT_READ, IOERR_WRITE, IOERR_FSYNC = 266, 522, 778, 1034
IOERR_TRUNCATE, IOERR_FSTAT, IOERR_DELETE, IOERR_DELETE_NOENT, IOERR_SHMMAP = 1546, 1802, 2570, 5898, 5386

OPEN_READONLY, OPEN_READWRITE, OPEN_CREATE, OPEN_DELETEONCLOSE, OPEN_EXCLUSIVE = 1, 2, 4, 8, 16
OPEN_MAIN_DB, OPEN_MAIN_JOURNAL, OPEN_SUPER_JOURNAL, OPEN_WAL = 0x100, 0x800, 0x4000, 0x80000

ACCESS_EXISTS, ACCESS_READWRITE, ACCESS_READ = 0, 1, 2

UNLOCKED, SHARED, RESERVED, PENDING, EXCLUSIVE = range(5)
"""The five states of a lock (https://sqlite.org/lockingv3.html)."""

SHM_UNLOCK, SHM_LOCK, SHM_SHARED, SHM_EXCLUSIVE = 1, 2, 4, 8

POWERSAFE_OVERWRITE = 0x1000
"""A write that is torn harms no bytes beside its own: so it is here, and so SQLite takes it to be on unix."""

SECTOR_BYTES = 4096

JULIAN_MS = 210_866_760_000_000
"""The beginning of 1970, in milliseconds since the beginning of the Julian period."""


class Vfs(Structure):
    """struct sqlite3_vfs, version 2."""


class Methods(Structure):
    """struct sqlite3_io_methods, version 2."""


class File(Structure):
    """struct sqlite3_file: whoever opens it says which methods it has."""

    _fields_ = [("methods", POINTER(Methods))]


FileP = c_void_p
"""A file by its address, by which the world finds its own."""

VFS_FUNCTIONS = {
    "xOpen": CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int)),
    "xDelete": CFUNCTYPE(c_int, c_void_p, c_void_p, c_int),
    "xAccess": CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, POINTER(c_int)),
    "xFullPathname": CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p),
    "xDlOpen": CFUNCTYPE(c_void_p, c_void_p, c_char_p),
    "xDlError": CFUNCTYPE(None, c_void_p, c_int, c_void_p),
    "xDlSym": CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_char_p),
    "xDlClose": CFUNCTYPE(None, c_void_p, c_void_p),
    "xRandomness": CFUNCTYPE(c_int, c_void_p, c_int, c_void_p),
    "xSleep": CFUNCTYPE(c_int, c_void_p, c_int),
    "xCurrentTime": CFUNCTYPE(c_int, c_void_p, POINTER(c_double)),
    "xGetLastError": CFUNCTYPE(c_int, c_void_p, c_int, c_void_p),
    "xCurrentTimeInt64": CFUNCTYPE(c_int, c_void_p, POINTER(c_int64)),
}

FILE_FUNCTIONS = {
    "xClose": CFUNCTYPE(c_int, FileP),
    "xRead": CFUNCTYPE(c_int, FileP, c_void_p, c_int, c_int64),
    "xWrite": CFUNCTYPE(c_int, FileP, c_void_p, c_int, c_int64),
    "xTruncate": CFUNCTYPE(c_int, FileP, c_int64),
    "xSync": CFUNCTYPE(c_int, FileP, c_int),
    "xFileSize": CFUNCTYPE(c_int, FileP, POINTER(c_int64)),
    "xLock": CFUNCTYPE(c_int, FileP, c_int),
    "xUnlock": CFUNCTYPE(c_int, FileP, c_int),
    "xCheckReservedLock": CFUNCTYPE(c_int, FileP, POINTER(c_int)),
    "xFileControl": CFUNCTYPE(c_int, FileP, c_int, c_void_p),
    "xSectorSize": CFUNCTYPE(c_int, FileP),
    "xDeviceCharacteristics": CFUNCTYPE(c_int, FileP),
    "xShmMap": CFUNCTYPE(c_int, FileP, c_int, c_int, c_int, POINTER(c_void_p)),
    "xShmLock": CFUNCTYPE(c_int, FileP, c_int, c_int, c_int),
    "xShmBarrier": CFUNCTYPE(None, FileP),
    "xShmUnmap": CFUNCTYPE(c_int, FileP, c_int),
}

Vfs._fields_ = [
    ("iVersion", c_int),
    ("szOsFile", c_int),
    ("mxPathname", c_int),
    ("pNext", c_void_p),
    ("zName", c_char_p),
    ("pAppData", c_void_p),
    *VFS_FUNCTIONS.items(),
]
Methods._fields_ = [("iVersion", c_int), *FILE_FUNCTIONS.items()]

FILE_BYTES = ctypes.sizeof(File)
