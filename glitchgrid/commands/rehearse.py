"""``glitchgrid rehearse``: timelines of test commands and faults, against grids of real processes on this machine."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from attrs import asdict, frozen
from rich.console import Console

from glitchgrid.commands.calling import command
from glitchgrid.commands.ending import CANNOT_SAY
from glitchgrid.commands.files import prepare_directory
from glitchgrid.commands.report import Settings as ReportSettings
from glitchgrid.commands.report import tell
from glitchgrid.commands.running import run
from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.calls import ENDS_WELL, Call
from glitchgrid.lab.composer.nemesis import Nemesis
from glitchgrid.lab.composer.templates import Template, find_templates, names_in, read_template
from glitchgrid.lab.composer.timeline import Timeline
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.processes.localgrid import LocalGrid, free_ports
from glitchgrid.lab.register.processes.strikes import strikes
from glitchgrid.lab.register.processes.workload import find_workload
from glitchgrid.lab.register.properties import write_catalogue
from glitchgrid.lab.register.testkit.environment import CONTROLS, SEED, VAULTS
from glitchgrid.lab.register.testkit.environment import TIMELINE as TIMELINE_VARIABLE
from glitchgrid.lab.report.part import TIMELINE, About
from glitchgrid.lab.report.report import CATALOGUE
from glitchgrid.lab.report.sdk import SDK_OUTPUT
from glitchgrid.lab.scratch import scratch_directory
from glitchgrid.register import DEFAULT_PROTOCOL

CONTROLS_COUNT, VAULTS_COUNT = 2, 3
SECONDS_PER_MINUTE = 60
WORKLOAD = "GLITCHGRID_WORKLOAD"
SDK_VARIABLE = "ANTITHESIS_SDK_LOCAL_OUTPUT"


@frozen
class Settings:
    """:param template: one alone; else all of them in turns.
    :param minutes: for so long a timeline calls drivers.
    :param out: what is left there is what ``glitchgrid report`` reads; nothing is left without.
    :param templates: where they are; else those of this installation.
    :param patience_s: a command that has not ended by then is killed.
    """

    template: str | None
    timelines: int
    seed: int
    minutes: float
    glitch: str | None
    out: Path | None
    templates: Path | None
    patience_s: float


def rehearse(settings: Settings) -> NoReturn:
    run(lambda reactor: Rehearsal(reactor, settings).run(), status_when_stopped=CANNOT_SAY)


class Rehearsal:
    """One run of the command."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._console = Console(soft_wrap=True, highlight=False)
        self._told: set[str] = set()

    async def run(self) -> int:
        """:raises CannotRun: when something is missing, or a grid does not come up."""
        settings = self._settings
        directory = find_templates() if settings.templates is None else settings.templates.resolve()
        names = names_in(directory) if settings.template is None else [settings.template]
        templates = [read_template(directory, name) for name in names]
        with kept(settings.out) as out:
            write_catalogue(out / CATALOGUE, [directory / name for name in names])
            for number in range(1, settings.timelines + 1):
                template = templates[(number - 1) % len(templates)]
                await self._timeline(number, template, out / f"timeline-{number}")
            self._print(f"again: {self._again()}")
            return tell(ReportSettings(out))

    async def _timeline(self, number: int, template: Template, directory: Path) -> None:
        settings = self._settings
        directory.mkdir()
        seed = settings.seed + number - 1
        rng = random.Random(seed)
        ports = free_ports(CONTROLS_COUNT + VAULTS_COUNT)
        output = {SDK_VARIABLE: str(directory / SDK_OUTPUT)}
        servers = directory / "servers"
        servers.mkdir()
        grid = LocalGrid(
            self._reactor,
            servers,
            ports[:CONTROLS_COUNT],
            ports[CONTROLS_COUNT:],
            DEFAULT_PROTOCOL,
            settings.glitch,
            output,
        )
        names, keepers = (tuple(member.name for member in members) for members in (grid.members, grid.vaults))
        about = About(template.name, seed, settings.glitch, names, keepers=keepers)
        lines.append(directory / TIMELINE, asdict(about))
        self._print(f"timeline {number}: {template.name}, seed {seed}")
        nemesis = Nemesis(self._reactor, strikes(grid), grid.until_it_listens, rng, directory, self._struck)
        environment = {
            **output,
            # What their first lines ask for by name is to be the Python that runs this.
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
            CONTROLS: ",".join(member.address for member in grid.controls),
            VAULTS: ",".join(member.address for member in grid.vaults),
            TIMELINE_VARIABLE: str(directory),
            WORKLOAD: str(find_workload()),
        }
        timeline = Timeline(
            self._reactor,
            template,
            nemesis,
            rng,
            directory,
            environment,
            SEED,
            settings.minutes * SECONDS_PER_MINUTE,
            settings.patience_s,
            self._called,
        )
        try:
            await grid.start()
            await timeline.run()
        finally:
            await grid.stop()

    def _called(self, call: Call) -> None:
        """Print a call: every one on a terminal; in a pipe the first of each command that did not end well."""
        if call.end in ENDS_WELL:
            if self._console.is_terminal:
                self._print(f"  {call.command} {call.end}")
        elif self._console.is_terminal or call.command not in self._told:
            self._told.add(call.command)
            self._print(f"  {call.command} {call.end}: {call.words[-1] if call.words else call.status}", "red")

    def _struck(self, what: str) -> None:
        if self._console.is_terminal:
            self._print(f"  {what}", "yellow")

    def _again(self) -> str:
        settings = self._settings
        arguments = ["rehearse", "--timelines", settings.timelines, "--seed", settings.seed]
        arguments += ["--minutes", f"{settings.minutes:g}", "--patience", f"{settings.patience_s:g}"]
        for option, value in (
            ("--template", settings.template),
            ("--templates", settings.templates),
            ("--glitch", settings.glitch),
        ):
            if value is not None:
                arguments += [option, value]
        return command(*map(str, arguments))

    def _print(self, line: str, style: str = "") -> None:
        if self._console.is_terminal:
            self._console.print(line, style=style, markup=False)
        else:
            print(line, flush=True)


@contextmanager
def kept(out: Path | None) -> Iterator[Path]:
    """The directory for what is recorded: the one that was asked for, or a temporary one.

    :raises CannotRun: when it has something in it already, or cannot be made.
    """
    if out is None:
        with scratch_directory() as directory:
            yield directory
        return
    prepare_directory(out)
    if any(out.iterdir()):
        raise CannotRun(f"{out} is not empty; name a directory that is new")
    yield out.resolve()
