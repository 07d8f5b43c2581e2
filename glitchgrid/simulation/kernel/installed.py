"""The seam of this real process, put in before anything else is imported, and the kernel whose run goes on in it."""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any, NoReturn

from glitchgrid.simulation import native
from glitchgrid.simulation.kernel import (
    classes,
    clocks,
    complaints,
    dates,
    importing,
    preemption_imports,
    program,
    sockets,
    sqlite,
)
from glitchgrid.simulation.kernel.chance import Chances
from glitchgrid.simulation.kernel.children import Children, Request, asks_for_version, without_options
from glitchgrid.simulation.kernel.descriptors import Table
from glitchgrid.simulation.kernel.embryos import Embryos
from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.forking import Forking
from glitchgrid.simulation.kernel.identities import Identities
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.preemption import Points
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.program import AtExit, Main
from glitchgrid.simulation.kernel.resolving import Resolver
from glitchgrid.simulation.kernel.resources import Resources
from glitchgrid.simulation.kernel.seam import Patch, Seam
from glitchgrid.simulation.kernel.signals import Signals
from glitchgrid.simulation.kernel.socket_names import SocketNames
from glitchgrid.simulation.kernel.stack import Stack
from glitchgrid.simulation.kernel.system import SystemCalls
from glitchgrid.simulation.kernel.threads import Threads
from glitchgrid.simulation.kernel.unix import Directory

if TYPE_CHECKING:
    from glitchgrid.simulation.kernel.belongings import Belongings

REACTOR = "twisted.internet.epollreactor.EPollReactor"
BEFORE = frozenset({"asyncio", "ssl", "subprocess", "tempfile", "twisted"})
"""What must not have been imported before the seam is put in: it keeps functions that the seam takes the places of."""


