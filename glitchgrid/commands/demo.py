"""``glitchgrid demo``: a story in two acts. A grid loses vaults and says what it can; then one bug, and who sees it.

The first act is real: processes that are killed, and the bash workload, whose verdict is the command's. The second one
is simulated: the same code with a bug, run after run, until a client can tell.
"""

import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from glitchgrid.commands.calling import command
from glitchgrid.commands.demostage import Stage
from glitchgrid.commands.ending import CANNOT_SAY, GOOD
from glitchgrid.commands.finding import Finding, find, options_of
from glitchgrid.commands.liveweb import LiveWeb
from glitchgrid.commands.running import run
from glitchgrid.lab.child import Child
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.processes.localgrid import HOST, LocalGrid, Member, free_ports
from glitchgrid.lab.register.processes.watch import Look, Watch
from glitchgrid.lab.register.processes.workload import (
    NUM_STEPS,
    find_workload,
    is_write,
    read_settings,
)
from glitchgrid.lab.scratch import scratch_directory
from glitchgrid.sight.asking import Asker
from glitchgrid.sight.members import Vault
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.waiting import abandon

VAULTS = 3
FIRST_VALUE = 1
LOOK_EVERY_S = 0.25
ASK_TIMEOUT_S = 0.5
"""Short: people look on."""

CLASSIC = "classic"
HELD_UP_S = 1.5
"""So long the third vault of the first write is held up, for people to see it."""

UNDECIDED_WRITES = 3
"""So many writes have no majority before the vaults are started again."""

PATIENCE_S = 20.0
"""What takes longer than this is given up."""

AUDIENCE_S = 30.0
"""So long the story waits for somebody to open its page."""

VERDICTS = {0: "consistent and correct", 1: "incorrect"}


@frozen
class Settings:
    """:ivar verbose: show the workload's lines on a terminal, too. In a pipe they are always there.
    :ivar web_port: of the live page; any, for 0. None for no page.
    :ivar token_file: the tokens that the servers take; None where they take everybody.
    """

    protocol: str
    verbose: bool = False
    web_port: int | None = None
    token_file: str | None = None


def demo(settings: Settings) -> None:
    run(lambda reactor: Demo(reactor, settings).run(), status_when_stopped=CANNOT_SAY)


