#!/usr/bin/env python3
"""After everything has ended by itself: is the history of all clients linearizable?"""

from antithesis.assertions import always, sometimes

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import CannotSay, NotLinearizable
from glitchgrid.lab.history.format import count
from glitchgrid.lab.register.testkit.checks import must
from glitchgrid.lab.register.testkit.client import RecordedClient
from glitchgrid.lab.register.testkit.turn import RECOVERY_S, RETRY_S, Turn, run


async def history(turn: Turn) -> None:
    client = await turn.client("last")
    must(client is not None, "no control tells its value, and no fault is left")
    assert client is not None
    await turn.together(_read_at_last(turn, client, number) for number in range(len(turn.controls)))
    whole = turn.shared.history()
    verdict, counts = check(whole), count(whole)
    sentence = verdict.sentence if isinstance(verdict, NotLinearizable) else ""
    always(not sentence, "test: the whole history is linearizable", {"sentence": sentence})
    sometimes(not isinstance(verdict, CannotSay), "test: the whole history has enough in it to prove something")
    sometimes(counts.ambiguous > 0, "test: the whole history has ambiguous writes in it")
    must(not sentence, f"not linearizable: {sentence}")


async def _read_at_last(turn: Turn, client: RecordedClient, number: int) -> None:
    """The reads that would miss what was lost: recorded, like all others."""
    end_s = turn.reactor.seconds() + RECOVERY_S
    while await client.read(turn.controls[number]) is None:
        must(turn.reactor.seconds() < end_s, f"{turn.controls[number]} tells no value, and no fault is left")
        await turn.pause(RETRY_S)


if __name__ == "__main__":
    run(history)
