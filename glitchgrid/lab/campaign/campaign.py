"""Many runs, in several processes, and what they come to together."""

import gc
import hashlib
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from attrs import evolve, field, frozen
from twisted.logger import globalLogBeginner

from glitchgrid.lab.campaign.plan import Layout
from glitchgrid.lab.campaign.reach import LINES
from glitchgrid.lab.campaign.run import Result, Verdict, run_seed
from glitchgrid.lab.simulation.trace import DIGEST_BYTES

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
    """

    seed: int
    layout: Layout
    is_checked: bool = False
    keeps_trace: bool = False


def run_campaign(tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Run all seeds, in so many processes; results come in the order of the tasks, each as soon as it can."""
    # A fresh process each: a forked one would inherit whatever this one is doing.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=prepare) as pool:
        waiting = []
        rest = iter(tasks)
        try:
            for task in rest:
                waiting.append(pool.submit(perform, task))
                if len(waiting) >= jobs * SEEDS_AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for each in waiting:
                each.cancel()


def perform(task: Task) -> Result:
    """One task, in this process."""
    result = run_seed(str(task.seed), task.layout)
    gc.collect()
    if task.is_checked:
        again = run_seed(str(task.seed), task.layout)
        gc.collect()
        if again.digest != result.digest:
            return result.with_finding(
                "determinism", f"run twice, it had the digests {result.digest} and {again.digest}"
            )
    if result.verdict is not Verdict.VIOLATION:
        return evolve(result, history="")
    return run_seed(str(task.seed), task.layout, keep_trace=True) if task.keeps_trace else result


def prepare() -> None:
    """Make a process ready for any number of runs."""
    # Until somebody listens Twisted keeps what is logged, and with it all that it speaks of.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    gc.collect()
    gc.freeze()