class Demo:
    """One run of the command."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._steps = read_settings(os.environ)[NUM_STEPS]
        self._stage = Stage(self._steps, shows_workload=settings.verbose)

    async def run(self) -> int:
        workload = find_workload()
        with self._stage:
            status = await self._with_a_grid(workload)
            if status == GOOD:
                await self._with_a_bug()
        return status

    async def _with_a_grid(self, workload: Path) -> int:
        control_port, *vault_ports = free_ports(1 + VAULTS)
        web_port = self._settings.web_port
        with scratch_directory() as directory:
            web = None if web_port is None else await LiveWeb.open(self._reactor, web_port)
            grid = LocalGrid(
                self._reactor,
                directory,
                [control_port],
                vault_ports,
                self._settings.protocol,
                route=None if web is None else web.links.route,
                token_file=self._settings.token_file,
            )
            self._stage.wait(f"{VAULTS} vaults and a control are being started")
            try:
                await grid.start()
                if web is not None:
                    await self._open(web, grid)
                play = _Play(self._reactor, grid, self._stage, self._steps, web, self._settings.token_file)
                status = await play.run(workload)
                self._stage.tell(f"the workload's verdict is {status}: {VERDICTS.get(status, 'inconsistent')}")
            finally:
                if web is not None:
                    await web.close()
                await grid.stop()
        return status

    async def _open(self, web: LiveWeb, grid: LocalGrid) -> None:
        """Show the first act on the page, too, and wait for somebody to look at it."""
        web.begin(grid)
        self._stage.tell(f"the page: {web.url}")
        self._stage.listen(web.tell)
        self._stage.wait(f"the story begins when the page is open, or after {AUDIENCE_S:g} s")
        watch = Watch(self._reactor, grid, ASK_TIMEOUT_S)
        end_s = self._reactor.seconds() + AUDIENCE_S
        while not web.is_watched and self._reactor.seconds() < end_s:
            web.looked(await watch.look(), {})
            await deferLater(self._reactor, LOOK_EVERY_S)
        self._stage.rest()

    async def _with_a_bug(self) -> None:
        """Find a deliberate bug in simulated runs, and say how to see it."""
        self._stage.wait("the same code in a simulated world, with one bug in it")
        given_up = Event()
        try:
            found = await deferToThread(find, given_up, self._stage.wait)
        except CannotRun as error:
            self._stage.tell(f"the bug was not found: {error}")
            return
        finally:
            given_up.set()
        self._stage.rest()
        self._tell(found)

    def _tell(self, found: Finding) -> None:
        tell = self._stage.tell
        name, what = found.glitch.name, found.glitch.what
        tell(f"and now the same code in a simulated world, with one bug in it, {name}: {what}")
        tell(found.how_it_was_found)
        for sentence in found.story:
            tell(f"  {sentence}")
        tell(f"the picture, which opens where it shows: {found.link}")
        tell("from here on:")
        for line, does in self._commands(found):
            self._stage.show_command(line, does)

    def _commands(self, found: Finding) -> Sequence[tuple[str, str]]:
        return (
            (
                command("simulate", "--plan", str(found.plan), "--glitch", found.glitch.name),
                "runs it again, line by line",
            ),
            (command("shrink", *options_of(found)), "finds it and makes it small again"),
            (command("up"), "a grid of your own, to break"),
        )


class _Play:
    """The first act: what happens to the grid, and when.

    :param steps: how many writes the workload makes.
    :param web: where it is shown, too; its clients then go through the page's link.
    :param token_file: what the workload presents; None for nothing.
    """

    def __init__(
        self,
        reactor: Any,
        grid: LocalGrid,
        stage: Stage,
        steps: int,
        web: LiveWeb | None,
        token_file: str | None = None,
    ) -> None:
        self._presented = {} if token_file is None else {"GLITCHGRID_TOKEN_FILE": token_file}
        self._reactor = reactor
        self._grid = grid
        self._stage = stage
        self._web = web
        control = grid.controls[0]
        self._address = VaultAddress(HOST, control.port) if web is None else web.control_of(control)
        self._watch = Watch(reactor, grid, ASK_TIMEOUT_S)
        self._writes = 0
        self._undecided = 0
        self._kill_at = max(steps // 3, 1)
        self._start_at = max(steps * 2 // 3, 2)
        # With too few steps the workload would be at its end before the outage is.
        self._outage_at = steps * 5 // 6 if steps - steps * 5 // 6 > UNDECIDED_WRITES else steps + 1
        self._wait_at = self._start_at + max(1, (self._outage_at - self._start_at) // 3)
        self._workload: Child | None = None
        self._is_replaced = False
        self._acts: list[Deferred[None]] = []
        self._is_out = False

    async def run(self, workload: Path) -> int:
        """Returns the workload's exit status."""
        looking = Deferred.fromCoroutine(self._look_on())
        try:
            await self._one_write()
            status = await self._work(workload)
            await self._show_the_end()
        finally:
            abandon(looking)
        return status

    async def _look_on(self) -> None:
        while True:
            look = await self._watch.look()
            self._stage.look(look)
            if self._web is not None:
                self._web.looked(look, {})
            await deferLater(self._reactor, LOOK_EVERY_S)

    # A write, slowly.

    async def _one_write(self) -> None:
        """One vault is held up meanwhile, so that people see what a majority is."""
        *others, third = self._grid.vaults
        third.signal(signal.SIGSTOP)
        try:
            self._stage.wait(f"a write of {FIRST_VALUE} goes to all vaults; {third.name} is held up")
            began_s = self._reactor.seconds()
            answer = await Asker(self._reactor, token=self._grid.token).ask(self._address, value=FIRST_VALUE)
            took_s = self._reactor.seconds() - began_s
            self._stage.tell(
                f"a write of {FIRST_VALUE} goes to {VAULTS} vaults, of which {third.name} is held up by SIGSTOP. "
                f"{' and '.join(vault.name for vault in others)} have it, and that is a majority: "
                f"the client is answered {answer.text!r} after {_in_words(took_s)}."
            )
            await deferLater(self._reactor, HELD_UP_S)
        finally:
            third.signal(signal.SIGCONT)
        await self._until(lambda look: _shown(look, third) == FIRST_VALUE, f"{third.name} has the write")
        self._stage.tell(f"{third.name} goes on, and has it late. Nobody has waited for it.")

    # The workload, and what happens beside it.

    async def _work(self, workload: Path) -> int:
        self._stage.rest()
        self._stage.tell(f"the workload writes and reads at http://{self._address}/")
        child = Child.start(self._reactor, ["bash", str(workload), str(self._address)], self._said, **self._presented)
        self._workload = child
        try:
            status = await child.when_ended()
            for act in self._acts:
                await act
        finally:
            for act in self._acts:
                abandon(act)
            child.kill_group()
        for line in child.errors:
            self._stage.workload(line)
        if status < 0:
            raise CannotRun(f"the workload did not come to its end: {child.how_it_ended}")
        return status

    def _said(self, line: str) -> None:
        """Pass on a line of the workload; do what is due when it has come that far."""
        self._stage.workload(line)
        if not is_write(line):
            return
        self._writes += 1
        self._stage.wrote(self._writes)
        victim = self._grid.vaults[-1]
        if self._writes == self._kill_at:
            victim.kill()
            self._stage.tell(
                f"{victim.name} is killed with -9. Two of three vaults are a majority: the grid goes on without it."
            )
        elif self._writes == self._start_at:
            self._begin(self._replace_disk(victim))
        elif self._writes == self._wait_at:
            self._begin(self._wait_for_disk())
        elif self._writes == self._outage_at:
            self._begin_outage()
        elif self._is_out:
            self._undecided += 1
            if self._undecided == UNDECIDED_WRITES:
                self._begin(self._end_outage())

    def _begin(self, act: Coroutine[Any, Any, None]) -> None:
        self._acts.append(Deferred.fromCoroutine(act))

    async def _replace_disk(self, victim: Member) -> None:
        shutil.rmtree(self._grid.data_directory(victim))
        victim.start()
        self._stage.tell(f"{victim.name} is started again with an empty disk, as if its own had been replaced.")
        began_s = self._reactor.seconds()
        await self._grid.until_it_is_ready(victim)
        took = _in_words(self._reactor.seconds() - began_s)
        self._is_replaced = True
        self._stage.tell(
            f"{victim.name} did not vote before it had heard from its peers what it may have acknowledged: it votes"
            f" again after {took}, and holds that."
        )

    async def _wait_for_disk(self) -> None:
        """The workload waits, too: else it could be at the outage before the replaced disk is taken in."""
        if not self._is_replaced:
            self._tell_workload(signal.SIGSTOP)
            try:
                await self._until(lambda _: self._is_replaced, "the replaced disk is taken in")
            finally:
                self._tell_workload(signal.SIGCONT)

    def _begin_outage(self) -> None:
        self._is_out = True
        first, second, *_ = self._grid.vaults
        first.kill()
        second.kill()
        self._stage.tell(f"{first.name} and {second.name} are killed, too: one of three is no majority.")

    async def _end_outage(self) -> None:
        """The workload waits while the vaults are started: else it would be at its end before they are."""
        self._is_out = False
        assert self._workload is not None, "it has written"
        self._stage.tell("no majority can say what holds: the grid answers 500, rather than guess.")
        self._tell_workload(signal.SIGSTOP)
        try:
            for vault in self._grid.vaults[:2]:
                vault.start()
            self._stage.tell("both are started again, with what they had on their disks; the workload waits for them.")
            look = await self._until(self._is_back, "the grid serves again")
        finally:
            self._tell_workload(signal.SIGCONT)
        if look.grid.serves:
            self._stage.tell("the grid serves again, and has lost nothing that it had acknowledged.")
        else:
            self._stage.tell(
                "they are up, and no two of them hold the same: by this protocol the next write mends that."
            )

    def _is_back(self, look: Look) -> bool:
        """The original's protocol may find no majority of equal values then."""
        return look.grid.losses_left > 0 and (look.grid.serves or self._grid.protocol == CLASSIC)

    def _tell_workload(self, number: signal.Signals) -> None:
        """The whole of it: its curl, too."""
        if self._workload is not None:
            self._workload.signal_group(number)

    async def _until(self, has_come: Callable[[Look], bool], what: str) -> Look:
        """:raises CannotRun: where that does not come."""
        end_s = self._reactor.seconds() + PATIENCE_S
        while not has_come(look := await self._watch.look()):
            if self._reactor.seconds() > end_s:
                raise CannotRun(f"not within {PATIENCE_S:g} s: {what}")
            await deferLater(self._reactor, LOOK_EVERY_S)
        return look

    async def _show_the_end(self) -> None:
        """Say what each vault holds, once the workload has ended."""
        for vault in self._grid.vaults:
            if vault.running:
                await self._grid.until_it_listens(vault)
        look = await self._watch.look()
        self._stage.rest()
        self._stage.tell("at the end " + ", ".join(_held(look, vault) for vault in look.grid.vaults))


def _shown(look: Look, member: Member) -> int | None:
    return next(vault.shown for vault in look.grid.vaults if vault.name == member.name)


def _in_words(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _held(look: Look, vault: Vault) -> str:
    """What a vault holds, in words."""
    if vault.is_up:
        return f"{vault.name} holds {vault.shown}"
    return f"{vault.name} {'does not answer' if look.processes[vault.name].pid else 'is down'}"
