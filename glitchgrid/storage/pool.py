"""The thread pool of a vault's store."""

from threading import Thread
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool


class _DaemonThread(Thread):
    """Does not keep the process: a disk that never answers must not stop a vault from being stopped."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, daemon=True, **kwargs)


class StorePool(ThreadPool):
    threadFactory = _DaemonThread


def abandon(pool: ThreadPool) -> None:
    """Stop the pool without waiting: a thread that hangs in the disk ends with the process."""
    pool.threads.clear()
    pool.stop()


def store_pool() -> ThreadPool:
    """One thread: syncs are made one after another, and what waits meanwhile shares the next."""
    return StorePool(minthreads=1, maxthreads=1, name="store")


class Pulse:
    """Whether a pool with one thread still takes work: it is asked to do nothing, and not again before it has.

    :param reactor: has a clock, too.
    """

    def __init__(self, reactor: Any, pool: ThreadPool) -> None:
        self._reactor = reactor
        self._pool = pool
        self._asked_s: float | None = None

    def silent_s(self) -> float:
        """For how many seconds the thread has owed an answer. It is asked, unless it owes one."""
        if self._asked_s is not None:
            return float(self._reactor.seconds() - self._asked_s)
        self._asked_s = self._reactor.seconds()
        deferToThreadPool(self._reactor, self._pool, _nothing).addBoth(self._answered)
        return 0.0

    def _answered(self, _: object) -> None:
        self._asked_s = None


def _nothing() -> None:
    """The whole of its work."""
