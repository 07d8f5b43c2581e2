"""One timeline on real machines: they are made, their programs started, test commands called, faults carried out."""

import os
import random
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import Any, TypeVar

from attrs import asdict, frozen
from twisted.internet.task import deferLater

from glitchgrid.lab.child import Child
from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.calls import CALLS, Call, End, Ground, Running
from glitchgrid.lab.composer.scribe import Scribe
from glitchgrid.lab.composer.servers import Lived, Said, Sent
from glitchgrid.lab.composer.templates import Command, Prefix, Template
from glitchgrid.lab.composer.timeline import Ended, Timeline
from glitchgrid.lab.composer.watcher import Watcher, Watchers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.layout import CLIENTS
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.rehearsal.host import Host, RealClock, World
from glitchgrid.lab.rehearsal.nemesis import PlannedNemesis
from glitchgrid.lab.rehearsal.quiet import QuietDoor
from glitchgrid.lab.rehearsal.stage import RealStage
from glitchgrid.lab.rehearsal.systemfile import HARSH, READY, MachineEntry, SystemFile, Words, replaced
from glitchgrid.machines import clocks
from glitchgrid.machines.cgroups import UNLIMITED, Limits
from glitchgrid.machines.errors import CannotBeMade
from glitchgrid.machines.frames import Pcap
from glitchgrid.machines.machine import NETWORK, Machine, Plot
from glitchgrid.machines.network import Network
from glitchgrid.machines.shared import SharedNetwork
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.waiting import settled

T = TypeVar("T")

FRAMES, PCAP_BYTES_MAX = "frames.pcap", 256 << 20
SHARED = 254
"""The number of the network itself, where machines share it."""

CLOCK = "clock"
ENDED_BY_SIGTERM = frozenset({-int(signal.SIGTERM), 128 + int(signal.SIGTERM)})
RECOVERY = "every server serves again"
LOOK_S = 0.1
MESSAGE_CHARS_MAX = 60
PREPARE_TIMEOUT_S = 120.0
SEED_VARIABLE = "GLITCHGRID_SEED"
TIMELINE_VARIABLE = "GLITCHGRID_TIMELINE"
SDK_VARIABLE, SDK_OUTPUT = "ANTITHESIS_SDK_LOCAL_OUTPUT", "sdk.jsonl"


@frozen
class Wanted:
    """:ivar faults: what is done, in the order of its times.
    :ivar drivers_s: for so long drivers are called.
    :ivar is_lossy: disks of machines that keep something are of FUSE.
    :ivar is_limited: programs have the limits that the system file names.
    :ivar record: all frames go into a file, too.
    :ivar has_links: each machine has a network of its own, and links to the others.
    """

    system: SystemFile
    template: Template
    faults: Sequence[Planned]
    seed: int
    drivers_s: float
    patience_s: float
    is_lossy: bool
    is_limited: bool
    record: bool
    has_links: bool = True


