"""Runs twistd with a glitch on: ``python -m glitchgrid.lab.register.processes.launcher NAME ARGUMENTS...``

The servers themselves know of no glitch, and need not be told: it is in place before they begin. No NAME, an empty
one, is plain twistd, by the Python that runs this: the program of that name may be anywhere, or nowhere.
"""

import sys

from twisted.scripts.twistd import run

from glitchgrid.lab.register.glitches import switched_on


def main() -> None:
    name, *arguments = sys.argv[1:]
    sys.argv = ["twistd", *arguments]
    with switched_on(name or None):
        run()


if __name__ == "__main__":
    main()
