"""What a campaign came to, in words and as JSON."""

from collections import Counter
from typing import Any

from attrs import define, field

from glitchgrid.commands.calling import command
from glitchgrid.lab.campaign.campaign import Summary
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.register.plans import grid_of
from glitchgrid.lab.register.properties import of_servers
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict

FAILURES_TOLD_MAX = 1000
"""A campaign may have more; they are counted."""


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

    def show(self) -> None:
        summary = self.summary
        counts = ((verdict, summary.verdicts[verdict]) for verdict in Verdict)
        print(f"{summary.seeds} seeds: {', '.join(f'{count} {verdict.value}' for verdict, count in counts if count)}")
        faults = summary.faults.total()
        print(f"{summary.operations} operations, {faults} faults; how often runs reached what they should:")
        for line in self.summary.system.lines:
            print(f"{summary.reached[line] or 'never':>9}  {line}")
        self._show_properties()
        replay = ""
        for violation in self.violations:
            if replay and replay != violation["replay"]:
                print(f"  {replay}")
            replay = violation["replay"]
            print(f"seed {violation['seed']}, {violation['oracle']}: {violation['message']}")
        if replay:
            print(f"  {replay}")
        print(f"digest {summary.digest}")

    def _show_properties(self) -> None:
        """How many of the properties that servers state of themselves hold, and which do not."""
        standings = {each: each.standing(self.summary.stated) for each in of_servers()}
        counts = Counter(standings.values())
        print(f"properties: {', '.join(f'{counts[standing]} {standing}' for standing in Standing)}")
        for each, standing in standings.items():
            if standing is not Standing.PASSED:
                print(f"{standing:>11}  {each.text} ({each.kind}, {each.file}:{each.line})")

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
