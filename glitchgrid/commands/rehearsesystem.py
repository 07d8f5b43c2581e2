"""``glitchgrid rehearse --system FILE``: any programs, on real machines of their own, with the simulator's faults."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from attrs import asdict, evolve, frozen

from glitchgrid.commands.calling import command
from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION, tell
from glitchgrid.commands.rehearsalview import Printer, Troubles
from glitchgrid.commands.rehearsalweb import RehearsalWeb
from glitchgrid.commands.rehearse import PLAN, kept
from glitchgrid.commands.report import Settings as ReportSettings
from glitchgrid.commands.report import tell as tell_report
from glitchgrid.commands.running import run
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.calls import Call, End
from glitchgrid.lab.composer.templates import Template, names_in_all, read_merged
from glitchgrid.lab.composer.watcher import Watcher
from glitchgrid.lab.errors import CannotRun, PlanInvalid
from glitchgrid.lab.faults.fault import Fault, OfKeeper, Scope
from glitchgrid.lab.faults.kinds import ASKED_FOR
from glitchgrid.lab.plan.file import decode_faults, encode_plan
from glitchgrid.lab.plan.plan import Habits, Plan, Planned
from glitchgrid.lab.properties import read_catalogue, write_catalogue
from glitchgrid.lab.rehearsal.draws import faults_of
from glitchgrid.lab.rehearsal.otherfiles import refused_services
from glitchgrid.lab.rehearsal.rehearsal import RealTimeline, Wanted
from glitchgrid.lab.rehearsal.stage import Means
from glitchgrid.lab.rehearsal.systemfile import PLAIN, SystemFile, SystemFileInvalid, read_system
from glitchgrid.lab.report.part import TIMELINE, About
from glitchgrid.lab.report.report import CATALOGUE, read_report
from glitchgrid.lab.report.sdk import is_ready
from glitchgrid.machines import cgroups, clocks, means

SECONDS_PER_MINUTE = 60
REHEARSAL = "rehearsal.json"

PLAIN_DISKS, PLAIN_NETWORK = "the disks are plain directories", "the machines share one network"
NO_CLOCKS = "the system file does not have clocks = true"


@frozen
class Settings:
    """:param settings: words of the file's own that are to have another value.
    :param plan: its faults are carried out, and none are drawn.
    :param plain_disks: no disk is of FUSE.
    :param plain_network: the machines share one network, whose links do not fail.
    :param repeat: so often each timeline is run, with the same choices.
    :param web_port: of the page; any, for 0. None for no page.
    :param templates: where the test templates are, if not where the file says.
    :param history: the model of the history, if not the file's.
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
    repeat: int = 1
    web_port: int | None = None
    templates: str | None = None
    history: str | None = None
    plain_network: bool = False


def rehearse_system(settings: Settings) -> NoReturn:
    run(lambda reactor: _Rehearsal(reactor, settings).run(), status_when_stopped=CANNOT_SAY)


def _needs_keepers(kind: type[Fault]) -> bool:
    return issubclass(kind, OfKeeper) or kind.scope is Scope.KEEPERS


def check_system(settings: Settings) -> NoReturn:
    run(lambda reactor: _check(reactor, settings), status_when_stopped=CANNOT_SAY)


async def _check(reactor: Any, settings: Settings) -> int:
    """Is all there that a rehearsal needs, and does every test command pass while nothing fails?

    :raises CannotRun: for the first thing that is missing or wrong.
    """
    out = Printer()
    hand = Stagehand(reactor, settings, out, [Troubles(out)])
    hand.require_means()
    templates = hand.templates()
    hand.faults(settings.seed)
    failed = 0
    with kept(settings.out) as directory:
        for number, template in enumerate(templates, start=1):
            calls = await hand.rehearse_commands(template, directory / f"timeline-{number}")
            for call in calls:
                out.line(f"{template.name}/{call.command}: {_ended(call)}", "" if call.end is End.PASSED else "red")
            failed += sum(call.end is not End.PASSED for call in calls)
            ready = is_ready(directory / f"timeline-{number}")
            if not ready:
                out.line(f"{template.name}: nobody has said setup_complete, which the platform waits for", "yellow")
    out.line(f"{failed} test commands have not passed" if failed else "every test command has passed, without faults")
    return VIOLATION if failed else GOOD


