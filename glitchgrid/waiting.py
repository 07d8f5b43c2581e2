"""Waiting for many things at once, being told to stop waiting, and work that goes on when nobody waits any more."""

from collections.abc import Iterable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredList

_T = TypeVar("_T")


def settled(waited_for: Iterable[Deferred[_T]]) -> Deferred[list[tuple[bool, Any]]]:
    """Fires once all of them have a result: (True, result) or (False, failure) for each.

    Cancelling it cancels all of them, and it fails with CancelledError. A bare `DeferredList` does not: its parts fail,
    it calls that a result, and whoever waits for it goes on as if nobody had told them to stop.
    """
    return stoppable(DeferredList(list(waited_for), consumeErrors=True))


def stoppable(work: Deferred[_T]) -> Deferred[_T]:
    """A Deferred with the result of `work`. Cancelling it cancels `work`, and it fails with CancelledError.

    What work makes of its cancellation is its own affair: an HTTP agent fails with what that did to its connection, and
    whoever takes that for an answer goes on as if nobody had told them to stop.
    """
    stopped = False

    def stop(_: object) -> None:
        nonlocal stopped
        stopped = True
        work.cancel()

    def end(result: Any) -> None:
        if not stopped:
            waiting.callback(result)

    waiting: Deferred[_T] = Deferred(stop)
    work.addBoth(end)
    return waiting


def abandon(work: Deferred[Any]) -> None:
    """Cancel what nobody waits for any more. Its CancelledError is no news; whatever else it fails with is."""
    work.cancel()
    work.addErrback(lambda failure: None if failure.check(CancelledError) else failure)


def shield(work: Deferred[_T]) -> Deferred[_T]:
    """A Deferred with the result of `work` whose cancellation does not reach it.

    What a handler waits for is cancelled when its client disconnects, and control's time-outs are
    disconnects at the vault. A commit, once begun, is not undone by that (condition 9 of the register's
    correctness): half of it has happened already.
    """
    shielded: Deferred[_T] = Deferred()
    # Once cancelled, a Deferred swallows the one result that comes later, failures too.
    work.addBoth(shielded.callback)
    return shielded
