"""What the interpreter has once, and each process of the world has for itself: output, environment, threads, loggers.

The values lie in the interpreter's own places while a thread of the process runs; they are exchanged when a thread of
another one goes on, and only then, for most turns are the same process's.
"""

import asyncio
import concurrent.futures.thread
import ctypes
import importlib
import itertools
import logging
import os
import sys
import tempfile
import threading
import types
import uuid
import warnings
import weakref
from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple, Self

from glitchgrid.simulation.kernel.process import Process, Thread


class Place(NamedTuple):
    """:ivar owner: what has it under that name, as an attribute; a dictionary, as an item.
    :ivar fresh: what a new process finds there.
    """

    owner: Any
    name: str
    fresh: Callable[[], Any]

    @classmethod
    def as_now(cls, owner: Any, name: str) -> Self:
        """A new process finds a copy of what is there now."""
        value = getattr(owner, name)
        if isinstance(value, dict | list | set):
            return cls(owner, name, value.copy)
        return cls(owner, name, (lambda: value) if isinstance(value, _FUNCTIONS) else lambda: copy(value))


_FUNCTIONS = types.FunctionType | types.BuiltinFunctionType
"""Of which a copy is the same one."""


def _exchanger(places: list[Place]) -> Callable[[list[Any]], list[Any]]:
    """A function that puts a value in each place, and returns what was there. Worlds spend their time with this."""
    names = [(_spelled(place, f"owner_{number}"), f"value_{number}") for number, place in enumerate(places)]
    lines = [
        "def exchange(values):",
        f"    before = [{', '.join(place for place, _ in names)}]",
        f"    [{', '.join(value for _, value in names)}] = values",
        *(f"    {place} = {value}" for place, value in names),
        "    return before",
    ]
    owners: dict[str, Any] = {f"owner_{number}": place.owner for number, place in enumerate(places)}
    exec("\n".join(lines), owners)  # noqa: S102 - names of attributes, and nothing that comes from elsewhere
    made: Callable[[list[Any]], list[Any]] = owners["exchange"]
    return made


def _spelled(place: Place, owner: str) -> str:
    return f"{owner}[{place.name!r}]" if isinstance(place.owner, dict) else f"{owner}.{place.name}"


_LOCALS = object()
"""Under which a thread keeps its own."""


class Belongings:
    """:param places: what each process has for itself.
    :param applies: to which processes that applies, None for all; the others find what is outside of all.
    """

    def __init__(self, places: list[Place], applies: Callable[[Process], bool] | None = None) -> None:
        self._places = places
        self._applies = applies
        self._outside: list[Any] = []
        self._process: Process | None = None
        self._exchange: Callable[[list[Any]], list[Any]] | None = None

    def add(self, place: Place) -> None:
        """One more place, before any process has begun."""
        self._places.append(place)
        self._exchange = None

    def settle(self, thread: Thread | None) -> None:
        """Let a thread find what is its own; None for whoever is outside of all processes."""
        process = None if thread is None else thread.process
        if process is not None and self._applies is not None and not self._applies(process):
            process = None
        if process is not self._process:
            self._change_process(process)

    def give(self, process: Process, owner: Any, name: str, value: Any) -> None:
        """Have something in a place of a process that does not run just now."""
        place = next(at for at, each in enumerate(self._places) if each.owner is owner and each.name == name)
        self._values(process)[place] = value

    def forget(self, process: Process) -> None:
        """Let a process that does not run just now find everything as a new one."""
        process.kept.pop(self, None)

    def _change_process(self, process: Process | None) -> None:
        if self._exchange is None:
            self._exchange = _exchanger(self._places)
        before = self._exchange(self._outside if process is None else self._values(process))
        if self._process is None:
            self._outside = before
        else:
            self._process.kept[self] = before
        self._process = process

    def _values(self, process: Process) -> list[Any]:
        found: list[Any] | None = process.kept.get(self)
        if found is None:
            found = process.kept[self] = [fresh() for _, _, fresh in self._places]
        return found


