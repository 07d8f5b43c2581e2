#!/usr/bin/env python3
"""Several clients at once, each of which writes and reads at any control, as this timeline's weights have it."""

from antithesis.assertions import always, reachable, sometimes

from glitchgrid.lab.history.merging import largest_attempted
from glitchgrid.lab.history.operation import Outcome
from glitchgrid.lab.register.testkit.actions import ACTIONS, EQUAL, LEAVE, READ, SMALLER
from glitchgrid.lab.register.testkit.checks import must
from glitchgrid.lab.register.testkit.client import RecordedClient, Written
from glitchgrid.lab.register.testkit.http import ANSWER_TIMEOUT_S
from glitchgrid.lab.register.testkit.turn import Turn, run
from glitchgrid.lab.weights import Weights, pick

CLIENTS_MAX = 6
OPERATIONS_MAX = 100
STEP_MAX = 5
LEAVES_AFTER_S_MAX = 0.05


class Writer:
    """:ivar known: the largest value that an answer has told it: every later read has to return as much."""

    def __init__(self, turn: Turn, client: RecordedClient, weights: Weights, largest: int) -> None:
        self._turn = turn
        self._client = client
        self._weights = weights
        self._largest = largest
        self.known = 0

    async def work(self) -> None:
        for _ in range(self._turn.random.randint(1, OPERATIONS_MAX)):
            action = pick(self._weights, ACTIONS, self._turn.random)
            if action is None or not self._turn.has_time:
                return
            if action != READ:
                await self._write(action)
            await self._read_back()

    async def _write(self, action: str) -> None:
        random = self._turn.random
        if action == EQUAL:
            value = max(1, self._largest)
        elif action == SMALLER:
            value = max(1, self._largest - random.randint(1, STEP_MAX))
        else:
            value = self._largest = self._largest + random.randint(1, STEP_MAX)
        patience_s = random.uniform(0.001, LEAVES_AFTER_S_MAX) if action == LEAVE else ANSWER_TIMEOUT_S
        self._learn(value, await self._client.write(self._turn.any_control(), value, patience_s))

    def _learn(self, value: int, written: Written) -> None:
        sometimes(written.outcome is Outcome.OK, "test: a write is acknowledged beside others")
        match written.outcome:
            case Outcome.OK:
                self.known = max(self.known, value)
            case Outcome.AMBIGUOUS:
                reachable("test: a client cannot know what became of its write")
            case Outcome.REFUSED:
                self.known = max(self.known, written.floor)

    async def _read_back(self) -> None:
        known, control = self.known, self._turn.any_control()
        read = await self._client.read(control)
        if read is None:
            return
        details = {"read": read, "known": known, "control": str(control)}
        always(read >= known, "test: a client reads no less than it knows to be written", details)
        sometimes(read > known, "test: a client reads what somebody else has written")
        must(read >= known, f"{control} reads {read}, and this client knows of {known}")
        self.known = read


async def write(turn: Turn) -> None:
    weights = await turn.weights()
    if weights is None:
        return
    sometimes(0 in weights.values(), "test: a weight is drawn as zero")
    largest = largest_attempted(turn.shared.history())
    clients = [await turn.client(f"c{number}") for number in range(turn.random.randint(1, CLIENTS_MAX))]
    await turn.together(Writer(turn, client, weights, largest).work() for client in clients if client is not None)


if __name__ == "__main__":
    run(write)
