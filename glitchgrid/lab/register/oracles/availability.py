"""What clients feel: an operation must succeed, and soon, while a majority is well and can be reached.

An operation is judged if nothing excuses it. Since before the call these must have been well: the control that was
asked, more than half of the vaults, and the links to all of these, in both directions. The connection must be younger
than the control's last fault. And network and disks must be fast enough that no answer is late by chance alone.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from glitchgrid.lab.register.oracles.contract import majority
from glitchgrid.lab.register.oracles.wellness import STARTED_NS, Wellness
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.drive import SYNC_NS
from glitchgrid.simulation.random_stream import DOUBLINGS_MAX

JUDGED = "an operation was judged by how it went"
"""The line for it, in the table of what was reached."""

WAYS, SYNCS = 8, 4
"""How many ways and syncs of an operation may be as slow as can be. At a bad time it connects, waits for another round
and then for its own, each with a store; but not in one run of a million do all of these take as long as they can."""

SPARE_NS = 50_000_000
SURE_LATENCY_US = 500
"""With more, a vault's answer may take longer than control waits for one."""

SURE_SLOWNESS = 10
FINDINGS_MAX = 3


@frozen
class Pace:
    """How fast the network and the disks are where nothing is done to them.

    :ivar is_sure: no time-out of the grid's can strike by chance.
    """

    bound_ns: int
    is_sure: bool
    latency_us: int

    @classmethod
    def of(cls, latency_us: int, loss_per_mille: int, disk_slowness: int) -> "Pace":
        longest_way_ns = latency_us * 1000 << DOUBLINGS_MAX
        longest_sync_ns = SYNC_NS * disk_slowness << DOUBLINGS_MAX
        is_sure = not loss_per_mille and latency_us <= SURE_LATENCY_US and disk_slowness <= SURE_SLOWNESS
        return cls(WAYS * longest_way_ns + SYNCS * longest_sync_ns + SPARE_NS, is_sure, latency_us)


@frozen
class Attempt:
    """One operation, as its client has it.

    :ivar what: in words.
    :ivar connected_ns: when the connection was made that it used; None where there was none.
    :ivar failure: what became of it, in words; None where it was served.
    """

    client: str
    what: str
    control: str
    called_ns: int
    connected_ns: int | None
    failure: str | None


def always_votes(_vault: str) -> int:
    """Of vaults that have no peers to wait for."""
    return 0


@define
class Availability:
    """:param find: is told of what is wrong, by whom it was found and in words.
    :param votes_since_ns: from when on a vault gives votes, as far as it is up; None where it gives none: its grid is
        not born yet, or it has not been taken in again.
    :ivar pace: None while nothing is judged.
    """

    wellness: Wellness
    clients: str
    vaults: Sequence[str]
    find: Callable[[str, str], object]
    reached: "Counter[str]"
    votes_since_ns: Callable[[str], int | None] = always_votes
    pace: Pace | None = None
    _found: int = field(init=False, default=0)

    def ended(self, attempt: Attempt, now_ns: int) -> None:
        """An operation has been answered, or its client has given it up."""
        pace = self.pace
        if pace is None or not pace.is_sure or self._found >= FINDINGS_MAX:
            return
        since_ns = self._well_since_ns(attempt.control)
        if since_ns is None or attempt.called_ns < since_ns or not self._is_new(attempt):
            return
        took_ns = now_ns - attempt.called_ns
        self.reached[JUDGED] += 1
        if took_ns > pace.bound_ns:
            problem = f"took {took_ns / SECOND_NS:.2f} s, and {pace.bound_ns / SECOND_NS:.2f} s is the longest"
        elif attempt.failure is not None:
            problem = attempt.failure
        else:
            return
        self._found += 1
        self.find(
            "availability",
            f"{attempt.what} by {attempt.client} at {attempt.control} {problem}; that control and a majority of the"
            f" vaults had been well since {since_ns / SECOND_NS:.2f} s, and it was called at"
            f" {attempt.called_ns / SECOND_NS:.2f} s",
        )

    def _well_since_ns(self, control: str) -> int | None:
        """Since when nothing has excused this control; None where something does."""
        wellness, clients = self.wellness, self.clients
        here_ns = wellness.since_ns(control, (clients, control), (control, clients))
        if here_ns is None:
            return None
        moments = []
        for vault in self.vaults:
            well_ns = wellness.since_ns(vault, (control, vault), (vault, control))
            votes_ns = self.votes_since_ns(vault)
            if well_ns is not None and votes_ns is not None:
                moments.append(max(well_ns, votes_ns + STARTED_NS if votes_ns else 0))
        known = sorted(moments)
        needed = majority(len(self.vaults))
        return max(here_ns, known[needed - 1]) if len(known) >= needed else None

    def was_well(self, server: str, since_ns: int) -> bool:
        """Has nothing excused this server, asked by a client, from `since_ns` until now?"""
        well_ns = self.wellness.since_ns(server, (self.clients, server), (server, self.clients))
        return self.pace is not None and self.pace.is_sure and well_ns is not None and well_ns <= since_ns

    def _is_new(self, attempt: Attempt) -> bool:
        """A kept connection may have broken unseen."""
        there = attempt.control, (self.clients, attempt.control), (attempt.control, self.clients)
        return attempt.connected_ns is None or attempt.connected_ns >= self.wellness.relieved_ns(*there)
