"""``glitchgrid up``: a grid to play with, and a table of what it does."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen
from rich.console import Console
from rich.live import Live
from twisted.internet.task import deferLater

from glitchgrid.commands.lastup import noted
from glitchgrid.commands.running import run
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.processes.localgrid import HOST, LocalGrid, Member, port_in_use
from glitchgrid.lab.register.processes.watch import Sight, Watch, changes, table

LOOK_EVERY_S = 1.0
RESTART_AFTER_S = 5.0
PORT_MAX = 65535


@frozen
class Settings:
    """`port` is that of the first control; the vaults follow it, and further controls follow them."""

    vaults: int
    controls: int
    port: int
    data_dir: Path | None
    protocol: str
    glitch: str | None = None


def up(settings: Settings) -> None:
    run(lambda reactor: Up(reactor, settings).run(), status_when_stopped=0)


class Up:
    """One run of the command."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._console = Console(soft_wrap=True, highlight=False)
        self._down_since: dict[Member, float] = {}

    async def run(self) -> NoReturn:
        """Runs until it is cancelled."""
        settings = self._settings
        controls, vaults = _ports(settings)
        with tempfile.TemporaryDirectory(prefix="glitchgrid-") as temporary:
            directory = settings.data_dir or Path(temporary)
            _make(directory)
            grid = LocalGrid(self._reactor, directory, controls, vaults, settings.protocol, settings.glitch)
            try:
                await grid.start()
                self._console.print(f"Try: curl -d 7 http://{HOST}:{settings.port}/", markup=False)
                if settings.glitch is not None:
                    self._console.print(f"{settings.glitch} is on: {GLITCHES[settings.glitch].what}", markup=False)
                fate = "kept" if settings.data_dir else "gone when this ends"
                self._console.print(f"Data and logs are in {directory} ({fate}).", markup=False)
                with noted([control.address for control in grid.controls]):
                    await self._show(grid)
            finally:
                await grid.stop()

    async def _show(self, grid: LocalGrid) -> NoReturn:
        """Once a second: ask every server, show the answers, and restart servers that have died."""
        watch = Watch(self._reactor, grid)
        sights: list[Sight] = []
        try:
            with Live(console=self._console, auto_refresh=False, transient=True) as live:
                while True:
                    before, sights = sights, await watch.look()
                    if self._console.is_terminal:
                        live.update(table(sights), refresh=True)
                    else:
                        for line in changes(before, sights):
                            print(line, flush=True)
                    self._restart_the_dead(grid)
                    await deferLater(self._reactor, LOOK_EVERY_S)
        finally:
            await watch.close()

    def _restart_the_dead(self, grid: LocalGrid) -> None:
        """Restart servers that have been down for a while. Until then people can see the grid without them."""
        now_s = self._reactor.seconds()
        for member in grid.members:
            if member.running:
                self._down_since.pop(member, None)
            elif now_s - self._down_since.setdefault(member, now_s) >= RESTART_AFTER_S:
                del self._down_since[member]
                member.start()


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
