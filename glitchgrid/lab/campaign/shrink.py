"""Makes a failing run smaller for as long as it fails: fewer faults, fewer clients, a plainer environment.

Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) over the faults,
then everything else that a plan has, one thing after another, again and again until nothing can go any more. What
counts as the same failure is a finding of the same oracle. All of it is simulated, so the same plan shrinks to the
same plan.
"""

from collections.abc import Callable, Iterator

from attrs import evolve, field, frozen

from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.faults.fault import MS_NS
from glitchgrid.lab.plan.plan import FoundWith, Plan
from glitchgrid.lab.system import system_of
from glitchgrid.lab.trace.transcript import heard_in
from glitchgrid.lab.verdict import Finding, Verdict

RUNS_MAX = 2000
"""More runs than this are not made, unless somebody asks for them."""

COARSE = 4


@frozen
class Shrunk:
    """:ivar oracle: what finds it, in the smallest run as in the first one.
    :ivar result: of the smallest plan, with its trace.
    :ivar passing: of the nearest run that was seen to pass, with its trace; None where nothing near passes.
    :ivar differs_by: how that run differs, in words.
    :ivar is_interrupted: the search was interrupted: the plan may get smaller, and no run that passes was looked for.
    """

    oracle: str
    result: Result
    runs: int
    passing: Result | None = None
    differs_by: str = ""
    is_interrupted: bool = False

    @property
    def finding(self) -> Finding:
        """What that oracle says."""
        return next(finding for finding in self.result.findings if finding.oracle == self.oracle)

    @property
    def first_difference(self) -> str:
        """Where the two runs part, in words."""
        if self.is_interrupted:
            return "not looked for"
        if self.passing is None:
            return "no run near it passes"
        pairs = zip(self.result.trace, self.passing.trace, strict=False)
        for here, there in pairs:
            if here != there:
                return f"{_told(here, self.result)}; {self.differs_by}: {_told(there, self.passing)}"
        return f"{self.differs_by} the run ends otherwise"


def _told(line: str, result: Result) -> str:
    """A line of a run's trace, in words."""
    at_ns, who, what = line.rstrip("\n").split(" ", 2)
    assert result.recording is not None, "the run was kept whole"
    match what.split():
        case ["received", connection, length, _digest]:
            text = heard_in(result.recording.flows, system_of(result.plan.layout).read).get((who, int(at_ns)))
            what = f"receives {f'{text!r}' if text else f'{length} bytes'} on connection {connection}"
        case ["write", file, offset, length, digest]:
            what = f"writes {length} bytes ({digest}) into {file}, from {offset} on"
        case ["sync"]:
            what = "syncs a directory"
        case ["sync", file]:
            what = f"syncs {file}"
        case ["sync", file, "fails"]:
            what = f"syncs {file}, which fails"
        case ["accept", connection, "from", other]:
            what = f"accepts connection {connection}, of {other}"
        case ["reset", connection]:
            what = f"sees connection {connection} reset"
    return f"at {int(at_ns) / 10**9:.6f} s {who} {what}"


class NothingToShrink(Exception):
    """The run does not fail."""


Progress = Callable[[int, int], object]
"""Told of each run: how many there were, and how many faults are left."""


@frozen
class _Search:
    glitch: str | None
    oracle: str
    progress: Progress
    runs_max: int
    best: list[Plan] = field(factory=list)
    runs: list[int] = field(factory=lambda: [0])

    def still_fails(self, plan: Plan) -> bool:
        """Try a plan, and keep it if it fails in the same way."""
        if self.runs[0] >= self.runs_max:
            return False
        self.runs[0] += 1
        result = run_plan(plan, glitch=self.glitch)
        fails = result.verdict is Verdict.VIOLATION and result.is_found_by(self.oracle)
        if fails:
            self.best.append(plan)
        self.progress(self.runs[0], len(self.best[-1].faults))
        return fails


def shrink(
    plan: Plan,
    glitch: str | None,
    progress: Progress = lambda _runs, _faults: None,
    oracle: str | None = None,
    runs_max: int = RUNS_MAX,
) -> Shrunk:
    """The smallest plan that fails as `plan` does.

    :param oracle: the oracle that must find the failure; None for the first that finds anything.
    :param runs_max: after so many runs the search ends, with the smallest plan that it has found.
    :raises NothingToShrink: if `plan` does not fail, or if this oracle finds nothing in it.
    """
    first = run_plan(plan, glitch=glitch)
    if first.verdict is not Verdict.VIOLATION or not first.is_found_by(oracle):
        raise NothingToShrink(first.verdict.value)
    oracle = oracle or first.findings[0].oracle
    plan = evolve(plan, found_with=FoundWith(glitch or "", oracle))
    search = _Search(glitch, oracle, progress, runs_max, [plan])
    # What begins after it has shown, or after the end of the run, is not its cause.
    shown_ns = next(finding.at_ns for finding in first.findings if finding.oracle == search.oracle)
    for end_ns in (first.duration_ns, shown_ns):
        search.still_fails(evolve(plan, faults=[each for each in plan.faults if each.at_ms * MS_NS <= end_ns]))
    is_interrupted = False
    try:
        _shrink_all(search)
    except KeyboardInterrupt:
        interruption.heed_no_more()
        is_interrupted = True
    smallest = search.best[-1]
    result = run_plan(smallest, glitch=glitch, keep_trace=True)
    if is_interrupted:
        return Shrunk(search.oracle, result, search.runs[0], is_interrupted=True)
    for differs_by, other, other_glitch in _neighbours(smallest, glitch):
        passing = run_plan(other, glitch=other_glitch, keep_trace=True)
        if passing.verdict is not Verdict.VIOLATION:
            return Shrunk(search.oracle, result, search.runs[0], passing, differs_by)
    return Shrunk(search.oracle, result, search.runs[0])


def _shrink_all(search: _Search) -> None:
    before = None
    while before != search.best[-1]:
        before = search.best[-1]
        # Most of the faults, then what else there is, then fault by fault: a run of few clients takes less time.
        _shrink_faults(search, COARSE)
        _shrink_rest(search)
        _shrink_faults(search, 1)


def _shrink_faults(search: _Search, least: int) -> None:
    """Leave out parts of the faults: halves first, then ever smaller parts, down to `least`."""
    size = len(search.best[-1].faults)
    while size >= least:
        start = 0
        while start < len(faults := search.best[-1].faults):
            rest = (*faults[:start], *faults[start + size :])
            if not search.still_fails(evolve(search.best[-1], faults=rest)):
                start += size
        size //= 2


def _shrink_rest(search: _Search) -> None:
    for simpler in system_of(search.best[-1].layout).simpler:
        for plan in simpler(search.best[-1]):
            if plan != search.best[-1] and search.still_fails(plan):
                break


def _neighbours(plan: Plan, glitch: str | None) -> Iterator[tuple[str, Plan, str | None]]:
    """The runs that are nearest: without the glitch, or without one of the faults, the last one first."""
    if glitch is not None:
        yield "without the glitch", plan, None
    for place in reversed(range(len(plan.faults))):
        rest = (*plan.faults[:place], *plan.faults[place + 1 :])
        yield f"without {plan.faults[place].fault}", evolve(plan, faults=rest), glitch