def _ended(call: Call) -> str:
    return call.end if call.end is End.PASSED or not call.words else f"{call.end}: {call.words[-1]}"


def _read(settings: Settings) -> SystemFile:
    """:raises CannotRun: for what is wrong last; all else has been told by then."""
    try:
        return read_system(settings.file, settings.settings)
    except SystemFileInvalid as error:
        *others, last = error.texts
        for each in others:
            tell(each)
        raise CannotRun(last) from error


def _overridden(system: SystemFile, settings: Settings) -> SystemFile:
    """:raises CannotRun: for a model that there is not."""
    if settings.history is not None:
        if settings.history not in MODELS:
            raise CannotRun(f"--history is {settings.history!r}, and none of {', '.join(sorted(MODELS))}")
        system = evolve(system, history=settings.history)
    if settings.templates is not None:
        system = evolve(system, commands=evolve(system.commands, templates=settings.templates))
    return system


class _Rehearsal:
    """One run of the command."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._out = Printer()
        self._stagehand = Stagehand(reactor, settings, self._out, [self._out])

    async def run(self) -> int:
        """:raises CannotRun: when something is missing, or a server does not come up."""
        settings, hand = self._settings, self._stagehand
        hand.require_means()
        templates = hand.templates()
        if settings.web_port is not None:
            hand.web = RehearsalWeb.open(
                self._reactor, settings.web_port, hand.system.layout(), hand.kinds(), settings.seed
            )
            self._out.line(f"live: {hand.web.url}", "bold")
        try:
            return await self._play_all(templates)
        finally:
            if hand.web is not None:
                await hand.web.close()

    async def _play_all(self, templates: Sequence[Template]) -> int:
        settings, hand = self._settings, self._stagehand
        with kept(settings.out) as out:
            hand.write_about(out)
            for number in range(1, settings.timelines + 1):
                template = templates[(number - 1) % len(templates)]
                await self._timeline(number, template, out)
            self._out.line(f"again: {again(settings)}")
            return tell_report(ReportSettings(out))

    async def _timeline(self, number: int, template: Template, out: Path) -> None:
        settings, hand = self._settings, self._stagehand
        seed = settings.seed + number - 1
        faults = hand.faults(seed)
        self._out.line(f"timeline {number}: {template.name}, seed {seed}, {len(faults)} faults planned")
        places = [out / f"timeline-{number}"]
        if settings.repeat > 1:
            places = [out / f"timeline-{number}-{attempt}" for attempt in range(1, settings.repeat + 1)]
        signs = [await hand.play(template, faults, seed, place) for place in places]
        failed = sum(map(bool, signs))
        if failed:
            one = evolve(settings, seed=seed, timelines=1, template=template.name, out=None)
            self._out.line(f"  it has failed in {failed} of {len(places)} tries; again: {again(one)}")
            for sign, times in Counter(chain.from_iterable(signs)).most_common():
                self._out.line(f"    in {times} by {sign}")


def again(settings: Settings) -> str:
    """The line that does it again."""
    arguments = ["rehearse", "--system", settings.file, "--timelines", settings.timelines]
    arguments += ["--seed", settings.seed, "--minutes", f"{settings.minutes:g}"]
    arguments += ["--patience", f"{settings.patience_s:g}"]
    for name, value in settings.settings.items():
        arguments += ["--set", f"{name}={value}"]
    for option, given in (
        ("--template", settings.template),
        ("--templates", settings.templates),
        ("--history", settings.history),
        ("--plan", settings.plan),
    ):
        if given is not None:
            arguments += [option, given]
    if settings.plain_disks:
        arguments.append("--plain-disks")
    if settings.plain_network:
        arguments.append("--plain-network")
    if settings.repeat > 1:
        arguments += ["--repeat", settings.repeat]
    return command(*map(str, arguments))


class Stagehand:
    """Plays timelines of what was asked for.

    :ivar system: what its file says.
    :ivar web: the page on which it is shown, if there is one.
    """

    def __init__(self, reactor: Any, settings: Settings, out: Printer, watchers: Sequence[Watcher]) -> None:
        """:param watchers: are told what happens.
        :raises CannotRun: where the system file says what it should not.
        """
        self._reactor = reactor
        self._settings = settings
        self._out = out
        self._watchers = watchers
        self.web: RehearsalWeb | None = None
        self.system = _overridden(_read(settings), settings)
        self._can_do = Means()
        self._can_limit = False

    def require_means(self) -> None:
        """:raises CannotRun: when machines cannot be made here."""
        missing = means.missing_for_machines()
        if missing:
            raise CannotRun(missing)
        for refused in refused_services(self._settings.file):
            self._out.line(f"not run: {refused}", "yellow")
        self._can_do = self._means(self.system)
        unlimited = next(filter(None, (cgroups.missing(entry.limits) for _, entry in self.system.names)), "")
        self._can_limit = not unlimited
        if unlimited:
            self._out.line(f"programs are not limited: {unlimited}", "yellow")

    def templates(self) -> Sequence[Template]:
        """:raises CannotRun: where they are not as Test Composer takes them."""
        places = self.system.templates
        names = names_in_all(places) if self._settings.template is None else [self._settings.template]
        return [read_merged(places, name) for name in names]

    def write_about(self, out: Path) -> None:
        """What is needed to do it again, and the properties that somebody states."""
        commands = [command for template in self.templates() for command in template.commands]
        stated = list(dict.fromkeys(command.path.parent for command in commands))
        write_catalogue(out / CATALOGUE, [*stated, *(self.system.here / each for each in self.system.commands.states)])
        file = str(self._settings.file.resolve())
        settings = {**asdict(self._settings), "file": file, "out": None, "plan": None, "web_port": None}
        (out / REHEARSAL).write_text(json.dumps(settings), encoding="utf-8")

    async def rehearse_commands(self, template: Template, directory: Path) -> Sequence[Call]:
        """Each test command once, without faults.

        :raises CannotRun: when a server does not come up.
        """
        directory.mkdir()
        return await self._real_timeline(template, (), self._settings.seed, directory).rehearse_commands()

    async def play(self, template: Template, faults: Sequence[Planned], seed: int, directory: Path) -> Sequence[str]:
        """One timeline. Returns by what it has failed (`Report.signs`): nothing where it has not.

        :raises CannotRun: when a server does not come up at first.
        """
        system = self.system
        directory.mkdir()
        layout = system.layout()
        about = About(template.name, seed, None, tuple(layout.servers), system.history, tuple(layout.keepers))
        lines.append(directory / TIMELINE, asdict(about))
        plan = Plan(f"{seed}", layout, PLAIN, Habits(), faults, "as it is")
        (directory / PLAN).write_text(encode_plan(plan), encoding="utf-8")
        drivers_s = self._settings.minutes * SECONDS_PER_MINUTE
        timeline = self._real_timeline(template, faults, seed, directory)
        if self.web is not None:
            self.web.play(timeline, directory.name, drivers_s, directory)
        try:
            with self._out.progress(self._reactor, directory, drivers_s, len(faults)):
                await timeline.run()
        finally:
            self._keep_what_was_done_by_hand(timeline, plan, directory / PLAN)
        found = read_report(directory, read_catalogue(directory.parent / CATALOGUE), ())
        if self.web is not None:
            self.web.show.played(f"{directory.name}: {found.headline}")
        return found.signs

    def _keep_what_was_done_by_hand(self, timeline: RealTimeline, plan: Plan, path: Path) -> None:
        """In the plan, so that it can be done again."""
        by_hand = [] if timeline.nemesis is None else timeline.nemesis.by_hand
        if by_hand:
            done = sorted([*plan.faults, *by_hand], key=lambda each: each.at_ms)
            path.write_text(encode_plan(evolve(plan, faults=done)), encoding="utf-8")
            where = f"they are in {path}" if self._settings.out else "--out would have kept their plan"
            self._out.line(f"  faults by hand: {len(by_hand)}; {where}")

    def _real_timeline(self, template: Template, faults: Sequence[Planned], seed: int, directory: Path) -> RealTimeline:
        settings = self._settings
        wanted = Wanted(
            self.system,
            template,
            faults,
            seed,
            settings.minutes * SECONDS_PER_MINUTE,
            settings.patience_s,
            not self._can_do.no_disks,
            self._can_limit,
            settings.record,
            not self._can_do.no_links,
        )
        watchers = [*self._watchers, *([] if self.web is None else [self.web.show])]
        return RealTimeline(self._reactor, wanted, directory, watchers)

    def _means(self, system: SystemFile) -> Means:
        """What faults there can be; what is lacking is told once, and what was asked for is not."""
        settings = self._settings
        no_disks = PLAIN_DISKS if settings.plain_disks else means.missing_for_disks()
        no_links = PLAIN_NETWORK if settings.plain_network else means.missing_for_links()
        no_clocks = clocks.missing() if system.clocks else NO_CLOCKS
        for lacking, asked_for, what in (
            (
                no_disks if system.layout().keepers else "",
                PLAIN_DISKS,
                "disks cannot fail here: only kills are left",
            ),
            (no_links, PLAIN_NETWORK, "links cannot fail here, for the machines share one network"),
            (no_clocks, NO_CLOCKS, "clocks do not jump nor drift here"),
        ):
            if lacking and lacking != asked_for:
                self._out.line(f"{what}: {lacking}", "yellow")
        return Means(no_disks, no_clocks, no_links)

    def kinds(self) -> Sequence[type[Fault]]:
        """Of fault that can be done to these machines."""
        has_keepers = bool(self.system.layout().keepers)
        return [kind for kind in self._can_do.kinds() if has_keepers or not _needs_keepers(kind)]

    def faults(self, seed: int) -> Sequence[Planned]:
        """Those of the plan that was given, or those of a seed.

        :raises CannotRun: for a plan with a fault that cannot be done here.
        """
        settings, system, can_do = self._settings, self.system, self._can_do
        layout = system.layout()
        if settings.plan is not None:
            return self.read_plan(settings.plan)
        kinds = self.kinds()
        if system.faults:
            refused = [f"{kind}: {why}" for kind, why in can_do.refusals().items() if kind in system.faults]
            if refused and not (self._settings.plain_disks or self._settings.plain_network):
                self._out.line(f"not done here: {'; '.join(refused)}", "yellow")
            kinds = [kind for kind in kinds if kind.kind in system.faults]
        else:
            kinds = [kind for kind in kinds if kind not in ASKED_FOR]
        return faults_of(seed, layout, kinds, settings.minutes * SECONDS_PER_MINUTE)

    def read_plan(self, path: Path) -> Sequence[Planned]:
        """:raises CannotRun: for a fault that cannot be done here, and for what is no plan."""
        try:
            text = path.read_text(encoding="utf-8")
            return decode_faults(text, self._can_do.kinds(), self._can_do.refusals(), self.system.layout())
        except OSError as error:
            raise CannotRun(f"{path}: {error.strerror}") from error
        except (PlanInvalid, UnicodeDecodeError) as error:
            raise CannotRun(f"{path}: {error}") from error
