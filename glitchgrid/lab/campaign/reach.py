"""What runs have to reach at least sometimes: a campaign that never saw a torn slot proves nothing about one.

The product is watched, not changed: each line of the table is a method of one of its classes, and what its call means.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from attrs import frozen

from glitchgrid.http.channel import Channel
from glitchgrid.lab.campaign import aftermath, availability, hostile
from glitchgrid.lab.campaign.exercises import course
from glitchgrid.lab.campaign.faults.kinds import KINDS
from glitchgrid.lab.campaign.wire import HOSTILE
from glitchgrid.outcome import Committed, Holds, Inconsistent, Refused, Undecided
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from glitchgrid.register.atomic import LAGGING_S, AtomicRegister
from glitchgrid.simulation.containment import patched
from glitchgrid.storage.store import Store
from glitchgrid.storage.valuefile import ValueFile
from glitchgrid.vaults.exchange import Exchange


class Call(NamedTuple):
    """One call of a method that is watched."""

    of: Any
    arguments: tuple[Any, ...]
    returned: Any


@frozen
class Probe:
    """A line of the table, and whether a call of `method` is what it means; without `seen` every call is."""

    name: str
    owner: type
    method: str
    seen: Callable[[Call], bool] | None = None


def _is_early(call: Call) -> bool:
    (round_,) = call.arguments
    outcome = round_.outcome
    return isinstance(outcome, Committed) and outcome.acknowledged < outcome.vaults


def _is_undecided(call: Call) -> bool:
    (round_,) = call.arguments
    return isinstance(round_, StoreRound) and isinstance(round_.outcome, Undecided) and round_.heals is None


def _has_healed(call: Call) -> bool:
    (round_,) = call.arguments
    return isinstance(round_, ReadRound) and isinstance(round_.outcome, Holds) and round_.healing is not None


def _is_inconsistent(call: Call) -> bool:
    (round_,) = call.arguments
    return isinstance(round_.outcome, Inconsistent)


def _is_shared(call: Call) -> bool:
    (round_,) = call.arguments
    return len(round_.tickets) > 1


def _straggles(call: Call) -> bool:
    results, _asked, decided_at_s = call.arguments
    return any(isinstance(at_s, float) and at_s - decided_at_s >= LAGGING_S for _, at_s in results)


def _is_decrease(call: Call) -> bool:
    value, _ticket = call.arguments
    return call.of.floor is not None and value < call.of.floor


def _has_refused(call: Call) -> bool:
    _none, _record, _batch, outcomes = call.arguments
    return any(isinstance(outcome, Refused) for outcome in outcomes)


def _is_batch(call: Call) -> bool:
    _none, _record, batch, _outcomes = call.arguments
    return len(batch) > 1


PROBES = (
    Probe("a write was committed before every vault had answered", AtomicRegister, "_end", _is_early),
    Probe("a write was undecided", AtomicRegister, "_end", _is_undecided),
    Probe("a read healed", AtomicRegister, "_end", _has_healed),
    Probe("a read had no majority", AtomicRegister, "_end", _is_inconsistent),
    Probe("several clients shared a round", AtomicRegister, "_end", _is_shared),
    Probe("a vault straggled", AtomicRegister, "_closed", _straggles),
    Probe("a decrease was refused", Coordinator, "write", _is_decrease),
    Probe("writes waited for the floor", Coordinator, "_park"),
    Probe("the floor was recovered", Coordinator, "_unpark"),
    Probe("a vault rested", Coordinator, "_rest"),
    Probe("a read outgrew what it was healing", ReadRound, "outgrow"),
    Probe("a question was asked again on a fresh connection", Exchange, "_send", lambda call: call.of._repeated),
    Probe("a vault's guard refused", Store, "_saved", _has_refused),
    Probe("stores shared a sync", Store, "_saved", _is_batch),
    Probe("a store failed with its sync", Store, "_save_failed"),
    Probe("a store was refused after a failed sync", Store, "submit", lambda call: call.of._failed),
    Probe("a request was refused out of turn", Channel, "refuse"),
    Probe("a vault found its value again", ValueFile, "recover", lambda call: call.returned.record.value > 0),
    Probe("a vault found a torn slot", ValueFile, "recover", lambda call: call.returned.bad is not None),
)

FAULT = "fault: "
"""What the lines for faults begin with."""

SHOWED = "a broken assumption showed"

LINES = (
    *(probe.name for probe in PROBES),
    SHOWED,
    availability.JUDGED,
    hostile.JUDGED,
    *aftermath.LINES,
    *course.LINES,
    *(hostile.SENT + name for name in HOSTILE),
    *(FAULT + kind for kind in KINDS),
)
"""Everything that a campaign has to reach."""


@contextmanager
def watching(reached: "Counter[str]") -> Iterator[None]:
    """Count what the probes see."""
    with ExitStack() as stack:
        for probe in PROBES:
            stack.enter_context(_watch(probe, reached))
        yield


def _watch(probe: Probe, reached: "Counter[str]") -> Any:
    original = getattr(probe.owner, probe.method)

    def watched(self: Any, *arguments: Any, **options: Any) -> Any:
        returned = original(self, *arguments, **options)
        if seen is None or seen(Call(self, (*arguments, *options.values()), returned)):
            reached[probe.name] += 1
        return returned

    seen = probe.seen
    return patched(probe.owner, probe.method, watched)
