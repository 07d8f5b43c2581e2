"""A program that states something of itself, with Antithesis's SDK: how many ticks there were in its life."""

from antithesis.assertions import always, always_less_than, sometimes, unreachable
from twisted.internet import reactor, task  # noqa: TID251 - it is a program

ENOUGH = 3

ticks = 0


def tick() -> None:
    global ticks  # noqa: PLW0603 - a restart is to begin anew
    ticks += 1
    always(ticks >= 1, "it counts up", {"ticks": ticks})
    always_less_than(ticks, ENOUGH, "it is started again before the third tick")
    sometimes(ticks > 1, "there are two ticks")
    sometimes(ticks > 100 * ENOUGH, "it lives for long")
    if ticks > ENOUGH:
        unreachable("it lives on")


task.LoopingCall(tick).start(1, now=False)
reactor.run()
