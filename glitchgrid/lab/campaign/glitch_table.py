"""The table of glitches: how soon each is found, by which oracle, and the smallest run that shows it."""

from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, frozen

from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.campaign import run_campaign
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.shrink import Shrunk, shrink
from glitchgrid.lab.campaign.tasks import Task
from glitchgrid.lab.campaign.workers import Workers
from glitchgrid.lab.glitch import Glitch
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.system import System
from glitchgrid.lab.verdict import Verdict

SHRINKING_RUNS_MAX = 400
"""`glitchgrid shrink` may go on for longer; here all glitches of a system are shrunk."""

BEYOND = 60
"""A glitch that was found from the outside is looked for inside for so many seeds."""


@frozen
class Row:
    """What became of the search for one glitch.

    :ivar outside: the oracles that see no more than clients do.
    :ivar seeds: how many were run.
    :ivar first: of each oracle that has found something, the first seed in which it did.
    :ivar shrunk: of the first run that clients could tell from a good one, else of the first that was found at all.
    """

    glitch: Glitch
    outside: tuple[str, ...]
    seeds: int
    first: dict[str, int]
    shrunk: Shrunk | None = None

    @property
    def from_outside(self) -> int | None:
        """How many seeds it took until it showed outside."""
        oracle = self.outside_oracle
        return None if oracle is None else self.first[oracle] + 1

    @property
    def outside_oracle(self) -> str | None:
        """Which of the outer oracles was the first."""
        outer = (oracle for oracle in self.first if oracle in self.outside)
        return min(outer, key=lambda each: self.first[each], default=None)

    @property
    def from_inside(self) -> int | None:
        """How many seeds it took until another oracle found it."""
        inside = [seed for oracle, seed in self.first.items() if oracle not in self.outside]
        return min(inside) + 1 if inside else None


def find_glitches(
    system: System,
    names: Sequence[str],
    seeds: int,
    workers: Callable[[], Workers],
    progress: Callable[[str, int], object],
) -> Iterator[Row]:
    """Look for each glitch in the seeds of the clean campaign, from 0 on.

    :param progress: is told of the glitch, and of how many of its seeds were run.
    """
    return (_find(system, system.glitches[name], seeds, workers(), progress) for name in names)


def _find(system: System, glitch: Glitch, seeds: int, workers: Workers, progress: Callable[[str, int], object]) -> Row:
    tasks = (Task(seed, system.draw_layout(str(seed)), glitch=glitch.name) for seed in range(seeds))
    row = Row(glitch, system.oracles.outside, 0, {})
    plans: dict[str, Plan] = {}
    results = run_campaign(tasks, workers)
    for count, result in enumerate(results, start=1):
        progress(glitch.name, count)
        row = evolve(row, seeds=count)
        _note(result, count - 1, row.first, plans)
        if row.from_outside is not None and (count > BEYOND or row.from_inside is not None):
            results.close()
            break
    oracle = row.outside_oracle or min(row.first, key=lambda each: row.first[each], default=None)
    if oracle is None:
        return row
    with interruption.heeded():
        shrunk = shrink(plans[oracle], glitch.name, oracle=oracle, runs_max=SHRINKING_RUNS_MAX)
    if shrunk.is_interrupted:
        raise KeyboardInterrupt
    return evolve(row, shrunk=shrunk)


def _note(result: Result, seed: int, first: dict[str, int], plans: dict[str, Plan]) -> None:
    if result.verdict is not Verdict.VIOLATION:
        return
    for finding in result.findings:
        if finding.oracle not in first:
            first[finding.oracle] = seed
            plans[finding.oracle] = result.plan
