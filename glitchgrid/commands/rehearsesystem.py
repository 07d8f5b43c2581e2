"""``glitchgrid rehearse --system FILE``: any programs, on real machines of their own, with the simulator's faults."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from attrs import asdict, frozen
from rich.console import Console

from glitchgrid.commands.calling import command
from glitchgrid.commands.ending import CANNOT_SAY
from glitchgrid.commands.rehearse import kept
from glitchgrid.commands.report import Settings as ReportSettings
from glitchgrid.commands.report import tell
from glitchgrid.commands.running import run
from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.calls import ENDS_WELL, Call
from glitchgrid.lab.composer.templates import Template, names_in, read_template
from glitchgrid.lab.errors import CannotRun, PlanInvalid
from glitchgrid.lab.faults.fault import Fault, OfKeeper, Scope
from glitchgrid.lab.plan.file import decode_faults, encode_plan
from glitchgrid.lab.plan.plan import Environment, Habits, Plan, Planned
from glitchgrid.lab.plan.swarm import draw_faults
from glitchgrid.lab.properties import write_catalogue
from glitchgrid.lab.rehearsal.rehearsal import RealTimeline, Wanted, find_faketime
from glitchgrid.lab.rehearsal.stage import Means
from glitchgrid.lab.rehearsal.systemfile import SystemFile, read_system
from glitchgrid.lab.report.part import TIMELINE, About
from glitchgrid.lab.report.report import CATALOGUE
from glitchgrid.machines import means
from glitchgrid.simulation.random_stream import RandomStream

MS_PER_S = 1000
SECONDS_PER_MINUTE = 60
OFTEN_MS = (300, 1000, 3000)
"""What lies between two faults: real programs take longer to come back than simulated ones."""

DRAWS_MAX = 100

PLAN = "plan.json"
PLAIN = Environment(200, 0, False, 0, 1)


@frozen
class Settings:
    """:param settings: words of the file's own that are to have another value.
    :param plan: its faults are carried out, and none are drawn.
    :param plain_disks: no disk is of FUSE.
    """

    file: Path
    settings: Mapping[str, str]
    template: str | None
    timelines: int
    seed: int
    minutes: float
    plan: Path | None
    plain_disks: bool
    record: bool
    out: Path | None
    patience_s: float


def rehearse_system(settings: Settings) -> NoReturn:
    run(lambda reactor: _Rehearsal(reactor, settings).run(), status_when_stopped=CANNOT_SAY)


def _needs_keepers(kind: type[Fault]) -> bool:
    return issubclass(kind, OfKeeper) or kind.scope is Scope.KEEPERS


class _Rehearsal:
    """One run of the command."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._console = Console(soft_wrap=True, highlight=False)
        self._told: set[str] = set()

    async def run(self) -> int:
        """:raises CannotRun: when something is missing, or a server does not come up."""
        settings = self._settings
        system = read_system(settings.file, settings.settings)
        directory = system.templates
        names = names_in(directory) if settings.template is None else [settings.template]
        templates = [read_template(directory, name) for name in names]
        missing = means.missing_for_machines()
        if missing:
            raise CannotRun(missing)
        can_do = self._means(system)
        with kept(settings.out) as out:
            write_catalogue(out / CATALOGUE, [*(directory / name for name in names), *self._states(system)])
            for number in range(1, settings.timelines + 1):
                template = templates[(number - 1) % len(templates)]
                await self._timeline(number, system, template, can_do, out / f"timeline-{number}")
            self._print(f"again: {self._again()}")
            return tell(ReportSettings(out))

    def _means(self, system: SystemFile) -> Means:
        """What faults there can be; what is lacking is told once."""
        no_disks = "the disks are plain directories" if self._settings.plain_disks else means.missing_for_disks()
        if no_disks and not self._settings.plain_disks and system.layout().keepers:
            self._print(f"disks cannot fail here, and only kills are left: {no_disks}", "yellow")
        no_clocks = "" if system.clocks else "the system file does not have clocks = true"
        if system.clocks and find_faketime() is None:
            raise CannotRun("clocks need libfaketime (Debian: apt-get install libfaketime)")
        return Means(no_disks, no_clocks)

    def _states(self, system: SystemFile) -> Sequence[Path]:
        return [system.here / each for each in system.commands.states]

    def _faults(self, seed: int, system: SystemFile, can_do: Means) -> Sequence[Planned]:
        """:raises CannotRun: for a plan with a fault that cannot be done here."""
        settings, layout = self._settings, system.layout()
        if settings.plan is not None:
            try:
                text = settings.plan.read_text(encoding="utf-8")
                return decode_faults(text, can_do.kinds(), can_do.refusals(), layout)
            except OSError as error:
                raise CannotRun(f"{settings.plan}: {error.strerror}") from error
            except (PlanInvalid, UnicodeDecodeError) as error:
                raise CannotRun(f"{settings.plan}: {error}") from error
        kinds = [kind for kind in can_do.kinds() if layout.keepers or not _needs_keepers(kind)]
        if system.faults:
            refused = [f"{kind}: {why}" for kind, why in can_do.refusals().items() if kind in system.faults]
            if refused and not self._settings.plain_disks:
                self._print(f"not done here: {'; '.join(refused)}", "yellow")
            kinds = [kind for kind in kinds if kind.kind in system.faults]
        until_ms = int(settings.minutes * SECONDS_PER_MINUTE * MS_PER_S)
        # A timeline takes too long to have none: what draws no fault is drawn again.
        draws = (RandomStream(f"{seed}:plan{again}") for again in ("", *map(str, range(DRAWS_MAX))))
        drawn = (draw_faults(rng, layout, kinds, until_ms, OFTEN_MS) for rng in draws)
        return next(filter(None, drawn), ()) if kinds else ()

    async def _timeline(
        self, number: int, system: SystemFile, template: Template, can_do: Means, directory: Path
    ) -> None:
        settings = self._settings
        seed = settings.seed + number - 1
        faults = self._faults(seed, system, can_do)
        directory.mkdir()
        about = About(template.name, seed, None, tuple(system.layout().servers), system.history)
        lines.append(directory / TIMELINE, asdict(about))
        plan = Plan(f"{seed}", system.layout(), PLAIN, Habits(), faults, "as it is")
        (directory / PLAN).write_text(encode_plan(plan), encoding="utf-8")
        self._print(f"timeline {number}: {template.name}, seed {seed}, {len(faults)} faults planned")
        wanted = Wanted(
            system,
            template,
            faults,
            seed,
            settings.minutes * SECONDS_PER_MINUTE,
            settings.patience_s,
            not can_do.no_disks,
            settings.record,
        )
        timeline = RealTimeline(self._reactor, wanted, directory, self._called, self._struck, self._trouble)
        await timeline.run()

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

    def _trouble(self, what: str) -> None:
        """Print what nobody planned; in a pipe each kind of it once."""
        if self._console.is_terminal or what not in self._told:
            self._told.add(what)
            self._print(f"  {what}", "yellow")

    def _again(self) -> str:
        settings = self._settings
        arguments = ["rehearse", "--system", settings.file, "--timelines", settings.timelines]
        arguments += ["--seed", settings.seed, "--minutes", f"{settings.minutes:g}"]
        arguments += ["--patience", f"{settings.patience_s:g}"]
        for name, value in settings.settings.items():
            arguments += ["--set", f"{name}={value}"]
        for option, given in (("--template", settings.template), ("--plan", settings.plan)):
            if given is not None:
                arguments += [option, given]
        if settings.plain_disks:
            arguments.append("--plain-disks")
        return command(*map(str, arguments))

    def _print(self, line: str, style: str = "") -> None:
        if self._console.is_terminal:
            self._console.print(line, style=style, markup=False)
        else:
            print(line, flush=True)
