"""One seed of a campaign: what is asked for, and how it is done."""

from functools import partial

from attrs import evolve, frozen

from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.place.environment import another_hash_seed
from glitchgrid.lab.plan.plan import FoundWith
from glitchgrid.lab.verdict import Verdict


@frozen
class Task:
    """One seed to be run.

    :param is_checked: whether it is run a second time, where hashes are others, and both runs must be the same.
    :param keeps_trace: whether a failure comes with its trace.
    :param glitch: the name of what is switched on meanwhile.
    """

    seed: int
    layout: Layout
    is_checked: bool = False
    keeps_trace: bool = False
    glitch: str | None = None


def perform(task: Task) -> Result:
    """Have one task done, in a process of this machine, and wait for it."""
    run = partial(run_seed, str(task.seed), task.layout, glitch=task.glitch)
    result = found_with(run(), task.glitch)
    if task.is_checked:
        result = compared(result, run(hash_seed=another_hash_seed()))
    if result.verdict is not Verdict.VIOLATION:
        return evolve(result, history="")
    if not task.keeps_trace:
        return result
    return evolve(result, trace=run(keep_trace=True).trace)


def found_with(result: Result, glitch: str | None) -> Result:
    """The result, whose plan says with what it was found."""
    return result if glitch is None else evolve(result, plan=evolve(result.plan, found_with=FoundWith(glitch)))


def compared(result: Result, again: Result) -> Result:
    """The result of a run, with a finding if the same run had another digest elsewhere."""
    if again.digest == result.digest:
        return result
    return result.with_finding("determinism", f"run twice, it had the digests {result.digest} and {again.digest}")
