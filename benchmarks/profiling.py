"""Where control's time goes under load.

By sampling, which disturbs little, or by cProfile, which also counts calls and halves the throughput. Either way
there are two answers: the functions by their own time, and the packages: by their own time, and by all the time
that was spent somewhere below one of their functions.
"""

import json
import pstats
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from attrs import frozen

from benchmarks.contenders import CHECKOUT, POLL_S, Contender, Running, start_grid, twistd
from benchmarks.dialects import GridDialect
from benchmarks.errors import CannotMeasure
from benchmarks.wrk import Load, run_wrk

HOWS = ("sample", "cprofile")
STOP_TIMEOUT_S = 20.0
WARM_UP_S = 1
DEEP = ("twisted", "glitchgrid")
"""Packages that are told apart by their modules."""

_SITE = Path(sysconfig.get_path("purelib"))
_STANDARD = Path(sysconfig.get_path("stdlib"))


@frozen
class Spent:
    """Shares of the time, 0 to 1. `calls` is 0 where nobody counted. Packages' inclusive times overlap."""

    name: str
    own: float
    inclusive: float
    calls: int = 0


@frozen
class Profile:
    load: Load
    functions: tuple[Spent, ...]
    packages: tuple[Spent, ...]


def profile(protocol: str, world: str, kind: str, connections: int, seconds: int, how: str, scratch: Path) -> Profile:
    """Start a grid whose control is profiled, load it, and read what was noted.

    :raises CannotMeasure: when the grid does not come up, or wrk fails.
    """
    directory = Path(tempfile.mkdtemp(prefix="glitchgrid-profile-", dir=scratch))
    noted = directory / "noted"
    program = partial(_program, protocol, how, noted)
    contender = Contender("profiled", protocol, GridDialect(), False, partial(start_grid, program))
    try:
        running = contender.start(directory / "grid", world)
        try:
            load = _loaded(running, kind, connections, seconds, how)
            _collect(running, how, noted)
        finally:
            running.close()
        functions, packages = _sampled(noted) if how == "sample" else _counted(noted)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return Profile(load, functions, packages)


def _loaded(running: Running, kind: str, connections: int, seconds: int, how: str) -> Load:
    """The load, after a shorter one that is not looked at."""
    warm_up = run_wrk(running.port, "grid", kind, connections, WARM_UP_S, 1, 1)
    highest = 2 + warm_up.sent
    running.wait(lambda: running.dialect.write(running.port, highest), "the grid after the warm-up")
    if how == "sample":
        running.children["control"].signal(signal.SIGUSR1)
    return run_wrk(running.port, "grid", kind, connections, seconds, 1, highest)


def _collect(running: Running, how: str, noted: Path) -> None:
    """Have control write what it noted. The sampler does so when it is told to, twistd at its end."""
    control = running.children["control"]
    control.signal(signal.SIGUSR2 if how == "sample" else signal.SIGTERM)
    end_s = time.monotonic() + STOP_TIMEOUT_S
    while not noted.exists() or (how == "cprofile" and control.running):
        if time.monotonic() > end_s:
            raise CannotMeasure(f"control did not say within {STOP_TIMEOUT_S:g} s where its time went")
        time.sleep(POLL_S)


def _program(
    protocol: str, how: str, noted: Path, program: str, port: int, vaults: Iterable[int], directory: Path
) -> list[str]:
    command = twistd(protocol)(program, port, list(vaults), directory)
    if program == "vault":
        return command
    if how == "sample":
        return [sys.executable, "-P", str(Path(__file__).with_name("sampler.py")), str(noted), *command[1:]]
    return [command[0], "--profile", str(noted), "--profiler", "cprofile", "--savestats", *command[1:]]


def _sampled(noted: Path) -> tuple[tuple[Spent, ...], tuple[Spent, ...]]:
    own: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    inclusive: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    total = 0
    for stack, count in json.loads(noted.read_text(encoding="utf-8")):
        total += count
        for is_function, names in (
            (True, [function_name(*entry) for entry in stack]),
            (False, [package(entry[0]) for entry in stack]),
        ):
            own[is_function][names[0]] += count
            for name in set(names):
                inclusive[is_function][name] += count
    functions, packages = (
        tuple(
            Spent(name, own[is_function][name] / total, inclusive[is_function][name] / total)
            for name in inclusive[is_function]
        )
        for is_function in (True, False)
    )
    return functions, packages


def _counted(noted: Path) -> tuple[tuple[Spent, ...], tuple[Spent, ...]]:
    """From cProfile's file. It has no stacks: a package's inclusive time is what others' calls into it took."""
    stats = pstats.Stats(str(noted)).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in stats.values())
    functions = []
    own_of: Counter[str] = Counter()
    inclusive_of: Counter[str] = Counter()
    calls_of: Counter[str] = Counter()
    for (file, line, name), (_, calls, own, inclusive, callers) in stats.items():
        functions.append(Spent(function_name(file, name, line), own / total, inclusive / total, calls))
        home = package(file)
        own_of[home] += own
        calls_of[home] += calls
        from_outside = (spent[3] for (caller, _, _), spent in callers.items() if package(caller) != home)
        inclusive_of[home] += sum(from_outside) if callers else inclusive
    packages = [
        Spent(name, own / total, min(inclusive_of[name] / total, 1.0), calls_of[name]) for name, own in own_of.items()
    ]
    return tuple(functions), tuple(packages)


def package(file: str) -> str:
    """What a source file belongs to: `twisted.web`, `treq`, `glitchgrid.vaults.client`, `(standard library)`, ..."""
    if file.startswith(("~", "<")):
        return "(built in, generated)"
    path = Path(file)
    for root, outside in (
        (_SITE, ""),
        (CHECKOUT / "benchmarks", "(benchmarks)"),
        (CHECKOUT, ""),
        (_STANDARD, "(standard library)"),
    ):
        if path.is_relative_to(root):
            parts = path.relative_to(root).with_suffix("").parts
            return outside or ".".join(parts[: 2 if parts[0] in DEEP else 1])
    return "(standard library)" if "/lib/python" in file else "(other)"


def function_name(file: str, name: str, line: int) -> str:
    if file.startswith(("~", "<")):
        return name
    path = Path(file)
    return f"{package(file)}: {path.name}:{line} {name}"
