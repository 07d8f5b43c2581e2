#!/usr/bin/env python3
"""A quiet period in the middle of it all, where one can be had: the grid serves, and nothing acknowledged is lost."""

from glitchgrid.lab.register.testkit.checks import serves_again
from glitchgrid.lab.register.testkit.quiet import asks_for_quiet
from glitchgrid.lab.register.testkit.turn import RECOVERY_S, Turn, run


async def quiet(turn: Turn) -> None:
    if await asks_for_quiet(turn.reactor, 2 * RECOVERY_S):
        await serves_again(turn)


if __name__ == "__main__":
    run(quiet)
