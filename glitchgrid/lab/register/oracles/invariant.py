"""The invariant of the register, as an oracle that sees the disks checks it: after every event of a run.

For each vault, D is the durable value, and V is the value that its GET answers (while the vault is down, its last V).
M is the largest number that a majority holds durably or exceeds. S is what every majority shows: each majority of
the vaults has at least one whose V is S or more, and no larger number has this property.

===================  ==================================================================================
D was written        by somebody: a client has called for it, or it is 0
V <= D               nothing is shown before it is durable; V = D where nothing is being stored
a replaced vault     votes when it holds what they showed, and as many others as it takes have the fence on their disks
a vault's answer     200 or 412: says no more than D
D never falls        except to the value of an unguarded store, or with a disk that is replaced
S never falls        what a read may return does not go back
a write of v         was acknowledged: by its return every majority of those that vote showed v
a read of m          S had not passed m at its call, and M had reached m by its return; a disk that was replaced
                     counts for this M with what it held, until its vault votes again
===================  ==================================================================================

A vault whose disk was replaced does not vote until it has been taken in again. Until then it counts as one that shows 0
for S, which does not fall for that: what every majority has shown its peers know, and so it will.

The last three hold where every store is guarded, and are asked for under the atomic protocol alone.

M would be wrong for the beginning of a read: between durable and shown, the disks are ahead of the answers.
"""

from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from glitchgrid.lab.register.oracles.contract import majority
from glitchgrid.observer import Observer
from glitchgrid.outcome import StoreOutcome, StoreRequest
from glitchgrid.peers.membership import GridMembership
from glitchgrid.protocol.member import Phase, answers_needed
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.storage.record import RecordDamaged
from glitchgrid.storage.rosterfile import decode_membership
from glitchgrid.storage.slots import decode_file
from glitchgrid.storage.store import Store
from glitchgrid.value import NOTHING_STORED

VALUE = "/data/value"
"""Where each vault keeps its value."""

ROSTER = "/data/roster"
"""Where it keeps what it knows of its grid."""


@frozen
class Change:
    """What the vaults hold and show from a time on, each in the order of the machines, and M and S."""

    at_ns: int
    durable: tuple[int, ...]
    shown: tuple[int, ...]
    durable_majority: int
    shown_majority: int


@frozen
class Broken:
    """What was found to be broken, in words, and when."""

    at_ns: int
    what: str


@define
class _Seen:
    """What the invariant knows of one vault.

    :ivar process: the one whose store it is; another program may run on the machine meanwhile.
    """

    machine: Machine
    store: Store | None = None
    process: Process | None = None
    shown: int = NOTHING_STORED
    durable: int = NOTHING_STORED
    changes: int = -1
    activity: int = -1
    """Of the disk and of the machine, when they were last looked at: nothing else changes what it shows and holds."""
    data: bytes | None = None
    """What the disk certainly held when it was last looked at."""
    is_idle: bool = True
    """Nothing is being stored."""
    membership: GridMembership | None = None
    votes: bool = True
    votes_since_ns: int = 0
    lost: set[str] = field(factory=set)
    """The identities that have voted in its place, and whose disk was replaced."""
    owes: int = NOTHING_STORED
    """What it has to hold before it votes again: as many others as it takes to let it in showed no less."""
    voted_with: int = NOTHING_STORED
    """What its replaced disk held, until it votes again. Who counts what that one has said, does so before."""
    unguarded: set[int] = field(factory=set)
    """What was stored without the guard: it may be less than what was there."""


