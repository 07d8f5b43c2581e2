#!/usr/bin/env python3
"""Before there are any faults: the grid takes a write, more than half of the vaults hold it, and it is read back."""

from antithesis.assertions import always

from glitchgrid.lab.history.operation import Outcome
from glitchgrid.lab.register.testkit.checks import must
from glitchgrid.lab.register.testkit.client import read_value
from glitchgrid.lab.register.testkit.turn import RECOVERY_S, Turn, run


async def first_write(turn: Turn) -> None:
    value = await turn.read_within(RECOVERY_S, turn.controls)
    must(value is not None, f"no control tells its value within {RECOVERY_S:g} s, and nothing is broken")
    client = await turn.client("first")
    assert value is not None
    assert client is not None, "the grid has just told its value"
    value += 1
    for control in turn.controls:
        written = await client.write(control, value)
        must(written.outcome is Outcome.OK, f"{control} does not take {value}: {written.outcome.value}")
        acknowledged, vaults = written.votes
        always(2 * acknowledged > vaults, "test: a write is said to be taken by more than half of all", {"of": vaults})
        must(2 * acknowledged > vaults, f"{control} takes {acknowledged} of {vaults} vaults for a majority")
        held = [await read_value(turn.http, vault) for vault in turn.vaults]
        holders = sum(each is not None and each >= value for each in held)
        always(2 * holders > len(held), "test: more than half of the vaults hold what was just acknowledged")
        must(2 * holders > len(held), f"{value} was acknowledged, and the vaults hold {held}")
        read = await client.read(control)
        always(read == value, "test: the only client reads back just what it wrote")
        must(read == value, f"{control} reads back {read}, and nobody but this client has written: {value}")


if __name__ == "__main__":
    run(first_write)
