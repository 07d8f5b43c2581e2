"""``glitchgrid rehearse``: timelines of test commands and faults, against grids of real processes on this machine."""

import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from attrs import asdict, frozen

from glitchgrid.commands.calling import command
from glitchgrid.commands.ending import CANNOT_SAY
from glitchgrid.commands.files import prepare_directory
from glitchgrid.commands.rehearsalview import Printer
from glitchgrid.commands.relayplan import read_faults
from glitchgrid.commands.report import Settings as ReportSettings
from glitchgrid.commands.report import tell
from glitchgrid.commands.running import run
from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.scribe import Scribe
from glitchgrid.lab.composer.servers import Lived, Sent
from glitchgrid.lab.composer.templates import Template, find_templates, names_in, read_template
from glitchgrid.lab.composer.timeline import Timeline
from glitchgrid.lab.composer.watcher import Watcher, Watchers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.plan.plan import Habits, Plan, Planned
from glitchgrid.lab.register.live.relaystage import RelayStage, Servers, drawn
from glitchgrid.lab.register.live.stage import Links
from glitchgrid.lab.register.processes.localgrid import LocalGrid, free_ports
from glitchgrid.lab.register.processes.workload import find_workload
from glitchgrid.lab.register.properties import write_catalogue
from glitchgrid.lab.register.testkit.environment import CONTROLS, SEED, VAULTS
from glitchgrid.lab.register.testkit.environment import TIMELINE as TIMELINE_VARIABLE
from glitchgrid.lab.register.testkit.quiet import STOP_FAULTS
from glitchgrid.lab.rehearsal.nemesis import PlannedNemesis
from glitchgrid.lab.rehearsal.quiet import QuietDoor
from glitchgrid.lab.rehearsal.systemfile import PLAIN
from glitchgrid.lab.relay.link import Passing
from glitchgrid.lab.report.part import TIMELINE, About
from glitchgrid.lab.report.report import CATALOGUE
from glitchgrid.lab.report.sdk import SDK_OUTPUT
from glitchgrid.lab.scratch import scratch_directory
from glitchgrid.register import DEFAULT_PROTOCOL

CONTROLS_COUNT, VAULTS_COUNT = 2, 3
LAYOUT = Servers(VAULTS_COUNT, CONTROLS_COUNT)
SECONDS_PER_MINUTE = 60
SECOND_NS = 1_000_000_000
PLAN = "plan.json"
WORKLOAD = "GLITCHGRID_WORKLOAD"
SDK_VARIABLE = "ANTITHESIS_SDK_LOCAL_OUTPUT"


