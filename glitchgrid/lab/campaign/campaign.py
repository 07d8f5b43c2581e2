"""Many runs, in several processes, and their sums."""

import hashlib
from collections import Counter, deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from time import monotonic
from typing import Any

from attrs import field, frozen

from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.tasks import Task, perform
from glitchgrid.lab.campaign.workers import DEATHS_PER_SEED_MAX, Workers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.properties import Seen
from glitchgrid.lab.system import FAULT, System
from glitchgrid.lab.verdict import Verdict
from glitchgrid.simulation.trace import DIGEST_BYTES

SEEDS_AHEAD = 4
"""So many runs for each process are under way or waiting: results are taken in the order of the seeds."""

SEED_S_MAX = 3600
"""A run that takes longer goes round in circles; the longest that the limits of a plan allow takes minutes."""

LOOK_EVERY_S = 0.2
"""While a seed is waited for: has anybody asked us to stop?"""


@frozen
class Summary:
    """What a campaign came to. `digest` is over the runs' digests, in the order of their seeds."""

    system: System
    seeds: int = 0
    operations: int = 0
    reached: Counter[str] = field(factory=Counter)
    verdicts: Counter[Verdict] = field(factory=Counter)
    digest: str = ""
    stated: Seen = field(factory=Counter)

    @property
    def faults(self) -> Counter[str]:
        """How many faults found something to do, by their kind."""
        kinds = self.system.plans.kinds
        return Counter({kind: self.reached[FAULT + kind] for kind in kinds if self.reached[FAULT + kind]})

    @property
    def unreached(self) -> list[str]:
        """What no run has seen."""
        return [line for line in self.system.lines if not self.reached[line]]

    def lost(self, baseline: Mapping[str, Any]) -> list[str]:
        """What another campaign has reached, over the same seeds, and this one has not.

        :param baseline: `as_reached` of that one.
        """
        here = self.as_reached()
        return [each for kind in here for each in baseline.get(kind, ()) if each not in here[kind]]

    def as_reached(self) -> dict[str, list[str]]:
        """Which lines were reached, which properties held, and which did not hold at times; for `lost`."""
        return {
            "reached": sorted(line for line, count in self.reached.items() if count),
            "held": sorted(text for (text, held), count in self.stated.items() if held and count),
            "not held": sorted(text for (text, held), count in self.stated.items() if not held and count),
        }

    def and_also(self, result: Result) -> "Summary":
        chained = hashlib.blake2b((self.digest + result.digest).encode("ascii"), digest_size=DIGEST_BYTES)
        return Summary(
            self.system,
            seeds=self.seeds + 1,
            operations=self.operations + result.operations,
            reached=self.reached + result.reached,
            verdicts=self.verdicts + Counter([result.verdict]),
            digest=chained.hexdigest(),
            stated=self.stated + result.stated_fairly,
        )


def run_campaign(tasks: Iterable[Task], workers: Workers) -> Generator[Result, None, None]:
    """Run all seeds; results come in the order of the tasks, each as soon as it can.

    A worker that dies costs its seeds nothing but time: others run them again.

    :raises CannotRun: where a seed has no result, because it takes too long, or because whoever runs it dies.
    """
    queue = _Queue(workers)
    try:
        for task in tasks:
            if len(queue) >= workers.count * SEEDS_AHEAD:
                yield queue.next()
            queue.add(task)
        while len(queue):
            yield queue.next()
    except BaseException:
        with interruption.noted():
            workers.break_off()
        raise
    queue.close()


class _Queue:
    """The tasks that are being run, or wait for it, in their order.

    Signals are notes while this thread is in the executor's code and in that of its futures: an exception in there can
    leave a lock taken, and the executor would be waited for without an end.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._executor = workers.executor()
        self._waiting: deque[tuple[Task, Future[Result]]] = deque()
        self._deaths: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, task: Task) -> None:
        try:
            with interruption.heeded():
                future = self._executor.submit(perform, task)
        except BrokenExecutor as error:
            # What was being run when it broke says so, too, and comes first.
            future = Future()
            future.set_exception(error)
        self._waiting.append((task, future))

    def next(self) -> Result:
        """Wait for the first of them, and take it out."""
        while True:
            task, future = self._waiting[0]
            with interruption.heeded():
                _wait_for(task, future)
            try:
                result = future.result()
            except BrokenExecutor as error:
                self._begin_anew(task, error)
                continue
            except CancelledError as error:
                raise CannotRun(f"seed {task.seed} was given up by whoever ran it") from error
            self._waiting.popleft()
            interruption.check()
            return result

    def _begin_anew(self, task: Task, error: BrokenExecutor) -> None:
        self._deaths[task.seed] += 1
        if self._deaths[task.seed] >= DEATHS_PER_SEED_MAX:
            raise CannotRun(f"whoever runs seed {task.seed}, or its neighbours, dies: {error}") from error
        with interruption.heeded():
            self._executor.shutdown(wait=False)
            self._executor = self._workers.executor()
        before, self._waiting = self._waiting, deque()
        for each, future in before:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._waiting.append((each, future))
            else:
                self.add(each)

    def close(self) -> None:
        with interruption.heeded():
            self._executor.shutdown()


def _wait_for(task: Task, future: Future[Result]) -> None:
    end_s = monotonic() + SEED_S_MAX
    while not wait([future], LOOK_EVERY_S).done:
        interruption.check()
        if monotonic() > end_s:
            raise CannotRun(f"seed {task.seed} has no result after {SEED_S_MAX} s")
