"""Runs Twisted's own tests of one reactor: on the real machine, or each in a world of its own.

    python tests/parity/one_place.py real|world REACTOR MODULE...

writes what became of each test to its standard output, a line of JSON for each.
"""

import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from glitchgrid.simulation.kernel.place import without_chance
from glitchgrid.testing.settings import REACTORS

PACKAGE = "twisted.internet.test"

FACTORIES = REACTORS | {"asyncio": f"{PACKAGE}.reactormixins.AsyncioSelectorReactor"}
"""What the tests make their reactors with: for asyncio they have a factory that makes the event loop, too."""

PASS, SKIP, FAIL, HANG = "pass", "skip", "fail", "hang"

TEST_S_MAX = 20
"""Of real time, for each test in the world."""

MODULE_S_MAX = 240
"""Of real time, for all tests of a module on the real machine."""

WORLD_NS_MAX = 300 * 10**9
"""Of the world's time, for each test: more than twice what trial lets a test take."""


class Outcome(NamedTuple):
    """What became of a test.

    :ivar verdict: `PASS`, `SKIP`, `FAIL` or `HANG`.
    :ivar problem: why, unless it has passed.
    """

    module: str
    name: str
    verdict: str
    problem: str


def main() -> None:
    place, reactor, *modules = sys.argv[1:]
    if place == "world":
        without_chance()
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the tests print is not for whoever reads the outcomes
    for outcome in {"real": on_the_real_machine, "world": in_the_world}[place](reactor, modules):
        print(json.dumps(outcome), file=output, flush=True)


def on_the_real_machine(reactor: str, modules: list[str]) -> Iterator[Outcome]:
    """Each module in a fork, which installs the global reactor for itself."""
    from glitchgrid.testing.forks import Hung, forked  # noqa: PLC0415 - as in the world, where the seam goes first

    for module in modules:
        try:
            yield from forked(lambda module=module: _all_of(reactor, module), MODULE_S_MAX)  # type: ignore[misc]
        except (Hung, ChildProcessError) as error:
            yield Outcome(module, "", HANG, str(error))


def _all_of(reactor: str, module: str) -> list[Outcome]:
    from twisted.internet.main import installReactor  # noqa: PLC0415
    from twisted.python.reflect import namedAny  # noqa: PLC0415

    installReactor(namedAny(REACTORS[reactor])())
    return [_outcome(module, each, _run(each)) for each in _cases(reactor, module)]


def in_the_world(reactor: str, modules: list[str]) -> Iterator[Outcome]:
    """Each test in a fork, and there in a process of a new world, which shares its modules with this one."""
    from glitchgrid.simulation.kernel.installed import Installed  # noqa: PLC0415 - nothing goes before the seam

    installed = Installed((), REACTORS[reactor])
    from glitchgrid.testing.forks import Hung, forked  # noqa: PLC0415

    cases = _loaded_in_a_world(installed, reactor, modules)
    gc.collect()
    gc.freeze()
    for module, case in cases:
        try:
            yield forked(lambda case=case, module=module: _in_a_world(installed, module, case), TEST_S_MAX)  # type: ignore[misc]
        except (Hung, ChildProcessError) as error:
            yield Outcome(module, _name(case), HANG, str(error))


def _loaded_in_a_world(installed: Any, reactor: str, modules: list[str]) -> list[tuple[str, Any]]:
    """The tests, by their modules: some make certificates when they are imported, of the day that it is."""
    kernel = installed.new_kernel("imports")
    found: list[tuple[str, Any]] = []

    def load(_reactor: Any) -> None:
        _name_the_worlds_interfaces()
        found.extend((module, case) for module in modules for case in _cases(reactor, module))

    process = installed.run_function(kernel.host("here"), load)
    kernel.run(WORLD_NS_MAX, lambda: not process.alive)
    installed.settle()
    if process.status:
        raise RuntimeError(f"the tests can't be imported: {kernel.output[process].text}")
    return found


def _name_the_worlds_interfaces() -> None:
    """The tests ask C for the machine's interfaces, which answers for the real machine: only here are they told."""
    from twisted.internet.test import _posixifaces  # noqa: PLC0415

    _posixifaces._interfaces = lambda: [("lo", socket.AF_INET6, "::1"), ("eth0", socket.AF_INET6, "fe80::1")]


def _in_a_world(installed: Any, module: str, case: Any) -> Outcome:
    kernel = installed.new_kernel(case.id())
    done: list[Outcome] = []

    def test(_reactor: Any) -> None:
        done.append(_outcome(module, case, _run(case)))

    process = installed.run_function(kernel.host("here"), test)
    kernel.run(WORLD_NS_MAX, lambda: bool(done) or not process.alive)
    installed.settle()
    if done:
        return done[0]
    if process.alive:
        return Outcome(module, _name(case), HANG, "the world stands still")
    return Outcome(module, _name(case), FAIL, f"its process ended with status {process.status}: {process.failure!r}")


def _cases(reactor: str, module: str) -> list[Any]:
    """A module's tests, with this reactor alone."""
    from twisted.internet.test.reactormixins import ReactorBuilder  # noqa: PLC0415
    from twisted.trial.runner import TestLoader  # noqa: PLC0415

    ReactorBuilder._reactors = [FACTORIES[reactor]]
    return list(_flat(TestLoader().loadModule(importlib.import_module(f"{PACKAGE}.{module}"))))


def _flat(found: Any) -> Iterator[Any]:
    if not hasattr(found, "__iter__"):
        yield found
        return
    for each in found:
        yield from _flat(each)


def _run(case: Any) -> Any:
    from twisted.trial.reporter import TestResult  # noqa: PLC0415

    result = TestResult()
    case.run(result)
    return result


def _name(case: Any) -> str:
    """Without the reactor's name, which is part of the name of a class that was made for it."""
    _, owner, method = case.id().rsplit(".", 2)
    for each in REACTORS.values():
        owner = owner.removesuffix(f"_{each.rpartition('.')[2]}Tests")
    return f"{owner}.{method}"


def _outcome(module: str, case: Any, result: Any) -> Outcome:
    for kind, verdict in (("errors", FAIL), ("failures", FAIL), ("unexpectedSuccesses", FAIL), ("skips", SKIP)):
        found = getattr(result, kind)
        if found:
            return Outcome(module, _name(case), verdict, _told(found[0][1]))
    return Outcome(module, _name(case), SKIP if result.expectedFailures else PASS, "")


def _told(problem: Any) -> str:
    with suppress(AttributeError):
        return str(problem.getTraceback())[-4000:]
    return str(problem)


if __name__ == "__main__":
    main()
