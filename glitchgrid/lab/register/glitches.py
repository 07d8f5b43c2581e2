"""Deliberate bugs, for the laboratory to find. None is on unless it is asked for, and none of them is in the product.

Each is an override of a function or two of the product's, as somebody might have written them who did not know better.
`Glitch.on` puts it in place for a while; what is started meanwhile has it.

A new one is a function below that makes the override from the original, with `_glitch` above it: its name, what it
overrides, what is done wrong, and what comes of it.
"""

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.web.http_headers import Headers

import glitchgrid.control
import glitchgrid.protocol.member
import glitchgrid.protocol.rounds
import glitchgrid.storage.store
import glitchgrid.vault
from glitchgrid.http.channel import Channel
from glitchgrid.http.service import FaceService
from glitchgrid.lab import glitch
from glitchgrid.lab.glitch import Glitch, Make, Override
from glitchgrid.outcome import Holds, Refused, StoreRequest
from glitchgrid.peers.membership import GridMembership
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.member import Member, Phase
from glitchgrid.protocol.quorum import Vote
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from glitchgrid.register.atomic import AtomicRegister
from glitchgrid.storage.disk import LocalFile
from glitchgrid.storage.rosterfile import decode_question, encode_membership
from glitchgrid.storage.slots import Slot, encode_file
from glitchgrid.storage.store import Store
from glitchgrid.storage.valuefile import VALUE_NAME, ValueFile
from glitchgrid.value import NOTHING_STORED
from glitchgrid.vaults.exchange import Exchange
from glitchgrid.vaults.names import Name, ThreadResolver, _Lookup
from glitchgrid.wire import GUARD_HEADER

GLITCHES: dict[str, Glitch] = {}
"""All of them, by their names."""


def _glitch(
    name: str, owner: Any, attribute: str, *, what: str, so: str, unseen: str = "", also: tuple[Override, ...] = ()
) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        GLITCHES[name] = Glitch(name, what, so, unseen, (Override(owner, attribute, make), *also))
        return make

    return add


def switched_on(name: str | None) -> AbstractContextManager[None]:
    """One of them, by its name, until the end of the block; None for none."""
    return glitch.switched_on(GLITCHES, name)


# The vault's disk.


@_glitch(
    "acknowledge-before-fsync",
    ValueFile,
    "save",
    what="A vault writes a value and acknowledges it, and leaves it to the kernel to bring it to the disk.",
    so="A power loss takes back what was acknowledged.",
)
def _acknowledge_before_fsync(_original: Any) -> Any:
    def save(self: Any, record: Any) -> None:
        slot = self._durable.followed_by(record)
        self._file.write_at(slot.encode(), slot.offset_bytes)
        self._durable = slot

    return save


@_glitch(
    "acknowledge-after-failed-fsync",
    ValueFile,
    "save",
    what="A vault logs that its disk has failed, and goes on as if it had not.",
    so="The kernel calls the pages clean: what was acknowledged is in the cache alone, and no later sync writes it.",
)
def _acknowledge_after_failed_fsync(original: Any) -> Any:
    def save(self: Any, record: Any) -> None:
        slot = self._durable.followed_by(record)
        with contextlib.suppress(OSError):
            original(self, record)
        self._durable = slot

    return save


@_glitch(
    "no-rewrite-at-recovery",
    ValueFile,
    "_write_anew",
    what="A vault that starts syncs the file that it found, and goes on with it.",
    so="After a failed sync there is nothing left to sync: it serves a value that the next power loss takes away.",
    unseen="A majority would have to serve a value that none of them has on its disk, and lose power before its next"
    " store. Each of these happens in many runs; all of them at once did not.",
)
def _no_rewrite_at_recovery(original: Any) -> Any:
    def write_anew(self: Any, slot: Any) -> None:
        try:
            self._file = LocalFile(os.open(os.path.join(self._disk.path, VALUE_NAME), os.O_RDWR | os.O_CLOEXEC))
        except FileNotFoundError:
            original(self, slot)
            return
        self._file.fsync()
        self._disk.fsync_directory()
        self._durable = Slot(slot.sequence - 2, slot.record)

    return write_anew


@_glitch(
    "torn-write",
    ValueFile,
    "save",
    what="A vault writes both of its slots at once, the only good copy among them.",
    so="A power loss in the middle leaves neither.",
    unseen="A vault that finds neither slot whole does not start. The grid lacks a vote, and says nothing wrong.",
)
def _torn_write(_original: Any) -> Any:
    def save(self: Any, record: Any) -> None:
        slot = Slot(self._durable.sequence + 2, record)
        self._file.write_at(encode_file(slot), 0)
        self._file.fdatasync()
        self._durable = slot

    return save