@define
class Invariant:
    """:ivar broken: what was found to be broken; the first of it is what matters.
    :ivar changes: every change, for a run that is to be drawn; else None.
    """

    vaults: Sequence[_Seen]
    now_ns: Callable[[], int]
    all_are_guarded: bool = True
    changes: list[Change] | None = None
    broken: list[Broken] = field(factory=list)
    written: set[int] = field(factory=lambda: {NOTHING_STORED})
    """What somebody has called for."""
    durable_majority: int = NOTHING_STORED
    durable_reached: int = NOTHING_STORED
    """The largest that M has been, where a disk that was replaced counts with what it held: it may have said so."""
    shown_majority: int = NOTHING_STORED
    _lowered: list[tuple[int, int]] = field(factory=list)
    """What S was and became, where a disk was lost that alone had shown it."""
    voters_show: int = NOTHING_STORED
    """What every majority of those that vote shows."""

    @classmethod
    def of(
        cls,
        machines: Sequence[Machine],
        now_ns: Callable[[], int],
        *,
        all_are_guarded: bool = True,
        keep_changes: bool = False,
    ) -> "Invariant":
        return cls([_Seen(machine) for machine in machines], now_ns, all_are_guarded, [] if keep_changes else None)

    def observer(self, machine: Machine) -> Observer:
        """What a vault that runs there has to tell."""
        return _Listener(self, self._seen(machine))

    def watch(self, machine: Machine, store: Store, membership: GridMembership, process: Process) -> None:
        """A vault has started: its values are that store's from now on."""
        seen = self._seen(machine)
        seen.store, seen.membership, seen.process, seen.is_idle = store, membership, process, True

    def replace_disk(self, machine: Machine) -> None:
        """Put an empty disk into a vault, which is down: what it held and showed is gone, and so is its vote."""
        seen = self._seen(machine)
        lost = durable_identity(machine)
        if lost is not None and seen.votes:
            seen.lost.add(lost.decode("ascii"))
            seen.voted_with = seen.durable
        machine.disk.replace()
        others = sorted(each.shown for each in self.vaults if each is not seen)
        needed = answers_needed(len(self.vaults))
        seen.owes = max(seen.owes, others[needed - 1] if needed else NOTHING_STORED)
        if seen.owes < self.shown_majority:
            # Of two vaults one may be all that shows S: it was not committed.
            self._lowered.append((self.shown_majority, seen.owes))
            self.shown_majority = seen.owes
        seen.durable = seen.shown = NOTHING_STORED
        seen.store, seen.data, seen.votes, seen.changes = None, None, False, machine.disk.changes
        self._compare()
        self._keep()

    def votes_since_ns(self, vault: str) -> int | None:
        """From when on a vault of that name has given votes, as far as it was up; None where it gives none."""
        seen = next(each for each in self.vaults if each.machine.name == vault)
        return seen.votes_since_ns if seen.votes else None

    def _seen(self, machine: Machine) -> _Seen:
        return next(each for each in self.vaults if each.machine is machine)

    def answers(self, seen: _Seen, outcome: StoreOutcome) -> None:
        """A vault is about to say what it holds."""
        durable = _held(seen.machine.disk.durable(VALUE))
        # Where two stores that share a sync lower the value, the first of them never was on the disk.
        if outcome.value > durable and durable not in seen.unguarded:
            self.find(f"{seen.machine.name} answers that it holds {outcome.value}, and holds {durable} durably")

    def check(self) -> None:
        """Look at every vault. Only what has changed is looked at closely.

        Once the invariant is broken, vaults are looked at no more, unless their changes are kept for a picture.
        """
        if self.broken and self.changes is None:
            return
        changed = False
        for seen in self.vaults:
            machine = seen.machine
            if seen.activity == machine.activity and seen.changes == machine.disk.changes:
                continue  # so it is after most events
            seen.activity = machine.activity
            changed = self._look(seen) or changed
        if changed:
            self._compare()
            self._keep()

    def find(self, what: str) -> None:
        """Report that the invariant is broken."""
        self.broken.append(Broken(self.now_ns(), what))

    def acknowledged(self, value: int) -> None:
        """A write has returned."""
        if self.all_are_guarded and self.voters_show < value:
            self.find(f"a write of {value} was acknowledged, and a majority may still show {self.voters_show}")

    def was_read(self, value: int, shown_at_call: int) -> None:
        """A read has returned."""
        if not self.all_are_guarded:
            return
        for before, after in self._lowered:
            if after < shown_at_call <= before:
                shown_at_call = after
        if value < shown_at_call:
            self.find(f"a read returned {value}; when it was called every majority showed {shown_at_call}")
        if value > self.durable_reached:
            self.find(f"a read returned {value}, and no majority holds more than {self.durable_reached}")

    def _look(self, seen: _Seen) -> bool:
        disk = seen.machine.disk
        changed = False
        if disk.changes != seen.changes:
            seen.changes = disk.changes
            data = disk.durable(VALUE)
            durable = seen.durable if data is seen.data else _held(data)
            seen.data = data
            if durable < seen.durable and durable not in seen.unguarded:
                self.find(f"what {seen.machine.name} holds durably fell from {seen.durable} to {durable}")
            if durable not in self.written:
                self.find(f"{seen.machine.name} holds {durable} durably, and nobody has ever written that")
            changed = durable != seen.durable
            seen.durable = durable
        runs = seen.process is not None and seen.process.alive
        if runs and seen.store is not None and seen.store.is_open:
            shown = seen.store.value
            changed = changed or shown != seen.shown
            seen.shown = shown
            changed = self._look_at_vote(seen) or changed
            if shown != seen.durable and seen.is_idle:
                self.find(f"{seen.machine.name} is idle, shows {shown} and holds {seen.durable} durably")
        if seen.shown > seen.durable and seen.durable not in seen.unguarded:
            self.find(f"{seen.machine.name} shows {seen.shown} and holds {seen.durable} durably")
        return changed

    def _look_at_vote(self, seen: _Seen) -> bool:
        votes = seen.votes
        if seen.membership is not None and seen.membership.is_open:
            seen.votes = seen.membership.fault() is None
            if seen.votes and not votes:
                seen.votes_since_ns, seen.voted_with = self.now_ns(), NOTHING_STORED
        if seen.votes and not votes and seen.lost:
            self._look_at_rejoined(seen)
        return seen.votes != votes

    def _look_at_rejoined(self, seen: _Seen) -> None:
        """A replaced vault votes again: it holds what the others showed, and they know that its old disk does not.

        One whose own disk was replaced since it let this one in knows nothing, and gives no vote before it has asked.
        """
        name = seen.machine.name
        if seen.shown < seen.owes:
            self.find(f"{name} votes with a new disk and {seen.shown}, and its peers had shown {seen.owes}")
        others = [each for each in self.vaults if each is not seen]
        fencing = sum(
            seen.lost <= set(fenced_by(each.machine).decode("ascii").split()) or (bool(each.lost) and not each.votes)
            for each in others
        )
        if fencing < answers_needed(len(self.vaults)):
            self.find(f"{name} votes with a new disk, and {fencing} others know that its old one does not")

    def _compare(self) -> None:
        most = majority(len(self.vaults))
        self.durable_majority = sorted((seen.durable for seen in self.vaults), reverse=True)[most - 1]
        voted = sorted((max(seen.durable, seen.voted_with) for seen in self.vaults), reverse=True)[most - 1]
        self.durable_reached = max(self.durable_reached, voted)
        voters = sorted(seen.shown for seen in self.vaults if seen.votes)
        if len(voters) >= most:
            self.voters_show = voters[most - 1]
        shown = sorted(seen.shown if seen.votes else NOTHING_STORED for seen in self.vaults)[most - 1]
        if len(voters) < len(self.vaults):
            shown = max(shown, self.shown_majority)
        if self.all_are_guarded and shown < self.shown_majority:
            self.find(f"what every majority shows fell from {self.shown_majority} to {shown}")
        self.shown_majority = shown

    def _keep(self) -> None:
        if self.changes is not None:
            durable, shown = tuple(seen.durable for seen in self.vaults), tuple(seen.shown for seen in self.vaults)
            self.changes.append(Change(self.now_ns(), durable, shown, self.durable_majority, self.shown_majority))