class RealTimeline:
    """:param directory: what is left of it goes there.
    :param watchers: are told what happens.
    :ivar stage: its machines; None until there are some.
    :ivar nemesis: what does the faults; None until all servers serve.
    """

    def __init__(
        self,
        reactor: Any,
        wanted: Wanted,
        directory: Path,
        watchers: Sequence[Watcher],
    ) -> None:
        self._reactor = reactor
        self._wanted = wanted
        self._directory = directory
        self._watcher = Watchers([Scribe(directory), *watchers])
        self._logs = directory / "logs"
        self._record = Pcap(directory / FRAMES, PCAP_BYTES_MAX) if wanted.record else None
        self._world = World(Network(reactor, str(wanted.seed), self._record, self._sent))
        self._entries = dict(wanted.system.names)
        self._ground = _Machines(self._world, directory)
        self.network: Network = self._world.network
        self.stage: RealStage | None = None
        self._shared: SharedNetwork | None = None
        self.nemesis: PlannedNemesis | None = None

    async def run(self) -> Ended:
        """:raises CannotRun: when something is missing, or a server does not come up."""
        return await self._with_all_up(self._play)

    async def rehearse_commands(self) -> Sequence[Call]:
        """Call each test command once, one after another, and nothing fails meanwhile.

        :raises CannotRun: as `run`.
        """
        return await self._with_all_up(self._call_each)

    async def _with_all_up(self, work: Callable[[QuietDoor, PlannedNemesis], Coroutine[Any, Any, T]]) -> T:
        """Make machines, start programs, and end all of it after the work."""
        self._logs.mkdir(parents=True)
        door = QuietDoor(self._reactor, self._directory)
        try:
            await self._make_all()
            stage = self.stage = self._stage()
            for server in stage.servers:
                await self._prepare(server)
                server.start()
            await self._until_all_serve(stage.servers)
            again = partial(self._until_all_serve_again, stage.servers)
            faults = self._wanted.faults
            nemesis = self.nemesis = PlannedNemesis(self._reactor, stage, faults, again, self._directory, self._watcher)
            door.open(nemesis.quiet)
            return await work(door, nemesis)
        except CannotBeMade as error:
            raise CannotRun(str(error)) from error
        finally:
            await door.close()
            await self._end_all()

    async def _play(self, door: QuietDoor, nemesis: PlannedNemesis) -> Ended:
        wanted = self._wanted
        timeline = Timeline(
            self._reactor,
            wanted.template,
            nemesis,
            random.Random(wanted.seed),
            self._directory,
            self._commands_environment(door),
            SEED_VARIABLE,
            wanted.drivers_s,
            wanted.patience_s,
            self._watcher.called,
            self._ground,
        )
        return await timeline.run()

    async def _call_each(self, door: QuietDoor, _nemesis: PlannedNemesis) -> Sequence[Call]:
        """In the order of their prefixes: what comes first is called first.

        A timeline has one last command. One whose name begins with ``finally_`` comes before those that may leave
        something behind which no history has.
        """
        wanted, calls = self._wanted, []
        environment = {**self._commands_environment(door), SEED_VARIABLE: str(wanted.seed)}
        for command in sorted(wanted.template.commands, key=lambda each: list(Prefix).index(each.prefix)):
            patience_s, ground = wanted.patience_s, self._ground
            running = Running(self._reactor, command, environment, self._directory, patience_s, ground)
            calls.append(await running.ended)
            self._watcher.called(calls[-1])
        return calls

    # Machines.

    async def _make_all(self) -> None:
        names = [*self._entries, CLIENTS]
        wanted = self._wanted
        plots = [
            Plot(
                number,
                name,
                self._directory / "machines" / name,
                wanted.is_lossy and self._keeps(name),
                wanted.system.disk == HARSH,
                self._limits(name),
            )
            for number, name in enumerate(names, start=1)
        ]
        templates = dict.fromkeys(command.path.parent for command in wanted.template.commands)
        keeps = [self._directory, wanted.system.here, *templates, *_own_code()]
        shared = 0
        if not wanted.has_links:
            self._shared = SharedNetwork(self._reactor, f"{NETWORK}.{SHARED}")
            await self._shared.make()
            shared = self._shared.pid
        for plot in plots:
            machine = Machine(self._reactor, plot, plots, keeps, f"{wanted.seed}", shared)
            host = self._host(plot, machine)
            self._world.machines[plot.name] = host
        for name, host in self._world.machines.items():
            self.network.attach(name, host.machine.plot.mac, await host.machine.make())

    def _limits(self, name: str) -> Limits:
        entry = self._entries.get(name)
        return entry.limits if entry is not None and self._wanted.is_limited else UNLIMITED

    def _keeps(self, name: str) -> bool:
        return name in self._entries and self._entries[name].keeps

    def _host(self, plot: Plot, machine: Machine) -> Host:
        plot.directory.mkdir(parents=True)
        clock = RealClock(plot.directory / CLOCK)
        rng = RandomStream(f"{self._wanted.seed}:machine {plot.name}")
        launch = partial(self._launch, plot.name)
        return Host(
            self._reactor, self._world, machine, clock, launch, self._ended_by_itself, self._watcher.trouble, rng
        )

    def _machine(self, name: str) -> Machine:
        host: Host = self._world.machines[name]
        return host.machine

    def _stage(self) -> RealStage:
        hosts = self._world.machines
        servers = [hosts[name] for name in self._entries]
        return RealStage(self._world, servers, [each for each in servers if self._keeps(each.name)], hosts[CLIENTS])

    async def _end_all(self) -> None:
        await settled([host.end() for host in self._world.machines.values()])
        children = [host.child.when_ended() for host in self._world.machines.values() if host.child is not None]
        await settled(children)
        if self._shared is not None:
            await self._shared.end()
        self.network.close()
        if self._record is not None and self._record.missed:
            self._watcher.trouble(f"{FRAMES} is full: {self._record.missed} frames are not in it")

    # Programs.

    async def _prepare(self, host: Host) -> None:
        entry = self._entries[host.name]
        if not entry.prepare:
            return
        said: list[str] = []
        child = self._run(host.name, entry.prepare, said.append)
        ended = child.when_ended().addTimeout(PREPARE_TIMEOUT_S, self._reactor, lambda *_: -1)
        status = await ended
        if status:
            last = ([*said, *child.errors] or [""])[-1]
            raise CannotRun(f"{host.name} could not be prepared, status {status}: {last}")

    def _launch(self, name: str) -> Child:
        log = (self._logs / f"{name}.log").open("a", encoding="utf-8", buffering=1)
        began_ns = monotonic_ns()

        def keep(line: str) -> None:
            log.write(f"{line}\n")
            self._watcher.said(Said(monotonic_ns(), name, line))

        def over(_: object) -> None:
            log.close()
            self._watcher.lived(Lived(name, began_ns, monotonic_ns()))

        child = self._run(name, ("sh", "-c", 'exec "$@" 2>&1', "sh", *self._entries[name].program), keep)
        child.when_ended().addCallback(over)
        self._watcher.started(name)
        return child

    def _sent(self, source: str, target: str, sent_ns: int, arrived_ns: int | None, said: bytes) -> None:
        self._watcher.sent(Sent(source, target, sent_ns, arrived_ns, in_words(said)))

    def _run(self, name: str, program: Sequence[str], on_line: Callable[[str], object]) -> Child:
        entry, machine = self._entries[name], self._machine(name)
        words = self._words(name)
        argv = [replaced(word, words, name) for word in program]
        given = {**self._wanted.system.environment, **entry.environment}
        environment = self._sdk() | {key: replaced(value, words, name) for key, value in given.items()}
        if self._has_clocks:
            environment |= clocks.environment(machine.plot.directory / CLOCK, environment)
        up_since_s = self._world.machines[name].up_since_s if self._wanted.system.clocks else None
        command = machine.entering(argv, machine.plot.disk, as_root=entry.as_root, up_since_s=up_since_s)
        return Child.start(self._reactor, command, on_line, **environment)  # type: ignore[arg-type]

    def _words(self, name: str) -> Words:
        plot = self._machine(name).plot
        return self._wanted.system.words(name, plot.address, plot.disk)

    def _ended_by_itself(self, host: Host, child: Child) -> None:
        self._watcher.trouble(f"{host.name} has ended by itself: {child.how_it_ended}")

    async def _until_all_serve(self, servers: Sequence[Host]) -> None:
        """:raises CannotRun: when one does not, within the time that the system file gives it."""
        end_s = self._reactor.seconds() + self._wanted.system.ready_within_s
        for server in servers:
            entry = self._entries[server.name]
            while not await self._serves(server, entry):
                if self._reactor.seconds() > end_s:
                    raise CannotRun(f"{server.name} does not serve: see {self._logs / f'{server.name}.log'}")
                await deferLater(self._reactor, LOOK_S)

    @property
    def _has_clocks(self) -> bool:
        return self._wanted.system.clocks and not clocks.missing()

    async def _until_all_serve_again(self, servers: Sequence[Host]) -> None:
        """After faults: that one does not is a finding, as if a test command had failed."""
        began_ns = monotonic_ns()
        try:
            await self._until_all_serve(servers)
        except CannotRun as error:
            call = Call(RECOVERY, End.FAILED, 1, began_ns, monotonic_ns(), (str(error),))
            lines.append(self._directory / CALLS, asdict(call))
            self._watcher.called(call)

    async def _serves(self, server: Host, entry: MachineEntry) -> bool:
        if server.process is None:
            return False
        where = READY.fullmatch(replaced(entry.ready, self._words(server.name), server.name)) if entry.ready else None
        if where is None:
            return True
        target = {"address": where["host"], "port": int(where["port"])}
        if where["kind"] == "tcp":
            return bool(await server.machine.ask("listens", **target))
        return bool(await server.machine.ask("answers", **target, path=where["path"] or "/"))

    def _sdk(self) -> dict[str, str]:
        return {SDK_VARIABLE: str(self._directory / SDK_OUTPUT)}

    def _commands_environment(self, door: QuietDoor) -> Mapping[str, str]:
        words = self._wanted.system.words(CLIENTS, self._machine(CLIENTS).plot.address, self._directory)
        given = {**self._wanted.system.environment, **self._wanted.system.commands.environment}
        own = {key: replaced(value, words, "commands") for key, value in given.items()}
        return {
            "PATH": _path(),
            TIMELINE_VARIABLE: str(self._directory),
            **self._sdk(),
            "ANTITHESIS_STOP_FAULTS": str(door.program),
            **own,
        }


