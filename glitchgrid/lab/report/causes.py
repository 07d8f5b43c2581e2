"""Failures by their cause: what was found in many runs is told once, with the first of them."""

import re
from collections.abc import Iterable, Iterator, Mapping

from attrs import define, field

_CHANGES_FROM_RUN_TO_RUN = re.compile(r"[0-9]+")

Violation = Mapping[str, str]
"""seed, oracle, message, replay."""


@define
class Cause:
    """:ivar first: of its violations.
    :ivar seeds: those of the runs in which it was found.
    """

    first: Violation
    seeds: list[str] = field(factory=list)

    def lines(self, seeds_run: int) -> Iterator[str]:
        """For people: what, how often, and how it is run again."""
        count = len(self.seeds)
        runs = f"in {count} of {seeds_run} runs, the first is" if count > 1 else f"in one of {seeds_run} runs,"
        yield f"{self.first['oracle']}: {self.first['message']}"
        yield f"  {runs} seed {self.first['seed']}"
        yield f"  {self.first['replay']}"


def causes(violations: Iterable[Violation]) -> list[Cause]:
    """What the same oracle says in the same words, but for numbers, is one cause. The most frequent is the first."""
    found: dict[tuple[str, str], Cause] = {}
    for violation in violations:
        words = _CHANGES_FROM_RUN_TO_RUN.sub("0", violation["message"])
        cause = found.setdefault((violation["oracle"], words), Cause(violation))
        if violation["seed"] not in cause.seeds[-1:]:
            cause.seeds.append(violation["seed"])
    return sorted(found.values(), key=lambda cause: -len(cause.seeds))


def told(violations: Iterable[Violation], seeds_run: int, runs_failed: int) -> Iterator[str]:
    """All of them, for people; nothing where there is none."""
    found = causes(violations)
    if not found:
        return
    count = "one cause" if len(found) == 1 else f"{len(found)} causes"
    yield f"{count} of failure, in {runs_failed} of {seeds_run} runs:"
    for cause in found:
        yield ""
        yield from cause.lines(seeds_run)
    yield ""
