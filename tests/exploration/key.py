"""When two coordinators are one state: a key with everything in it that can still matter, and nothing else.

Rounds are numbered in the order in which a fixed walk meets them, so the same graph of objects has the same key
wherever its objects lie in memory. Left out is what no later decision looks at:

- a decided round: what feeds it returns nothing. A line that has one waiting marks itself `skipped` when it
  next loads, so the mark stands for it here;
- the votes of a read that heals: it now ends by the store that it became (only `has_lost` is asked of it);
- what was sent, on a line with nothing in flight; how often in a row a vault has failed; who answered last where.

`tests.test_exploration` checks that by experiment: coordinators with one key are fed alike and must stay alike.
"""

from typing import Any

from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.request_queue import RequestQueue, VaultQueues
from glitchgrid.protocol.rounds import ReadRound, StoreRound

Round = StoreRound[int] | ReadRound[int]
Core = Coordinator[int]
Order = tuple[int, ...]
"""A permutation of the vaults: the new number of each."""

NAMES = "ABCD"
"""The identities of the vaults, by which they vote."""

_NO_ROUND = -1


def rounds_of(core: Core) -> list[Round]:
    """All rounds that the coordinator can still reach, in the order of the walk."""
    found: list[Round] = []

    def meet(round_: Round | None) -> None:
        if round_ is not None and round_ not in found:
            found.append(round_)

    for each in (core._parked, core._gathering_writes, core._gathering_reads, core._recovery, *core._healing.reads):
        meet(each)
    for vault in core._vaults:
        for store in (*vault.stores.carried, *vault.stores.pending):
            meet(store)
        for read in (*vault.reads.carried, *vault.reads.pending):
            meet(read)
    for each in found:  # grows on the way
        meet(each.heals if isinstance(each, StoreRound) else each.healing)
    return found


def live_rounds(core: Core) -> list[Round]:
    return [each for each in rounds_of(core) if each.outcome is None]


def key_of(core: Core) -> tuple[Any, ...]:
    live = live_rounds(core)
    numbers: dict[int, int] = {id(each): number for number, each in enumerate(live)}

    def number(round_: Round | None) -> int:
        return numbers.get(id(round_), _NO_ROUND)

    def line(vault: VaultQueues[int], line: RequestQueue[Any]) -> tuple[Any, ...]:
        waiting = [each for each in line.pending if each.outcome is None and vault.number in each.open]
        carried = tuple(number(each) for each in line.carried if each.outcome is None)
        skipped = line is vault.stores and (line.skipped or len(waiting) < len(line.pending))
        return line.busy, line.resting, skipped, carried, tuple(number(each) for each in waiting)

    def round_key(round_: Round) -> tuple[Any, ...]:
        opened = tuple(sorted(round_.open))
        if isinstance(round_, StoreRound):
            acknowledged = tuple(sorted(round_._voters)), round_.exact
            return round_.value, acknowledged, opened, tuple(round_.writes), number(round_.heals)
        if round_.healing is not None:
            return round_.has_lost, tuple(round_.tickets), number(round_.healing)
        votes, voter_of = sorted(round_._votes.items()), sorted(round_._voter_of.items())
        return round_.floor, tuple(votes), tuple(voter_of), opened, tuple(round_.tickets)

    return (
        core.floor,
        core._exact,
        *(number(each) for each in (core._parked, core._gathering_writes, core._gathering_reads, core._recovery)),
        tuple(number(each) for each in core._healing.reads),
        *(
            (each.behind, each.held, each.stores.busy and each.sent, line(each, each.stores), line(each, each.reads))
            for each in core._vaults
        ),
        *(round_key(each) for each in live),
    )


def renumber(core: Core, order: Order) -> None:
    """Give every vault its number in `order`, wherever the coordinator knows it by number or by name."""
    names = {NAMES[old]: NAMES[new] for old, new in enumerate(order)}
    for round_ in rounds_of(core):
        round_.open = {order[vault] for vault in round_.open}
        if isinstance(round_, StoreRound):
            round_._voters = {names[voter]: order[vault] for voter, vault in round_._voters.items()}
        else:
            round_._votes = {names[voter]: value for voter, value in round_._votes.items()}
            round_._voter_of = {order[vault]: names[voter] for vault, voter in round_._voter_of.items()}
    for vault in core._vaults:
        vault.number = order[vault.number]
        vault.stores._vault = vault.reads._vault = vault.number
        vault.voter = vault.voter and names[vault.voter]
    core._vaults.sort(key=lambda vault: vault.number)
