"""The report in words: lines for a terminal, each with how it is shown there."""

import json
from collections import Counter
from collections.abc import Iterator

from glitchgrid.lab.composer.calls import ENDS_WELL, End
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.report.causes import told
from glitchgrid.lab.report.report import VIOLATION, Campaign, Command, Report, Stated

Line = tuple[str, str]
"""The text, and its style."""

STYLES = {VIOLATION: "red", "linearizable": "green", "not linearizable": "red", "cannot say": "yellow"}
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
    yield report.headline, "bold red" if report.is_violated else "bold yellow" if report.is_broken else "bold green"
    if report.campaign is not None:
        yield from _campaign(report.campaign)
    yield sums(report), "bold"
    for each in report.stated:
        if each.standing is not Standing.PASSED:
            yield _stated(each), "red" if each.standing is Standing.FAILED else "yellow"
    for command in report.commands:
        yield from _ended(command)
    never = [each.name for each in report.commands if not each.ends.get(End.PASSED)]
    if never:
        yield f"test commands that have not passed once, as each has to on the platform: {', '.join(never)}", "yellow"
    for part in report.parts:
        verdict, why = report.verdict_of(part)
        what = "run" if part.plan is not None else "history"
        yield f"{what} of {part.name}: {verdict}{f': {why}' if why else ''}", STYLES[verdict]


def _campaign(campaign: Campaign) -> Iterator[Line]:
    for name, said in campaign.about.items():
        yield f"  {name}: {said}", "dim"
    for line in told(campaign.violations, campaign.runs, campaign.runs_failed):
        yield line, ""
    yield campaign_sums(campaign), ""


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
