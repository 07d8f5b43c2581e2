"""How control counts answers, and what it makes of them."""

from typing import Any

from attrs import evolve
from twisted.web.http_headers import Headers

import glitchgrid.control
import glitchgrid.protocol.rounds
from glitchgrid.lab.glitch import Override
from glitchgrid.lab.register.glitches.catalogue import glitch
from glitchgrid.outcome import Holds
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.quorum import Vote
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from glitchgrid.vaults.exchange import Exchange
from glitchgrid.wire import GUARD_HEADER


@glitch(
    "timeout-counts",
    StoreRound,
    "fail",
    what="Control counts a vault that did not answer as one that did.",
    so="A write is acknowledged that no majority holds.",
)
def _timeout_counts(_original: Any) -> Any:
    return lambda self, vault: self.acknowledge(vault, f"vault {vault}, which has not answered", self.value)


@glitch(
    "half-is-majority",
    glitchgrid.protocol.rounds,
    "majority",
    what="Control takes half of the vaults, rounded down, for a majority.",
    so="Two majorities need not have a vault in common: one does not know what the other has acknowledged.",
)
def _half_is_majority(_original: Any) -> Any:
    return lambda vaults: max(1, vaults // 2)


@glitch(
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


@glitch(
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


@glitch(
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


@glitch(
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


@glitch(
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


@glitch(
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
