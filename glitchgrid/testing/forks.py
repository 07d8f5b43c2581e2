"""Runs of a test, each in a fork of this process, which has imported what they need, or one after the other in it."""

import faulthandler
import gc
import importlib
import os
import pickle
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeVar

from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.place.watch import listed, where
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.verdict import Finding, Verdict
from glitchgrid.simulation.kernel.installed import Installed
from glitchgrid.testing import system
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.run import Test, run

READ_BYTES = 1 << 16
RESULT_BYTES_MAX = 1 << 30
DUMPED_WITHIN_S = 2
"""So long a run that hangs may take to say where it is."""

WARM_UP = "warm-up"
SPARE = 10
"""So many more processes of each program are made ready, where faults end some."""

T = TypeVar("T")


class Forks:
    """A `glitchgrid.lab.system.Runner`, for one test.

    :param told: is told of a run that hangs in this process, which ends then.
    """

    def __init__(self, installed: Installed, test: Test, told: Callable[[Result], object]) -> None:
        self._installed = installed
        self._test = test
        self._told = told

    def run_seed(self, seed: str, layout: Layout, *, keep_trace: bool, hash_seed: int | None = None) -> Result:
        assert hash_seed is None, "forks have this process's"
        return self._run(system.plan_of(layout, seed), is_given=False, keep_trace=keep_trace)

    def run_plan(self, plan: Plan, *, keep_trace: bool, hash_seed: int | None = None) -> Result:
        assert hash_seed is None, "forks have this process's"
        # The machines are those that the test names.
        return self._run(system.with_layout(plan, names=(), targets=()), is_given=True, keep_trace=keep_trace)

    def prepare(self) -> None:
        """Import what the test needs, once: what that is, a first run without any faults has to show."""
        plan = system.plan_of(self._test.layout, WARM_UP)
        if not self._test.settings.fork:
            return
        try:
            shared, recipe, has_faults, steps = forked(lambda: self._learn(plan), self._test.settings.timeout_s)
        except (Hung, Died):
            return  # so will the first seed, and then it is told of
        self._installed.points.steps_known = steps
        for name in shared:
            with suppress(Exception):  # what can't be imported now, is imported when it is needed, or says why not
                importlib.import_module(name)
        if recipe:
            self._installed.embryos.prepare(recipe, SPARE if has_faults else 0)
        gc.collect()
        gc.freeze()
        gc.disable()  # a run is over before there is much to collect, and collecting would write into shared pages

    def _learn(self, plan: Plan) -> tuple[list[str], Any, bool, dict[str, int]]:
        before = set(sys.modules)
        has_faults = False
        with suppress(WorldError):  # which the first seed will tell of
            result = run(self._installed, self._test, plan, is_given=True, keep_trace=False)
            has_faults = bool(system.layout_of(result.plan).targets)
        recipe = self._installed.embryos.recipe()
        imported = [name for name in sys.modules if name not in before and name != "__main__"]
        return imported, recipe, has_faults, self._installed.points.most_steps()

    def _run(self, plan: Plan, *, is_given: bool, keep_trace: bool) -> Result:
        def work() -> Result:
            return run(self._installed, self._test, plan, is_given=is_given, keep_trace=keep_trace)

        timeout_s = self._test.settings.timeout_s
        if not self._test.settings.fork:
            with watched(timeout_s, lambda where: self._told(_hung(plan, timeout_s, where))):
                result = work()
                self._installed.end()
                return result
        try:
            return forked(work, timeout_s)
        except Hung as hung:
            return _hung(plan, timeout_s, str(hung))
        except Died as died:
            return _ended_early(plan, system.DIED, f"the process of the run has ended: {died}")


class Hung(Exception):
    """A fork has not come to its end. The message says where it was."""


class Died(Exception):
    """A fork has ended and left no answer. The message says how."""


@contextmanager
def watched(timeout_s: float, hangs: Callable[[str], object]) -> Iterator[None]:
    """For a block that runs in this process: where it takes too long, in real time, say where it is, and end.

    :param hangs: is told where, from another thread.
    """
    done = threading.Event()
    watched_thread = threading.get_ident()

    def watch() -> None:
        if not done.wait(timeout_s):
            hangs(where(watched_thread))
            os._exit(1)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def forked(work: Callable[[], T], timeout_s: float) -> T:
    """What some work returns, done in a fork of this process.

    :raises Hung: where it takes too long, in real time.
    :raises WorldError: as `work` does.
    :raises Died: where the fork has ended without an answer, or its answer is too long.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as dump:
        sys.stdout.flush()  # else the fork would print it, too
        pid = os.fork()
        if not pid:
            os.close(reading)
            _work_and_exit(work, writing, dump)
        os.close(writing)
        try:
            answer = _read_all(reading, time.monotonic() + timeout_s)
            if answer is None:
                raise Hung(_where(pid, dump))
        finally:
            os.close(reading)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
    if not answer:
        raise Died(f"status {os.waitstatus_to_exitcode(status)}")
    kind, value = pickle.loads(answer)
    if kind == "error":
        raise WorldError(value)
    if kind == "bug":
        raise RuntimeError(value)
    return value  # type: ignore[no-any-return]


def _work_and_exit(work: Callable[[], object], writing: int, dump: IO[bytes]) -> None:
    """What the fork does."""
    faulthandler.register(signal.SIGUSR1, file=dump, all_threads=False)
    answer: tuple[str, Any]
    try:
        answer = "result", work()
    except WorldError as error:
        answer = "error", str(error)
    except BaseException as error:  # noqa: BLE001 - whoever waits for it has to hear of it
        answer = "bug", "".join(traceback.format_exception(error))
    sys.stdout.flush()
    data = memoryview(pickle.dumps(answer))
    with suppress(BrokenPipeError):
        while data:
            data = data[os.write(writing, data) :]
    os._exit(0)  # what is left of the world's threads is not thrown away: its programs would tidy up


def _read_all(reading: int, until_s: float) -> bytes | None:
    """Until the other end closes; None where that takes too long.

    :raises Died: where it is too much.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        ready, _, _ = select.select([reading], [], [], max(0, until_s - time.monotonic()))
        if not ready:
            return None
        part = os.read(reading, READ_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > RESULT_BYTES_MAX:
            raise Died(f"its answer has more than {RESULT_BYTES_MAX} bytes")


def _where(pid: int, dump: IO[bytes]) -> str:
    """Where a fork is that does not come to its end."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
    until_s = time.monotonic() + DUMPED_WITHIN_S
    text = ""
    while time.monotonic() < until_s:
        dump.seek(0)
        text = dump.read().decode(errors="replace")
        if text.count("\n") > 1:
            break
        select.select([], [], [], 0.02)
    return listed(line.strip() for line in text.splitlines() if line.startswith("  File"))


def _hung(plan: Plan, timeout_s: float, where: str) -> Result:
    message = (
        f"the run has not ended after {timeout_s:g} s of real time: something runs on and on and asks nothing of its "
        f"system. It was, innermost first, at\n{where}"
    )
    return _ended_early(plan, system.HANG, message)


def _ended_early(plan: Plan, oracle: str, message: str) -> Result:
    """Nothing else is known of the run."""
    finding = Finding(oracle, message)
    return Result(plan, Verdict.VIOLATION, (finding,), digest="", operations=0, events=0, duration_ns=0)
