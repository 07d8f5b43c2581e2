"""What a run came to."""

from collections import Counter

from attrs import evolve, field, frozen

from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.properties import Seen
from glitchgrid.lab.system import FAULT
from glitchgrid.lab.trace.recording import Recording
from glitchgrid.lab.verdict import Finding, Verdict


@frozen
class Result:
    """:ivar digest: of the trace: two runs with one digest are the same run.
    :ivar operations: how many the clients called.
    :ivar duration_ns: in the run's own time.
    :ivar reached: the table of `reach`, counted.
    :ivar stated: what became of the servers' own properties.
    :ivar trace: as `recording`, only of a run that was kept whole.
    """

    plan: Plan
    verdict: Verdict
    findings: tuple[Finding, ...]
    digest: str
    operations: int
    events: int
    duration_ns: int
    reached: Counter[str] = field(factory=Counter)
    history: str = ""
    trace: tuple[str, ...] = ()
    recording: Recording | None = None
    stated: Seen = field(factory=Counter)

    @property
    def faults(self) -> int:
        """How many faults found something to do."""
        return sum(count for name, count in self.reached.items() if name.startswith(FAULT))

    @property
    def stated_fairly(self) -> Seen:
        """How often each property held and did not, without those failures that a broken assumption explains."""
        if self.verdict is not Verdict.EXPECTED_BROKEN:
            return self.stated
        return Counter({(text, held): count for (text, held), count in self.stated.items() if held})

    def is_found_by(self, oracle: str | None) -> bool:
        """Has this oracle found something? None asks for any."""
        return any(oracle in {None, finding.oracle} for finding in self.findings)

    def with_finding(self, oracle: str, message: str) -> "Result":
        finding = Finding(oracle, message, self.duration_ns)
        return evolve(self, verdict=Verdict.VIOLATION, findings=(*self.findings, finding))
