"""``glitchgrid up``: a grid to play with, and how it is."""

import errno
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

from attrs import evolve, frozen
from rich.console import Console, Group
from rich.live import Live
from twisted.internet.task import deferLater

from glitchgrid.commands.calling import command
from glitchgrid.commands.lastup import noted
from glitchgrid.commands.liveweb import LiveWeb
from glitchgrid.commands.relayplan import read_faults
from glitchgrid.commands.running import run
from glitchgrid.commands.upview import ASCII, FULL, Events, View
from glitchgrid.lab.composer.watcher import Watcher
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.live.relaystage import RelayStage, Servers
from glitchgrid.lab.register.live.stage import Links
from glitchgrid.lab.register.processes.localgrid import HOST, LocalGrid, Member, port_in_use
from glitchgrid.lab.register.processes.watch import Look, Watch, changes
from glitchgrid.lab.rehearsal.nemesis import PlannedNemesis
from glitchgrid.lab.scratch import scratch_directory

LOOK_EVERY_S = 1.0
LIVE_EVERY_S = 0.25
LIVE_READS_EVERY = 4
RESTART_AFTER_S = 5.0
PORT_MAX = 65535


@frozen
class Settings:
    """`port` is that of the first control; the vaults follow it, and further controls follow them.

    :ivar web_port: of the live page; any, for 0. None for no page.
    :ivar plan: its faults are carried out, once the grid is up.
    :ivar token_file: the tokens that the servers take; None where they take everybody.
    """

    vaults: int
    controls: int
    port: int
    data_dir: Path | None
    protocol: str
    glitch: str | None = None
    web_port: int | None = None
    token_file: str | None = None
    plan: Path | None = None


def up(settings: Settings) -> None:
    run(lambda reactor: Up(reactor, settings).run(), status_when_stopped=0)


class Up:
    """One run of the command."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._screen = Screen(reactor)
        self._down_since: dict[Member, float] = {}
        self._kept_down: list[set[Member]] = []

    async def run(self) -> NoReturn:
        """Runs until it is cancelled."""
        settings = self._settings
        controls, vaults = _ports(settings)
        faults = [] if settings.plan is None else read_faults(settings.plan, Servers(len(vaults), len(controls)))
        with scratch_directory() as temporary, self._screen:
            directory = settings.data_dir or temporary
            _make(directory)
            web = None if settings.web_port is None else await LiveWeb.open(self._reactor, settings.web_port)
            links = web.links if web is not None else Links(self._reactor, lambda _: None)
            grid = LocalGrid(
                self._reactor,
                directory,
                controls,
                vaults,
                settings.protocol,
                settings.glitch,
                route=links.route if web is not None or settings.plan is not None else None,
                token_file=settings.token_file,
            )
            self._screen.wait(
                f"Starting {_count(settings.vaults, 'vault')} and {_count(settings.controls, 'control')}."
            )
            nemesis = None
            try:
                await grid.start()
                if settings.plan is not None:
                    nemesis = self._nemesis(grid, links, faults, directory)
                notes = list(self._notes(directory))
                if web is not None:
                    web.begin(grid)
                    notes.insert(0, f"The page: {web.url}")
                self._screen.keep(notes)
                with noted([control.address for control in grid.controls]):
                    await self._show(grid, web)
            finally:
                if nemesis is not None:
                    nemesis.abandon()
                if web is not None:
                    await web.close()
                else:
                    await links.close()
                await grid.stop()

    def _nemesis(self, grid: LocalGrid, links: Links, faults: Sequence[Planned], directory: Path) -> PlannedNemesis:
        """Begin with the faults of a plan."""
        stage = RelayStage(grid, links)
        self._kept_down.append(stage.world.stays_down)

        async def until_well() -> None:
            """Nobody waits for that."""

        nemesis = PlannedNemesis(self._reactor, stage, faults, until_well, directory, FaultsTold(self._screen))
        nemesis.start()
        return nemesis

    def _notes(self, directory: Path) -> Iterator[str]:
        settings = self._settings
        if settings.token_file is None:
            yield f"Try: curl -d 7 http://{HOST}:{settings.port}/"
        else:
            yield f"Try: {command('set', '7', '--token-file', settings.token_file)}"
        if settings.glitch is not None:
            yield f"{settings.glitch} is on: {GLITCHES[settings.glitch].what}"
        yield f"Data and logs are in {directory} ({'kept' if settings.data_dir else 'gone when this ends'})."

    async def _show(self, grid: LocalGrid, web: LiveWeb | None) -> NoReturn:
        """Again and again: ask every server, show the answers, and restart servers that have died."""
        watch = Watch(self._reactor, grid, reads_every=1 if web is None else LIVE_READS_EVERY)
        while True:
            look = await watch.look()
            kept_down = set[Member]().union(*self._kept_down, () if web is None else web.stays_down)
            self._restart_the_dead(grid, kept_down)
            self._screen.show(look, self._restarts())
            if web is not None:
                web.looked(look, self._restarts())
            await deferLater(self._reactor, LOOK_EVERY_S if web is None else LIVE_EVERY_S)

    def _restart_the_dead(self, grid: LocalGrid, stays_down: set[Member]) -> None:
        """Restart servers that have been down for a while. Until then people can see the grid without them.

        :param stays_down: those that somebody wants to be down.
        """
        now_s = self._reactor.seconds()
        for member in grid.members:
            if member.running or member in stays_down:
                self._down_since.pop(member, None)
            elif now_s - self._down_since.setdefault(member, now_s) >= RESTART_AFTER_S:
                del self._down_since[member]
                member.start()

    def _restarts(self) -> dict[str, float]:
        now_s = self._reactor.seconds()
        return {member.name: since_s + RESTART_AFTER_S - now_s for member, since_s in self._down_since.items()}


class FaultsTold(Watcher):
    """Faults in the words of the screen's other lines."""

    def __init__(self, screen: "Screen") -> None:
        self._screen = screen

    def struck(self, fault: Fault, whom: Sequence[str]) -> None:
        self._screen.tell(f"fault: {fault}")

    def healed(self, fault: Fault, whom: Sequence[str]) -> None:
        self._screen.tell(f"over: {fault}")