class Installed:
    """:ivar kernel: whose run goes on; None between runs.
    :ivar points: where threads may be preempted.

    :param shared: packages that processes with modules of their own share all the same.
    :param reactor: the class of the global reactor where modules are shared; None for none.
    :param preempt: packages and modules that get preemption points, with their weights in per mille.
    :raises RuntimeError: where something was imported already that keeps functions of the system, or, as `TooLate`,
        that is to get preemption points.
    """

    def __init__(
        self, shared: Iterable[str] = (), reactor: str | None = REACTOR, preempt: Mapping[str, int] | None = None
    ) -> None:
        early = sorted(BEFORE & set(sys.modules))
        if early:
            raise RuntimeError(f"imported before the world could put itself in their way: {', '.join(early)}")
        self.seam = Seam()
        self.kernel: Kernel | None = None
        self._left: list[Kernel] = []
        self.at_exit = AtExit(self.process)
        self._chances = Chances(self.process)
        self._identities = Identities(self.process)
        self._threads = Threads(self.process_or_none)
        self.files = FileCalls(self.current, self._files_of)
        self._socket_names = SocketNames(self.files)
        sockets.put_in(self.seam, self)
        if preempt:  # a real lock, held by a thread that was preempted, would stop the world
            importing.put_under(Threads(self.process_or_none).locks())
        self.seam.put_in(self._patches())
        self._shared = tuple(shared)
        self._reactor_name = reactor
        classes.put_in(self.seam, self.files)
        self.native = native.loaded()
        dates.put_in(self.seam, self._wall_ns)
        self.points = Points(self.seam, self.process)
        self._finder = preemption_imports.put_in(preempt, self.points.point) if preempt else None
        self.belongings, self._begin_reactor = self._behind_the_seam()

    def _behind_the_seam(self) -> "tuple[Belongings, Callable[[], Any]]":
        """What imports modules that have to find the seam there."""
        import ctypes.util  # noqa: PLC0415
        import subprocess  # noqa: PLC0415

        from glitchgrid.simulation.kernel import refused  # noqa: PLC0415
        from glitchgrid.simulation.kernel.belongings import Belongings, Locals, interpreter, of_own_modules  # noqa: PLC0415
        from glitchgrid.simulation.kernel.modules import Modules  # noqa: PLC0415

        belongings = Belongings(interpreter())
        self._modules = modules = Modules(self._shared)
        self.embryos = Embryos(self, modules)
        self._own = own = Belongings(of_own_modules(), lambda process: process.has_own_modules)
        self.seam.settlers += [Locals().settle, modules.settle, own.settle, belongings.settle]
        self.seam.put_in(refused.patches())
        self.seam.put_in([Patch(subprocess, "_fork_exec", Children(self).fork_exec)])
        self.seam.put_in([Patch(ctypes.util, "find_library", self._find_library)])
        self.seam.put_in(sqlite.patches(self.seam, self.files))
        if self._reactor_name is None:
            return belongings, lambda: None
        from glitchgrid.simulation.kernel.reactors import SharedReactor  # noqa: PLC0415

        shared = SharedReactor(belongings, self._reactor_name)
        return belongings, lambda: shared.begin(self.process())

    def _patches(self) -> Iterator[Patch]:
        yield from clocks.patches(self.seam, self.process)
        yield from self._chances.patches(self.seam)
        yield from self._threads.patches()
        yield from self._identities.patches()
        yield from SystemCalls(self.current).patches()
        yield from self.files.patches(self.seam)
        yield from Signals(self.current, self._processes).patches()
        yield from Children(self).patches()
        yield from Resources(self.current).patches()
        yield from Forking(self).patches()
        yield from Resolver(self.process).patches()
        yield from self.at_exit.patches()
        yield from complaints.patches()
        yield Patch(os, "putenv", lambda _name, _value: None)
        yield Patch(os, "unsetenv", lambda _name: None)

    def pointed(self, spec: ModuleSpec) -> ModuleSpec:
        """The spec of a module that no finder finds by its name, so that it gets preemption points if it is to."""
        return spec if self._finder is None else self._finder.pointed(spec)

    def new_kernel(self, seed: str, *, keep_trace: bool = False, home: str | None = None) -> Kernel:
        """A new world: what runs from now on, runs in it.

        :param home: as `Kernel` takes it.
        """
        self.kernel = Kernel(seed, self.seam, keep_trace=keep_trace, home=home)
        if self.native is not None:
            self.native.seed(seed)
            self.seam.in_c = self._in_c
        return self.kernel

    def _in_c(self, is_inside: bool) -> None:
        """What C code asks for is the world's, too, for as long as one of its processes runs."""
        assert self.native is not None, "it is there"
        if is_inside:
            process = self.process()
            self.native.enter(process.clock.shown_wall_ns(process.world.now_ns))
        else:
            self.native.leave()

    @functools.cache  # noqa: B019 - there is one of these in a real process, until its end
    def _find_library(self, name: str) -> str | None:
        """It asks `ldconfig`, and a compiler. What it finds is loaded into the real process."""
        import ctypes.util  # noqa: PLC0415

        with self.seam.outside():
            found: str | None = self.seam.original(ctypes.util, "find_library")(name)
        return found

    def _wall_ns(self) -> int:
        process = self.process()
        return process.clock.wall_ns(process.world.now_ns)

    # Processes.

    def run_program(self, host: Machine, main: Main, arguments: Sequence[str], *, own_modules: bool = True) -> Process:
        """A Python program. Where there is an embryo for it, that becomes its process.

        :param arguments: sys.argv.
        """
        body = program.interpreter(main, arguments, self.at_exit)
        if own_modules:
            kind = " ".join(arguments)
            embryo = self.embryos.take(kind, body, host)
            if embryo is not None:
                self._chances.forget(embryo)
                self.files.forget(embryo)
                self._running().adopt(embryo, host)
                host.world.after(host.loading_ns, embryo.unpark, embryo.main_thread)
                return embryo
            process = self._started(host, body, own_modules)
            self.embryos.watch(kind, process)
            return process
        return self._started(host, body if own_modules else self._with_reactor(body), own_modules)

    def run_function(self, host: Machine, function: Callable[[Any], object]) -> Process:
        """A function, with the modules of whoever has made it. It is given the reactor of its process."""

        def main() -> None:
            function(self._begin_reactor())

        return self._started(host, program.interpreter(main, [function.__name__], self.at_exit), own_modules=False)

    def _started(self, host: Machine, main: Main, own_modules: bool, **more: Any) -> Process:
        process = self._running().start(host, main, **more)
        process.has_own_modules = own_modules
        return process

    def _with_reactor(self, main: Main) -> Main:
        def run() -> None:
            self._begin_reactor()
            main()

        return run

    def spawn(self, parent: Process, request: Request) -> Process:
        """A child of a process, which runs `python` with these arguments."""
        main, arguments = _python(request.arguments)
        body = program.interpreter(main, arguments, self.at_exit)
        child = self._started(
            self._running().hosts[parent.host.name],
            body if parent.has_own_modules else self._with_reactor(body),
            parent.has_own_modules,
            parent=parent,
            files=request.descriptors,
        )
        self._inherit(parent, child)
        if request.directory is not None:
            self.files.enter(child, request.directory)
        self.belongings.give(child, os.environ, "_data", request.environment)
        return child

    def fork(self, parent: Process, main: Main) -> Process:
        """A child that runs a function, with its parent's modules, descriptors and environment."""
        child = self._running().fork(parent, main)
        child.has_own_modules = parent.has_own_modules
        self._modules.inherit(child)
        self._inherit(parent, child)
        self.belongings.give(child, os.environ, "_data", dict(os.environ._data))  # type: ignore[attr-defined] # noqa: SLF001
        return child

    def _inherit(self, parent: Process, child: Process) -> None:
        self.files.inherit(parent, child)
        self._identities.inherit(parent, child)

    def execute(self, request: Request) -> NoReturn:
        """Let the process whose code runs do something else from now on: `python` with these arguments."""
        main, arguments = _python(request.arguments)
        process, table = self.current()
        for each in [each for each in table if each not in request.descriptors]:
            table.close(each)
        process.leave_alone()
        self.seam.settle(None)
        for keeper in (self.belongings, self._own, self._modules, self.at_exit, self._threads):
            keeper.forget(process)
        self.seam.enter(process.thread)
        os.environ._data = request.environment  # type: ignore[attr-defined] # noqa: SLF001
        body = program.interpreter(main, arguments, self.at_exit)
        try:
            (body if process.has_own_modules else self._with_reactor(body))()
        except SystemExit as exit_:
            process.exit(exit_.code if isinstance(exit_.code, int) else 1)
        raise AssertionError("an interpreter ends by SystemExit, and nothing comes behind it")

    def end(self) -> None:
        """The world is over, and nobody looks at its processes any more: leave nothing of it behind."""
        kernel = self._running()
        kernel.end()
        for process in kernel.processes:
            self.files.forget(process)
        self.kernel = None

    def leave(self) -> None:
        """The world is over, and this real process ends before long: leave all as it is.

        Its threads are kept. To let them go would run the code that they have for their end.
        """
        self.settle()
        self._left.append(self._running())
        self.kernel = None

    def settle(self) -> None:
        """Put in place what belongs to whoever is outside of all processes."""
        self.seam.settle(None)

    # What the seam's parts ask for.

    def process_or_none(self) -> Process | None:
        return self.process() if self.seam.applies() else None

    def process(self) -> Process:
        # Asked for at each system call: so nothing is called for it.
        return self.kernel.context.current  # type: ignore[union-attr, return-value]

    def current(self) -> tuple[Process, Table]:
        process: Process = self.kernel.context.current  # type: ignore[union-attr, assignment]
        return process, process.table

    def stack(self) -> Stack:
        return self._running().stack()

    def directory(self) -> Directory:
        return self._socket_names

    def _files_of(self, process: Process) -> FileSystem:
        return self.kernel.hosts[process.host.name].disk  # type: ignore[union-attr]

    def _processes(self) -> list[Process]:
        return self._running().processes

    def _running(self) -> Kernel:
        assert self.kernel is not None, "a process of the world runs, and no world"
        return self.kernel


def _python(arguments: list[str]) -> tuple[Main, list[str]]:
    """What `python` with these arguments runs, and its sys.argv."""
    if asks_for_version(arguments):
        return program.version, [""]
    match without_options(arguments):
        case []:
            return program.standard_input, [""]
        case ["-c", text, *more]:
            return program.source(text), ["-c", *more]
        case ["-m", name, *more]:
            return program.module(name), [name, *more]
        case [path, *more]:
            return program.script(path), [path, *more]
    raise NotImplementedError(f"python {' '.join(arguments)} is not modelled")
