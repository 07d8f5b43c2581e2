"""What is checked in more than one template, and how a check fails."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from antithesis.assertions import always, always_greater_than_or_equal_to, sometimes

from glitchgrid.lab.history.merging import largest_answered
from glitchgrid.lab.register.testkit.client import BAD_REQUEST, OK, read_value
from glitchgrid.lab.register.testkit.fault import RealFault
from glitchgrid.lab.register.testkit.http import NoAnswer, NotSent
from glitchgrid.lab.register.testkit.turn import RECOVERY_S, RETRY_S, Turn
from glitchgrid.value import VALUE_MAX, encode_number
from glitchgrid.vaults.address import VaultAddress

REGISTER = "register"
LOOKS_MAX = 10
BETWEEN_LOOKS_S_MAX = 0.3

Takes = Callable[[Turn, VaultAddress, int], Awaitable[bool]]
"""Whether a control takes a write of more than a value, in time."""


def must(holds: bool, otherwise: str) -> None:
    """:raises RealFault: unless it holds."""
    if not holds:
        raise RealFault(otherwise)


async def vaults_do_not_go_back(turn: Turn) -> None:
    """Ask each vault itself: what it shows is durable, and control's stores are guarded."""
    for _ in range(turn.random.randint(1, LOOKS_MAX)):
        values = []
        for vault in turn.vaults:
            known = turn.shared.largest(str(vault))
            value = await read_value(turn.http, vault)
            if value is None:
                continue
            details = {"vault": str(vault), "shows": value, "has shown": known}
            always(value >= known, "test: no vault shows less than it has shown before", details)
            must(value >= known, f"{vault} shows {value}, and has shown {known}")
            turn.shared.saw(str(vault), value)
            values.append(value)
        sometimes(len(set(values)) > 1, "test: the vaults differ")
        sometimes(len(values) < len(turn.vaults), "test: a vault is away")
        await turn.pause(turn.random.uniform(0.0, BETWEEN_LOOKS_S_MAX))


async def reads_do_not_go_back(turn: Turn) -> None:
    """Read at any control, and compare with what all such reads have returned so far."""
    for _ in range(turn.random.randint(1, LOOKS_MAX)):
        control = turn.any_control()
        known = turn.shared.largest(REGISTER)
        value = await read_value(turn.http, control)
        if value is not None:
            details = {"control": str(control), "read": value, "known": known}
            always(value >= known, "test: no read goes back behind another", details)
            sometimes(value > known > 0, "test: a read finds more than the one before")
            must(value >= known, f"{control} reads {value}, and {known} was read before")
            turn.shared.saw(REGISTER, value)
        await turn.pause(turn.random.uniform(0.0, BETWEEN_LOOKS_S_MAX))


async def serves_again(turn: Turn, takes: Takes | None = None) -> None:
    """Every control reads no less than what was ever acknowledged, and takes a write.

    :param takes: writes more than a value; without, that is recorded nowhere, and nobody may look at the history then.
    """
    takes = takes or _takes
    acknowledged = max(largest_answered(turn.shared.history()), turn.shared.largest(REGISTER))
    for control in turn.controls:
        value = await turn.read_within(RECOVERY_S, [control])
        always(value is not None, "test: once faults have ended, every control tells its value", {"at": str(control)})
        must(value is not None, f"{control} tells no value within {RECOVERY_S:g} s, and no fault is left")
        assert value is not None
        details = {"read": value, "acknowledged": acknowledged, "control": str(control)}
        always_greater_than_or_equal_to(value, acknowledged, "test: nothing that was acknowledged is lost", details)
        must(value >= acknowledged, f"{control} reads {value}, and {acknowledged} was acknowledged: it is lost")
        sometimes(value > 0, "test: there was something to lose")
        taken = await takes(turn, control, value)
        always(taken, "test: once faults have ended, every control takes a write", {"at": str(control)})
        must(taken, f"{control} takes no write within {RECOVERY_S:g} s, and no fault is left")


async def _takes(turn: Turn, control: VaultAddress, value: int) -> bool:
    """Whether it takes a write in time; a refused decrease is an answer, too: somebody else has written more."""
    end_s = turn.reactor.seconds() + RECOVERY_S
    while turn.reactor.seconds() < end_s:
        with suppress(NotSent, NoAnswer):
            answer = await turn.http.ask(control, encode_number(min(value + 1, VALUE_MAX)))
            if answer.status in {OK, BAD_REQUEST}:
                return True
        await turn.pause(RETRY_S)
    return False
