"""Children: `os.posix_spawn`, `subprocess` and `waitpid`. A Python program becomes one more process of the machine.

Twisted's `spawnProcess` comes through `os.posix_spawnp` unless it is told another user or directory; then it forks: see
`forking`.
"""

import errno
import operator
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from glitchgrid.simulation.kernel.descriptors import Table, error
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch

STANDARD = 3
"""Descriptors below are a program's input and output."""

SIGCHLD_NS = 10_000
"""How long it takes until a parent knows of a child's end."""

FIRST_LINE_BYTES_MAX = 256
_VALUED = ("-W", "-X", "--check-hash-based-pycs")


class Request(NamedTuple):
    """:ivar arguments: those of `python`, without its own name.
    :ivar descriptors: by their numbers in the child.
    :ivar directory: None for its parent's.
    """

    name: str
    arguments: list[str]
    environment: dict[bytes, bytes]
    descriptors: dict[int, Any]
    directory: str | None = None


class Spawner(Protocol):
    """Who makes processes."""

    def current(self) -> tuple[Process, Table]: ...

    def spawn(self, parent: Process, request: Request) -> Process: ...


class Children:
    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner

    def patches(self) -> Iterator[Patch]:
        yield Patch(os, "posix_spawn", self.posix_spawn)
        yield Patch(os, "posix_spawnp", self.posix_spawn)
        yield Patch(os, "waitpid", self.waitpid)
        yield Patch(os, "wait", lambda: self.waitpid(-1, 0))
        for name in ("forkpty", "vfork", "openpty", "system"):
            if hasattr(os, name):
                yield Patch(os, name, _refused(f"os.{name}"))

    def posix_spawn(
        self,
        path: Any,
        argv: Iterable[Any],
        env: Mapping[Any, Any] | None,
        /,
        *,
        file_actions: Iterable[Sequence[Any]] = (),
        **_more: Any,
    ) -> int:
        """:raises OSError: ENOENT for what there is not.
        :raises NotImplementedError: for a program that is not Python's.
        """
        parent, table = self._spawner.current()
        descriptors = {each: table.file(each) for each in table if table.get_inheritable(each)}
        for action, *what in file_actions:
            if action == os.POSIX_SPAWN_DUP2:
                descriptors[what[1]] = table.file(what[0])
            elif action == os.POSIX_SPAWN_CLOSE:
                descriptors.pop(what[0], None)
            else:
                raise NotImplementedError("posix_spawn that opens files is not modelled")
        environment = os.environ._data if env is None else {os.fsencode(k): os.fsencode(v) for k, v in env.items()}  # type: ignore[attr-defined] # noqa: SLF001
        return self.start(parent, os.fsdecode(path), list(map(os.fsdecode, argv)), dict(environment), descriptors)

    def start(
        self,
        parent: Process,
        path: str,
        argv: list[str],
        environment: dict[bytes, bytes],
        descriptors: dict[int, Any],
        directory: str | None = None,
    ) -> int:
        """:returns: the child's pid."""
        name, arguments = python_arguments(path, argv)
        child = self._spawner.spawn(parent, Request(name, arguments, environment, descriptors, directory))
        return child.pid

    def fork_exec(self, args: Sequence[Any], paths: Sequence[Any], *more: Any) -> int:
        """`_posixsubprocess.fork_exec`, which `subprocess` calls.

        :raises NotImplementedError: with `preexec_fn`, which runs between a fork and another program.
        """
        close_fds, kept, directory, environment = more[:4]
        reading, _, _, writing, _, erring, _, report = more[4:12]
        if more[-2] is not None:
            raise NotImplementedError("subprocess with preexec_fn is not modelled")
        parent, table = self._spawner.current()
        descriptors = {
            each: table.file(each)
            for each in table
            if each != report and ((each in kept or each < STANDARD) if close_fds else table.get_inheritable(each))
        }
        for descriptor, target in ((reading, 0), (writing, 1), (erring, 2)):
            if descriptor != -1:
                descriptors[target] = table.file(descriptor)
        given = os.environ._data if environment is None else dict(each.split(b"=", 1) for each in environment)  # type: ignore[attr-defined] # noqa: SLF001
        argv = list(map(os.fsdecode, args))
        found = next((path for path in map(os.fsdecode, paths) if os.path.exists(path)), None)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
        where = None if directory is None else os.fsdecode(directory)
        return self.start(parent, found, argv, dict(given), descriptors, where)

    def waitpid(self, pid: int, options: int, /) -> tuple[int, int]:
        """:raises OSError: ECHILD where there is no such child.
        :raises TypeError: for what is no number.
        """
        process, _ = self._spawner.current()
        pid = operator.index(pid)
        while True:
            mine = [each for each in process.children if pid in {-1, 0, each.pid}]
            if not mine:
                raise error(errno.ECHILD)
            ended = next((each for each in mine if not each.alive), None)
            if ended is not None:
                process.children.remove(ended)
                ended.is_awaited = False
                return ended.pid, _wait_status(ended.status or 0)
            if options & os.WNOHANG:
                return 0, 0
            process.waits_for_children.add(process.thread)
            process.park()
            process.waits_for_children.discard(process.thread)


def ended(child: Process) -> None:
    """Tell its parent."""
    parent = child.parent
    if parent is None or not parent.alive:
        return
    child.is_awaited = True
    for thread in list(parent.threads.values()):
        if thread in parent.waits_for_children:
            parent.unpark(thread)
    parent.world.after(SIGCHLD_NS, parent.kill, signal.SIGCHLD)


def _wait_status(status: int) -> int:
    return -status if status < 0 else (status & 0xFF) << 8


def python_arguments(path: str, argv: list[str]) -> tuple[str, list[str]]:
    """A name for what `python` is to run, and its arguments.

    :raises OSError: ENOENT for a program that there is not.
    :raises NotImplementedError: for one that is not Python's.
    """
    found = path if os.sep in path else _in_path(path)
    if found is None or not os.path.exists(found):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if os.path.basename(found).startswith("python") or os.path.realpath(found) == os.path.realpath(sys.executable):
        return _named(argv[1:]), argv[1:]
    with open(found, "rb") as file:
        first = file.readline(FIRST_LINE_BYTES_MAX)
    if first.startswith(b"#!") and b"python" in first:
        return os.path.basename(found), [found, *argv[1:]]
    raise NotImplementedError(f"{path} is not a program of Python's, and only those run in a simulated world")


def _in_path(name: str) -> str | None:
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return next((path for each in directories if os.path.exists(path := os.path.join(each, name))), None)


def _named(arguments: list[str]) -> str:
    rest = without_options(arguments)
    if not rest:
        return "python"
    return " ".join(rest[:2]) if rest[0] == "-m" else rest[0]


def without_options(arguments: list[str]) -> list[str]:
    """What is left behind the interpreter's own options."""
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in {"-c", "-m", "-"}:
        option = rest.pop(0)
        if option in _VALUED and rest:
            rest.pop(0)
    return rest


def asks_for_version(arguments: list[str]) -> bool:
    """Whether the interpreter is to say who it is, and nothing else."""
    options = arguments[: len(arguments) - len(without_options(arguments))]
    return bool({"-V", "--version"} & set(options))


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(
            f"{name} can't be simulated: a world has one interpreter, and what it holds can't be there twice. "
            "Start twistd with -n, and children with subprocess or spawnProcess"
        )

    return refuse