class Screen:
    """Where it is shown: the whole of a terminal, or lines in a pipe."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._console = Console(soft_wrap=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, screen=self._console.is_terminal)
        self._events = Events()
        self._view = View(None, marks=FULL if self._console.encoding.startswith("utf") else ASCII)
        self._look: Look | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
            signal.signal(signal.SIGWINCH, lambda *_: self._reactor.callFromThread(self._draw))
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            self._live.stop()

    def wait(self, text: str) -> None:
        """Say what is being done while there is nothing to look at yet."""
        self._view = evolve(self._view, waiting=text)
        self._say([text])

    def keep(self, notes: list[str]) -> None:
        """Say what stays true."""
        self._view = evolve(self._view, notes=notes)
        self._say(notes)

    def show(self, look: Look, restarts: Mapping[str, float]) -> None:
        """Show how the grid is."""
        before, self._look = self._look, look
        self._events.note(look, time.strftime("%H:%M:%S"))
        self._view = evolve(self._view, look=look, restarts=restarts, events=self._events.told)
        self._say(changes(before, look))

    def tell(self, line: str) -> None:
        """Say what has just happened."""
        self._events.add(line, time.strftime("%H:%M:%S"))
        self._say([line])

    def _say(self, lines: list[str]) -> None:
        if self._console.is_terminal:
            self._draw()
        else:
            for line in lines:
                print(line, flush=True)

    def _draw(self) -> None:
        size = self._console.size
        self._live.update(Group(*self._view.screen(size.width, size.height)), refresh=True)


def _count(count: int, what: str) -> str:
    return f"{'a' if count == 1 else count} {what}{'' if count == 1 else 's'}"


def _ports(settings: Settings) -> tuple[list[int], list[int]]:
    """The ports of the controls and of the vaults.

    :raises CannotRun: when one is in use or does not exist.
    """
    first_vault = settings.port + 1
    vaults = list(range(first_vault, first_vault + settings.vaults))
    more_controls = vaults[-1] + 1
    controls = [settings.port, *range(more_controls, more_controls + settings.controls - 1)]
    for port in [*controls, *vaults]:
        if port > PORT_MAX:
            raise CannotRun(f"the grid would need port {port}, and {PORT_MAX} is the last: choose another --port")
        if port_in_use(port):
            raise CannotRun(f"port {port} is in use: choose another --port")
    return controls, vaults


def _make(directory: Path) -> None:
    try:
        if directory.exists() and not directory.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise CannotRun(f"data directory {directory} cannot be used: {error.strerror}") from error
