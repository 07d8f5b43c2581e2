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
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, TypeVar

from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.layout import Layout
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

FRAMES_TOLD = 8
WARM_UP = "warm-up"
SPARE = 10
"""So many more processes of each program are made ready, where faults end some."""

T = TypeVar("T")


class Forks:
    """A `glitchgrid.lab.system.Runner`, for one test."""

    def __init__(self, installed: Installed, test: Test) -> None:
        self._installed = installed
        self._test = test

    def run_seed(self, seed: str, layout: Layout, *, keep_trace: bool) -> Result:
        return self._run(system.plan_of(layout, seed), is_given=False, keep_trace=keep_trace)

    def run_plan(self, plan: Plan, *, keep_trace: bool) -> Result:
        # The machines are those that the test names.
        return self._run(system.with_layout(plan, names=(), targets=()), is_given=True, keep_trace=keep_trace)

    def prepare(self) -> None:
        """Import what the test needs, once: what that is, a first run without any faults has to show."""
        plan = system.plan_of(self._test.layout, WARM_UP)
        if not self._test.settings.fork:
            return
        try:
            shared, recipe, has_faults = forked(lambda: self._learn(plan), self._test.settings.timeout_s)
        except Hung:
            return  # it will hang again, and then it is told of
        for name in shared:
            with suppress(Exception):  # what can't be imported now, is imported when it is needed, or says why not
                importlib.import_module(name)
        if recipe:
            self._installed.embryos.prepare(recipe, SPARE if has_faults else 0)
        gc.collect()
        gc.freeze()
        gc.disable()  # a run is over before there is much to collect, and collecting would write into shared pages

    def _learn(self, plan: Plan) -> tuple[list[str], Any, bool]:
        before = set(sys.modules)
        has_faults = False
        with suppress(WorldError):  # which the first seed will tell of
            result = run(self._installed, self._test, plan, is_given=True, keep_trace=False)
            has_faults = bool(system.layout_of(result.plan).targets)
        recipe = self._installed.embryos.recipe()
        return [name for name in sys.modules if name not in before and name != "__main__"], recipe, has_faults

    def _run(self, plan: Plan, *, is_given: bool, keep_trace: bool) -> Result:
        def work() -> Result:
            return run(self._installed, self._test, plan, is_given=is_given, keep_trace=keep_trace)

        if not self._test.settings.fork:
            return work()
        try:
            return forked(work, self._test.settings.timeout_s)
        except Hung as hung:
            return _hung(plan, self._test.settings.timeout_s, str(hung))


class Hung(Exception):
    """A fork has not come to its end. The message says where it was."""


def forked(work: Callable[[], T], timeout_s: float) -> T:
    """What some work returns, done in a fork of this process.

    :raises Hung: where it takes too long, in real time.
    :raises WorldError: as `work` does.
    :raises ChildProcessError: where the fork has died.
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
        raise ChildProcessError(f"the run has died with status {os.waitstatus_to_exitcode(status)}")
    kind, value = pickle.loads(answer)
    if kind == "error":
        raise WorldError(value)
    if kind == "bug":
        raise ChildProcessError(value)
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
        import traceback  # noqa: PLC0415

        answer = "bug", "".join(traceback.format_exception(error))
    sys.stdout.flush()
    data = memoryview(pickle.dumps(answer))
    with suppress(BrokenPipeError):
        while data:
            data = data[os.write(writing, data) :]
    os._exit(0)  # what is left of the world's threads is not thrown away: its programs would tidy up


def _read_all(reading: int, until_s: float) -> bytes | None:
    """Until the other end closes; None where that takes too long."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([reading], [], [], max(0, until_s - time.monotonic()))
        if not ready:
            return None
        part = os.read(reading, READ_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)


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
    frames = [line.strip() for line in text.splitlines() if line.startswith("  File")]
    return "\n".join(f"  {each}" for each in frames[:FRAMES_TOLD]) or "  (it does not say where)"


def _hung(plan: Plan, timeout_s: float, where: str) -> Result:
    message = (
        f"the run has not ended after {timeout_s:g} s of real time: something runs on and on and asks nothing of its "
        f"system. It was, innermost first, at\n{where}"
    )
    return Result(
        plan, Verdict.VIOLATION, (Finding(system.HANG, message),), digest="", operations=0, events=0, duration_ns=0
    )
