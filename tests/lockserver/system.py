"""The lock server, as the laboratory has to be told of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve, field, frozen
from twisted.application.service import IService, MultiService
from twisted.internet.error import ReactorNotRunning

from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State
from glitchgrid.lab.checkers.result import NotLinearizable
from glitchgrid.lab.faults.disks import SyncFails, WritesFail
from glitchgrid.lab.faults.links import Cut, Jam, Reset, Slow
from glitchgrid.lab.faults.processes import ClockJump, Kill, Pause, PowerLoss, Stop
from glitchgrid.lab.glitch import Glitch, Override
from glitchgrid.lab.history.operation import History, Operation
from glitchgrid.lab.layout import CLIENTS, Layout, Link
from glitchgrid.lab.limits import whole
from glitchgrid.lab.patching import patched
from glitchgrid.lab.picture.model import Lane, LaneKind
from glitchgrid.lab.picture.model import Operation as Drawn
from glitchgrid.lab.place.inside import Inside
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.plan.simpler import plainer_environment
from glitchgrid.lab.plan.vocabulary import Vocabulary
from glitchgrid.lab.system import Acts, Deployment, Run, System, fault_lines
from glitchgrid.lab.trace.transcript import Message
from glitchgrid.lab.verdict import LIVENESS, LOG, STATEMENT, Judgement, Oracles
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.random_stream import RandomStream
from tests.lockserver import server
from tests.lockserver.clients import Holdings, LockClient, LockHabits, draw_habits
from tests.lockserver.server import HolderFile, LockService

SERVES_S = 20
EXCLUSION = "exclusion"
HISTORY = "history"
SERVER = "lock"
WAITED = "a client had to wait"
FOUND = "a server found who had held the lock"


@frozen
class LockLayout(Layout):
    """:ivar turns: how often each client takes the lock."""

    system: ClassVar[str] = "tests.lockserver.system:LOCKS"
    turns: int = field(default=5, validator=whole(1, 100))

    @property
    def servers(self) -> Sequence[str]:
        return [SERVER]

    @property
    def keepers(self) -> Sequence[str]:
        return [SERVER]

    def draw_link(self, rng: RandomStream) -> Link:
        return (CLIENTS, SERVER) if rng.below(2) else (SERVER, CLIENTS)


HARMLESS = (Kill, Stop, PowerLoss, Pause, Cut, Jam, Slow, Reset, ClockJump, SyncFails, WritesFail)
PLANS = Vocabulary(LockLayout, LockHabits, draw_habits, HARMLESS)


def layout_of(plan: Plan) -> LockLayout:
    assert isinstance(plan.layout, LockLayout)
    return plan.layout


def habits_of(plan: Plan) -> LockHabits:
    assert isinstance(plan.habits, LockHabits)
    return plan.habits


class OwnedLock(Model):
    """A lock that its holder may take again, and that anybody may give back who does not have it."""

    name = "owned-lock"
    knows_clients = True

    def take(self, state: State, operation: Operation) -> State:
        return operation.client if state in (None, operation.client) else IMPOSSIBLE

    def give(self, state: State, operation: Operation) -> State:
        return None if state == operation.client else state

    def tell(self, state: State) -> str:
        return f"the lock is {state}'s" if state else "the lock is free"


class LockDeployment(Deployment):
    def __init__(self, run: Run) -> None:
        super().__init__(run, run.plan.layout)
        self.held = Holdings(lambda: self.world.now_ns, lambda message: run.find(EXCLUSION, message))
        self._clients: list[LockClient] = []
        self._services: list[LockService] = []

    def launch(self, machine: Machine) -> Process:
        return self.twistd(machine, "--python", str(Path(__file__).with_name("lock.tac")))

    def attached(self) -> AbstractContextManager[object]:
        """Its services are to be looked at, at the end."""
        make = server.LockService

        def keep(*arguments: Any) -> LockService:
            self._services.append(make(*arguments))
            return self._services[-1]

        return patched(server, "LockService", keep)

    def clients_program(self, process: Inside) -> IService:
        clients = MultiService()
        habits = habits_of(self.run.plan)
        for number in range(habits.clients):
            self._add(clients, f"c{number + 1}", process, habits, layout_of(self.run.plan).turns)
        return clients

    def _add(self, clients: MultiService, name: str, process: Inside, habits: LockHabits, turns: int) -> None:
        client = LockClient(name, process, self.servers[0].address, habits, turns, self.held)
        self._clients.append(client)
        client.setServiceParent(clients)

    def have_clients_ended(self) -> bool:
        return not any(client.left for client in self._clients)

    def finish(self) -> None:
        """One client more takes the lock from a server that is well, once."""
        (machine,) = self.servers
        machine.calm()
        machine.kill()
        self.start(machine)
        last = MultiService()
        self._add(last, "last", self.talkers, habits_of(self.run.plan), 1)
        self.talkers.run(last.startService)
        if not self.run.go_on(SERVES_S * SECOND_NS, self.have_clients_ended):
            self.run.find(LIVENESS, f"the lock is not to be had {SERVES_S} s after all is well")
        self.run.system_is_over()

    def judge(self) -> Judgement:
        said = judge(History(tuple(self.held.operations)), OwnedLock())
        if isinstance(said, NotLinearizable):
            self.run.find(HISTORY, said.sentence)
        self.run.reached[WAITED] += self.held.had_to_wait > 0
        self.run.reached[FOUND] += any(service.lock.holder for service in self._services[1:-1])
        return Judgement(proves_nothing=not self.held.count)

    def expects(self, event: Mapping[str, Any], process: Process) -> bool:
        """Twisted minds a second SIGTERM."""
        failure = event.get("log_failure")
        return failure is not None and failure.check(ReactorNotRunning) is not None

    @property
    def history(self) -> str:
        return self.held.history

    @property
    def operations(self) -> int:
        return self.held.count


def fewer_clients(plan: Plan) -> Iterator[Plan]:
    for clients in range(2, habits_of(plan).clients):
        yield evolve(plan, habits=evolve(habits_of(plan), clients=clients))


def fewer_turns(plan: Plan) -> Iterator[Plan]:
    for turns in range(1, layout_of(plan).turns):
        yield evolve(plan, layout=evolve(layout_of(plan), turns=turns))


def read_line(data: bytes, start: int) -> Message | None:
    end = data.find(b"\n", start)
    return None if end < 0 else Message(end + 1, data[start:end].decode("ascii", "replace"))


FORGETS = Glitch(
    "forgets-the-holder",
    "A server that starts does not look who had held the lock.",
    "The lock is granted to somebody else.",
    "",
    (Override(HolderFile, "load", lambda _original: lambda _self: ""),),
)


GLITCHES = {FORGETS.name: FORGETS}


class LockSystem(System):
    plans = PLANS
    simpler = (fewer_clients, plainer_environment, fewer_turns)
    oracles = Oracles(outside=(EXCLUSION, HISTORY, LIVENESS), inside=(STATEMENT, LOG))
    lines = (WAITED, FOUND, *fault_lines(PLANS))
    package = "tests.lockserver"
    glitches = GLITCHES
    read = staticmethod(read_line)

    def draw_layout(self, seed: str) -> LockLayout:
        return LockLayout()

    def deploy(self, run: Run) -> Deployment:
        return LockDeployment(run)

    def lanes(self, layout: Layout, others: Sequence[str]) -> Sequence[Lane]:
        return [
            *(Lane(name, LaneKind.KEEPER) for name in layout.servers),
            *(Lane(name, LaneKind.SERVER) for name in others),
        ]

    def acts(self, history: str, wrong: frozenset[int]) -> Acts:
        events = [json.loads(line) for line in history.splitlines()]
        begun = [each for each in events if "client" in each]
        ended_ns = {each["op"]: each["at_ns"] for each in events if "end" in each}
        operations = [
            Drawn(
                lane=each["client"],
                op=each["op"],
                kind="write",
                text="holds the lock",
                detail=f"turn {each['op']}",
                called_ns=each["at_ns"],
                returned_ns=ended_ns.get(each["op"]),
                outcome="ok" if each["op"] in ended_ns else "open",
                is_wrong=each["op"] in wrong,
            )
            for each in begun
        ]
        names = sorted({each["client"] for each in begun})
        return Acts(names, operations, {each["port"]: each["client"] for each in begun})


LOCKS = LockSystem()
