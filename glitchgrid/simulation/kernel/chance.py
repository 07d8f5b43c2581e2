"""Chance, for each process from a stream of its own: `random`, `os.urandom`, and what is made of them.

`uuid.uuid4`, `secrets` and `random.SystemRandom` draw from `os.urandom`; `random.Random()` seeds itself from it.
"""

import os
import random
import uuid
from collections.abc import Callable, Iterator

from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch, Seam

SEED_BYTES = 16
LOCAL_NODE = 0x02_00_00_00_00_00


class Chances:
    """:param current: the process whose code runs."""

    def __init__(self, current: Callable[[], Process]) -> None:
        self._current = current

    def patches(self, seam: Seam) -> Iterator[Patch]:
        for name in random.__all__:
            method = getattr(random, name)
            if not isinstance(method, type):
                yield Patch(random, name, lambda *a, name=name, **k: getattr(self._stream("random"), name)(*a, **k))
        yield Patch(os, "urandom", self._bytes)
        yield Patch(os, "getrandom", lambda size, _flags=0: self._bytes(size))
        yield Patch(random, "_urandom", self._bytes)  # which SystemRandom draws from, and Random() seeds itself with
        yield Patch(uuid, "getnode", self._node)
        reseed = seam.original(random.Random, "seed")

        def seeded(generator: random.Random, a: object = None, version: int = 2) -> None:
            # Written in C, Random asks the kernel itself for a seed where it is given none.
            reseed(generator, int.from_bytes(self._bytes(SEED_BYTES), "big") if a is None else a, version)

        yield Patch(random.Random, "seed", seeded)

    def _node(self) -> int:
        """A hardware address that was given out by nobody (RFC 9542, 2.1), and is the machine's."""
        return LOCAL_NODE + int(self._current().host.address.rpartition(".")[2])

    def forget(self, process: Process) -> None:
        """Let a process's streams begin anew, from the seed of the world that it is in now."""
        for key in [key for key in process.kept if isinstance(key, tuple) and key[0] is self]:
            del process.kept[key]

    def _bytes(self, size: int) -> bytes:
        return self._stream("urandom").randbytes(size)

    def _stream(self, purpose: str) -> random.Random:
        process = self._current()
        stream: random.Random | None = process.kept.get((self, purpose))
        if stream is None:
            stream = process.kept[self, purpose] = random.Random.__new__(random.Random)
            _REAL_SEED(stream, f"{process.world.seed}:{purpose} {process.name} {process.pid}")
        return stream


_REAL_SEED = random.Random.seed
"""Bound before anything is patched."""
