"""Work that goes on when nobody waits for it any more."""

from typing import TypeVar

from twisted.internet.defer import Deferred

_T = TypeVar("_T")


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