class _Machines(Ground):
    """Test commands run on the clients' machine, or on that of a server, as long as it is up."""

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self._directory = directory

    def enter(self, command: Command) -> Sequence[str]:
        return self._of(command).machine.entering([str(command.path)], self._directory)

    def began(self, command: Command, child: Child) -> None:
        guests = self._of(command).guests
        guests.add(child)
        child.when_ended().addCallback(lambda _: guests.discard(child))

    def is_up(self, command: Command) -> bool:
        return not command.machine or self._of(command).process is not None

    def has_ended(self, command: Command, since_ns: int, status: int) -> bool:
        """Whoever has heeded a SIGTERM may have had something else to say."""
        host = self._of(command)
        return host.killed_ns >= since_ns or (host.stopped_ns >= since_ns and status in ENDED_BY_SIGTERM)

    def _of(self, command: Command) -> Host:
        host: Host = self._world.machines[command.machine or CLIENTS]
        return host


def in_words(said: bytes) -> str:
    """A line of a picture: the first line of what can be read, else how much it is."""
    line = said.split(b"\n", 1)[0].strip()[:MESSAGE_CHARS_MAX]
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and text else f"{len(said)} bytes"


def _own_code() -> Sequence[Path]:
    """Where this Python and this package lie: a machine has a /tmp of its own."""
    return [Path(sys.prefix), Path(__file__).parents[3]]


def _path() -> str:
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
