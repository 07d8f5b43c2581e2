"""What a campaign came to, in words and as JSON."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, field

from glitchgrid.commands.calling import command
from glitchgrid.lab.campaign.campaign import Summary
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.register.plans import grid_of
from glitchgrid.lab.register.properties import of_servers
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.report.causes import told
from glitchgrid.lab.verdict import Verdict

FAILURES_TOLD_MAX = 1000
"""A campaign may have more; they are counted."""


UNREACHED_TOLD_MAX = 5


@define
class Report:
    """The end of a campaign: sums, and each failure with the command that runs it again."""

    glitch: str | None
    summary: Summary = field(factory=lambda: Summary(REGISTER))
    violations: list[dict[str, str]] = field(factory=list)
    first: Result | None = None

    def take(self, result: Result) -> None:
        """One more run."""
        self.summary = self.summary.and_also(result)
        if result.verdict is not Verdict.VIOLATION:
            return
        self.first = self.first or result
        if len(self.violations) < FAILURES_TOLD_MAX:
            self.violations += [
                {
                    "seed": result.plan.seed,
                    "oracle": finding.oracle,
                    "message": finding.message,
                    "replay": replay_line(result, self.glitch),
                }
                for finding in result.findings
            ]

    def show(self, *, coverage: bool = False, quiet: bool = False, kept: Sequence[str] = ()) -> None:
        """The causes of failures first, and the sums last.

        :param coverage: tell of each thing that runs should reach how often they have.
        :param quiet: the sums alone.
        :param kept: what was written, and what can be done next, a line each.
        """
        summary = self.summary
        if not quiet:
            failed = summary.verdicts[Verdict.VIOLATION]
            for line in (*told(self.violations, summary.seeds, failed), *self._covered(coverage=coverage), *kept):
                print(line)
        counts = ((verdict, summary.verdicts[verdict]) for verdict in Verdict)
        verdicts = ", ".join(f"{count} {verdict.value}" for verdict, count in counts if count)
        sums = f"{summary.operations} operations, {summary.faults.total()} faults"
        print(f"{summary.seeds} seeds: {verdicts}; {sums}; digest {summary.digest}")

    def _covered(self, *, coverage: bool) -> Iterator[str]:
        """What runs have reached, and what became of the properties that servers state of themselves."""
        lines, unreached = self.summary.system.lines, self.summary.unreached
        few = 0 < len(unreached) <= UNREACHED_TOLD_MAX
        never = f"; never: {'; '.join(unreached)}" if few else "; --coverage tells which" if unreached else ""
        yield f"reached: {len(lines) - len(unreached)} of {len(lines)} things{never}"
        if coverage:
            for line in lines:
                yield f"{self.summary.reached[line] or 'never':>9}  {line}"
        standings = {each: each.standing(self.summary.stated) for each in of_servers()}
        counts = Counter(standings.values())
        yield f"properties: {', '.join(f'{counts[standing]} {standing}' for standing in Standing)}"
        for each, standing in standings.items():
            if standing is Standing.FAILED or (coverage and standing is not Standing.PASSED):
                yield f"{standing:>11}  {each.text} ({each.kind}, {each.file}:{each.line})"

    def as_json(self) -> dict[str, Any]:
        return {
            "seeds": self.summary.seeds,
            "verdicts": {verdict.value: self.summary.verdicts[verdict] for verdict in Verdict},
            "operations": self.summary.operations,
            "faults": self.summary.faults,
            "reach": {line: self.summary.reached[line] for line in self.summary.system.lines},
            "properties": {each.text: each.standing(self.summary.stated) for each in of_servers()},
            "violations": self.violations,
            "digest": self.summary.digest,
        }

    def stated(self) -> dict[str, Any]:
        """How often runs have evaluated each property, for a report."""
        counts = sorted(self.summary.stated.items())
        return {"stated": [[text, held, count] for (text, held), count in counts]} | self.summary.as_reached()


def replay_line(result: Result, glitch: str | None) -> str:
    """The command that shows one run again, and what was found in it."""
    layout = grid_of(result.plan)
    arguments = ["simulate", "--seed", result.plan.seed, "--steps", layout.steps, "--vaults", layout.vaults]
    arguments += ["--controls", layout.controls, "--protocol", layout.protocol]
    if glitch is not None:
        arguments += ["--glitch", glitch]
    if any(finding.oracle == "determinism" for finding in result.findings):
        arguments.append("--check-determinism")
    return command(*map(str, arguments))
