"""What lies between machines: a link for each pair and direction, with latency, loss, cuts and holds.

TCP sends what was lost again. So loss and cuts are delays for it, as they are for programs: nothing overtakes anything
within one direction of a connection, and nothing is delivered twice. A datagram that is lost is lost.
"""

from collections.abc import Callable

from attrs import define, field, frozen

from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.random_stream import RandomStream

RETRANSMIT_NS = 200_000_000
"""Linux's shortest retransmission time-out. It doubles with every attempt."""

RETRANSMIT_MAX_NS = 120_000_000_000

LATENCY_NS = 200_000
"""What a segment usually takes."""

Arrive = Callable[[], None]


@frozen
class Slowness:
    """What is wrong with a link: see `Link`."""

    latency_ns: int
    jitter_ns: int
    loss_per_mille: int


@define(eq=False)
class Link:
    """One direction between two machines. Faults set its attributes; they hold for what is sent from then on.

    :ivar latency_ns: what a segment usually takes; now and then one takes several times that.
    :ivar loss_per_mille: how many segments in a thousand are lost, and come so much later.
    :ivar is_cut: nothing gets through until it is mended.
    :ivar is_held: what is sent, or on its way, waits until it is released.
    :ivar jitter_ns: what a segment may take longer: of two connections, the later one's may come first.
    """

    world: RunContext
    source: str
    target: str
    latency_ns: int
    loss_per_mille: int
    is_cut: bool = False
    is_held: bool = False
    jitter_ns: int = 0
    _rng: RandomStream = field(init=False)
    _kept: list[Arrive] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._rng = self.world.rng(f"link {self.source} {self.target}")

    def delay_ns(self) -> int:
        """How long the next segment takes, retransmissions included."""
        delay_ns = self._rng.rarely_long(self.latency_ns)
        if self.jitter_ns:
            delay_ns += self._rng.below(self.jitter_ns + 1)
        again_ns = RETRANSMIT_NS
        while self.loss_per_mille and self._rng.chance(self.loss_per_mille):
            delay_ns += again_ns
            again_ns = min(2 * again_ns, RETRANSMIT_MAX_NS)
        return delay_ns

    def datagram_ns(self) -> int | None:
        """How long a datagram takes, which nobody sends again; None for one that is lost."""
        if self.is_cut or (self.loss_per_mille and self._rng.chance(self.loss_per_mille)):
            return None
        return self._rng.rarely_long(self.latency_ns) + (self._rng.below(self.jitter_ns + 1) if self.jitter_ns else 0)

    def hold(self) -> None:
        self.is_held = True

    def release(self) -> None:
        """Let go of what was held, in its order."""
        self.is_held = False
        kept, self._kept = self._kept, []
        for arrive in kept:
            arrive()

    def keep(self, arrive: Arrive) -> None:
        """Have something sent once the link is released."""
        self._kept.append(arrive)


class Flow:
    """One direction of one connection: what is put in comes out in order."""

    def __init__(self, world: RunContext, link: Link) -> None:
        self._world = world
        self._link = link
        self._waiting: list[Arrive] = []
        self._last_ns = 0
        self._again_ns = RETRANSMIT_NS
        self._is_retrying = False

    def send(self, arrive: Arrive) -> None:
        """Let `arrive` be called when what is sent now has got to the other end."""
        self._waiting.append(arrive)
        self._pump()

    def _pump(self) -> None:
        if self._is_retrying or not self._waiting:
            return
        world, link = self._world, self._link
        if link.is_cut:
            self._is_retrying = True
            world.after(self._again_ns, self._retry)
            self._again_ns = min(2 * self._again_ns, RETRANSMIT_MAX_NS)
            return
        self._again_ns = RETRANSMIT_NS
        waiting, self._waiting = self._waiting, []
        for arrive in waiting:
            if link.is_held:
                link.keep(lambda arrive=arrive: self._deliver(arrive))  # type: ignore[misc]
            else:
                self._deliver(arrive)

    @property
    def is_cut(self) -> bool:
        return self._link.is_cut

    def _deliver(self, arrive: Arrive) -> None:
        self._last_ns = max(self._last_ns + 1, self._world.now_ns + self._link.delay_ns())
        self._world.after(self._last_ns - self._world.now_ns, self._arrives, arrive)

    def _arrives(self, arrive: Arrive) -> None:
        if self._link.is_held:
            self._link.keep(arrive)
        else:
            arrive()

    def _retry(self) -> None:
        self._is_retrying = False
        self._pump()


class Network:
    """Every link between two machines, made when it is first used."""

    def __init__(self, world: RunContext) -> None:
        self._world = world
        self._connections = 0
        self._links: dict[tuple[str, str], Link] = {}
        self._latency_ns = LATENCY_NS
        self._loss_per_mille = 0

    def set_usual(self, latency_ns: int, loss_per_mille: int) -> None:
        """What links are like that nothing has been done to."""
        self._latency_ns, self._loss_per_mille = latency_ns, loss_per_mille
        for source, target in self._links:
            self.calm(source, target)

    def next_connection(self) -> int:
        """A number for one more connection."""
        self._connections += 1
        return self._connections

    def link(self, source: str, target: str) -> Link:
        link = self._links.get((source, target))
        if link is None:
            link = Link(self._world, source, target, self._latency_ns, self._loss_per_mille)
            self._links[source, target] = link
        return link

    def calm(self, source: str, target: str) -> None:
        """Let a link be as it usually is, but for cuts and holds."""
        link = self.link(source, target)
        link.latency_ns, link.loss_per_mille, link.jitter_ns = self._latency_ns, self._loss_per_mille, 0

    def slow(self, source: str, target: str, slowness: Slowness) -> None:
        link = self.link(source, target)
        link.latency_ns, link.loss_per_mille = slowness.latency_ns, slowness.loss_per_mille
        link.jitter_ns = slowness.jitter_ns

    def cut(self, source: str, target: str) -> None:
        """Let nothing through from `source` to `target`. The other way is not touched."""
        self.link(source, target).is_cut = True

    def mend(self, source: str, target: str) -> None:
        self.link(source, target).is_cut = False

    def hold(self, source: str, target: str) -> None:
        self.link(source, target).hold()

    def release(self, source: str, target: str) -> None:
        self.link(source, target).release()

    def heal(self) -> None:
        """Let every link be as it usually is."""
        for (source, target), link in self._links.items():
            self.calm(source, target)
            link.is_cut = False
            link.release()