class Locals:
    """What is each thread's own: every `threading.local`, and asyncio's running loop.

    To be made in the real thread in which the world runs.
    """

    def __init__(self) -> None:
        self._locals = _thread_dictionary()
        self._outside_locals: dict[Any, Any] = {}
        self._outside_loop: Any = None
        self._thread: Thread | None = None

    def settle(self, thread: Thread | None) -> None:
        """As `Belongings.settle`."""
        locals_, loop = self._locals, asyncio._get_running_loop()  # noqa: SLF001 - there is no other way
        if self._thread is None:
            self._outside_locals, self._outside_loop = dict(locals_), loop
        else:
            self._thread.locals[_LOCALS] = dict(locals_), loop
        if thread is None:
            own, own_loop = self._outside_locals, self._outside_loop
        else:
            own, own_loop = thread.locals.get(_LOCALS, _NOTHING)
        if own or locals_:
            locals_.clear()
            locals_.update(own)
        if own_loop is not loop:
            asyncio._set_running_loop(own_loop)  # noqa: SLF001
        self._thread = thread


_NOTHING: tuple[dict[Any, Any], Any] = ({}, None)


def _thread_dictionary() -> dict[Any, Any]:
    """Where C keeps what is this real thread's alone: every `threading.local` has its values there."""
    get = ctypes.pythonapi.PyThreadState_GetDict
    get.restype = ctypes.py_object
    found: dict[Any, Any] = get()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(found))  # what is returned is borrowed, and ctypes takes it for its own
    return found


def interpreter() -> list[Place]:
    """The places of the standard library."""
    found = [
        Place.as_now(os.environ, "_data"),
        Place(sys, "argv", lambda: [""]),
        Place.as_now(sys, "path"),
        # What `python` runs, as a module: a child with the modules of its parent is a program of its own, too.
        Place(sys.modules, "__main__", lambda: types.ModuleType("__main__")),
        Place(sys, "excepthook", lambda: sys.__excepthook__),
        Place.as_now(sys, "unraisablehook"),
        Place.as_now(threading, "excepthook"),
        *(Place(sys, name, lambda: None) for name in ("stdin", "stdout", "stderr")),
        *(Place(sys, name, lambda: None) for name in ("__stdin__", "__stdout__", "__stderr__")),
        Place(threading, "_active", dict),
        Place(threading, "_limbo", dict),
        Place(threading, "_counter", lambda: itertools.count(1).__next__),
        Place(threading, "_shutdown_locks", set),
        Place(concurrent.futures.thread, "_shutdown", lambda: False),
        Place(concurrent.futures.thread, "_threads_queues", weakref.WeakKeyDictionary),
        Place(tempfile, "_name_sequence", lambda: None),
        Place(tempfile, "tempdir", lambda: None),
        Place(uuid, "_generate_time_safe", lambda: None),  # C that asks the network card, and a daemon
        Place(uuid, "_last_timestamp", lambda: None),
        Place(asyncio.events, "_event_loop_policy", lambda: None),
        Place.as_now(warnings, "warn"),
        Place.as_now(warnings, "showwarning"),
    ]
    if hasattr(threading, "_threading_atexits"):
        found.append(Place.as_now(threading, "_threading_atexits"))
    return found


class _Loggers:
    """All loggers, as one thing."""

    @property
    def state(self) -> tuple[logging.RootLogger, logging.Manager]:
        return logging.root, logging.Logger.manager

    @state.setter
    def state(self, state: tuple[logging.RootLogger, logging.Manager]) -> None:
        logging.root, logging.Logger.manager = state
        logging.Logger.root = logging.root

    @staticmethod
    def fresh() -> tuple[logging.RootLogger, logging.Manager]:
        root = logging.RootLogger(logging.WARNING)
        return root, logging.Manager(root)


def of_own_modules() -> list[Place]:
    """For processes with modules of their own: these have asked for their loggers themselves."""
    return [
        # What one is importing while it waits or is killed, nobody else has to wait for: their modules are others.
        Place(importlib._bootstrap, "_module_locks", dict),  # noqa: SLF001
        Place(_Loggers(), "state", _Loggers.fresh),
        Place(logging, "_handlers", weakref.WeakValueDictionary),
        Place(logging, "_handlerList", list),
    ]
