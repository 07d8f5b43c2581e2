#!/usr/bin/env python3
"""At any time: no vault shows less than it has shown before, however often it was killed in between."""

from glitchgrid.lab.register.testkit.checks import vaults_do_not_go_back
from glitchgrid.lab.register.testkit.turn import run

if __name__ == "__main__":
    run(vaults_do_not_go_back)
