"""The grid that ``up`` runs, as a stage for plans: its servers are processes here, and relays lie between them."""

import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve, frozen

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.faults import links, processes
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.kinds import FAULTS, OF_FRAMES
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.register.assumptions import LostDisk
from glitchgrid.lab.register.kinds import BREAKING, HARMLESS
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.live.stage import CannotDo, Links
from glitchgrid.lab.register.processes.localgrid import LocalGrid, Member
from glitchgrid.lab.rehearsal.draws import faults_of
from glitchgrid.lab.rehearsal.host import World
from glitchgrid.lab.relay.link import Direction, Link
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.random_stream import RandomStream

NS_PER_S = 10**9
DONE: Sequence[type[Fault]] = (
    processes.Kill, processes.Stop, processes.Signal, processes.Pause,
    links.Cut, links.Partition, links.Jam, links.Slow, links.Congestion, links.Clog, links.Reset,
)  # fmt: skip
IN_SIMULATION: Sequence[type[Fault]] = (LostDisk, *BREAKING)
REFUSALS: Mapping[str, str] = {
    kind.kind: "it takes a machine of one's own: 'rehearse --system examples/grid/system.toml' has them"
    for kind in (*HARMLESS, *OF_FRAMES)
    if kind not in DONE
} | {kind.kind: "simulated runs have it, and no others" for kind in IN_SIMULATION}


@frozen
class Servers(GridLayout):
    """Its machines, without that of the clients: they reach a control as they like."""

    @property
    def machines(self) -> Sequence[str]:
        return self.servers

    def draw_link(self, rng: RandomStream) -> tuple[str, str]:
        """Between a control and a vault: that is where the relays are."""
        source, target = rng.pick(self.control_names), rng.pick(self.vault_names)
        return (target, source) if rng.below(2) else (source, target)


def drawn(seed: int, layout: Servers, for_s: float) -> Sequence[Planned]:
    """The faults of a seed, as far as relays and signals can do them.

    :param for_s: they begin within so many seconds.
    """
    kinds = [kind for kind in DONE if kind in FAULTS]
    faults = faults_of(seed, layout, kinds, for_s)
    return [evolve(each, fault=_without_loss(each.fault)) for each in faults]


def _without_loss(fault: Fault) -> Fault:
    match fault:
        case links.Slow() | links.Congestion() | links.Clog():
            return evolve(fault, loss_per_mille=0, jitter_us=0)
        case _:
            return fault


def require_possible(faults: Sequence[Fault]) -> None:
    """:raises CannotRun: for one that loses frames: a relay has connections, and not what they are made of."""
    for fault in faults:
        match fault:
            case links.Slow() | links.Congestion() | links.Clog(how="slowed"):
                if fault.loss_per_mille or fault.jitter_us:
                    raise CannotRun(f"{fault}: a relay loses nothing and takes as long for all: no loss, no jitter")


