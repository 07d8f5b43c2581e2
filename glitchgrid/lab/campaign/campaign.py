"""Many runs, in several processes, and what they come to together."""

import gc
import hashlib
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import Any

from attrs import evolve, field, frozen
from twisted.logger import globalLogBeginner

from glitchgrid.glitches import switched_on
from glitchgrid.lab.campaign.faults.kinds import KINDS
from glitchgrid.lab.campaign.plan import Layout
from glitchgrid.lab.campaign.reach import FAULT, LINES
from glitchgrid.lab.campaign.run import Result, Verdict, run_seed
from glitchgrid.lab.simulation.trace import DIGEST_BYTES

ENDING = (signal.SIGINT, signal.SIGTERM)

SEEDS_AHEAD = 4
"""So many runs for each process are under way or waiting: results are taken in the order of the seeds."""


@frozen
class Summary:
    """What a campaign came to. `digest` is over the runs' digests, in the order of their seeds."""

    seeds: int = 0
    operations: int = 0
    reached: Counter[str] = field(factory=Counter)
    verdicts: Counter[Verdict] = field(factory=Counter)
    digest: str = ""

    @property
    def faults(self) -> Counter[str]:
        """How many faults found something to do, by their kind."""
        return Counter({kind: self.reached[FAULT + kind] for kind in KINDS if self.reached[FAULT + kind]})

    @property
    def unreached(self) -> list[str]:
        """What no run has seen."""
        return [line for line in LINES if not self.reached[line]]

    def and_also(self, result: Result) -> "Summary":
        chained = hashlib.blake2b((self.digest + result.digest).encode("ascii"), digest_size=DIGEST_BYTES)
        return Summary(
            seeds=self.seeds + 1,
            operations=self.operations + result.operations,
            reached=self.reached + result.reached,
            verdicts=self.verdicts + Counter([result.verdict]),
            digest=chained.hexdigest(),
        )


@frozen
class Task:
    """One seed to be run.

    :param is_checked: whether it is run twice, and both runs must be the same.
    :param keeps_trace: whether a failure comes with its trace.
    :param glitch: the name of what is switched on meanwhile.
    """

    seed: int
    layout: Layout
    is_checked: bool = False
    keeps_trace: bool = False
    glitch: str | None = None


def run_campaign(tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Run all seeds, in so many processes; results come in the order of the tasks, each as soon as it can."""
    # A fresh process each: a forked one would inherit whatever this one is doing.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_prepare_worker) as pool:
        waiting = []
        rest = iter(tasks)
        try:
            for task in rest:
                with _undisturbed():
                    waiting.append(pool.submit(perform, task))
                if len(waiting) >= jobs * SEEDS_AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        except BaseException:
            # Whoever breaks off a campaign does not wait for the runs that are under way: they may take minutes.
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


def perform(task: Task) -> Result:
    """One task, in this process."""
    with switched_on(task.glitch):
        return _perform(task)


def _perform(task: Task) -> Result:
    result = run_seed(str(task.seed), task.layout)
    gc.collect()
    if task.is_checked:
        result = compared(result, run_seed(str(task.seed), task.layout))
        gc.collect()
    if result.verdict is not Verdict.VIOLATION:
        return evolve(result, history="")
    if not task.keeps_trace:
        return result
    return evolve(result, trace=run_seed(str(task.seed), task.layout, keep_trace=True).trace)


def compared(result: Result, again: Result) -> Result:
    """The first of two runs of one plan, with a finding if they differ."""
    if again.digest == result.digest:
        return result
    return result.with_finding("determinism", f"run twice, it had the digests {result.digest} and {again.digest}")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait: a worker that is started halfway complains."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker() -> None:
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
    """Make a process ready for any number of runs."""
    # Until somebody listens Twisted keeps what is logged, and with it all that it speaks of.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    gc.collect()
    gc.freeze()