@frozen
class Settings:
    """:param template: one alone; else all of them in turns.
    :param minutes: for so long a timeline calls drivers.
    :param out: what is left there is what ``glitchgrid report`` reads; nothing is left without.
    :param templates: where they are; else those of this installation.
    :param plan: its faults are carried out, and none are drawn.
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
    plan: Path | None = None


def rehearse(settings: Settings) -> NoReturn:
    run(lambda reactor: Rehearsal(reactor, settings).run(), status_when_stopped=CANNOT_SAY)


class Rehearsal:
    """One run of the command."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._out = Printer()

    async def run(self) -> int:
        """:raises CannotRun: when something is missing, or a grid does not come up."""
        settings = self._settings
        directory = find_templates() if settings.templates is None else settings.templates.resolve()
        if settings.plan is not None:
            read_faults(settings.plan, LAYOUT)  # before anything starts
        names = names_in(directory) if settings.template is None else [settings.template]
        templates = [read_template(directory, name) for name in names]
        with kept(settings.out) as out:
            write_catalogue(out / CATALOGUE, [directory / name for name in names])
            for number in range(1, settings.timelines + 1):
                template = templates[(number - 1) % len(templates)]
                await self._timeline(number, template, out / f"timeline-{number}")
            self._out.line(f"again: {self._again()}")
            return tell(ReportSettings(out))

    async def _timeline(self, number: int, template: Template, directory: Path) -> None:
        settings = self._settings
        directory.mkdir()
        seed = settings.seed + number - 1
        faults = self._faults(seed)
        plan = Plan(f"{seed}", LAYOUT, PLAIN, Habits(), faults, "as it is")
        (directory / PLAN).write_text(encode_plan(plan), encoding="utf-8")
        watcher = Watchers([Scribe(directory), self._out])
        relays = Links(self._reactor, partial(_arrived, watcher))
        grid = self._grid(directory, relays, watcher)
        names, keepers = (tuple(member.name for member in members) for members in (grid.members, grid.vaults))
        about = About(template.name, seed, settings.glitch, names, keepers=keepers)
        lines.append(directory / TIMELINE, asdict(about))
        self._out.line(f"timeline {number}: {template.name}, seed {seed}, {len(faults)} faults planned")
        stage = RelayStage(grid, relays)
        nemesis = PlannedNemesis(self._reactor, stage, faults, grid.until_all_listen, directory, watcher)
        door = QuietDoor(self._reactor, directory)
        timeline = Timeline(
            self._reactor,
            template,
            nemesis,
            random.Random(seed),
            directory,
            {**_environment(directory, grid), STOP_FAULTS: str(door.program)},
            SEED,
            self._drivers_s,
            settings.patience_s,
            watcher.called,
        )
        try:
            await grid.start()
            door.open(nemesis.quiet)
            with self._out.progress(self._reactor, directory, self._drivers_s, len(faults)):
                await timeline.run()
        finally:
            await door.close()
            await grid.stop()
            await relays.close()

    @property
    def _drivers_s(self) -> float:
        return self._settings.minutes * SECONDS_PER_MINUTE

    def _faults(self, seed: int) -> Sequence[Planned]:
        plan = self._settings.plan
        return drawn(seed, LAYOUT, self._drivers_s) if plan is None else read_faults(plan, LAYOUT)

    def _grid(self, directory: Path, relays: Links, watcher: Watcher) -> LocalGrid:
        servers = directory / "servers"
        servers.mkdir()
        ports = free_ports(CONTROLS_COUNT + VAULTS_COUNT)
        grid = LocalGrid(
            self._reactor,
            servers,
            ports[:CONTROLS_COUNT],
            ports[CONTROLS_COUNT:],
            DEFAULT_PROTOCOL,
            self._settings.glitch,
            _output(directory),
            relays.route,
        )
        for member in grid.members:
            member.lived = lambda *life: watcher.lived(Lived(*life))
        return grid

    def _again(self) -> str:
        settings = self._settings
        arguments = ["rehearse", "--timelines", settings.timelines, "--seed", settings.seed]
        arguments += ["--minutes", f"{settings.minutes:g}", "--patience", f"{settings.patience_s:g}"]
        for option, value in (
            ("--template", settings.template),
            ("--templates", settings.templates),
            ("--glitch", settings.glitch),
            ("--plan", settings.plan),
        ):
            if value is not None:
                arguments += [option, value]
        return command(*map(str, arguments))


def _output(directory: Path) -> Mapping[str, str]:
    """For all that states properties."""
    return {SDK_VARIABLE: str(directory / SDK_OUTPUT)}


def _environment(directory: Path, grid: LocalGrid) -> Mapping[str, str]:
    """That of the test commands, as far as it is of the grid."""
    return {
        **_output(directory),
        # What their first lines ask for by name is to be the Python that runs this.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        CONTROLS: ",".join(member.address for member in grid.controls),
        VAULTS: ",".join(member.address for member in grid.vaults),
        TIMELINE_VARIABLE: str(directory),
        WORKLOAD: str(find_workload()),
    }


def _arrived(watcher: Watcher, passing: Passing) -> None:
    """What is on its way is told of once it has come."""
    if passing.arrived_s is not None:
        sent_ns, arrived_ns = (int(each * SECOND_NS) for each in (passing.sent_s, passing.arrived_s))
        watcher.sent(Sent(passing.source, passing.target, sent_ns, arrived_ns, passing.text))


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
