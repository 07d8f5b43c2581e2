"""The report as one page that needs nothing else: no network, no server, no other file."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from glitchgrid.lab.composer.calls import End
from glitchgrid.lab.picture.page import as_data, embedded, script, style
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.report.rendering import picture_of
from glitchgrid.lab.report.report import Report, verdict_name, why
from glitchgrid.lab.report.words import campaign_sums, sums

PICTURES_MAX = 50
"""Of more timelines those that show something are drawn first; the others are in the tables."""

TONES: dict[str, str] = {
    Standing.FAILED: "failed",
    Standing.NEVER_HIT: "unsure",
    Standing.PASSED: "passed",
    "not linearizable": "failed",
    "cannot say": "unsure",
    "linearizable": "passed",
}


def as_page(report: Report) -> str:
    """The report as HTML."""
    parts = [part for part in report.parts if part.history is not None or part.calls]
    parts.sort(key=lambda part: not (part.is_violated or any(call.end is End.FAILED for call in part.calls)))
    environment = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("report.html.j2").render(
        title=f"Report on {report.directory.resolve().name}",
        sums=sums(report),
        stated=report.stated,
        commands=report.commands,
        ends=list(End),
        histories=[(part.name, verdict_name(part.verdict), why(part.verdict)) for part in report.parts],
        campaign=report.campaign,
        campaign_sums=campaign_sums(report.campaign) if report.campaign else "",
        tone=TONES,
        pictures=[(part.name, Markup(embedded(as_data(picture_of(part))))) for part in parts[:PICTURES_MAX]],
        style=Markup(style()),
        script=Markup(script()),
    )
