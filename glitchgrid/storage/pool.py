"""The thread pool of a vault's store."""

from threading import Thread
from typing import Any

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
