"""``glitchgrid report``: what a rehearsal or a simulation has shown."""

import json
from functools import partial
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION, fail, run_to_its_end
from glitchgrid.commands.files import prepare_file, write_file
from glitchgrid.commands.planfile import glitch_for, read_plan
from glitchgrid.commands.printing import show
from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.composer.templates import find_templates
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.picture.model import Picture
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.register.properties import of_servers, of_test_commands
from glitchgrid.lab.report.page import as_page
from glitchgrid.lab.report.part import Part
from glitchgrid.lab.report.report import Report, read_report
from glitchgrid.lab.report.words import lines_of


@frozen
class Settings:
    directory: Path
    as_json: bool = False
    html: Path | None = None
    require_reach: bool = False


def report(settings: Settings) -> NoReturn:
    run_to_its_end(partial(tell, settings))


def report_on(directory: Path) -> Report:
    """The report on a directory, by what this installation's servers and test commands state.

    :raises CannotRun: when there is nothing to report on.
    """
    return read_report(directory, of_servers(), of_test_commands(find_templates()))


def tell(settings: Settings) -> int:
    """Read the report, and print it; returns the exit status.

    :raises CannotRun: when there is nothing to report on, or the page cannot be written.
    """
    if settings.html is not None:
        prepare_file(settings.html)
    found = report_on(settings.directory)
    if settings.html is not None:
        with interruption.heeded():
            page = as_page(found, redrawn)
        write_file(settings.html, page)
    if settings.as_json:
        print(json.dumps(found.as_json()))
    else:
        show(lines_of(found))
    return status_of(found, settings.require_reach)


def redrawn(part: Part) -> Picture | None:
    """The picture of a simulated run that was kept, from its plan: it is run again."""
    if part.plan is None:
        return None
    try:
        plan = read_plan(part.plan)
        glitch = glitch_for(plan, None)
    except CannotRun:  # it is of another system, or of another version; its history is there
        return None
    return picture_of(run_plan(plan, glitch=glitch, keep_trace=True), [])


def status_of(found: Report, require_reach: bool) -> int:
    """The exit status: a violation comes before what was never reached, and before what broke."""
    if found.is_violated:
        return VIOLATION
    if found.is_broken:
        return CANNOT_SAY
    never_hit = found.with_standing(Standing.NEVER_HIT)
    if require_reach and never_hit:
        fail(f"never hit: {'; '.join(each.property.text for each in never_hit)}")
    return GOOD
