"""Processes that have imported their modules before they are needed.

To import Twisted takes longer than a short run. So what programs import is learned from a first run; then as many
processes as are needed import it, each for itself, in a world of their own, and wait. Whatever forks from there has
them.
A program that is started more often than that imports its modules when it starts. So does one whose modules read, while
they are imported, a file that its machine has and others have not.
"""

import importlib
import os
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.paths import At
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.program import Main

if TYPE_CHECKING:
    from glitchgrid.simulation.kernel.installed import Installed
    from glitchgrid.simulation.kernel.modules import Modules

IMPORTS_NS_MAX = 60 * SECOND_NS
"""So long, in its world, an import may take that waits for something."""

EMBRYOS_MAX = 64
"""Each has some ten megabytes of modules."""

_NEXT = object()
"""Under which an embryo finds what it is to run."""

_REACTOR, _USUAL = "twisted.internet.reactor", "twisted.internet.default"
"""Modules: the reactor itself, and what installs one where nobody has."""

Recipe = Mapping[str, Sequence[Sequence[str]]]
"""For each kind of program, the names of the modules of each process."""


class Embryos:
    def __init__(self, installed: "Installed", modules: "Modules") -> None:
        self._installed = installed
        self._modules = modules
        self._waiting: dict[str, deque[Process]] = defaultdict(deque)
        self._watched: list[tuple[str, Process]] = []
        self._imported_before: dict[Process, list[str]] = {}
        self._read: dict[Process, dict[str, None]] = {}
        installed.files.asked = self._has_asked

    def watch(self, kind: str, process: Process) -> None:
        """Learn from a process what its kind imports."""
        self._watched.append((kind, process))

    def recipe(self) -> dict[str, list[list[str]]]:
        """What was learned."""
        self._installed.settle()
        found: dict[str, list[list[str]]] = defaultdict(list)
        for kind, process in self._watched:
            names = self._imported_before.get(process, self._modules.names(process))
            found[kind].append(_up_to_its_reactor(names))
        return dict(found)

    def prepare(self, recipe: Recipe, spare: int) -> None:
        """Make a process for each that was seen, and so many more of each kind."""
        kernel = self._installed.new_kernel("embryos")
        nowhere = kernel.host("embryo")
        wanted = [(kind, names) for kind, each in recipe.items() for names in [*each, *[each[0]] * spare]]
        for kind, names in wanted[:EMBRYOS_MAX]:
            process = kernel.start(nowhere, lambda names=names: self._grow(names))  # type: ignore[misc]
            process.has_own_modules = True
            self._read[process] = {}
            self._waiting[kind].append(process)
            kernel.run(IMPORTS_NS_MAX, lambda process=process: process.main_thread.is_parked)  # type: ignore[misc]
        self._installed.settle()
        self.learn_no_more()

    def learn_no_more(self) -> None:
        """Nobody will ask for what was learned."""
        self._installed.files.asked = None
        self._watched.clear()
        self._imported_before.clear()

    def _grow(self, names: Sequence[str]) -> object:
        process = self._installed.process()
        for name in names:
            with suppress(Exception):  # what can't be imported now, is imported when it is needed, or says why not
                importlib.import_module(name)
        while _NEXT not in process.kept:
            process.park()
        return process.kept[_NEXT]()

    def _has_asked(self, at: At) -> None:
        """A process has asked for a path."""
        process = self._installed.process()
        if not process.has_own_modules:
            return
        try:
            path = os.path.normpath(os.path.join(at.start.path(), at.path))
        except OSError:
            return  # it stands in a directory that was removed
        if process in self._read:
            self._read[process][path] = None
        elif process not in self._imported_before and self._installed.files.files.is_own(path):
            self._imported_before[process] = self._modules.whole()

    def take(self, kind: str, main: Main, machine: Machine) -> Process | None:
        """One of that kind, which will run `main` when it goes on; None where there is none left that would do."""
        waiting = self._waiting[kind]
        if not waiting or any(machine.disk.is_own(path) for path in self._read[waiting[0]]):
            return None
        process = waiting.popleft()
        process.kept[_NEXT] = main
        return process


def _up_to_its_reactor(names: list[str]) -> list[str]:
    """What can be imported before a program begins, for some programs install a reactor of their own choice.

    That fails where one is installed, and the first import of the reactor installs the usual one.
    """
    has_chosen = _REACTOR in names and _USUAL not in names
    return names[: names.index(_REACTOR)] if has_chosen else names
