"""Runs twistd with a glitch switched on: ``python -m glitchgrid.lab.launcher NAME TWISTD-ARGUMENTS...``

The servers themselves know of no glitch, and need not be told: it is in place before they begin.
"""

import sys

from twisted.scripts.twistd import run

from glitchgrid.glitches import switched_on


def main() -> None:
    name, *arguments = sys.argv[1:]
    sys.argv = ["twistd", *arguments]
    with switched_on(name):
        run()


if __name__ == "__main__":
    main()