class RelayNetwork:
    """The directions between members that a relay lies in. Between others nothing is ever said.

    :param names: of members, from those that a plan has.
    """

    def __init__(self, relays: Links, names: Mapping[str, str]) -> None:
        self._relays = relays
        self._names = names
        self._cuts: Counter[tuple[str, str]] = Counter()
        self._holds: Counter[tuple[str, str]] = Counter()
        self._slow: dict[tuple[str, str], list[Slowness]] = {}

    def cut(self, source: str, target: str) -> None:
        self._cuts[source, target] += 1
        self._do(source, target, Link.cut)

    def mend(self, source: str, target: str) -> None:
        if self._less(self._cuts, source, target):
            self._do(source, target, Link.mend)

    def hold(self, source: str, target: str) -> None:
        self._holds[source, target] += 1
        self._do(source, target, Link.hold)

    def release(self, source: str, target: str) -> None:
        if self._less(self._holds, source, target):
            self._do(source, target, Link.release)

    def slow(self, source: str, target: str, slowness: Slowness) -> None:
        self._slow.setdefault((source, target), []).append(slowness)
        self._do_slow(source, target)

    def calm(self, source: str, target: str) -> None:
        """The last that made it slow does so no more."""
        if self._slow.get((source, target)):
            self._slow[source, target].pop()
        self._do_slow(source, target)

    def heal(self) -> None:
        for each in (self._cuts, self._holds, self._slow):
            each.clear()
        for seen in self._relays.seen():
            self._relays.find(seen.source, seen.target).heal()

    def reset(self, source: str, target: str) -> int:
        """Returns how many connections there were."""
        found = self._find(source, target)
        if found is None:
            return 0
        count = found[0].connections
        found[0].reset()
        return count

    @staticmethod
    def _less(counts: "Counter[tuple[str, str]]", source: str, target: str) -> bool:
        """Was it the last of them?"""
        counts[source, target] = max(0, counts[source, target] - 1)
        return not counts[source, target]

    def _do_slow(self, source: str, target: str) -> None:
        found, slowness = self._find(source, target), self._slow.get((source, target))
        if found is not None:
            found[0].slow(slowness[-1].latency_ns / NS_PER_S if slowness else 0.0, found[1])

    def _do(self, source: str, target: str, verb: Any) -> None:
        found = self._find(source, target)
        if found is not None:
            verb(*found)

    def _find(self, source: str, target: str) -> tuple[Link, Direction] | None:
        one, other = self._names.get(source, source), self._names.get(target, target)
        try:
            link = self._relays.find(one, other)
        except CannotDo:
            return None
        return link, Direction.THERE if link.source == one else Direction.BACK


@define(eq=False)
class RelayMachine:
    """A member, as faults see it. :ivar name: as plans have it."""

    name: str
    member: Member
    world: "RelayWorld"
    is_paused: bool = False

    @property
    def process(self) -> "RelayMachine | None":
        return self if self.member.running else None

    def kill(self) -> None:
        self.world.stays_down.add(self.member)
        self.member.kill()

    def terminate(self) -> None:
        """SIGTERM."""
        self.world.stays_down.add(self.member)
        self.member.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        self.member.signal(signal.Signals(number))

    def pause(self) -> None:
        self.is_paused = True
        self.member.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.is_paused = False
        self.member.signal(signal.SIGCONT)

    def break_connections(self, other: "RelayMachine") -> int:
        return int(self.world.network.reset(self.name, other.name))

    def calm(self) -> None:
        """Let it be well again."""
        if self.is_paused:
            self.resume()

    def start(self) -> None:
        """Start it, unless it runs; where it is about to end, once it has."""
        is_ending = self.member in self.world.stays_down and self.member.running
        self.world.stays_down.discard(self.member)
        if is_ending:
            self.member.when_ended().addCallback(lambda _: self.start())
        elif not self.member.running:
            self.member.start()


class RelayWorld(World):
    """:ivar stays_down: members that a fault keeps down: nobody else is to start them."""

    def __init__(self, network: RelayNetwork) -> None:
        super().__init__(network)
        self.stays_down: set[Member] = set()


class RelayStage:
    """See `glitchgrid.lab.faults.fault.Stage`."""

    by_name = False

    def __init__(self, grid: LocalGrid, relays: Links) -> None:
        vaults, controls = (
            {f"{kind}{number}": member for number, member in enumerate(members, start=1)}
            for kind, members in (("vault", grid.vaults), ("control", grid.controls))
        )
        members = {**vaults, **controls}
        names = {name: member.name for name, member in members.items()}
        self.world = RelayWorld(RelayNetwork(relays, names))
        self.world.machines |= {name: RelayMachine(name, member, self.world) for name, member in members.items()}
        self.servers: Sequence[Any] = list(self.world.machines.values())
        self.keepers: Sequence[Any] = [self.world.machines[name] for name in vaults]
        self.machines = self.servers

    def start(self, machine: RelayMachine) -> None:
        machine.start()
