"""`twistd`, for runs in which the same command line is started again and again."""

import sys
from copy import copy
from typing import Any

from twisted.python import usage
from twisted.scripts import twistd as command

from glitchgrid.simulation.kernel.program import Main

_command: Any = command
Read = dict[tuple[str, ...], Any]
"""Command lines, and twistd's options as it has read them."""


def twistd(read: Read) -> Main:
    """What the command does with sys.argv, but that it reads each command line once: a third of a start goes into that.

    :param read: what was read; it is added to. For one run: another one may have other options.
    """

    def main() -> None:
        line = tuple(sys.argv)
        options = read.get(line)
        if options is None:
            options = _command.ServerOptions()
            try:
                options.parseOptions()
            except usage.error:
                command.run()  # it tells what is wrong
                return
            read[line] = options
        command.runApp(_own(options))

    return main


def _own(options: Any) -> Any:
    """A copy, for whoever changes something in it."""
    own = copy(options)
    below = getattr(options, "subOptions", None)
    if below is not None:
        own.subOptions = copy(below)
        own.subOptions.parent = own
    return own
