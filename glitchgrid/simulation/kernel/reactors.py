"""The global reactor, where processes share their modules: one object, whose state is each process's own.

With modules of its own a process needs none of this: Twisted installs a reactor in it as anywhere.
"""

import sys
import warnings
from typing import Any

from glitchgrid.simulation.kernel.belongings import Belongings, Place
from glitchgrid.simulation.kernel.process import Process


class SharedReactor:
    """Installed as `twisted.internet.reactor`, outside of all processes, where it does nothing.

    :param name: the reactor's class.
    :raises AssertionError: where a reactor was installed already.
    """

    def __init__(self, belongings: Belongings, name: str) -> None:
        from twisted.internet import process, tcp  # noqa: PLC0415 - behind the seam
        from twisted.internet.main import installReactor  # noqa: PLC0415
        from twisted.internet.posixbase import PosixReactorBase  # noqa: PLC0415
        from twisted.python import log, threadable  # noqa: PLC0415
        from twisted.python.reflect import namedAny  # noqa: PLC0415

        kind: Any = namedAny(name)
        self.reactor = kind.__new__(kind)
        installReactor(self.reactor)
        if issubclass(kind, PosixReactorBase):
            _remove_in_order(PosixReactorBase)
        belongings.add(Place(self.reactor, "__dict__", dict))
        belongings.add(Place(threadable, "ioThread", lambda: None))
        belongings.add(Place(process, "reapProcessHandlers", dict))
        # What a process closes to take, and end, a connection for which it has no descriptor.
        belongings.add(Place(tcp._reservedFD, "_fileDescriptor", lambda: None))  # noqa: SLF001
        for place in _logging():
            belongings.add(place)
        for owner, attribute in ((log.theLogPublisher, "__dict__"), (log, "defaultObserver")):
            belongings.add(Place.as_now(owner, attribute))

    def begin(self, process: Process) -> Any:
        """The reactor of the process whose code runs, made anew."""
        self.reactor.__init__()
        process.when_let_go.append(self._stop)
        return self.reactor

    def _stop(self) -> None:
        """Its loop catches whatever is raised within it, and would go on. There is no other word that it heeds at once,
        and behind it there is nothing left to take back.
        """
        self.reactor._started = False  # noqa: SLF001
        self.reactor._signals = _NoSignals()  # noqa: SLF001


class _NoSignals:
    def install(self) -> None:
        """There are none."""

    uninstall = install


def _remove_in_order(kind: Any) -> None:
    """What a reactor disconnects at its end it keeps in sets, whose order is that of addresses in memory."""
    remove_all = kind._removeAll  # noqa: SLF001 - what all reactors' `removeAll` come down to

    def in_order(self: Any, readers: Any, writers: Any) -> Any:
        return sorted(remove_all(self, readers, writers), key=_descriptor)

    kind._removeAll = in_order  # noqa: SLF001


def _descriptor(selectable: Any) -> int:
    return selectable.fileno() if hasattr(selectable, "fileno") else -1


def _logging() -> list[Place]:
    """Who listens to what is logged, and what was logged before anybody did: both are the interpreter's only ones."""
    from twisted.logger import (  # noqa: PLC0415 - behind the seam, and once: a process may have its own
        LogBeginner,
        LogPublisher,
        globalLogBeginner,
        globalLogPublisher,
    )

    publisher: Any = globalLogPublisher
    outside: Any = globalLogBeginner._temporaryObserver  # noqa: SLF001
    others = [each for each in publisher._observers if each is not outside]  # noqa: SLF001

    made: list[list[Any]] = []

    def beginner() -> dict[str, Any]:
        own: Any = LogPublisher(*others)
        beginner = LogBeginner(own, _StandardError(), sys, warnings)  # type: ignore[arg-type]
        made.append(own._observers)  # noqa: SLF001 - a new process's places are made one after another
        return vars(beginner) | {"_publisher": publisher}

    return [Place(globalLogBeginner, "__dict__", beginner), Place(publisher, "_observers", made.pop)]


class _StandardError:
    """The standard error of whoever writes to it."""

    def write(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(text)

    def flush(self) -> None:
        if sys.stderr is not None:
            sys.stderr.flush()
