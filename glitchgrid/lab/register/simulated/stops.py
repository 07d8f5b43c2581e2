"""SIGTERM at the end of a run: to servers that are idle, that have work in progress, or whose work hangs."""

from collections.abc import Callable, Iterator, Sequence
from signal import SIGTERM
from typing import Any

from glitchgrid.lab.faults.fault import MS_NS
from glitchgrid.lab.register.oracles.contract import STORE_TIMEOUT_S, majority
from glitchgrid.lab.register.oracles.wire import BY_NAME, GET, Expected, Inquiry, Row
from glitchgrid.lab.register.simulated.grid import Grid
from glitchgrid.lab.register.simulated.programs import VAULT_TIMEOUT_S
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.wire import GUARD_HEADER, GUARD_INCREASE

AT_ONCE_S = 1.0
"""What has nothing to do ends so soon."""

STOPS_S = 6.0
"""A server that is told to stop has ended so long afterwards, whatever it does: 5 s are for what is in progress."""

BEGUN_MS = 300
"""What was asked has arrived by then, and nothing has been answered that takes its time."""

STALL_S = 1.0
HANGS_S = 60.0
OVER_S = 4 * STALL_S
"""An inquiry that needs no time of its own is over by then."""

IDLE = "an idle server"
ASKING = "a control that looks a name up"

STOPPED = "calm: stopped "
"""What the lines for them begin with, in the table of what was reached."""

CLOSING = (b"connection", b"close")


class Stops:
    """Gives a server something to do.

    :param ask: sends a row of the wire to a server.
    :param read: lets every control read.
    :ivar told: who is told to stop.
    :ivar inquiries: what was asked before, and of whom.
    :ivar within_s: how long they may take to end.
    """

    def __init__(
        self,
        grid: Grid,
        rng: RandomStream,
        ask: Callable[[Machine, Row], Inquiry],
        read: Callable[[], object],
    ) -> None:
        self._grid = grid
        self._world = grid.world
        self._ask = ask
        self._read = read
        self._rng = rng
        self._vault, self._control = rng.pick(grid.vaults), rng.pick(grid.controls)
        self._kind = IDLE
        self.told: Sequence[Machine] = [self._vault]
        self.inquiries: list[tuple[Machine, Inquiry]] = []
        self.within_s = AT_ONCE_S

    def draw(self) -> str:
        """Draw a kind of stop. Where controls look names up, half of the draws are stops during a lookup."""
        plain = [kind for kind in STOPS if kind != ASKING]
        vaults = len(self._grid.vaults)
        return self._rng.pick(
            (*plain, *[ASKING] * len(plain)) if self._grid.by_name and majority(vaults) < vaults else plain
        )

    def occupy(self, kind: str) -> int:
        """Begin it. How many nanoseconds are to go by before SIGTERM."""
        self._kind = kind
        return BEGUN_MS * MS_NS + int(STOPS[kind](self) * SECOND_NS)

    def problems(self, processes: Sequence[Process]) -> Iterator[str]:
        """What was wrong with their ends."""
        for process in processes:
            if process.alive:
                yield f"{process.name} had not ended {self.within_s:g} s after SIGTERM, as {self._kind}"
            elif process.status != -SIGTERM:
                yield f"{process.name} ended with {process.status} after SIGTERM, as {self._kind}"

    # Each says how long it takes until all is ready for SIGTERM, in seconds.

    def idle(self) -> float:
        """All servers are stopped while they are idle."""
        self.told = self._grid.servers
        return 0

    def storing(self) -> float:
        """A vault has a store in progress, and has to answer it before it ends."""
        self._stall(STALL_S)
        self.within_s = STALL_S + AT_ONCE_S
        fields = dict([CLOSING, (GUARD_HEADER.lower(), GUARD_INCREASE)])
        self._store(Expected(200, b"%d" % self._next_value(), fields), after_s=STALL_S, closes=True)
        return 0

    def hanging(self) -> float:
        """A vault has a store that never ends, and has to end without it."""
        self._stall(HANGS_S)
        self.within_s = STOPS_S
        self._store(None, closes=True, closes_after_s=STOPS_S - AT_ONCE_S)
        return 0

    def late(self) -> float:
        """A vault has a store that ended after its deadline."""
        self._stall(STORE_TIMEOUT_S + STALL_S)
        self._store(Expected(503, b"Store is busy"), after_s=STORE_TIMEOUT_S)
        return STORE_TIMEOUT_S + OVER_S

    def failed(self) -> float:
        """A vault whose disk has failed takes no store, and still answers reads."""
        self._vault.disk.fails_to.add("write")
        self._store(Expected(500, b"Store failed"))
        self._world.after(int(STALL_S * SECOND_NS), self._ask_one_that_has_failed)
        return STALL_S + OVER_S

    def _ask_one_that_has_failed(self) -> None:
        self._store(Expected(500, b"Store failed"))
        self.inquiries.append((self._vault, self._ask(self._vault, BY_NAME["a read"])))

    def waiting(self) -> float:
        """A control has a read that no majority answers: it has to say so before it ends."""
        for vault in self._grid.vaults[: majority(len(self._grid.vaults))]:
            assert vault.process is not None, "it runs"
            vault.process.pause()
        self.told = [self._control]
        self.within_s = VAULT_TIMEOUT_S + AT_ONCE_S
        row = Row(
            "a read that nobody decides",
            lambda _known: [(0.0, GET)],
            lambda _known: [Expected(500, b"-1", dict([CLOSING]))],
            closes=True,
            after_s=VAULT_TIMEOUT_S,
        )
        self.inquiries.append((self._control, self._ask(self._control, row)))
        return 0

    def asking(self) -> float:
        """A control looks up the name of a vault, and the name server does not answer."""
        self._world.names.silent.add(self._vault.name)
        self._vault.kill()
        self.told = self._grid.controls
        self._read()
        return 0

    def _stall(self, for_s: float) -> None:
        self._vault.disk.stalled_until_ns = self._world.now_ns + int(for_s * SECOND_NS)

    def _next_value(self) -> int:
        return self._grid.known(self._vault).value + 1

    def _store(self, expected: Expected | None, **times: Any) -> None:
        """Ask the vault to store one more than it holds."""
        value = b"%d" % self._next_value()
        self._grid.invariant.written.add(int(value))
        head = b"POST / HTTP/1.1\r\nHost: grid\r\n%b: %b\r\nContent-Length: %d\r\n\r\n"
        row = Row(
            "a store while it stops",
            lambda _known: [(0.0, head % (GUARD_HEADER, GUARD_INCREASE, len(value)) + value)],
            lambda _known: [] if expected is None else [expected],
            **times,
        )
        self.inquiries.append((self._vault, self._ask(self._vault, row)))


STOPS: dict[str, Callable[[Stops], float]] = {
    IDLE: Stops.idle,
    "a vault that stores": Stops.storing,
    "a vault whose disk hangs": Stops.hanging,
    "a vault whose disk was late": Stops.late,
    "a vault whose disk has failed": Stops.failed,
    "a control that waits": Stops.waiting,
    ASKING: Stops.asking,
}
"""What a server is doing when it is told to stop."""