@_glitch(
    "forget-on-restart",
    ValueFile,
    "_read",
    what="A vault begins with nothing whenever it starts, as the original ones did.",
    so="Restarts of a majority, one after another, and the register has forgotten everything.",
)
def _forget_on_restart(original: Any) -> Any:
    def read(self: Any) -> Any:
        found = original(self)  # its name it keeps: a vault without one would be taken for a new one, and let in
        return found and evolve(found, record=evolve(found.record, value=NOTHING_STORED))

    return read


# The vault's store.


def _showing(original: Any) -> Any:
    def sync(self: Any) -> None:
        self._shown = max(request.value for request, _ in self._waiting)
        original(self)

    return sync


@_glitch(
    "show-before-durable",
    Store,
    "value",
    what="A vault answers reads with a value that it is still syncing.",
    so="A client reads it, the power goes, and nobody has ever heard of it.",
    also=(Override(Store, "_sync", _showing),),
)
def _show_before_durable(_original: Any) -> Any:
    def value(self: Any) -> int:
        shown: int = self._record.value
        return max(shown, getattr(self, "_shown", 0)) if self._syncing else shown

    return property(value)


@_glitch(
    "ignore-guard",
    glitchgrid.storage.store,
    "fold",
    what="A vault takes every store, also one that asks it to refuse a decrease.",
    so="A store that was held up undoes the newer ones.",
)
def _ignore_guard(original: Any) -> Any:
    return lambda durable, requests: original(durable, [evolve(request, guarded=False) for request in requests])


@_glitch(
    "refuse-undurable",
    Store,
    "submit",
    what="A vault that is syncing a larger value refuses a smaller one at once.",
    so="A refusal with a larger value is an acknowledgement, and the sync may still fail.",
)
def _refuse_undurable(original: Any) -> Any:
    def submit(self: Any, request: StoreRequest) -> Any:
        in_flight = getattr(self, "_in_flight", 0) if self._syncing else 0
        if request.guarded and request.value < in_flight and not self._failed:
            return succeed(Refused(in_flight))
        if not self._syncing:
            self._in_flight = request.value
        return original(self, request)

    return submit


def _undoing_what_was_cancelled(original: Any) -> Any:
    def saved(self: Any, none: None, record: Any, batch: Any, outcomes: Any) -> Any:
        if not any(waiter.called for _, waiter in batch):
            original(self, none, record, batch, outcomes)
            return None
        for (_, waiter), outcome in zip(batch, outcomes, strict=True):
            if not waiter.called:
                waiter.callback(outcome)
        return self._in_pool(self._file.save, self._record)

    return saved


@_glitch(
    "cancel-commit",
    glitchgrid.vault,
    "shield",
    what="A vault undoes a store when the client that sent it leaves before it is on the disk.",
    so="Another client's store, which shared the sync, is undone with it, and was acknowledged.",
    unseen="A majority of the vaults would have to undo the same value; in the runs one of them does, now and then.",
    also=(Override(Store, "_saved", _undoing_what_was_cancelled),),
)
def _cancel_commit(_original: Any) -> Any:
    def shield(work: "Deferred[Any]") -> "Deferred[Any]":
        return work

    return shield


# A replaced disk.


@_glitch(
    "empty-disk-votes",
    Member,
    "votes",
    what="A vault whose disk was replaced answers with the empty one while it asks to be taken in.",
    so="A majority with it need not have heard of what was acknowledged.",
)
def _empty_disk_votes(original: Any) -> Any:
    return property(lambda self: self.now.phase is Phase.REJOINING or original.fget(self))


@_glitch(
    "joins-without-storing",
    GridMembership,
    "_join",
    what="A replaced vault asks its peers for the largest value, and votes without having stored it.",
    so="Its disk is as empty as before: what the one before it had acknowledged has one holder less.",
)
def _joins_without_storing(_original: Any) -> Any:
    async def join(self: Any) -> None:
        joined = self._member.join()
        if joined is not None:
            await self._write(joined[1])

    return join


@_glitch(
    "one-peer-is-enough",
    glitchgrid.protocol.member,
    "answers_needed",
    what="A replaced vault votes as soon as one peer has let it in.",
    so="That peer may be the one that has missed what the replaced disk had acknowledged.",
)
def _one_peer_is_enough(_original: Any) -> Any:
    return lambda vaults: min(vaults - 1, 1)


