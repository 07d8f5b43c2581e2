"""What `python` does around a program: its streams, its arguments, and what there is to do at its end."""

import atexit
import os
import platform
import runpy
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch

Main = Callable[[], object]

_AT_EXIT = object()


class AtExit:
    """`atexit`: each process has functions of its own.

    :param current: the process whose code runs.
    """

    def __init__(self, current: Callable[[], Process]) -> None:
        self._current = current

    def patches(self) -> Iterator[Patch]:
        yield Patch(atexit, "register", self.register)
        yield Patch(atexit, "unregister", self.unregister)

    def register(self, function: Callable[..., object], /, *arguments: Any, **named: Any) -> Callable[..., object]:
        self._functions().append((function, arguments, named))
        return function

    def unregister(self, function: Callable[..., object], /) -> None:
        found = self._functions()
        found[:] = [each for each in found if each[0] != function]

    def forget(self, process: Process) -> None:
        """Nothing is left to be done at its end."""
        process.kept.pop(_AT_EXIT, None)

    def _functions(self) -> list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]]:
        found: list[Any] = self._current().kept.setdefault(_AT_EXIT, [])
        return found

    def run(self) -> None:
        functions = self._functions()
        while functions:
            function, arguments, named = functions.pop()
            try:
                function(*arguments, **named)
            except Exception:  # noqa: BLE001 - as the interpreter does: it is told of, and the next one runs
                sys.excepthook(*sys.exc_info())


def _streams() -> None:
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc] # noqa: SIM115 - until its end
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = open(descriptor, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def interpreter(main: Main, arguments: Sequence[str], at_exit: AtExit) -> Main:
    """A process's `main` that runs a program as `python` does.

    :param arguments: sys.argv.
    """

    def run() -> None:
        sys.argv = list(arguments)
        _streams()
        status = _status_of(main)
        try:
            _wait_for_threads()
            at_exit.run()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        except (OSError, ValueError):
            status = status or 120  # as the interpreter says where its output can't be written
        raise SystemExit(status)

    return run


def _status_of(main: Main) -> int:
    try:
        main()
    except SystemExit as exit_:
        code = exit_.code
        if code is None or isinstance(code, int):
            return (code or 0) & 0xFF
        print(code, file=sys.stderr)
        return 1
    except Exception:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        return 1
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        return 130
    return 0


def _wait_for_threads() -> None:
    for function in reversed(getattr(threading, "_threading_atexits", ())):
        function()
    here = threading.current_thread()
    for thread in threading.enumerate():
        if thread is not here and not thread.daemon:
            thread.join()


def module(name: str) -> Main:
    """As `python -m NAME`."""
    return _finding_beside("", lambda: runpy.run_module(name, run_name="__main__", alter_sys=True))


def script(path: str) -> Main:
    """As `python PATH`."""
    return _finding_beside(os.path.dirname(path), lambda: runpy.run_path(path, run_name="__main__"))


def _finding_beside(directory: str, main: Main) -> Main:
    """Modules are found in a directory first, as the interpreter puts it in front of `sys.path`."""

    def run() -> object:
        sys.path.insert(0, directory or os.getcwd())
        return main()

    return run


def source(text: str, name: str = "<string>") -> Main:
    """As `python -c TEXT`."""

    def main() -> None:
        place = types.ModuleType("__main__")
        sys.modules["__main__"] = place
        exec(compile(text, name, "exec"), place.__dict__)  # noqa: S102 - a program is there to be run

    return _finding_beside("", main)


def standard_input() -> object:
    """As `python` with a program on its standard input."""
    return source(sys.stdin.read(), "<stdin>")()


def version() -> object:
    """As `python --version`."""
    return print("Python", platform.python_version())


def twistd() -> Main:
    """As the command `twistd`; its arguments are sys.argv's."""

    def main() -> None:
        from twisted.scripts.twistd import run  # noqa: PLC0415 - in the process, with its modules

        run()

    return main
