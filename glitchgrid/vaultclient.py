"""One vault as control sees it: a store or a read, one deadline, and an answer that is parsed strictly.

::

    client = VaultClient(http, clock, address, timeout_s=1.0)
    vote = await client.store(42)      # or VaultError

What counts (condition 5 of the register's correctness): for a store, a 200 that echoes the value; for a
read, a 200 with a number. Everything else, a time-out least of all, is a VaultError: the vault may have acted
or not.
"""

import re
from collections.abc import Coroutine
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import OK
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from glitchgrid.address import VaultAddress
from glitchgrid.connections import CONNECTION_ERRORS, IN_FLIGHT_MAX, read_body
from glitchgrid.errors import (
    InvalidValue,
    VaultAnswerInvalid,
    VaultRefused,
    VaultTimeout,
    VaultUnreachable,
)
from glitchgrid.quorum import Vote
from glitchgrid.value import encode_number, parse_number
from glitchgrid.wire import IDENTITY_HEADER

URL = "http://vault/"
"""What is asked for, at every vault: where it goes is the HTTP client's to know."""

_IDENTITY = re.compile(rb"[\x21-\x7e]{1,128}")


class VaultClient:
    """Asks one vault.

    :param http: leads to this vault alone, whatever the URL (see `glitchgrid.connections`).
    :param timeout_s: covers everything: waiting for a free connection, connecting, head and body.
    """

    _log = Logger()

    def __init__(self, http: HTTPClient, clock: Any, address: VaultAddress, timeout_s: float) -> None:
        self._http = http
        self._clock = clock
        self._timeout_s = timeout_s
        self._free = DeferredSemaphore(IN_FLIGHT_MAX)
        self._failing = False
        self.name = str(address)
        self._headers = Headers({b"Host": [self.name.encode("ascii")]})

    def read(self) -> Deferred[Vote]:
        """What the vault holds; VaultError in the Deferred for an answer that does not count."""
        return self._within_deadline(self._exchange("GET", None))

    def store(self, value: int) -> Deferred[Vote]:
        """Have the vault store `value`, unguarded; VaultError in the Deferred unless it acknowledged."""
        return self._within_deadline(self._store(value))

    async def _store(self, value: int) -> Vote:
        vote = await self._exchange("POST", encode_number(value))
        if vote.value != value:
            raise VaultAnswerInvalid(f"it was sent {value} and echoed {vote.value}")
        return vote

    async def _exchange(self, method: str, body: bytes | None) -> Vote:
        await self._free.acquire()
        try:
            response = await self._http.request(
                method,
                URL,
                headers=self._headers,
                data=body,
                allow_redirects=False,
                unbuffered=True,
                reactor=self._clock,
            )
            answer = await read_body(response)
        finally:
            self._free.release()
        if response.code != OK:
            raise VaultRefused(f"it answered {response.code}")
        try:
            return Vote(self.name, _identity(response), parse_number(answer))
        except InvalidValue:
            raise VaultAnswerInvalid("its answer is no number") from None

    def _within_deadline(self, work: Coroutine[Deferred[Any], Any, Vote]) -> Deferred[Vote]:
        exchange = Deferred.fromCoroutine(work)
        expired = False

        def expire() -> None:
            # Cancelling closes the connection. What then comes out depends on how far the exchange was, and
            # is seldom a CancelledError: so the timer leaves word, and `settle` reads it.
            nonlocal expired
            expired = True
            exchange.cancel()

        timer = self._clock.callLater(self._timeout_s, expire)

        def settle(result: Vote | Failure) -> Vote | Failure:
            if timer.active():
                timer.cancel()
            if expired:
                result = Failure(VaultTimeout(f"no whole answer within {self._timeout_s:g} s"))
            elif not isinstance(result, Failure):
                self._note_success()
                return result
            elif result.check(*CONNECTION_ERRORS):
                result = Failure(VaultUnreachable(_root_cause(result)))
            self._note_failure(result)
            return result

        return exchange.addBoth(settle)

    def _note_success(self) -> None:
        if self._failing:
            self._log.info("vault {vault} answers again", vault=self.name)
        self._failing = False

    def _note_failure(self, failure: Failure) -> None:
        """Log the first failure after a success, and no more: a dead vault must not fill the log."""
        if not self._failing:
            self._log.warn("vault {vault} fails: {reason}", vault=self.name, reason=failure.getErrorMessage())
        self._failing = True


def _root_cause(failure: Failure) -> str:
    """The innermost of Twisted's nested failures, in words."""
    error = failure.value
    while reasons := getattr(error, "reasons", None):
        error = reasons[-1].value
    return str(error).rstrip(".") or type(error).__name__


def _identity(response: IResponse) -> str | None:
    """What the vault calls itself; None for the original vaults, which do not say."""
    values = response.headers.getRawHeaders(IDENTITY_HEADER)
    if values is None:
        return None
    if len(values) != 1 or not _IDENTITY.fullmatch(values[0]):
        raise VaultAnswerInvalid("its identity is malformed")
    return str(values[0], "ascii")
