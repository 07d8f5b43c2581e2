"""Who runs the seeds of a campaign: processes of this machine, or a Dask cluster.

Seeds do not depend on each other, so any `concurrent.futures.Executor` will do.
"""

import gc
import multiprocessing
import os
import re
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

from twisted.logger import globalLogBeginner

from glitchgrid import __version__
from glitchgrid.lab.errors import CannotRun

ENDING = (signal.SIGINT, signal.SIGTERM)
CLUSTER_ANSWERS_S = 10
"""A cluster that has no worker for us after so long has none."""

DEATHS_PER_SEED_MAX = 3
"""A seed whose workers die so often is what kills them."""

CLUSTER = re.compile(r"(tcp|tls)://[^/\s]+:[0-9]{1,5}")

_prepared = Lock()


class Workers(ABC):
    """:ivar count: how many seeds they run at one time."""

    count: int

    @abstractmethod
    def executor(self) -> Executor:
        """A new one: the first, or one in place of one that is broken."""

    @abstractmethod
    def break_off(self) -> None:
        """Give up the seeds that are being run, which may take minutes."""


class LocalWorkers(Workers):
    """Processes of this machine.

    :param count: how many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._executors: list[_Undisturbed] = []

    def executor(self) -> Executor:
        # A fresh process each: a forked one would inherit whatever this one is doing.
        made = _Undisturbed(
            self.count, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_worker_process
        )
        self._executors.append(made)
        return made

    def break_off(self) -> None:
        # Kill also those that are just starting: they heed no signal yet, and would print a traceback once we are gone.
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()
        for executor in self._executors:
            executor.expect_no_more()


class DaskWorkers(Workers):
    """The workers of a Dask cluster. They must have this package installed, in this version.

    A worker process runs one seed at a time, however many threads it has: a run is patched into its process.

    :param address: the scheduler's, such as ``tcp://10.0.0.9:8786``.
    :raises CannotRun: where there is no such cluster, no worker, another version, or no Dask to talk to it.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra, which few need
        except ImportError as error:
            raise CannotRun("--dask needs Dask: pip install 'glitchgrid[dask]'") from error
        if not CLUSTER.fullmatch(address):
            raise CannotRun(f"{address!r} is no address of a Dask cluster, such as tcp://10.0.0.9:8786")
        try:
            self._client = Client(address, timeout=CLUSTER_ANSWERS_S, set_as_default=False)
            self._client.wait_for_workers(1, timeout=CLUSTER_ANSWERS_S)
            there = self._client.run(_versions)
        except (OSError, TimeoutError, ValueError, ImportError) as error:
            raise CannotRun(f"no Dask cluster with workers at {address}: {error}") from error
        others = sorted({" ".join(each) for each in there.values() if each != _versions()})
        if others:
            raise CannotRun(f"workers at {address} run {', '.join(others)}, and this is {' '.join(_versions())}")
        self.count = len(there)

    def executor(self) -> Executor:
        executor: Executor = self._client.get_executor(pure=False)
        return executor

    def break_off(self) -> None:
        self._client.close()


def workers(jobs: int, dask: str | None) -> Workers:
    """So many processes here, or the cluster whose scheduler is at `dask`."""
    return LocalWorkers(jobs) if dask is None else DaskWorkers(dask)


def _versions() -> tuple[str, str]:
    """The versions on which a seed's run depends."""
    return f"glitchgrid {__version__}", f"Python {sys.version_info.major}.{sys.version_info.minor}"


class _Undisturbed(ProcessPoolExecutor):
    """A pool that blocks signals while it starts a worker: a worker that is interrupted halfway prints a traceback."""

    def submit(self, *arguments: Any, **options: Any) -> Any:
        with _without_signals():
            return super().submit(*arguments, **options)

    def expect_no_more(self) -> None:
        """All workers were killed: wait for no result of theirs.

        One that was killed while it sent a result has left half of it in the pipe. The executor's thread would wait for
        the rest for ever, and this process for that thread: the other end of the pipe is open here, too.
        """
        results: Any = getattr(self, "_result_queue", None)  # CPython's own: there is no other way to that end
        if results is not None:
            results._writer.close()  # noqa: SLF001 - as above


@contextmanager
def _without_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker_process() -> None:
    """A worker of a campaign ends with its parent, and by its parent's word alone."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    # Ctrl-C goes to all processes of a terminal. What it means is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    prepare()


def _end_with(parent: Any) -> None:
    """A worker waits for work on a pipe that its siblings hold open, too: it would outlive a parent that was killed."""
    parent.join()
    os._exit(1)


def prepare() -> None:
    """Make a process ready for any number of runs. Once is enough."""
    if not _prepared.acquire(blocking=False):
        return
    # Until somebody listens Twisted keeps what is logged, and with it all that it speaks of.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    gc.collect()
    gc.freeze()
