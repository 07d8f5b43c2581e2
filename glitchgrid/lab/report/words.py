"""The report in words: lines for a terminal, each with how it is shown there."""

import json
from collections import Counter
from collections.abc import Iterator

from glitchgrid.lab.composer.calls import ENDS_WELL
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.report.report import Campaign, Command, Report, Stated, verdict_name, why

Line = tuple[str, str]
"""The text, and its style."""

STYLES = {"linearizable": "green", "not linearizable": "red", "cannot say": "yellow"}
DETAILS_CHARACTERS_MAX = 300


def sums(report: Report) -> str:
    counts = Counter(each.standing for each in report.stated)
    calls = Counter(end for each in report.commands for end, count in each.ends.items() for _ in range(count))
    parts = [f"properties: {', '.join(f'{counts[standing]} {standing}' for standing in Standing)}"]
    if report.ready:
        parts.append(f"setup complete: said {report.ready} times")
    if calls:
        parts.append(f"calls of test commands: {', '.join(f'{count} {end}' for end, count in sorted(calls.items()))}")
    return "; ".join(parts)


def campaign_sums(campaign: Campaign) -> str:
    return f"simulated runs: {', '.join(f'{count} {name}' for name, count in campaign.verdicts.items() if count)}"


def lines_of(report: Report) -> Iterator[Line]:
    yield sums(report), "bold"
    for each in report.stated:
        if each.standing is not Standing.PASSED:
            yield _stated(each), "red" if each.standing is Standing.FAILED else "yellow"
    for command in report.commands:
        yield from _ended(command)
    for part in report.parts:
        verdict = part.verdict
        because = f": {why(verdict)}" if why(verdict) else ""
        yield f"history of {part.name}: {verdict_name(verdict)}{because}", STYLES[verdict_name(verdict)]
    if report.campaign is not None:
        yield campaign_sums(report.campaign), ""
        for violation in report.campaign.violations:
            yield f"seed {violation['seed']}, {violation['oracle']}: {violation['message']}", "red"


def _ended(command: Command) -> Iterator[Line]:
    ends = ", ".join(f"{count} {end}" for end, count in sorted(command.ends.items()))
    yield f"{command.name}: {ends}", "" if ENDS_WELL.issuperset(command.ends) else "red"
    for words in command.first.words if command.first is not None else ():
        yield f"    {words}", "red"


def _stated(stated: Stated) -> str:
    where = f"({stated.property.kind}, {stated.property.file}:{stated.property.line})"
    text = f"{stated.standing:>9}  {stated.property.text} {where}"
    if stated.standing is Standing.FAILED and stated.details:
        text += f"; first: {json.dumps(stated.details)[:DETAILS_CHARACTERS_MAX]}"
    return text
