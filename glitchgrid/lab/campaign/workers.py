"""Who runs the seeds of a campaign: processes of this machine, or a Dask cluster.

Seeds do not depend on each other, so any `concurrent.futures.Executor` will do.
"""

import re
import sys
from abc import ABC, abstractmethod
from concurrent.futures import Executor, ThreadPoolExecutor
from threading import Event

from glitchgrid import __version__
from glitchgrid.lab import interruption
from glitchgrid.lab.errors import CannotRun

CLUSTER_ANSWERS_S = 10
"""A cluster that has no worker for us after so long has none."""

DEATHS_PER_SEED_MAX = 3
"""A seed whose workers die so often is what kills them."""

CLUSTER = re.compile(r"(tcp|tls)://[^/\s]+:[0-9]{1,5}")


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
    """Threads, each of which has its seeds run in a process of its own.

    :param count: how many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._given_up = Event()
        self._executor: Executor | None = None

    def executor(self) -> Executor:
        self._executor = ThreadPoolExecutor(
            self.count, "seeds", initializer=interruption.heed, initargs=(self._given_up,)
        )
        return self._executor

    def break_off(self) -> None:
        self._given_up.set()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


class DaskWorkers(Workers):
    """The workers of a Dask cluster. They must have this package installed, in this version.

    A worker runs as many seeds at a time as it has threads.

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
        self.count = sum(self._client.nthreads().values())

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
