"""``glitchgrid rehearse --check`` without a system file: what the platform would not take. Nothing is run for it."""

import os
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from glitchgrid.commands.ending import GOOD, VIOLATION, run_to_its_end
from glitchgrid.lab.composer.templates import find_templates, names_in, read_template
from glitchgrid.lab.rehearsal.platformfile import complaints_about
from glitchgrid.lab.report.sdk import SDK_OUTPUT, is_ready

OUTPUT = "ANTITHESIS_OUTPUT_DIR"


@frozen
class Settings:
    """:param compose: a Compose file; None for none.
    :param templates: where they are; else those of this installation.
    :param template: one alone.
    """

    compose: Path | None
    templates: Path | None
    template: str | None


def check_platform(settings: Settings) -> NoReturn:
    """Exit with 0 when it would take all of it, with 1 when something should be otherwise."""
    run_to_its_end(lambda: _check(settings))


def _check(settings: Settings) -> int:
    """:raises CannotRun: for the first template that is not as Test Composer takes it."""
    directory = find_templates() if settings.templates is None else settings.templates
    names = names_in(directory) if settings.template is None else [settings.template]
    for name in names:
        print(f"{name}: {len(read_template(directory, name).commands)} test commands, as Test Composer takes them")
    complaints = []
    if settings.compose is not None:
        complaints = complaints_about(settings.compose)
        for complaint in complaints:
            print(f"{settings.compose}: {complaint}")
        if not complaints:
            print(f"{settings.compose}: as the platform takes it")
    ready = _setup_complete()
    print(f"setup_complete: {ready or 'nobody has said it'}")
    return GOOD if not complaints and ready else VIOLATION


def _setup_complete() -> str:
    """Who has said it: in what a run of the system has left where it was told to; nothing where nobody has."""
    directory = os.environ.get(OUTPUT)
    if directory is None:
        return f"not looked for; start the system with {OUTPUT}=DIR, and check again with the same"
    return f"said in {Path(directory) / SDK_OUTPUT}" if is_ready(Path(directory)) else ""