@_glitch(
    "fences-nobody-writes-down",
    GridMembership,
    "_fence",
    what="A peer lets a replaced vault in, and does not write down who does not count any more.",
    so="A control goes on counting what the replaced disk had acknowledged before it was lost.",
)
def _fences_nobody_writes_down(_original: Any) -> Any:
    async def fence(self: Any, text: bytes) -> bytes:
        return encode_membership(self._member.fence(decode_question(text)), self._store.value)

    return fence


# Control's counting.


@_glitch(
    "timeout-counts",
    StoreRound,
    "fail",
    what="Control counts a vault that did not answer as one that did.",
    so="A write is acknowledged that no majority holds.",
)
def _timeout_counts(_original: Any) -> Any:
    return lambda self, vault: self.acknowledge(vault, f"vault {vault}, which has not answered", self.value)


@_glitch(
    "half-is-majority",
    glitchgrid.protocol.rounds,
    "majority",
    what="Control takes half of the vaults, rounded down, for a majority.",
    so="Two majorities need not have a vault in common: one does not know what the other has acknowledged.",
)
def _half_is_majority(_original: Any) -> Any:
    return lambda vaults: max(1, vaults // 2)


@_glitch(
    "count-a-vault-twice",
    glitchgrid.control,
    "vault_http",
    what="Two addresses of control's list lead to one vault, and control counts addresses.",
    so="A majority of addresses is one disk.",
    unseen="Any two majorities of addresses have one in common, and so a vault: what was written is read. What is lost"
    " shows when that one disk is, which breaks an assumption.",
    also=(Override(Vote, "voter", lambda _original: property(lambda self: f"address {self.address}")),),
)
def _count_a_vault_twice(original: Any) -> Any:
    firsts: dict[int, list[Any]] = {}

    def vault_http(reactor: Any, vault: Any, *more: Any) -> Any:
        """The second address that a control has leads to the first one's vault."""
        seen = firsts.setdefault(id(reactor), [])
        seen.append(vault)
        return original(reactor, seen[0] if len(seen) == 2 else vault, *more)  # noqa: PLR2004

    return vault_http


# Control's rounds.


@_glitch(
    "no-write-back",
    ReadRound,
    "_decide",
    what="A read answers the largest value that it hears, whoever holds it.",
    so="One vault of three holds it: the next read may hear the other two, and goes back.",
)
def _no_write_back(original: Any) -> Any:
    def decide(self: Any) -> Any:
        outcome = original(self)
        if self.healing is None or outcome is not None:
            return outcome
        self.outcome = Holds(max(self.floor, self.largest))
        self.healing = None
        return self.outcome

    return decide


@_glitch(
    "floor-before-commit",
    Coordinator,
    "write",
    what="Control raises its floor when a write comes, not when it is committed.",
    so="It refuses smaller values for the sake of one that may never be held by a majority.",
)
def _floor_before_commit(original: Any) -> Any:
    def write(self: Any, value: int, ticket: Any) -> None:
        original(self, value, ticket)
        if self.floor is not None:
            self.floor = max(self.floor, value)

    return write


@_glitch(
    "join-the-running-round",
    Coordinator,
    "read",
    what="A read takes part in a round whose questions were sent before it came.",
    so="What was committed in between is missing from its answer.",
)
def _join_the_running_round(original: Any) -> Any:
    def read(self: Any, ticket: Any) -> None:
        asked = (round_ for vault in self._vaults for round_ in vault.reads.carried)
        for round_ in (*asked, *self._healing.reads):
            if round_.outcome is None:
                round_.tickets.append(ticket)
                return
        original(self, ticket)

    return read


@_glitch(
    "straggler-counts-late",
    Coordinator,
    "store_answered",
    what="A vault's late answer counts for the writes that wait behind the question, too.",
    so="They are acknowledged in the name of a vault that has never heard of them.",
)
def _straggler_counts_late(original: Any) -> Any:
    def store_answered(self: Any, number: int, voter: str, answer: Any) -> None:
        for round_ in self._vaults[number].stores.pending:
            if round_.heals is None and round_.acknowledge(number, voter, round_.value) is not None:
                self._store_ended(round_)
        original(self, number, voter, answer)

    return store_answered


@_glitch(
    "retry-without-guard",
    Exchange,
    "_send",
    what="A store whose connection broke is sent again, without the guard this time.",
    so="Another control has stored more meanwhile, and the copy undoes it.",
)
def _retry_without_guard(original: Any) -> Any:
    def send(self: Any, http: Any, *, again: bool = False) -> Any:
        if again:
            headers = Headers(dict(self._question.headers.getAllRawHeaders()))
            headers.removeHeader(GUARD_HEADER)
            self._question = evolve(self._question, headers=headers)
        return original(self, http, again=again)

    return send


# Grids that hang: nothing is wrong with what they say, and some day they say nothing.

STORES_UNTIL_WEDGED = 8
HOUR_S = 3600


@_glitch(
    "wedged-store",
    Store,
    "_sync",
    what="A vault begins eight syncs; the ninth never ends, and what is stored then waits for it.",
    so="It answers reads, and no store, until it is started anew; with a majority like that nothing can be written.",
)
def _wedged_store(original: Any) -> Any:
    def sync(self: Any) -> None:
        self._begun = getattr(self, "_begun", 0) + 1
        if self._begun > STORES_UNTIL_WEDGED:
            self._syncing = True
            return
        original(self)

    return sync


@_glitch(
    "connection-never-returned",
    glitchgrid.control,
    "vault_http",
    what="Control never puts a connection to a vault back into its pool.",
    so="Each request makes a new one, and the old ones stay until the vault ends them.",
)
def _connection_never_returned(original: Any) -> Any:
    def vault_http(reactor: Any, vault: Any, *more: Any) -> Any:
        http = original(reactor, vault, *more)
        http.pool._putConnection = lambda _key, _connection: None
        return http

    return vault_http


@_glitch(
    "rest-never-ends",
    AtomicRegister,
    "_rested",
    what="A vault that has failed is left alone, and the end of its rest is forgotten.",
    so="It is asked again only when the others are no majority without it, and stays behind until then.",
)
def _rest_never_ends(_original: Any) -> Any:
    return lambda _self, _number, _kind: None


@_glitch(
    "deadline-never-comes",
    Channel,
    "_watch_the_time",
    what="A server lets a request take as long as it likes to arrive.",
    so="Whoever sends half a request keeps a connection for ever, and ten thousand of them are all that there are.",
)
def _deadline_never_comes(_original: Any) -> Any:
    return lambda _self, _half_a_line: None


@_glitch(
    "read-end-is-lost",
    Coordinator,
    "_end_read",
    what="A read that heals, or whose time is up, ends without anybody being told.",
    so="Its clients wait until they give up.",
)
def _read_end_is_lost(_original: Any) -> Any:
    return lambda _self, round_, outcome: round_.end(outcome)


@_glitch(
    "healing-is-never-sent",
    Coordinator,
    "_queue",
    what="A read that hears a value which no majority holds decides to store it, and does not.",
    so="It waits for its deadline, and is answered 500 on a grid that is well.",
)
def _healing_is_never_sent(original: Any) -> Any:
    def queue(self: Any, round_: StoreRound[Any]) -> None:
        if round_.heals is None:
            original(self, round_)

    return queue


@_glitch(
    "laggard-never-caught-up",
    Coordinator,
    "_reaches_floor",
    what="A vault that has missed a store is taken for one that has not.",
    so="It stays behind until the next write, and the grid has one disk less than it seems.",
)
def _laggard_never_caught_up(_original: Any) -> Any:
    return lambda _self, _value: True


@_glitch(
    "timer-for-each-request",
    Channel,
    "allContentReceived",
    what="A server sets a timer for each request, and takes none of them back.",
    so="They are kept for an hour: its memory grows with every request.",
)
def _timer_for_each_request(original: Any) -> Any:
    def all_content_received(self: Any) -> None:
        self.site.reactor.callLater(HOUR_S, lambda: None)
        original(self)

    return all_content_received


@_glitch(
    "stop-never-ends",
    FaceService,
    "_stop",
    what="A server that is told to stop waits for all that is in progress, however long that takes.",
    so="A disk that hangs keeps it from being restarted.",
)
def _stop_never_ends(_original: Any) -> Any:
    async def stop(self: Any) -> None:
        await self._leave()

    return stop


def _in_shared_threads(_original: Any) -> Any:
    def resolve(self: Any, receiver: Any, name: str, port: int = 0, *_arguments: Any, **_options: Any) -> Any:
        lookup = _Lookup(name)
        receiver.resolutionBegan(lookup)
        self._reactor.getThreadPool().callInThread(self._look_up, receiver, name, port)
        return lookup

    return resolve


@_glitch(
    "lookup-blocks-all",
    Name,
    "addresses",
    what="Each new connection looks its vault's name up anew, in the ten threads that all names share.",
    so="One name that nobody answers for fills them, and no vault can be connected to any more.",
    also=(Override(ThreadResolver, "resolveHostName", _in_shared_threads),),
)
def _lookup_blocks_all(original: Any) -> Any:
    def addresses(self: Any) -> Any:
        self._is_asking, self._known = False, ()
        return original(self)

    return addresses
