"""Processes that have imported their modules before they are needed.

To import Twisted takes longer than a short run. So what programs import is learned from a first run; then as many
processes as are needed import it, each for itself, in a world of their own, and wait. Whatever forks from there has
them.
A program that is started more often than that imports its modules when it starts.
"""

import importlib
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.descriptors import Table
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

Recipe = Mapping[str, Sequence[Sequence[str]]]
"""For each kind of program, the names of the modules of each process."""


class Embryos:
    def __init__(self, installed: "Installed", modules: "Modules") -> None:
        self._installed = installed
        self._modules = modules
        self._waiting: dict[str, deque[tuple[Process, Table]]] = defaultdict(deque)
        self._watched: list[tuple[str, Process]] = []

    def watch(self, kind: str, process: Process) -> None:
        """Learn from a process what its kind imports."""
        self._watched.append((kind, process))

    def recipe(self) -> dict[str, list[list[str]]]:
        """What was learned."""
        self._installed.settle()
        found: dict[str, list[list[str]]] = defaultdict(list)
        for kind, process in self._watched:
            found[kind].append(self._modules.names(process))
        return dict(found)

    def prepare(self, recipe: Recipe, spare: int) -> None:
        """Make a process for each that was seen, and so many more of each kind."""
        kernel = self._installed.new_kernel("embryos")
        nowhere = kernel.host("embryo")
        wanted = [(kind, names) for kind, each in recipe.items() for names in [*each, *[each[0]] * spare]]
        for kind, names in wanted[:EMBRYOS_MAX]:
            process = kernel.start(nowhere, lambda names=names: self._grow(names))  # type: ignore[misc]
            process.has_own_modules = True
            self._waiting[kind].append((process, kernel.table(process)))
            kernel.run(IMPORTS_NS_MAX, lambda process=process: process.main_thread.is_parked)  # type: ignore[misc]
        self._installed.settle()
        self._watched.clear()

    def _grow(self, names: Sequence[str]) -> object:
        process = self._installed.process()
        for name in names:
            with suppress(Exception):  # what can't be imported now, is imported when it is needed, or says why not
                importlib.import_module(name)
        while _NEXT not in process.kept:
            process.park()
        return process.kept[_NEXT]()

    def take(self, kind: str, main: Main) -> tuple[Process, Table] | None:
        """One of that kind, which will run `main` when it goes on; None where there is none left."""
        waiting = self._waiting[kind]
        if not waiting:
            return None
        process, table = waiting.popleft()
        process.kept[_NEXT] = main
        return process, table
