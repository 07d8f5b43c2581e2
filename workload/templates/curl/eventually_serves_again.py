#!/usr/bin/env python3
"""Whatever has been broken: once faults have ended, the grid serves again, and nothing acknowledged is lost."""

from glitchgrid.lab.register.testkit.checks import serves_again
from glitchgrid.lab.register.testkit.turn import run

if __name__ == "__main__":
    run(serves_again)
