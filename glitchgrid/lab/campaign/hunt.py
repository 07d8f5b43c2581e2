"""How soon each glitch is found, by whom, and what is left of a run that shows it: the table of the documentation."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import frozen

from glitchgrid.glitches import GLITCHES, Glitch
from glitchgrid.lab.campaign import interruption
from glitchgrid.lab.campaign.campaign import Task, run_campaign
from glitchgrid.lab.campaign.oracles import OUTSIDE
from glitchgrid.lab.campaign.plan import Plan, Wanted
from glitchgrid.lab.campaign.result import Result, Verdict
from glitchgrid.lab.campaign.shrink import Shrunk, shrink
from glitchgrid.lab.campaign.workers import Workers

SHRINKING_RUNS_MAX = 400
"""`glitchgrid shrink` may go on for longer; here seventeen are shrunk."""

BEYOND = 60
"""A glitch that was found from the outside is looked for inside for so many seeds."""


@frozen
class Hunted:
    """:ivar seeds: how many were run.
    :ivar first: of each oracle that has found something, the first seed in which it did.
    :ivar shrunk: of the first run that clients could tell from a good one, else of the first that was found at all.
    """

    glitch: Glitch
    seeds: int
    first: dict[str, int]
    shrunk: Shrunk | None

    @property
    def from_outside(self) -> int | None:
        """How many seeds it took until it showed outside."""
        oracle = self.outside_oracle
        return None if oracle is None else self.first[oracle] + 1

    @property
    def outside_oracle(self) -> str | None:
        """Which of the outer ones was the first."""
        return _first_outside(self.first)

    @property
    def from_inside(self) -> int | None:
        """How many seeds it took until another oracle did."""
        inside = [seed for oracle, seed in self.first.items() if oracle not in OUTSIDE]
        return min(inside) + 1 if inside else None


def hunt(
    names: Sequence[str], seeds: int, workers: Callable[[], Workers], progress: Callable[[str, int], object]
) -> Iterator[Hunted]:
    """Look for each glitch in the seeds of the clean campaign, from 0 on.

    :param progress: is told of the glitch, and of how many of its seeds were run.
    """
    return (_hunt(GLITCHES[name], seeds, workers(), progress) for name in names)


def _hunt(glitch: Glitch, seeds: int, workers: Workers, progress: Callable[[str, int], object]) -> Hunted:
    tasks = (Task(seed, Wanted().layout(str(seed)), glitch=glitch.name) for seed in range(seeds))
    first: dict[str, int] = {}
    plans: dict[str, Plan] = {}
    results = run_campaign(tasks, workers)
    count = 0
    for count, result in enumerate(results, start=1):
        progress(glitch.name, count)
        _note(result, count - 1, first, plans)
        outside = _first_outside(first)
        if outside is not None and (count > BEYOND or set(first) - set(OUTSIDE)):
            results.close()
            break
    oracle = _first_outside(first) or min(first, key=lambda each: first[each], default=None)
    if oracle is None:
        return Hunted(glitch, count, first, None)
    with interruption.heeded():
        shrunk = shrink(plans[oracle], glitch.name, oracle=oracle, runs_max=SHRINKING_RUNS_MAX)
    if shrunk.is_interrupted:
        raise KeyboardInterrupt
    return Hunted(glitch, count, first, shrunk)


def _first_outside(first: Mapping[str, int]) -> str | None:
    return min((oracle for oracle in first if oracle in OUTSIDE), key=lambda each: first[each], default=None)


def _note(result: Result, seed: int, first: dict[str, int], plans: dict[str, Plan]) -> None:
    if result.verdict is not Verdict.VIOLATION:
        return
    for finding in result.findings:
        if finding.oracle not in first:
            first[finding.oracle] = seed
            plans[finding.oracle] = result.plan
