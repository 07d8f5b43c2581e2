#!/usr/bin/env python3
"""A client that writes a value and then a smaller one, alone: what a refusal names is committed, and read from then on.

Alone, because beside others nobody could tell whose write it was that the floor comes from.
"""

from antithesis.assertions import always, reachable

from glitchgrid.lab.history.merging import largest_attempted
from glitchgrid.lab.history.operation import Outcome
from glitchgrid.lab.register.testkit.checks import must
from glitchgrid.lab.register.testkit.turn import BUDGET_S, Turn, run

STEP_MAX = 5


async def decrease(turn: Turn) -> None:
    client = await turn.client("decrease")
    if client is None:
        return
    step = turn.random.randint(1, STEP_MAX)
    value = largest_attempted(turn.shared.history()) + 1 + step
    control = turn.any_control()
    known = value if (await client.write(control, value)).outcome is Outcome.OK else 0
    refused = await client.write(control, value - step)
    if refused.outcome is Outcome.REFUSED:
        reachable("test: a decrease is refused")
        always(refused.floor > value - step, "test: a refusal names a larger value than the one that it refuses")
        must(refused.floor > value - step, f"{control} refused {value - step} as a decrease from {refused.floor}")
        known = max(known, refused.floor)
    # The control that refused it may stand by its word; it is the others that show whether it was true.
    for other in sorted(turn.controls, key=lambda each: each == control):
        read = await turn.read_within(BUDGET_S, [other])
        if read is None:
            continue
        details = {"read": read, "known": known, "control": str(other)}
        always(read >= known, "test: what a refusal names is read from then on", details)
        must(read >= known, f"{other} reads {read}, and {control} has named {known}")


if __name__ == "__main__":
    run(decrease)
