"""Modules of a process's own: each imports its program anew, forgets it at its end, and shares nothing with others.

What is shared all the same: the standard library, which has no state of its own that programs would miss (see
`belongings` for what it has), and packages with parts in C, which can be imported once in an interpreter. Interfaces of
zope's are equal where their names are: so its list of adapters is a process's own, too.
"""

import sys
import types
from collections.abc import Callable, Iterable
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path
from typing import Any

from glitchgrid.simulation.kernel.process import Process, Thread

ALWAYS_SHARED = frozenset(
    {
        *sys.stdlib_module_names,
        "_distutils_hack",
        "attr",
        "attrs",
        "constantly",
        "glitchgrid",
        "greenlet",
        "hyperlink",
        "hypothesis",
        "idna",
        "incremental",
        "OpenSSL",
        "packaging",
        "pkg_resources",
        "pyasn1",
        "pyasn1_modules",
        "service_identity",
        "setuptools",
        "typing_extensions",
        "zope",
    }
)
"""The standard library, the world itself, and packages without state, which would only take time to import again."""

_MODULES = object()


class Modules:
    """:param shared: packages that are not to be a process's own, beside `ALWAYS_SHARED`."""

    def __init__(self, shared: Iterable[str] = ()) -> None:
        self._is_shared = dict.fromkeys([*ALWAYS_SHARED, *shared], True)
        self._is_shared["__main__"] = True  # which is each process's own, whatever else is: see `belongings`
        self._outside: _Set | None = None
        self._in_place: _Set | None = None
        self._count = 0
        self._process: Process | None = None

    def is_private(self, name: str) -> bool:
        top = name.partition(".")[0]
        found = self._is_shared.get(top)
        if found is None:
            found = self._is_shared[top] = top.startswith("_") or _has_extensions(top)
        return not found

    def settle(self, thread: Thread | None) -> None:
        """Have in place the modules of a thread's process, or for None those of whoever is outside."""
        process = None if thread is None or not thread.process.has_own_modules else thread.process
        if process is self._process:
            return
        leaving = self._leaving()
        if self._process is None:
            self._outside = leaving
        else:
            self._process.kept[_MODULES] = leaving
        coming = self._outside if process is None else process.kept.get(_MODULES)
        if coming is None:
            coming = self._fresh()
        for name in leaving.modules.keys() - coming.modules.keys():
            sys.modules.pop(name, None)
        sys.modules.update(coming.modules)
        _adapter_hooks()[:] = coming.hooks
        self._in_place, self._count, self._process = coming, len(sys.modules), process

    def inherit(self, child: Process) -> None:
        """Let a new process have those of the one that runs, if these are its own."""
        if self._process is not None:
            child.kept[_MODULES] = self._leaving()

    def forget(self, process: Process) -> None:
        """Let a process that does not run just now import everything anew."""
        process.kept.pop(_MODULES, None)

    def names(self, process: Process) -> list[str]:
        """What a process has imported for itself, in that order; it does not run just now."""
        found: _Set | None = process.kept.get(_MODULES)
        return [] if found is None else list(found.modules)

    def whole(self) -> list[str]:
        """What the process whose code runs has imported for itself, but for what it is importing just now."""
        private = [name for name in sys.modules if self.is_private(name) and name != "__main__"]
        return [name for name in private if not _is_unfinished(sys.modules[name])]

    def _leaving(self) -> "_Set":
        if self._in_place is not None and len(sys.modules) == self._count:
            self._in_place.hooks = list(_adapter_hooks())
            return self._in_place  # nothing was imported meanwhile
        names = [name for name in sys.modules if self.is_private(name)]
        return _Set({name: sys.modules[name] for name in names}, list(_adapter_hooks()))

    def _fresh(self) -> "_Set":
        return _Set({}, [each for each in _adapter_hooks() if _is_base(each)])


class _Set:
    """The modules of one process, and its adapters."""

    def __init__(self, modules: dict[str, types.ModuleType], hooks: list[Callable[..., Any]]) -> None:
        self.modules = modules
        self.hooks = hooks


def _is_unfinished(module: types.ModuleType) -> bool:
    return getattr(getattr(module, "__spec__", None), "_initializing", False)


def _adapter_hooks() -> list[Callable[..., Any]]:
    interface = sys.modules.get("zope.interface.interface")
    found: list[Callable[..., Any]] = [] if interface is None else interface.adapter_hooks
    return found


def _is_base(hook: Callable[..., Any]) -> bool:
    return (getattr(hook, "__module__", None) or "zope").partition(".")[0] == "zope"


def _has_extensions(package: str) -> bool:
    """Whether a package has parts in C, or is one."""
    spec = PathFinder.find_spec(package)
    if spec is None:
        return False
    if spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES)):
        return True
    places = spec.submodule_search_locations or ()
    return any(path.name.endswith(tuple(EXTENSION_SUFFIXES)) for place in places for path in Path(place).rglob("*.so"))
