"""Machines beside the grid, and what exercises do with them."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from signal import SIGTERM
from typing import Any

from attrs import frozen
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure

from glitchgrid.lab.patching import patched
from glitchgrid.lab.place.inside import run_inside
from glitchgrid.lab.register.layout import ATOMIC, CONTROL_PORT, VAULT_PORT
from glitchgrid.lab.register.oracles.contract import VALUE_MAX
from glitchgrid.lab.register.oracles.holdings import timers, too_many
from glitchgrid.lab.register.oracles.wire import CONTROL, GET, VAULT, Expected, Inquiry, Known, Row, post
from glitchgrid.lab.register.scripted.script import Script, scripted
from glitchgrid.lab.register.simulated.grid import Grid
from glitchgrid.lab.register.simulated.programs import (
    VALUE,
    VAULT_TIMEOUT_S,
    Attachment,
    control_arguments,
    vault_arguments,
)
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process

BENCH = "bench"
"""What the names of machines beside the grid begin with."""

LATENCY_US = 50
"""The network of an exercise: what takes its time there does so on purpose."""

STARTED_S = 1.0
ENDED_S = 7.0
OVER_S = 120.0
LEFT_S = 0.1
"""A client that has left is known to have left by then."""

NOBODYS = "65534"
"""A group that is not the one of whoever starts it."""

IDENTITY = "0123456789abcdef" * 2

BEGINNINGS = (
    "twistd ",
    "reactor class: ",
    "control serves ",
    f"vault {IDENTITY} holds ",
    "Face starting on ",
    "_Gate starting on ",
    "set uid/gid ",
    "Received SIGTERM, ",
    "Main loop terminated.",
    "Server Shut Down.",
)
"""What is logged of each start and each end, and why there is none."""

Problems = Generator[str, None, None]


@frozen
class Exercise:
    """:ivar states: the properties of the product that it breaks on purpose."""

    name: str
    perform: "Callable[[Bench], Problems]"
    states: frozenset[str] = frozenset()


class _LateListener(Inquiry):
    """Takes nothing of what it is sent at first."""

    listens_after_s = 0.0

    def connectionMade(self) -> None:
        if self.listens_after_s:
            self.transport.pauseProducing()
            self._reactor.callLater(self.listens_after_s, self.transport.resumeProducing)
        super().connectionMade()


class Bench:
    """:ivar log: what the server on the bench has logged.
    :ivar number: which hundred of runs this is. An exercise that tries part of a list picks the part by it.
    :param go_on: lets time go by, for so many nanoseconds or until something has come true.
    """

    def __init__(self, grid: Grid, go_on: Callable[[int, Callable[[], bool]], bool], number: int) -> None:
        self._grid = grid
        self._world = grid.world
        self._go_on = go_on
        self.number = number
        self.server = grid.world.host(BENCH)
        self._spare: list[Machine] = []
        self.others: list[Machine] = []
        self.log: list[str] = []
        self.fatal: list[str] = []
        self.is_ready = 0
        self._service: Any = None
        self._process: Process | None = None
        self._arguments: Sequence[str] = ()
        self._kind = CONTROL
        self._stalls_s = 0.0

    def clear(self) -> None:
        """Take everything away."""
        for machine in (self.server, *self.others):
            machine.kill()
        self.server.disk.calm()
        self.server.disk.replace()
        self._world.names.heal()
        self._grid.lines.heard.pop(BENCH, None)
        self.others.clear()
        self.fatal.clear()
        self.is_ready = 0

    # Servers.

    def vaults(self, *scripts: Script) -> None:
        """Let scripted vaults stand on machines of their own."""
        for number, script in enumerate(scripts):
            if script.name == b"":
                script.name = b"script%d" % number
            if number == len(self._spare):
                self._spare.append(self._world.host(f"{BENCH}{number + 1}"))
            machine = self._spare[number]
            run_inside(self._world, machine, scripted(script), again=False)
            self.others.append(machine)
        self.wait(STARTED_S, lambda: all(machine.listener(VAULT_PORT) is not None for machine in self.others))

    def control(
        self,
        *scripts: Script,
        timeout_s: float = VAULT_TIMEOUT_S,
        value_max: int = VALUE_MAX,
        report_every_s: int = 0,
        tells: bool = False,
        by_name: bool = False,
        names: Sequence[str] = (),
    ) -> None:
        """Start a control over scripted vaults.

        :param by_name: it is told their names.
        :param names: it is told these, for as many of them.
        """
        self.vaults(*scripts)

        hosts = [machine.name if by_name else machine.address for machine in self.others]
        hosts[: len(names)] = names

        options = ["--vault-timeout", f"{timeout_s:g}", "--value-max", str(value_max), "--report-every"]
        arguments = [*control_arguments(hosts, ATOMIC), *options, str(report_every_s)]
        # To find out whether it serves it reads, and exercises count what vaults are asked.
        self._start(CONTROL, arguments, {"ready": self._say_ready if tells else None})

    def _say_ready(self) -> None:
        self.is_ready += 1

    def vault(self, *, listens_first: bool = False, wait: bool = True, stalls_s: float = 0.0) -> None:
        """Start a vault.

        :param listens_first: it is to give up its privileges, and so it takes its port before anything else.
        :param stalls_s: so long its disk stalls from when its service starts: what comes before that is twistd's.
        """
        self._stalls_s = stalls_s
        first = ["--gid", NOBODYS] if listens_first else []
        self._start(VAULT, [*first, *vault_arguments()], {"new_identity": lambda: IDENTITY}, wait=wait)

    def _start(self, kind: str, arguments: Sequence[str], instead: Mapping[str, Any], *, wait: bool = True) -> None:
        self._kind, self._arguments = kind, arguments
        self.log = self._grid.lines.heard[BENCH] = []
        self._grid.attachments[BENCH] = Attachment(
            self._grid.observer, self._served, lambda error: self.fatal.append(str(error)), instead
        )
        self._service = None
        self._process = self.server.run(self._launch, again=False)
        if wait:
            self.wait(STARTED_S, lambda: self.listens or self.server.process is None)

    def _launch(self) -> Process:
        return self._grid.twistd(self.server, *self._arguments)

    def _served(self, service: Any, _process: Process) -> None:
        self._service = self._service or service
        if self._stalls_s:
            start, stalls_s = service.startService, self._stalls_s

            def start_on_a_stalled_disk() -> None:
                self.stall(stalls_s)
                start()

            service.startService = start_on_a_stalled_disk

    def stall(self, for_s: float) -> None:
        """Let the server's disk answer nothing for so long."""
        self.server.disk.stalled_until_ns = int((self.now_s + for_s) * SECOND_NS)

    def another(self) -> None:
        """Start the same server once more, in another process on the same machine."""
        self.server.run(self._launch, again=False)

    @property
    def file(self) -> bytes | None:
        """What the vault's disk certainly has of its value."""
        return self.server.disk.durable(VALUE)

    @file.setter
    def file(self, data: bytes) -> None:
        self.server.disk.put(VALUE, data)

    @property
    def timers(self) -> int:
        """How many calls the server's reactor has before it."""
        return timers(self.server)

    def break_connections(self) -> None:
        """Of the server's to its vaults, both ends."""
        for machine in self.others:
            running = self.server.process
            assert running is not None, "a server runs there"
            running.break_connections(machine)

    def silence(self, name: str) -> None:
        """Let nobody answer for a name."""
        self._world.names.silent.add(name)

    def resolve(self) -> None:
        """Let every name be answered for."""
        self._world.names.heal()

    @property
    def port(self) -> int:
        return VAULT_PORT if self._kind == VAULT else CONTROL_PORT

    @property
    def listens(self) -> bool:
        return self.server.listener(self.port) is not None

    @property
    def process(self) -> Process:
        assert self._process is not None, "a server stands on the bench"
        return self._process

    def stop(self, within_s: float, *, meanwhile: Callable[[], object] = lambda: None) -> Problems:
        """SIGTERM."""
        process = self.process
        process.kill(SIGTERM)
        meanwhile()
        began_s = self.now_s
        self.wait(ENDED_S, lambda: not process.alive)
        took_s = self.now_s - began_s
        if process.alive:
            yield f"it had not ended {ENDED_S:g} s after SIGTERM"
        elif process.status != -SIGTERM or took_s > within_s:
            yield f"it ended {took_s:.2f} s after SIGTERM, with {process.status}"

    # Time.

    @property
    def now_s(self) -> float:
        return self._world.now_ns / SECOND_NS

    def wait(self, for_s: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Whether it has come."""
        return until() or self._go_on(int(for_s * SECOND_NS), until)

    # Questions.

    def asks(
        self,
        name: str,
        sends: Sequence[tuple[float, bytes]],
        *expects: Expected,
        at_s: float = 0.0,
        closes: bool = False,
        closes_after_s: float = 0.0,
        listens_after_s: float = 0.0,
    ) -> Inquiry:
        """Send the server something, each part so many seconds after the part before.

        :param at_s: when the last answer comes.
        :param listens_after_s: when the client begins to take what it is sent.
        """
        clients = self._grid.talkers
        identity = IDENTITY.encode("ascii") if self._kind == VAULT else None
        row = Row(
            name,
            lambda _known: sends,
            lambda _known: list(expects),
            after_s=at_s,
            closes=closes,
            closes_after_s=closes_after_s,
        )
        known = Known(
            self._kind,
            0,
            len(self.others),
            identity,
            lambda: self.server.clock.wall_ns(self._world.now_ns) / SECOND_NS,
            late_s=listens_after_s,
        )
        inquiry = _LateListener(clients.reactor, lambda: self._world.now_ns, row, known, lambda _: None)
        inquiry.listens_after_s = listens_after_s
        endpoint = TCP4ClientEndpoint(clients.reactor, self.server.address, self.port)
        clients.run(lambda: connectProtocol(endpoint, inquiry).addErrback(Failure.trap, ConnectError))
        return inquiry

    def over(self, *inquiries: Inquiry) -> Problems:
        """Wait for the ends of inquiries, and say what was wrong."""
        self.wait(OVER_S, lambda: all(inquiry.is_over for inquiry in inquiries))
        for inquiry in inquiries:
            if inquiry.problem is not None:
                yield f"{inquiry.row.name}: {inquiry.problem}"

    def says(self, name: str, sends: Sequence[tuple[float, bytes]], *expects: Expected, at_s: float = 0.0) -> Problems:
        """Send the server something, and wait for what it answers."""
        yield from self.over(self.asks(name, sends, *expects, at_s=at_s))

    def reads(self, *values: int) -> Problems:
        """One read, and its answer: one of these."""
        yield from self.says(f"a read of {values[0]}", [(0.0, GET)], found(*values))

    def writes(self, value: int) -> Problems:
        """One write, which a majority takes."""
        yield from self.says(f"a write of {value}", [(0.0, post(b"%d" % value))], self.taken(), at_s=0.0)

    def taken(self, *by: int) -> Expected:
        """The answer of a write that a majority has, whatever the others do."""
        return taken(len(self.others), *by)

    def stores(self, value: int, answer: Expected, *fields: bytes) -> Problems:
        """One store at a vault, and its answer."""
        yield from self.says(f"a store of {value}", [(0.0, post(b"%d" % value, *fields))], answer)

    def fails_to_read(self, at_s: float = 0.0) -> Problems:
        yield from self.says("a read without a majority", [(0.0, GET)], NOTHING, at_s=at_s)

    def fails_to_write(self, value: int, votes_max: int, at_s: float = 0.0) -> Problems:
        name = f"a write of {value} with {votes_max} votes at most"
        yield from self.says(name, [(0.0, post(b"%d" % value))], not_taken(votes_max, len(self.others)), at_s=at_s)

    # What the server is allowed.

    @contextmanager
    def allowed(self, owner: Any, name: str, instead: object) -> Iterator[None]:
        """A limit that is too large to be reached here is another one for a while."""
        with patched(owner, name, instead):
            yield

    @property
    def _face(self) -> Any:
        return self._service._face  # noqa: SLF001 - what it counts shows on no wire

    def let_in(self, connections: int) -> None:
        """So many, and no more."""
        self._face._connections_max = connections  # noqa: SLF001 - twistd has no option for it

    def send_little(self, size: int) -> None:
        """Let the server's own send buffers count as full from so many bytes on."""
        for channel in self._face.channels:
            channel.transport.bufferSize = size

    @property
    def answered(self) -> int:
        """So many requests so far."""
        return int(self._face.requests_answered)

    @property
    def unparsed_bytes(self) -> int:
        """So many of its clients' have come and are no request yet."""
        return sum(len(channel._buffer) for channel in self._face.channels)  # noqa: SLF001

    # What is looked at.

    def logged(self, *lines: str) -> Problems:
        """Compare what the server has logged since the last time, in any order, but for what each says at its start.

        :param lines: how each begins.
        """
        found = sorted(each for each in self.log if not each.startswith(BEGINNINGS))
        self.log.clear()
        if len(found) != len(lines) or not all(map(str.startswith, found, sorted(lines))):
            yield f"it logged {found}, and not {sorted(lines)}"

    def holds_no_more(self, connections: int) -> Problems:
        """Check that the server holds no more than at rest, and no more than so many connections."""
        self.wait(LEFT_S)
        found = too_many(self.server, self._service, connections)
        if found:
            yield f"it holds {', '.join(found)}"


def found(*values: int) -> Expected:
    return Expected(200, b"%d" % values[0], or_body=tuple(b"%d" % value for value in values))


def taken(vaults: int, *by: int) -> Expected:
    told = [b"Sent updates to %d/%d vaults" % (count, vaults) for count in by or range(vaults // 2 + 1, vaults + 1)]
    return Expected(200, told[-1], or_body=tuple(told))


def not_taken(votes_max: int, vaults: int) -> Expected:
    """The answer to a write that fails. It names how many vaults had the value by then: none up to `votes_max`."""
    told = [b"Sent updates to %d/%d vaults" % (count, vaults) for count in range(votes_max + 1)]
    return Expected(500, told[-1], or_body=tuple(told))


NOTHING = Expected(500, b"-1")


def differs(what: str, found: object, expected: object) -> Problems:
    if found != expected:
        yield f"{what}: {found}, and not {expected}"
