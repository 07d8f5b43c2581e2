#!/usr/bin/env python3
"""A quiet period in the middle of it all, where one can be had: the grid serves, and nothing acknowledged is lost."""

from glitchgrid.lab.history.operation import Outcome
from glitchgrid.lab.register.testkit.checks import serves_again
from glitchgrid.lab.register.testkit.client import RecordedClient
from glitchgrid.lab.register.testkit.quiet import asks_for_quiet
from glitchgrid.lab.register.testkit.turn import RECOVERY_S, RETRY_S, Turn, run
from glitchgrid.value import VALUE_MAX
from glitchgrid.vaults.address import VaultAddress


class Quiet:
    """The history goes on afterwards, so what is written is recorded."""

    def __init__(self, client: RecordedClient) -> None:
        self._client = client

    async def takes(self, turn: Turn, control: VaultAddress, value: int) -> bool:
        end_s = turn.reactor.seconds() + RECOVERY_S
        while turn.reactor.seconds() < end_s:
            written = await self._client.write(control, min(value + 1, VALUE_MAX))
            if written.outcome in {Outcome.OK, Outcome.REFUSED}:
                return True
            await turn.pause(RETRY_S)
        return False


async def quiet(turn: Turn) -> None:
    client = await turn.client("quiet")
    if client is not None and await asks_for_quiet(turn.reactor, 2 * RECOVERY_S):
        await serves_again(turn, Quiet(client).takes)


if __name__ == "__main__":
    run(quiet)
