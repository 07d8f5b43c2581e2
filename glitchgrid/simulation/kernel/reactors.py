"""The global reactor, where processes share their modules: one object, whose state is each process's own.

With modules of its own a process needs none of this: Twisted installs a reactor in it as anywhere.
"""

from typing import Any

from glitchgrid.simulation.kernel.belongings import Belongings, Place


class SharedReactor:
    """Installed as `twisted.internet.reactor`, outside of all processes, where it does nothing.

    :param name: the reactor's class.
    :raises AssertionError: where a reactor was installed already.
    """

    def __init__(self, belongings: Belongings, name: str) -> None:
        from twisted.internet import process, tcp  # noqa: PLC0415 - behind the seam
        from twisted.internet.main import installReactor  # noqa: PLC0415
        from twisted.logger import globalLogBeginner, globalLogPublisher  # noqa: PLC0415
        from twisted.python import log, threadable  # noqa: PLC0415
        from twisted.python.reflect import namedAny  # noqa: PLC0415

        kind: Any = namedAny(name)
        self.reactor = kind.__new__(kind)
        installReactor(self.reactor)
        belongings.add(Place(self.reactor, "__dict__", dict))
        belongings.add(Place(threadable, "ioThread", lambda: None))
        belongings.add(Place(process, "reapProcessHandlers", dict))
        # What a process closes to take, and end, a connection for which it has no descriptor.
        belongings.add(Place(tcp._reservedFD, "_fileDescriptor", lambda: None))  # noqa: SLF001
        for owner, attribute in (
            (globalLogPublisher, "_observers"),
            (globalLogBeginner, "__dict__"),
            (log.theLogPublisher, "__dict__"),
            (log, "defaultObserver"),
        ):
            belongings.add(Place.as_now(owner, attribute))

    def begin(self) -> Any:
        """The reactor of the process whose code runs, made anew."""
        self.reactor.__init__()
        return self.reactor
