#!/usr/bin/env python3
"""At any time: what is read is no less than what had been acknowledged before, and no more than has been attempted."""

from antithesis.assertions import (
    always_greater_than_or_equal_to,
    always_less_than_or_equal_to,
    sometimes_greater_than,
)

from glitchgrid.lab.history.merging import largest_answered, largest_attempted
from glitchgrid.lab.register.testkit.checks import must
from glitchgrid.lab.register.testkit.turn import Turn, run


async def bounds(turn: Turn) -> None:
    client = await turn.client("bounds")
    if client is None:
        return
    for control in turn.controls:
        acknowledged = largest_answered(turn.shared.history())
        observed = await client.read(control)
        attempted = largest_attempted(turn.shared.history())
        sometimes_greater_than(attempted, acknowledged, "test: more is attempted than acknowledged, at some time")
        if observed is None:
            continue
        details = {"acknowledged": acknowledged, "observed": observed, "attempted": attempted, "control": str(control)}
        always_greater_than_or_equal_to(
            observed, acknowledged, "test: a read returns no less than what was acknowledged before it", details
        )
        always_less_than_or_equal_to(
            observed, attempted, "test: a read returns no more than what was attempted", details
        )
        must(acknowledged <= observed, f"{control} reads {observed}, and {acknowledged} was acknowledged before")
        must(observed <= attempted, f"{control} reads {observed}, and no more than {attempted} was attempted")


if __name__ == "__main__":
    run(bounds)
