"""One question to a vault and its whole answer, within one deadline.

A chain of Deferreds rather than a coroutine: control does this once a vault for each round, and that is where its time
goes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from antithesis.assertions import always, reachable
from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError  # what agents fail with, and no public module has it
from twisted.web.http import CONFLICT
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from glitchgrid.errors import VaultTimeout, VaultUnreachable
from glitchgrid.shortcuts import NO_COOKIES, VAULT_URL, VaultURL
from glitchgrid.tls.problems import in_words
from glitchgrid.value import BODY_BYTES_MAX
from glitchgrid.vaults.connections import (
    CONNECTION_ERRORS,
    VaultHTTP,
    connection_broke,
    read_body,
)
from glitchgrid.wire import GUARD_HEADER

T = TypeVar("T")

LIST_BYTES_MAX = 32 * 1024
"""Of a refusal that has the grid's list of vaults."""


@frozen
class Question(Generic[T]):
    """A request, and what makes sense of its answer: `parse` raises a VaultError for one that does not count.

    One that is `repeatable` may reach the vault twice, and late.

    :ivar answer_bytes_max: a longer answer's body is none.
    """

    method: str
    body: bytes | None
    headers: Headers
    parse: Callable[[IResponse, bytes], T]
    repeatable: bool
    url: VaultURL = VAULT_URL
    answer_bytes_max: int = BODY_BYTES_MAX


class Exchange(Generic[T]):
    """Asks once, and a repeatable question once more on a fresh connection if the first one's broke.

    A kept connection to a vault that was restarted breaks as soon as it is used: that is no failure of the vault.
    All that happens is one chain of Deferreds: wait for a free connection, send, read the head, read the body, make
    sense of it. Cancelling the chain cancels the part of it that goes on.

    :param repeats: is told when a question is asked a second time.
    """

    def __init__(
        self,
        http: VaultHTTP,
        clock: Any,
        question: Question[T],
        free: DeferredSemaphore,
        repeats: Callable[[], object],
    ) -> None:
        self._http = http
        self._repeats = repeats
        self._clock = clock
        self._question = question
        self._free = free
        self._has_connection = False
        self._answer: Deferred[T] = Deferred(lambda _: self._give_up(CancelledError()))

    def begin(self, timeout_s: float) -> Deferred[T]:
        """Ask.

        :raises VaultError: (in the Deferred) when there is no answer that counts. Cancelling closes the connection.
        """
        late = VaultTimeout(f"no whole answer within {timeout_s:g} s")
        self._timer = self._clock.callLater(timeout_s, self._give_up, late)
        self._asking: Deferred[Any] = self._free.acquire().addCallback(self._ask)
        self._asking.addCallbacks(self._settle, self._failed)
        return self._answer

    def _ask(self, _: object) -> Deferred[T]:
        self._has_connection = True
        return self._send(self._http.pooled)

    def _failed(self, failure: Failure) -> Deferred[None] | None:
        """Ask a second time, where that helps and does no harm."""
        question = self._question
        if self._answer.called or not (question.repeatable and connection_broke(failure)):
            self._settle(failure)
            return None
        reachable("control: a request is sent again on a fresh connection")
        self._repeats()
        return self._send(self._http.fresh, again=True).addBoth(self._settle)

    def _send(self, http: HTTPClient, *, again: bool = False) -> Deferred[T]:
        question = self._question
        if again:
            is_store = question.method != "GET" and question.url is VAULT_URL
            is_safe = not is_store or question.headers.hasHeader(GUARD_HEADER)
            always(is_safe, "control: what is sent a second time is a read or a guarded store")
        response: Deferred[Any] = http.request(
            question.method,
            question.url,
            headers=question.headers,
            data=question.body,
            cookies=NO_COOKIES,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,
        )
        return response.addCallback(self._read)

    def _read(self, response: IResponse) -> Deferred[T]:
        most = self._question.answer_bytes_max
        if response.code == CONFLICT:  # a vault tells its list of vaults
            most = max(most, LIST_BYTES_MAX)
        return read_body(response, most).addCallback(partial(self._question.parse, response))

    def _settle(self, result: T | Failure) -> None:
        """The chain has come to its end: a VaultError, a bug, which whoever asks is to see, or an answer."""
        if self._answer.called:
            return  # given up: whatever the cancelled part of the chain made of it
        if isinstance(result, Failure) and result.check(*CONNECTION_ERRORS):
            result = Failure(VaultUnreachable(_root_cause(result)))
        self._end(result)

    def _give_up(self, reason: Exception) -> None:
        """Answer first and cancel then: what a cancelled chain fails with depends on how far it was."""
        self._end(Failure(reason))
        self._asking.cancel()

    def _end(self, result: T | Failure) -> None:
        if self._timer.active():
            self._timer.cancel()
        if self._has_connection:
            self._free.release()
        self._answer.callback(result)


def _root_cause(failure: Failure) -> str:
    """The innermost of Twisted's nested failures, in words."""
    error = failure.value
    while reasons := getattr(error, "reasons", None):
        error = reasons[-1].value
    if isinstance(error, ParseError):
        return "its answer is no HTTP"
    of_tls = in_words(error)
    if of_tls is not None:
        return of_tls
    return str(error).rstrip(".") or "its answer breaks off"  # Twisted's error for that has no text
