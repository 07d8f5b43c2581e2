"""``glitchgrid demo``: the workload against a grid that loses a vault on the way, and its verdict.

It closes with a look at the laboratory: a short campaign of simulated runs against a grid with a bug in it.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from twisted.internet import defer

from glitchgrid.commands.calling import NAME, own_name
from glitchgrid.commands.ending import CANNOT_SAY, GOOD
from glitchgrid.commands.running import run
from glitchgrid.lab.child import Child
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.oracles.names import HISTORY
from glitchgrid.lab.register.processes.localgrid import HOST, LocalGrid, free_ports
from glitchgrid.lab.register.processes.watch import Look, Watch
from glitchgrid.lab.register.processes.workload import NUM_STEPS, find_workload, is_write, read_settings
from glitchgrid.sight.members import Vault

VAULTS = 3
GLITCH = "no-write-back"
SEEDS = 100
"""Some ten seconds, on two processors."""

CAMPAIGN_S_MAX = 120
START = "from glitchgrid.cli import main; main()"


def demo(protocol: str) -> None:
    run(lambda reactor: Demo(reactor, protocol).run(), status_when_stopped=CANNOT_SAY)


class Demo:
    """One run of the command."""

    def __init__(self, reactor: Any, protocol: str) -> None:
        self._reactor = reactor
        self._protocol = protocol
        self._console = Console(soft_wrap=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} writes"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._steps = read_settings(os.environ)[NUM_STEPS]
        self._task = self._bar.add_task("workload", total=self._steps)
        self._writes = 0

    async def run(self) -> int:
        workload = find_workload()
        control_port, *vault_ports = free_ports(1 + VAULTS)
        with tempfile.TemporaryDirectory(prefix="glitchgrid-") as directory, self._bar:
            grid = LocalGrid(self._reactor, Path(directory), [control_port], vault_ports, self._protocol)
            try:
                await grid.start()
                self._announce(
                    f"{VAULTS} vaults and a control are up; the workload talks to http://{HOST}:{control_port}/"
                )
                status = await self._work(grid, workload, control_port)
                await self._show_the_end(grid)
            finally:
                await grid.stop()
        verdict = {0: "consistent and correct", 1: "incorrect"}.get(status, "inconsistent")
        self._announce(f"the workload's verdict is {status}: {verdict}")
        if status == GOOD:
            with self._bar:
                await self._show_the_laboratory()
        return status

    async def _show_the_laboratory(self) -> None:
        """Find a deliberate bug in simulated runs, and say how to see it."""
        self._announce(
            f"and now the same code in a simulated world, with a bug in it, {GLITCH}. {GLITCHES[GLITCH].what}"
        )
        self._bar.update(self._task, description=f"{SEEDS} simulated runs", completed=0, total=None)
        said: list[str] = []
        options = ["--glitch", GLITCH, "--seeds", f"0:{SEEDS}", "--json"]
        child = Child.start(self._reactor, [sys.executable, "-c", START, "simulate", *options], said.append)
        try:
            await child.when_ended().addTimeout(CAMPAIGN_S_MAX, self._reactor)
        except defer.TimeoutError:
            self._announce(f"that took longer than {CAMPAIGN_S_MAX} s, and was given up")
            return
        finally:
            child.kill_group()
        try:
            found = json.loads("\n".join(said))
            faults, operations = sum(found["faults"].values()), found["operations"]
            first = next(each for each in found["violations"] if each["oracle"] == HISTORY)
        except (ValueError, KeyError, StopIteration):
            self._announce(f"it was not found: {' '.join(child.errors) or 'try more seeds'}")
            return
        wrong = found["verdicts"]["violation"]
        self._announce(f"{SEEDS} seeds, {operations} operations, {faults} faults: {wrong} runs show it. One of them:")
        self._announce(f"seed {first['seed']}: {first['message']}")
        again = own_name() + first["replay"].removeprefix(NAME)  # the child was called by none
        self._announce(f"to see it, as a page: {again} --html run.html > run.trace")

    async def _work(self, grid: LocalGrid, workload: Path, control_port: int) -> int:
        """Run the workload to its end; returns its exit status."""
        child = Child.start(
            self._reactor,
            ["bash", str(workload), f"{HOST}:{control_port}"],
            lambda line: self._said(grid, line),
        )
        try:
            status = await child.when_ended()
        finally:
            child.kill_group()
        for line in child.errors:
            self._print(line)
        if status < 0:
            raise CannotRun(f"the workload did not come to its end: {child.how_it_ended}")
        return status

    def _said(self, grid: LocalGrid, line: str) -> None:
        """Pass on a line of the workload; kill a vault, or start it again, when the workload has come that far."""
        self._print(line)
        if not is_write(line):
            return
        self._writes += 1
        self._bar.update(self._task, completed=self._writes)
        victim = grid.vaults[-1]
        if self._writes == max(self._steps // 3, 1):
            victim.kill()
            self._announce(
                f"{victim.name} is killed with -9. Two of three vaults are a majority: the grid goes on without it."
            )
        elif self._writes == max(self._steps * 2 // 3, 2):
            victim.start()
            self._announce(f"{victim.name} is started again with what it had on its disk; new writes reach it too.")

    async def _show_the_end(self, grid: LocalGrid) -> None:
        """Say what each vault holds, once the workload has ended."""
        for vault in grid.vaults:
            if vault.running:
                await grid.until_it_listens(vault)
        look = await Watch(self._reactor, grid).look()
        self._announce("at the end " + ", ".join(_held(look, vault) for vault in look.grid.vaults))

    def _announce(self, text: str) -> None:
        self._print(f"demo: {text}")

    def _print(self, line: str) -> None:
        if self._console.is_terminal:
            self._console.print(line, markup=False)
        else:
            print(line, flush=True)


def _held(look: Look, vault: Vault) -> str:
    """What a vault holds, in words."""
    if vault.is_up:
        return f"{vault.name} holds {vault.shown}"
    return f"{vault.name} {'does not answer' if look.processes[vault.name].pid else 'is down'}"
