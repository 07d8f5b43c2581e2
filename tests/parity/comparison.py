"""What became of Twisted's tests in both places, beside each other, and the page that shows it."""

import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import NamedTuple

from tests.parity.reasons import LEFT_OUT, REASONS

MODULES = (
    *("test_core", "test_time", "test_threads", "test_fdset", "test_socket", "test_stdio", "test_tcp", "test_udp"),
    *("test_unix", "test_tls", "test_newtls", "test_process", "test_endpoints", "test_resolver", "test_main"),
    *("test_posixbase", "test_epollreactor", "test_base", "test_pollingfile", "test_sigchld", "test_asyncioreactor"),
    *("test_default", "test_filedescriptor", "test_abstract", "test_udp_internals", "test_posixprocess"),
    *("test_baseprocess", "test_reactormixins"),
)
"""Those of `twisted.internet.test` that drive a reactor, or ask the system for something."""

PASS = "pass"  # noqa: S105 - a verdict
PROCESS = "test_process"
SHARE_MIN, PROCESS_SHARE_MIN = 0.98, 0.60
"""Of what passes on the real machine, so much has to pass in the world: outside of `PROCESS`, and there."""


class Outcome(NamedTuple):
    """As `one_place` writes it."""

    module: str
    name: str
    verdict: str
    problem: str


Test = tuple[str, str]
"""A module, and a test in it."""


class Comparison:
    """:param outcomes: a reactor, a place ("real" or "world"), and what became of a test there."""

    def __init__(self, outcomes: Iterable[tuple[str, str, Outcome]]) -> None:
        self._found: dict[tuple[str, str], dict[Test, Outcome]] = defaultdict(dict)
        for reactor, place, each in outcomes:
            self._found[reactor, place][each.module, each.name] = each

    @property
    def reactors(self) -> list[str]:
        return list(dict.fromkeys(reactor for reactor, _ in self._found))

    @property
    def modules(self) -> list[str]:
        found = {module for tests in self._found.values() for module, _ in tests}
        return [each for each in MODULES if each in found]

    def counts(self, reactor: str, modules: Iterable[str]) -> tuple[int, int]:
        """How many tests of some modules pass on the real machine, and how many of these in the world."""
        wanted = set(modules)
        real = [test for test in self._passing(reactor) if test[0] in wanted]
        return len(real), len(real) - len([test for test in self.missing(reactor) if test[0] in wanted])

    def share(self, reactor: str, *, in_process: bool) -> float:
        modules = [PROCESS] if in_process else [each for each in self.modules if each != PROCESS]
        real, world = self.counts(reactor, modules)
        return world / real if real else 1

    def missing(self, reactor: str) -> dict[Test, str]:
        """What passes on the real machine, and not in the world: with what is said of it there."""
        world = self._found[reactor, "world"]
        return {
            test: world[test].problem if test in world else "it was not run"
            for test in self._passing(reactor)
            if test not in world or world[test].verdict != PASS
        }

    def _passing(self, reactor: str) -> list[Test]:
        return [test for test, outcome in self._found[reactor, "real"].items() if outcome.verdict == PASS]

    def all_missing(self) -> dict[Test, list[str]]:
        """With the reactors with which they are missed."""
        found: dict[Test, list[str]] = defaultdict(list)
        for reactor in self.reactors:
            for test in self.missing(reactor):
                found[test].append(reactor)
        return dict(sorted(found.items(), key=lambda each: (self.modules.index(each[0][0]), each[0][1])))

    def told(self) -> Iterator[str]:
        for reactor in self.reactors:
            rest = self.counts(reactor, [each for each in self.modules if each != PROCESS])
            process = self.counts(reactor, [PROCESS])
            yield f"{reactor}: in the world {rest[1]} of {rest[0]}, and {process[1]} of {process[0]} of {PROCESS}"

    def complaints(self, *, is_whole: bool) -> Iterator[str]:
        """What is not as it has to be.

        :param is_whole: whether all modules were run: then no reason may be left over.
        """
        yield from self._too_few()
        yield from self._unexplained()
        if is_whole:
            yield from self._left_over()

    def _too_few(self) -> Iterator[str]:
        for reactor in self.reactors:
            for in_process, least in ((False, SHARE_MIN), (True, PROCESS_SHARE_MIN)):
                share = self.share(reactor, in_process=in_process)
                if share < least:
                    where = f"of {PROCESS}" if in_process else f"outside of {PROCESS}"
                    yield f"{reactor}: {share:.1%} {where} pass, and {least:.0%} have to"

    def _unexplained(self) -> Iterator[str]:
        for (module, name), reactors in self.all_missing().items():
            if reason_of(module, name) is None:
                problem = self.missing(reactors[0])[module, name]
                yield f"nobody knows why {module} {name} does not pass with {', '.join(reactors)}:\n{problem}"

    def _left_over(self) -> Iterator[str]:
        missing = [f"{module} {name}" for module, name in self.all_missing()]
        for pattern in REASONS:
            if not any(fnmatchcase(each, pattern) for each in missing):
                yield f"all of {pattern!r} pass: the reason why they do not is out of date"


def reason_of(module: str, name: str) -> str | None:
    """Why a test does not pass in the world; None where nobody knows."""
    return next((why for pattern, why in REASONS.items() if fnmatchcase(f"{module} {name}", pattern)), None)


def page(comparison: Comparison) -> str:
    """In Markdown."""
    reactors = comparison.reactors
    lines = [
        "# Twisted's own tests in the world",
        "",
        f"Twisted {version('twisted')} has tests of its reactors. Here they run unmodified, each in a process of a new",
        f"world, beside the same tests on the machine that made this page (Python {platform.python_version()}).",
        f"Of what passes there, {SHARE_MIN:.0%} have to pass in the world, and {PROCESS_SHARE_MIN:.0%} of `{PROCESS}`,",
        "with each of four reactors.",
        "`make twisted-parity` runs both, and writes this page.",
        "",
        "Each field says how many tests pass on the real machine, and how many of these in the world.",
        "",
        "| module | " + " | ".join(reactors) + " |",
        "|---|" + "---|" * len(reactors),
        *(_row(comparison, f"`{module}`", [module]) for module in comparison.modules),
        _row(comparison, f"all but `{PROCESS}`", [each for each in comparison.modules if each != PROCESS]),
        "",
        "## What does not pass, and why",
        "",
        *_missing(comparison),
        "## What is not run",
        "",
        *(f"- {what}: {why}" for what, why in LEFT_OUT.items()),
        "",
    ]
    return "\n".join(lines)


def _row(comparison: Comparison, name: str, modules: list[str]) -> str:
    fields = []
    for reactor in comparison.reactors:
        real, world = comparison.counts(reactor, modules)
        fields.append(f"{real}, {world}" if real != world else f"{real}, all" if real else "none")
    return f"| {name} | " + " | ".join(fields) + " |"


def _missing(comparison: Comparison) -> Iterator[str]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for (module, name), reactors in comparison.all_missing().items():
        some = "" if reactors == comparison.reactors else f" ({', '.join(reactors)})"
        by_reason[reason_of(module, name) or "Nobody knows why."].append(f"`{module}` `{name}`{some}")
    for reason, tests in by_reason.items():
        yield f"{reason}"
        yield ""
        yield from (f"- {each}" for each in tests)
        yield ""
