"""Runs of a test for whoever has not put the seam in: a campaign's workers, a command."""

import importlib.util
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from glitchgrid.lab.campaign.pool import Pool
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.place.environment import own_hash_seed
from glitchgrid.lab.plan.file import decode_plan, encode_plan
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.verdict import Finding, Verdict
from glitchgrid.testing.decorator import Simulated
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.system import HANG, TESTS, TestLayout
from glitchgrid.testing.zygote import Zygote


class Elsewhere:
    """A `glitchgrid.lab.system.Runner`."""

    def __init__(self) -> None:
        self._zygotes = Pool(_begin)

    def run_seed(self, seed: str, layout: Layout, *, keep_trace: bool, hash_seed: int | None) -> Result:
        return self._ask(layout, hash_seed, lambda zygote: zygote.run_seed(seed, trace=keep_trace))

    def run_plan(self, plan: Plan, *, keep_trace: bool, hash_seed: int | None) -> Result:
        return self._ask(plan.layout, hash_seed, lambda zygote: zygote.run_plan(encode_plan(plan), trace=keep_trace))

    def _ask(self, layout: Layout, hash_seed: int | None, ask: Callable[[Zygote], dict[str, Any]]) -> Result:
        assert isinstance(layout, TestLayout), "it is a test's"
        key = layout.test, own_hash_seed() if hash_seed is None else hash_seed
        zygote = self._zygotes.take(key)
        try:
            result = _result(ask(zygote))
        except BaseException:
            zygote.close()
            raise
        if result.is_found_by(HANG):
            zygote.close()  # without forks, the process that ran the test has ended with it
        else:
            self._zygotes.give(key, zygote)
        return result


def _begin(key: tuple[str, int]) -> Zygote:
    name, hash_seed = key
    test = find(name)
    zygote = Zygote(test.address, test.settings, hash_seed)
    try:
        zygote.begin(test, (), {})
    except BaseException:
        zygote.close()
        raise
    return zygote


def _result(answer: dict[str, Any]) -> Result:
    return Result(
        plan=decode_plan(answer["plan"], TESTS.plans),
        verdict=Verdict(answer["verdict"]),
        findings=tuple(
            Finding(oracle, message, at_ns, tuple(operations))
            for oracle, message, at_ns, operations in answer["findings"]
        ),
        digest=answer["digest"],
        operations=answer["operations"],
        events=answer["events"],
        duration_ns=answer["duration_ns"],
        reached=Counter(answer["reached"]),
        history=answer["history"],
        stated=Counter({(text, held): count for text, held, count in answer["stated"]}),
        trace=tuple(answer["trace"]),
    )


_imports = threading.Lock()


def find(address: str) -> Simulated:
    """The test at FILE::NAME.

    :raises WorldError: where there is none.
    """
    file, _, name = address.partition("::")
    if not name or not os.path.isfile(file):
        raise WorldError(f"{address!r} is no test: FILE::NAME, and the file has to be there")
    try:
        with _imports:
            found: Any = _import(Path(file).resolve())
    except Exception as error:
        raise WorldError(f"{file} can't be imported: {type(error).__name__}: {error}") from error
    for part in name.split("::"):
        found = getattr(found, part, None)
    test = getattr(found, "__simulated__", None)
    if not isinstance(test, Simulated):
        raise WorldError(f"{file} has no simulated test called {name}")
    return test


def _import(path: Path) -> ModuleType:
    """A file as the module that it is: within its packages, if it is in some."""
    root = path.parent
    while (root / "__init__.py").exists():
        root = root.parent
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    found = sys.modules.get(name)
    if found is not None and getattr(found, "__file__", None) == str(path):
        return found
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no file of Python's")
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made
