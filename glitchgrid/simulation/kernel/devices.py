"""/dev: four devices, directories for what programs make there, and links to /proc."""

import errno
from collections.abc import Callable

from glitchgrid.simulation.clock import EPOCH_NS
from glitchgrid.simulation.kernel.nodes import Device, Directory, Link

STREAMS = ("stdin", "stdout", "stderr")


def devices(number: Callable[[], int], root: Directory, entropy: Callable[[int], bytes]) -> Directory:
    """:param number: gives a new inode's.
    :param entropy: gives so many random bytes.
    """
    made = Directory(number(), 0o755, EPOCH_NS, root, "dev")
    for name, minor, read, refuses in (
        ("null", 3, lambda _count: b"", 0),
        ("zero", 5, bytes, 0),
        ("full", 7, bytes, errno.ENOSPC),
        ("random", 8, entropy, 0),
        ("urandom", 9, entropy, 0),
    ):
        made.own.fix(name, Device(number(), minor, EPOCH_NS, read, refuses))
    made.own.fix("shm", Directory(number(), 0o1777, EPOCH_NS, made, "shm"))
    made.own.fix("fd", Link(number(), "/proc/self/fd", EPOCH_NS))
    for descriptor, name in enumerate(STREAMS):
        made.own.fix(name, Link(number(), f"/proc/self/fd/{descriptor}", EPOCH_NS))
    return made
