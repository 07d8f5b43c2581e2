"""One peer as a vault sees it: what it knows of the grid, and whether it lets another vault in.

::

    peer = PeerClient(reactor, address)
    membership = await peer.membership()        # or VaultError
    answer = await peer.fence(question)         # or VaultError

A peer's answers are texts of `glitchgrid.storage.rosterfile`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.web.http import OK
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from glitchgrid.errors import VaultAnswerInvalid, VaultRefused
from glitchgrid.protocol.change import ChangeQuestion, Step
from glitchgrid.protocol.member import FenceAnswer, FenceQuestion, Membership
from glitchgrid.shortcuts import VaultURL
from glitchgrid.storage.record import RecordDamaged
from glitchgrid.storage.rosterfile import (
    TEXT_BYTES_MAX,
    decode_change_answer,
    decode_fence_answer,
    decode_membership,
    encode_change,
    encode_question,
)
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.connections import vault_http
from glitchgrid.vaults.exchange import Exchange, Question

PEER_TIMEOUT_S = 2.0
"""How long a peer may take to answer. To fence, it has to write and sync a file."""

ROSTER_URL = VaultURL("roster")
FENCE_URL = VaultURL("roster", "fence")
CHANGE_URL = VaultURL("roster", "change")

_QUESTIONS_MAX = 2
_REASON_CHARACTERS_MAX = 300

_T = TypeVar("_T")


class PeerClient:
    """Asks one peer."""

    def __init__(self, reactor: Any, address: VaultAddress, tls: ClientTLS | None = None) -> None:
        self.address = address
        self._reactor = reactor
        self._http = vault_http(reactor, address, PEER_TIMEOUT_S, tls)
        self._free = DeferredSemaphore(_QUESTIONS_MAX)
        self.present(None)

    def present(self, token: bytes | None) -> None:
        """Present a token with what is asked from now on; None for none."""
        fields = {b"Host": [str(self.address).encode("ascii")]}
        if token is not None:
            fields[b"Authorization"] = [b"Bearer " + token]
        self._headers = Headers(fields)

    def membership(self) -> Deferred[Membership]:
        """What the peer knows of the grid; VaultError in the Deferred for an answer that does not count."""
        return self._ask("GET", None, ROSTER_URL, decode_membership)

    def fence(self, question: FenceQuestion) -> Deferred[FenceAnswer]:
        """Have the peer fence; VaultError in the Deferred unless it has. To ask twice does no harm."""
        return self._ask("POST", encode_question(question), FENCE_URL, decode_fence_answer)

    def change(self, question: ChangeQuestion) -> Deferred[tuple[Membership, int]]:
        """Have the vault do its part in a change of the list; VaultError in the Deferred unless it has.

        :returns: what it is after that, and the value that it holds.
        """
        is_repeatable = question.step is not Step.PREPARE  # the second time somebody else could be meant
        return self._ask("POST", encode_change(question), CHANGE_URL, decode_change_answer, repeatable=is_repeatable)

    def _ask(
        self,
        method: str,
        body: bytes | None,
        url: VaultURL,
        decode: Callable[[bytes], _T],
        *,
        repeatable: bool = True,
    ) -> Deferred[_T]:
        def parse(response: IResponse, answer: bytes) -> _T:
            if response.code != OK:
                said = answer.decode("ascii", "replace")[:_REASON_CHARACTERS_MAX]
                raise VaultRefused(f"it answered {response.code}: {said}")
            try:
                return decode(answer)
            except RecordDamaged as error:
                raise VaultAnswerInvalid(f"its answer is no roster: {error}") from None

        question = Question(
            method, body, self._headers, parse, repeatable=repeatable, url=url, answer_bytes_max=TEXT_BYTES_MAX
        )
        return Exchange(self._http, self._reactor, question, self._free, lambda: None).begin(PEER_TIMEOUT_S)

    def close(self) -> Deferred[None]:
        """Close the connections that are kept."""
        return self._http.close()
