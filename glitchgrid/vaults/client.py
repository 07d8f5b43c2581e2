"""One vault as control sees it: a store or a read, one deadline, and an answer that is parsed strictly.

::

    client = VaultClient(vault_http(...), clock, address, timeout_s=1.0)
    vote = await client.store(42)               # or VaultError
    answer = await client.store_guarded(42)     # its outcome is Stored(42) or Refused(43); or VaultError

A store counts if the answer is a 200 that echoes the value; a guarded store also counts if the answer is a 412 with
a value that is as large or larger (condition 5 of the register's correctness). A read counts if the answer is a 200
with a number. Everything else, a time-out too, is a VaultError: the vault may have acted or not.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from antithesis.assertions import reachable, unreachable
from attrs import evolve, frozen
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import CONFLICT, FORBIDDEN, OK, PRECONDITION_FAILED, UNAUTHORIZED
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from glitchgrid.errors import (
    Changing,
    Forming,
    InvalidValue,
    ListDiffers,
    ListMissing,
    Rejoining,
    Replaced,
    VaultAnswerInvalid,
    VaultRefused,
)
from glitchgrid.observer import UNOBSERVED, Observer
from glitchgrid.outcome import Refused, Stored, StoreOutcome
from glitchgrid.protocol.quorum import Vote, identity_of
from glitchgrid.protocol.roster import list_digest
from glitchgrid.protocol.rounds import acknowledged_value
from glitchgrid.value import encode_number, parse_number
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.connections import IN_FLIGHT_MAX, VaultHTTP
from glitchgrid.vaults.exchange import Exchange, Question
from glitchgrid.wire import (
    FENCED_HEADER,
    GUARD_HEADER,
    GUARD_INCREASE,
    IDENTITY_HEADER,
    LIST_HEADER,
    TRACEPARENT_HEADER,
)

_Answer = TypeVar("_Answer", Vote, "GuardedAnswer")

_IDENTITY = re.compile(rb"[\x21-\x7e]{1,128}")
_FENCED = re.compile(rb"[0-9a-f]{32}( [0-9a-f]{32})*")
_THEIRS = re.compile(ListDiffers([]).message + r"[\x21-\x7e]+")
_REASONS = frozenset({each.message for each in (Forming, Rejoining, Changing, Replaced, ListMissing)})
"""Why a vault with peers does not count: an operator has to know."""


NOBODY_FENCED: frozenset[str] = frozenset()


@frozen
class GuardedAnswer:
    """What a vault said to a guarded store, under which name it counts, and who, as it knows, does not count."""

    voter: str
    outcome: StoreOutcome
    fenced: frozenset[str] = NOBODY_FENCED


@frozen
class VaultSight:
    """What is known of a vault, by what it answered last.

    :ivar identity: None for one that has not answered, or that does not say.
    :ivar held: the value; None for one that has not answered.
    :ivar fails: why the last question had no answer that counts; empty where it had one.
    """

    address: str
    identity: str | None
    held: int | None
    fails: str


class VaultClient:
    """Asks one vault.

    :param http: leads to this vault alone, whatever the URL (see `glitchgrid.vaults.connections`).
    :param timeout_s: covers everything: waiting for a free connection, connecting, head and body, a second try.
    :param vaults: all that the asker has, so that the vault can see whether that is its grid's list.
    :param list_differs: is told what the vault says where it is not.
    """

    _log = Logger()

    def __init__(
        self,
        http: VaultHTTP,
        clock: Any,
        address: VaultAddress,
        timeout_s: float,
        observer: Observer = UNOBSERVED,
        vaults: Sequence[VaultAddress] = (),
        list_differs: Callable[[str], object] = str,
    ) -> None:
        self._http = http
        self._list = list_digest(each.canonical_text for each in vaults).encode("ascii") if vaults else None
        self._list_differs = list_differs
        self._fences = b"", NOBODY_FENCED
        self._clock = clock
        self._timeout_s = timeout_s
        self._free = DeferredSemaphore(IN_FLIGHT_MAX)
        self._fails = ""
        self._latest: Vote | GuardedAnswer | None = None
        self._guard_ignored = False
        self.name = str(address)
        self._repeats = partial(observer.question_repeated, self.name)
        self.present(None)

    def present(self, token: bytes | None) -> None:
        """Present a token with what is asked from now on; None for none."""
        fields = {b"Host": [self.name.encode("ascii")]}
        if token is not None:
            fields[b"Authorization"] = [b"Bearer " + token]
        if self._list is not None:
            fields[LIST_HEADER] = [self._list]
        self._headers = Headers(fields)
        self._guarded_headers = Headers({**fields, GUARD_HEADER: [GUARD_INCREASE]})
        self._read_question = Question("GET", None, self._headers, self._vote, repeatable=True)

    @property
    def sight(self) -> VaultSight:
        """The vault as it was last seen."""
        match self._latest:
            case None:
                return VaultSight(self.name, None, None, self._fails)
            case Vote(identity=identity, value=value):
                return VaultSight(self.name, identity, value, self._fails)
            case GuardedAnswer(voter=voter, outcome=outcome):
                return VaultSight(self.name, identity_of(voter), outcome.value, self._fails)

    def read(self, trace: bytes | None = None) -> Deferred[Vote]:
        """What the vault holds; VaultError in the Deferred for an answer that does not count.

        :param trace: what the vault is told of the trace that this belongs to.
        """
        question = self._read_question
        return self._ask(question if trace is None else evolve(question, headers=_traced(question.headers, trace)))

    def store(self, value: int, trace: bytes | None = None) -> Deferred[Vote]:
        """Have the vault store `value`, unguarded; VaultError in the Deferred unless it acknowledged.

        Sent once only: without the guard, a copy that comes late would undo what was stored in between.
        """

        def echo(response: IResponse, body: bytes) -> Vote:
            vote = self._vote(response, body)
            if vote.value != value:
                raise VaultAnswerInvalid(f"it was sent {value} and echoed {vote.value}")
            return vote

        headers = _traced(self._headers, trace)
        return self._ask(Question("POST", encode_number(value), headers, echo, repeatable=False))

    def store_guarded(self, value: int, trace: bytes | None = None) -> Deferred[GuardedAnswer]:
        """Have the vault store `value` unless it holds more; VaultError in the Deferred unless it acknowledged."""

        def acknowledgement(response: IResponse, body: bytes) -> GuardedAnswer:
            answer = self._guarded_answer(response, body)
            if acknowledged_value(value, answer.outcome) is None:
                raise VaultAnswerInvalid(
                    f"it was sent {value} and answered {response.code} with {answer.outcome.value}"
                )
            if not response.headers.hasHeader(GUARD_HEADER):
                self._note_ignored_guard()
            return answer

        headers = _traced(self._guarded_headers, trace)
        return self._ask(Question("POST", encode_number(value), headers, acknowledgement, repeatable=True))

    def _vote(self, response: IResponse, body: bytes) -> Vote:
        if response.code != OK:
            raise self._refusal(response, body)
        return Vote(self.name, _identity(response), _number(body), self._fenced(response))

    def _guarded_answer(self, response: IResponse, body: bytes) -> GuardedAnswer:
        if response.code not in {OK, PRECONDITION_FAILED}:
            raise self._refusal(response, body)
        number = _number(body)
        voter = Vote(self.name, _identity(response), number).voter
        outcome = Stored(number) if response.code == OK else Refused(number)
        return GuardedAnswer(voter, outcome, self._fenced(response))

    def _fenced(self, response: IResponse) -> frozenset[str]:
        """Who does not count, as the vault knows: the same object as long as it says the same."""
        values = response.headers.getRawHeaders(FENCED_HEADER)
        if values is None:
            return NOBODY_FENCED
        said, fenced = self._fences
        if values != [said]:
            if len(values) != 1 or not _FENCED.fullmatch(values[0]):
                raise VaultAnswerInvalid("the list of those that do not count is malformed")
            said, fenced = values[0], frozenset(str(values[0], "ascii").split(" "))
            self._fences = said, fenced
        return fenced

    def _refusal(self, response: IResponse, body: bytes) -> VaultRefused:
        text = body.decode("utf-8", "replace")
        if response.code == CONFLICT and _THEIRS.fullmatch(text):
            self._list_differs(text)
            return VaultRefused(f"its list of vaults is another one: {text}")
        cure = ": it wants another token (--vault-token-file)" if response.code in {UNAUTHORIZED, FORBIDDEN} else ""
        reason = f": {text}" if text in _REASONS else ""
        return VaultRefused(f"it answered {response.code}{reason}{cure}")

    def _ask(self, question: Question[_Answer]) -> Deferred[_Answer]:
        answer = Exchange(self._http, self._clock, question, self._free, self._repeats).begin(self._timeout_s)
        return answer.addCallbacks(self._note_success, self._note_failure)

    def _note_success(self, answer: _Answer) -> _Answer:
        if self._fails:
            reachable("control: a vault that had failed answers again")
            self._log.info("vault {vault} answers again", vault=self.name)
            self._fails = ""
        self._latest = answer
        return answer

    def _note_failure(self, failure: Failure) -> Failure:
        """Log the first failure after a success, and no more: a dead vault must not fill the log."""
        reason = failure.getErrorMessage() or "it failed"
        if not self._fails:
            self._log.warn("vault {vault} fails: {reason}", vault=self.name, reason=reason)
        self._fails = reason
        return failure

    def _note_ignored_guard(self) -> None:
        unreachable("control: a vault ignores the guard", {"vault": self.name})
        if not self._guard_ignored:
            self._log.warn("vault {vault} ignores the guard: a late store may undo newer ones there", vault=self.name)
        self._guard_ignored = True


def _traced(headers: Headers, trace: bytes | None) -> Headers:
    if trace is None:
        return headers
    traced = headers.copy()
    traced.setRawHeaders(TRACEPARENT_HEADER, [trace])
    return traced


def _number(body: bytes) -> int:
    try:
        return parse_number(body)
    except InvalidValue:
        raise VaultAnswerInvalid("its answer is no number") from None


def _identity(response: IResponse) -> str | None:
    """What the vault calls itself; None for the original vaults, which do not say."""
    values = response.headers.getRawHeaders(IDENTITY_HEADER)
    if values is None:
        return None
    if len(values) != 1 or not _IDENTITY.fullmatch(values[0]):
        raise VaultAnswerInvalid("its identity is malformed")
    return str(values[0], "ascii")
