#!/usr/bin/env python3
"""At any time: no read returns less than one that had ended before it began, at whichever control."""

from glitchgrid.lab.register.testkit.checks import reads_do_not_go_back
from glitchgrid.lab.register.testkit.turn import run

if __name__ == "__main__":
    run(reads_do_not_go_back)
