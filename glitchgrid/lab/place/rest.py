"""What this process does once, so that run after run in it is the same, and none pays for what went before."""

import encodings.idna  # noqa: F401 - what looks names up imports it
import gc
import sys
from typing import Any

import twisted.plugin
import twisted.scripts.twistd
from twisted.application import app
from twisted.application.service import IServiceMaker
from twisted.logger import globalLogBeginner

from glitchgrid.lab.place import here
from glitchgrid.simulation.kernel.seam import Patch

_begun: set[str] = set()


def begin() -> None:
    """Before forks that run are made. What was imported by now stays, and the garbage collector looks at it no more.

    It rests while a run goes on, for it would run code at any time; so it does where a program asks for it, and it
    tells programs of no objects, for those that it knows are of all processes. What its plugins are, twistd finds out
    in files of this machine: here it is found out once, outside of all worlds.
    """
    if not _begun:
        makers = list(twisted.plugin.getPlugins(IServiceMaker))
        options: Any = app.ServerOptions
        options._getPlugins = staticmethod(lambda _interface: list(makers))  # noqa: SLF001 - as twistd's own tests do it
        here.installed().embryos.learn_no_more()
        seam = here.installed().seam
        seam.put_in([
            Patch(gc, "collect", lambda *_generation: 0),
            Patch(gc, "freeze", lambda: None),
            Patch(gc, "get_objects", lambda *_generation: []),
        ])  # fmt: skip
        _begun.add("")
        gc.disable()
        # What a world that is over has left undone would be told of here, when it is thrown away.
        globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    if len(sys.modules) != _seen[0]:
        _seen[0] = len(sys.modules)
        gc.collect()
        gc.freeze()


_seen = [0]
