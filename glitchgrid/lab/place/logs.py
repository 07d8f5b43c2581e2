"""What programs in a world log, for the run that goes on: ``twistd --logger glitchgrid.lab.place.logs.observer``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.logger import ILogObserver, globalLogBeginner
from zope.interface import implementer

from glitchgrid.lab.place import here
from glitchgrid.simulation.kernel.process import Process

OBSERVER = f"{__name__}.observer"

Heard = Callable[[dict[str, Any], Process], object]

_heard: Heard | None = None


@contextmanager
def heard_by(heard: Heard) -> Iterator[None]:
    """Until the end of the block, somebody is told of each event, and of the process that has logged it."""
    global _heard  # noqa: PLW0603 - one run goes on at a time
    _heard = heard
    try:
        yield
    finally:
        _heard = None


@implementer(ILogObserver)
class _Observer:
    def __init__(self, process: Process) -> None:
        self._process = process

    def __call__(self, event: dict[str, Any]) -> None:
        if _heard is not None and self._process.alive:
            _heard(event, self._process)


def observer() -> _Observer:
    """For the process whose code runs."""
    return _Observer(here.installed().process())


def begin() -> None:
    """Listen to the process whose code runs, where no twistd does it."""
    globalLogBeginner.beginLoggingTo([observer()], discardBuffer=True, redirectStandardIO=False)
