"""Limits of memory and processor time for the programs of a machine, where this user may make control groups.

In the second version (cgroups(7)) that takes a group of one's own, as systemd gives one to whoever asks; in the first
it takes root. Each program enters its machine's group before it enters its namespaces, which are no part of it.
"""

import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from glitchgrid.machines.errors import CannotBeMade

ROOT = Path("/sys/fs/cgroup")
PROCS = "cgroup.procs"
MEMORY, CPU = "memory", "cpu"
CLOSE_TIMEOUT_S = 1.0
SHARE_TRIES = 10
_NUMBERS = itertools.count(1)
"""The group of a machine may be there still when the next machine of that name is made."""

LABORATORY = "glitchgrid-laboratory"
PERIOD_US = 100_000
CURE = "systemd-run --user --scope --property=Delegate=yes glitchgrid rehearse ..."

_ENTER = 'for group in $1; do echo $$ > "$group/cgroup.procs" || exit 125; done; shift; exec "$@"'
_TAKE_AWAY = 'read -r _; for _ in $(seq 100); do rmdir "$@" 2>/dev/null; [ -e "$1" ] || exit; sleep 0.1; done'
"""Whoever made the groups may be killed: what takes them away waits for the end of a pipe, whoever closes it."""


@frozen
class Limits:
    """:ivar memory_mib: 0 for no limit; programs that take more are killed.
    :ivar processors: so much processor time in the time that goes by; 0 for no limit.
    """

    memory_mib: int = 0
    processors: float = 0.0

    @property
    def controllers(self) -> Sequence[str]:
        """What is needed of the kernel for them."""
        return [kind for kind, limit in ((MEMORY, self.memory_mib), (CPU, self.processors)) if limit]

    @property
    def settings(self) -> Mapping[str, str]:
        """The files of a group, in either version, and what is written into them."""
        found: dict[str, str] = {}
        if self.memory_mib:
            limit = str(self.memory_mib << 20)
            found |= {"memory.max": limit, "memory.swap.max": "0", "memory.limit_in_bytes": limit}
        if self.processors:
            quota_us = int(self.processors * PERIOD_US)
            found |= {"cpu.max": f"{quota_us} {PERIOD_US}", "cpu.cfs_quota_us": str(quota_us)}
        return found


UNLIMITED = Limits()


def missing(limits: Limits) -> str:
    """What keeps these limits from being set, with the cure; empty for nothing."""
    for kind in limits.controllers:
        place = _place_of(kind)
        if place is None:
            return f"the control groups here have no controller {kind!r}; run it as: {CURE}"
        if not os.access(place, os.W_OK):
            return f"{place} is not this user's; run it as: {CURE}"
    return ""


class Group:
    """The control groups of one machine: one for each controller in the first version, one in the second."""

    def __init__(self, machine: str, limits: Limits) -> None:
        """:raises CannotBeMade: where `missing` says so, or the kernel refuses it."""
        refused = missing(limits)
        if refused:
            raise CannotBeMade(f"{machine} cannot be limited: {refused}")
        places = dict.fromkeys(place for kind in limits.controllers if (place := _place_of(kind)) is not None)
        name = f"glitchgrid-{os.getpid()}-{next(_NUMBERS)}-{machine}"
        self._directories = [place / name for place in places]
        try:
            for place in places:
                _share(place, limits.controllers)
            for directory in self._directories:
                directory.mkdir()
                for file, value in limits.settings.items():
                    if (directory / file).exists():
                        (directory / file).write_text(value, encoding="ascii")
        except OSError as error:
            self._remove()
            where = error.filename or ", ".join(map(str, places))
            raise CannotBeMade(f"{machine} cannot be limited: {error.strerror}: {where}") from error
        self._remover = subprocess.Popen(
            ["sh", "-c", _TAKE_AWAY, "sh", *map(str, self._directories)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def entering(self, argv: Sequence[str]) -> list[str]:
        """What runs a program in it."""
        return ["sh", "-c", _ENTER, "sh", " ".join(map(str, self._directories)), *argv]

    def close(self) -> None:
        """Take it away; what still runs there has it for some seconds more."""
        with suppress(OSError):
            self._remove()
        assert self._remover.stdin is not None, "it was opened with one"
        self._remover.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._remover.wait(CLOSE_TIMEOUT_S)

    def _remove(self) -> None:
        for directory in self._directories:
            if directory.exists():
                directory.rmdir()


def _place_of(kind: str) -> Path | None:
    """Where a group with that controller can be made: below that of this process."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    own = {kinds: path.lstrip("/") for _, kinds, path in (line.split(":", 2) for line in lines)}
    for root in (ROOT, ROOT / "unified"):
        unified = root / own.get("", "")
        if unified.name == LABORATORY:
            unified = unified.parent
        if kind in _words_of(unified / "cgroup.controllers"):
            return unified
    return next((ROOT / kind / path for kinds, path in own.items() if kind in kinds.split(",")), None)


def _words_of(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:
        return []


def _share(place: Path, kinds: Sequence[str]) -> None:
    """Let groups below have the controllers. In the second version what shares them has no processes of its own, but
    for the root of all.
    """
    control = place / "cgroup.subtree_control"
    if not control.exists() or set(kinds) <= set(_words_of(control)):
        return
    if (place / "cgroup.type").exists():  # the root has none
        (place / LABORATORY).mkdir(exist_ok=True)
    for tries_left in reversed(range(SHARE_TRIES)):
        if (place / LABORATORY).exists():
            _move_all(place, place / LABORATORY)
        try:
            control.write_text(" ".join(f"+{kind}" for kind in kinds), encoding="ascii")
        except OSError:  # somebody has started something meanwhile
            if not tries_left:
                raise
        else:
            return


def _move_all(place: Path, leaf: Path) -> None:
    for pid in _words_of(place / PROCS):
        with suppress(ProcessLookupError):  # it has ended
            (leaf / PROCS).write_text(pid, encoding="ascii")
