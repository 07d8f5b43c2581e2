"""The report as one page that needs nothing else: no network, no server, no other file."""

from collections.abc import Callable, Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from glitchgrid.lab.composer.calls import End
from glitchgrid.lab.picture.model import Picture
from glitchgrid.lab.picture.page import as_data, embedded, script, style
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.report.part import Part
from glitchgrid.lab.report.rendering import picture_of
from glitchgrid.lab.report.report import ORDER, VIOLATION, Report
from glitchgrid.lab.report.words import campaign_sums, sums

PICTURES_MAX = 50
"""Of more timelines those that show something are drawn first; the others are in the tables."""

TONES: dict[str, str] = {
    Standing.FAILED: "failed",
    Standing.NEVER_HIT: "unsure",
    Standing.PASSED: "passed",
    VIOLATION: "failed",
    "not linearizable": "failed",
    "cannot say": "unsure",
    "linearizable": "passed",
}


Redraw = Callable[[Part], Picture | None]
"""Draws a part from more than its history, where that can be done."""


def as_page(report: Report, redraw: Redraw = lambda _part: None) -> str:
    """The report as HTML.

    :param redraw: is asked for the picture of the first run of each cause; the others are drawn from their histories.
    """
    environment = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
    campaign = report.campaign
    return environment.get_template("report.html.j2").render(
        title=f"Report on {report.directory.resolve().name}",
        headline=report.headline,
        tone_of_all="failed" if report.is_violated else "unsure" if report.is_broken else "passed",
        sums=sums(report),
        standings=[(standing, report.with_standing(standing)) for standing in ORDER],
        commands=report.commands,
        ends=list(End),
        runs=[_run(report, part) for part in report.parts],
        campaign=campaign,
        causes=[] if campaign is None else [list(cause.lines(campaign.runs)) for cause in campaign.causes],
        campaign_sums=campaign_sums(campaign) if campaign else "",
        tone=TONES,
        pictures=[(part.name, Markup(embedded(as_data(picture)))) for part, picture in _drawn(report, redraw)],
        style=Markup(style()),
        script=Markup(script()),
    )


def _run(report: Report, part: Part) -> tuple[str, str, str, str]:
    """Its name, verdict, why, and the command that runs it again."""
    verdict, why = report.verdict_of(part)
    found = () if report.campaign is None else report.campaign.found_in(part.name)
    return part.name, verdict, why, found[0]["replay"] if found else ""


def _drawn(report: Report, redraw: Redraw) -> Iterator[tuple[Part, Picture]]:
    """What is wrong comes first; of a campaign, the first run of each cause."""
    parts = [part for part in report.parts if part.history is not None or part.calls]
    firsts = [] if report.campaign is None else [f"seed-{cause.first['seed']}" for cause in report.campaign.causes]

    def rank(part: Part) -> tuple[int, bool]:
        is_wrong = part.is_violated or any(call.end is End.FAILED for call in part.calls)
        return firsts.index(part.name) if part.name in firsts else len(firsts), not is_wrong

    for part in sorted(parts, key=rank)[:PICTURES_MAX]:
        yield part, (redraw(part) if part.name in firsts else None) or picture_of(part)