class _Listener(Observer):
    """The observer of one vault."""

    def __init__(self, invariant: Invariant, seen: _Seen) -> None:
        self._invariant = invariant
        self._seen = seen

    def store_arrived(self, request: StoreRequest) -> None:
        if not request.guarded and not self._invariant.all_are_guarded:
            self._seen.unguarded.add(request.value)

    def store_answered(self, request: StoreRequest, outcome: StoreOutcome) -> None:
        self._invariant.answers(self._seen, outcome)

    def sync_began(self, value: int, stores: int) -> None:
        self._seen.is_idle = False

    def store_is_idle(self) -> None:
        self._seen.is_idle = True


def shown(store: Store | None) -> int:
    """What a vault's GET answers; nothing where it has not started yet."""
    return store.value if store is not None and store.is_open else NOTHING_STORED


def durable_identity(machine: Machine) -> bytes | None:
    """What a vault calls itself, as its disk has it; None where the disk has no such thing."""
    data = machine.disk.durable(VALUE)
    try:
        return None if data is None else decode_file(data).record.identity.encode("ascii")
    except RecordDamaged:
        return None


def is_formed(machine: Machine) -> bool:
    """Is a vault one of its grid for good, as its disk certainly has it?"""
    data = machine.disk.durable(ROSTER)
    try:
        return data is not None and decode_membership(data).phase is Phase.FORMED
    except RecordDamaged:
        return False


def fenced_by(machine: Machine) -> bytes:
    """Whom a vault's answers name, as its disk has it, in the form of the wire."""
    data = machine.disk.durable(ROSTER)
    try:
        roster = None if data is None else decode_membership(data).roster
    except RecordDamaged:
        return b""
    return b"" if roster is None else " ".join(sorted(roster.fenced)).encode("ascii")


def _held(data: bytes | None) -> int:
    """The value that the vault would find at its next start if the power went now and nothing more reached the disk."""
    if data is None:
        return NOTHING_STORED
    try:
        return decode_file(data).record.value
    except RecordDamaged:
        return NOTHING_STORED
