"""Whose process it is: users and groups (credentials(7)). All begin as root, and nobody is refused anything."""

import os
from collections.abc import Callable, Iterator

from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch

_IDENTITY = object()
"""Under which a process keeps its own."""

ROOT = {"uid": 0, "euid": 0, "gid": 0, "egid": 0}
SAME = -1
"""Leaves one as it is, in setreuid and setregid."""


class Identities:
    """:param current: the process whose code runs."""

    def __init__(self, current: Callable[[], Process]) -> None:
        self._current = current

    def patches(self) -> Iterator[Patch]:
        for name in ROOT:
            yield Patch(os, f"get{name}", lambda name=name: self._own()[name])
        for name in ("uid", "gid"):
            yield Patch(os, f"set{name}", lambda number, name=name: self._set(name, number, number))
            yield Patch(os, f"sete{name}", lambda number, name=name: self._set(name, SAME, number))
            yield Patch(os, f"setre{name}", lambda real, effective, name=name: self._set(name, real, effective))
        yield Patch(os, "getgroups", lambda: [0])
        for name in ("setgroups", "initgroups"):
            yield Patch(os, name, lambda *_: None)
        yield Patch(os, "getlogin", lambda: "root")

    def inherit(self, parent: Process, child: Process) -> None:
        child.kept[_IDENTITY] = dict(parent.kept.get(_IDENTITY, ROOT))

    def _own(self) -> dict[str, int]:
        found: dict[str, int] = self._current().kept.setdefault(_IDENTITY, dict(ROOT))
        return found

    def _set(self, name: str, real: int, effective: int) -> None:
        own = self._own()
        own[name] = own[name] if real == SAME else real
        own[f"e{name}"] = own[f"e{name}"] if effective == SAME else effective
