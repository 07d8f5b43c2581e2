"""Runs twistd with a glitch on: ``python -m glitchgrid.lab.register.processes.launcher NAME ARGUMENTS...``

The servers themselves know of no glitch: it is in place before they begin. With an empty NAME this is plain twistd, run
by this very Python: a program named twistd need not be on the PATH.
"""

import os
import sys

from twisted.scripts.twistd import run

from glitchgrid.lab.register.glitches import switched_on
from glitchgrid.lab.register.processes.disks import VARIABLE, WELL, disk_that_is


def main() -> None:
    name, *arguments = sys.argv[1:]
    sys.argv = ["twistd", *arguments]
    with switched_on(name or None), disk_that_is(os.environ.get(VARIABLE, WELL)):
        run()


if __name__ == "__main__":
    main()
