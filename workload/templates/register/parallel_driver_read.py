#!/usr/bin/env python3
"""Several clients at once that do nothing but read: whoever begins a read after another has ended sees no less."""

from antithesis.assertions import always, sometimes

from glitchgrid.lab.history.merging import largest_answered
from glitchgrid.lab.register.testkit.actions import READ
from glitchgrid.lab.register.testkit.checks import must
from glitchgrid.lab.register.testkit.client import RecordedClient
from glitchgrid.lab.register.testkit.turn import Turn, run

CLIENTS_MAX = 6
OPERATIONS_MAX = 300


class Readers:
    """:ivar seen: the largest value that any of them has read, or that had been answered before."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.seen = largest_answered(turn.shared.history())

    async def read(self, client: RecordedClient) -> None:
        for _ in range(self._turn.random.randint(1, OPERATIONS_MAX)):
            if not self._turn.has_time:
                return
            seen, control = self.seen, self._turn.any_control()
            value = await client.read(control)
            if value is None:
                continue
            details = {"read": value, "seen": seen, "control": str(control)}
            always(value >= seen, "test: reads that follow one another do not go back", details)
            sometimes(value > seen > 0, "test: readers see the value grow")
            must(value >= seen, f"{control} reads {value} after {seen} was read")
            self.seen = max(self.seen, value)


async def read(turn: Turn) -> None:
    weights = await turn.weights()
    if weights is None or not weights[READ]:
        return
    readers = Readers(turn)
    clients = [await turn.client(f"r{number}") for number in range(turn.random.randint(1, CLIENTS_MAX))]
    await turn.together(readers.read(client) for client in clients if client is not None)


if __name__ == "__main__":
    run(read)
