"""Runs a simulated test at all its seeds, and tells of the first that fails."""

import atexit
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from glitchgrid.simulation.kernel.place import HASH_SEED
from glitchgrid.testing import settings
from glitchgrid.testing.decorator import Simulated
from glitchgrid.testing.errors import SimulationFailed, WorldError
from glitchgrid.testing.settings import SHARED, Options, Settings
from glitchgrid.testing.zygote import Zygote

SHRINK_RUNS_MAX = 300
"""A test that fails in a suite of tests is to be told of soon."""

PLAN_BYTES_MAX = 10_000_000
PASSED = "passed"
FAULTS_TOLD = 12
OTHER_HASH_SEED = HASH_SEED + 1
NOT_SHRUNK = {"hang", "died", "determinism"}
"""Each run of these takes too long, or says nothing of the next."""


def drive(test: Simulated, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Run a test as its settings and the command line say.

    :raises SimulationFailed: at the first seed that fails, with all that there is to say of it.
    :raises WorldError: where it can't be run as it is written.
    """
    __tracebackhide__ = True
    options = settings.current()
    if options.html is not None:
        _require_writable(Path(options.html).absolute())
    if options.plan is not None:
        text = _read_plan(options.plan)
        with _zygotes(test, arguments, named, 1) as (zygote,):
            _require_passed(test, options, zygote, zygote.run_plan(text), None, is_plan=True)
        return
    seeds = [options.seed] if options.seed is not None else list(map(str, range(options.seeds or test.settings.seeds)))
    with ExitStack() as stack:
        zygotes = stack.enter_context(_zygotes(test, arguments, named, min(options.jobs, len(seeds))))
        others = stack.enter_context(_zygotes(test, arguments, named, int(options.check), OTHER_HASH_SEED))
        for count, (zygote, result) in enumerate(_results(zygotes, seeds, str(test.address))):
            for other in others:
                result = _compared(result, other.run_plan(result["plan"]))  # noqa: PLW2901 - with what was found
            _require_passed(test, options, zygote, result, count)


def _read_plan(path: str) -> str:
    try:
        if os.path.getsize(path) > PLAN_BYTES_MAX:
            raise WorldError(f"--sim-plan {path}: it has more than {PLAN_BYTES_MAX} bytes")
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorldError(f"--sim-plan {path}: it can't be read: {error}") from error


def _require_writable(path: Path) -> None:
    """:raises WorldError: before anything is run."""
    if not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK) or path.is_dir():
        raise WorldError(f"--sim-html {path}: it can't be written; name a file in a directory that is there")


_Key = tuple[str, Settings, int]
_ready: dict[_Key, list[Zygote]] = {}
"""Processes that have imported a file, for its next test. They end with this one."""


@contextmanager
def _zygotes(
    test: Simulated, arguments: tuple[Any, ...], named: Mapping[str, Any], count: int, hash_seed: int = HASH_SEED
) -> Iterator[list[Zygote]]:
    """So many processes that are ready to run the test."""
    file = test.address.file
    key = file, replace(test.settings, seeds=1, timeout_s=1, modules=SHARED, fork=True), hash_seed
    for others in [each for each in _ready if each[0] != file]:
        for zygote in _ready.pop(others):
            zygote.close()
    with ExitStack() as stack:
        ready = [each for each in _ready.pop(key, []) if not each.is_closed]
        stack.callback(lambda: _ready.setdefault(key, []).extend(each for each in ready if not each.is_closed))
        while len(ready) < count:
            ready.append(Zygote(test.address, test.settings, hash_seed))
        for zygote in ready[:count]:
            stack.enter_context(zygote.running(test, arguments, named))
        yield ready[:count]


@atexit.register
def _end_all() -> None:
    for each in _ready.values():
        for zygote in each:
            zygote.close()


def _results(zygotes: list[Zygote], seeds: list[str], name: str) -> Iterator[tuple[Zygote, dict[str, Any]]]:
    """What the seeds came to, in their order."""
    with _bar(name, len(seeds)) as advance:
        if len(zygotes) == 1:
            for seed in seeds:
                yield zygotes[0], zygotes[0].run_seed(seed)
                advance()
            return
        with ThreadPoolExecutor(len(zygotes)) as pool:
            for zygote, result in _side_by_side(pool, zygotes, seeds):
                yield zygote, result
                advance()


def _side_by_side(
    pool: ThreadPoolExecutor, zygotes: list[Zygote], seeds: list[str]
) -> Iterator[tuple[Zygote, dict[str, Any]]]:
    free, begun, done, place = list(zygotes), {}, {}, 0
    waiting = iter(enumerate(seeds))
    while place < len(seeds):
        while free and (following := next(waiting, None)) is not None:
            number, seed = following
            zygote = free.pop()
            future: Future[dict[str, Any]] = pool.submit(zygote.run_seed, seed)
            begun[future] = number, zygote
        finished, _ = wait(begun, return_when=FIRST_COMPLETED)
        for future in finished:
            number, zygote = begun.pop(future)
            done[number] = zygote, future.result()
            free.append(zygote)
        while place in done:
            yield done.pop(place)
            place += 1


@contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar for whoever looks on; nothing in a pipe, or where pytest keeps what is printed."""
    console = Console(file=sys.__stderr__)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    is_seen = console.is_terminal and total > 1
    with Progress(*columns, console=console, transient=True, disable=not is_seen) as progress:
        bar = progress.add_task(os.path.basename(name), total=total)
        yield lambda: progress.advance(bar)


def _require_passed(
    test: Simulated,
    options: Options,
    zygote: Zygote,
    result: dict[str, Any],
    passed: int | None,
    *,
    is_plan: bool = False,
) -> None:
    """:raises SimulationFailed: if it has not."""
    __tracebackhide__ = True
    if result["verdict"] != PASSED:
        raise SimulationFailed(_Failure(test, options, zygote, result, passed, is_plan=is_plan).told())


def _compared(result: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """With a finding if the same plan had another digest in another process."""
    if again["digest"] == result["digest"]:
        return result
    finding = ["determinism", f"run twice, it had the digests {result['digest']} and {again['digest']}", 0, []]
    return result | {"verdict": "violation", "findings": [*result["findings"], finding]}


class _Failure:
    """A run that has failed, and what is said of it."""

    def __init__(
        self,
        test: Simulated,
        options: Options,
        zygote: Zygote,
        result: dict[str, Any],
        passed: int | None,
        *,
        is_plan: bool,
    ) -> None:
        self._test = test
        self._options = options
        self._zygote = zygote
        self._result = result
        self._passed = passed
        self._is_plan = is_plan

    def told(self) -> str:
        seed = _seed_of(self._result["plan"])
        before = f" (after {self._passed} that passed)" if self._passed else ""
        replay = f"{self._replay()} --sim-seed {seed}" if self._by_pytest else f"{self._replay(seed)}"
        lines = [f"seed {seed}{before} fails", "", *self._findings(self._result)]
        if not self._is_plan:
            lines += ["", f"again: {replay}"]
        oracle = self._result["findings"][0][0]
        shrinks = self._options.shrink_plan if self._is_plan else self._options.shrink
        if self._result["faults"] and shrinks and oracle not in NOT_SHRUNK:
            lines += ["", *self._shrunk(oracle, replay)]
        elif self._options.html is not None:
            self._zygote.run_plan(self._result["plan"], html=os.path.abspath(self._options.html), replay=replay)
            lines.append(f"picture: {Path(self._options.html).absolute().as_uri()}")
        return "\n".join(lines)

    def _findings(self, result: dict[str, Any]) -> Iterator[str]:
        for oracle, message, at_ns, _ in result["findings"]:
            yield f"{oracle}, at {at_ns / 10**9:.3f} s: {message}"

    def _shrunk(self, oracle: str, replay: str) -> Iterator[str]:
        html = os.path.abspath(self._options.html) if self._options.html is not None else ""
        with _bar("shrinking", SHRINK_RUNS_MAX) as advance:
            found = self._zygote.shrink(
                self._result["plan"], oracle, SHRINK_RUNS_MAX, lambda _runs, _left: advance(), html, replay
            )
        plan = self._keep(found["plan"])
        count = len(found["faults"])
        noun = "fault" if count == 1 else "faults"
        yield f"shrunk in {found['runs']} runs to {count} {noun} (of {len(self._result['faults'])}):"
        yield from (f"  {each}" for each in found["faults"][:FAULTS_TOLD])
        if count > FAULTS_TOLD:
            yield f"  and {count - FAULTS_TOLD} more"
        if found["findings"][0][1] != self._result["findings"][0][1]:
            yield from self._findings(found)
        yield f"first difference from the nearest run that passes: {found['difference']}"
        if plan is None:
            yield f"the plan can't be kept here, where nothing may be written: {Path.cwd()}"
        else:
            yield f"again: {self._replay()} --sim-plan {plan}" if self._by_pytest else f"the plan: {plan}"
        if html:
            yield f"picture: {Path(html).as_uri()}"

    def _keep(self, plan: str) -> str | None:
        """The plan in a file, beside where the test is run; None where that can't be written."""
        directory = Path(".glitchgrid")
        path = directory / f"{self._test.function.__qualname__}-{_seed_of(plan)}.plan.json"
        try:
            directory.mkdir(exist_ok=True)
            (directory / ".gitignore").write_text("*\n", encoding="utf-8")
            path.write_text(plan, encoding="utf-8")
        except OSError:
            return None
        return str(path)

    @property
    def _by_pytest(self) -> bool:
        return bool(self._options.replay)

    def _replay(self, seed: str = "") -> str:
        if self._by_pytest:
            return self._options.replay
        address = self._test.address
        return f"{settings.PREFIX}SEED={seed} python -m twisted.trial {address.module}.{address.name}"


def _seed_of(plan: str) -> str:
    return str(json.loads(plan)["seed"])
