"""What lies between machines: a switch of our own, each of whose ports is a machine's tap device.

Each direction between two machines has conditions of its own. They hold for frames, below TCP: what is lost here is
sent again by the machines' kernels, in their time.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReadDescriptor
from zope.interface import implementer

from glitchgrid.machines.frames import FRAME_BYTES_MAX, Pcap, is_for_many, payload_of, resets_for, target_of
from glitchgrid.machines.interface import octets
from glitchgrid.machines.roughness import SMOOTH, Roughness, together
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.random_stream import RandomStream

FRAMES_AT_ONCE = 64
"""So many of one machine are taken before the others have their turn."""

QUEUE_BYTES_MAX = 4 << 20
"""Of one direction: what does not fit any more is lost, as with any switch."""

SECOND_NS = 1_000_000_000
BITS = 8

WATCHED_A_SECOND_MAX = 500
"""Whoever watches is told of so many segments."""

RESETS_NS = 1 * SECOND_NS
"""For so long whatever a connection says is answered with a reset."""


Watch = Callable[[str, str, int, int | None, bytes], object]
"""Whence, whither, when it was sent, when it arrived (None where it was lost; by the monotonic clock), what it is."""


@define(eq=False)
class Way:
    """One direction between two machines.

    :ivar cuts: by how many it is cut: partitions may overlap.
    :ivar holds: by how many it is held.
    :ivar roughness: that of all `roughnesses` together.
    :ivar carried: how many frames have come out.
    :ivar lost: how many never will.
    :ivar ends: the machines' names.
    """

    rng: RandomStream
    cuts: int = 0
    holds: int = 0
    slowness: list[Slowness] = field(factory=list)
    roughnesses: list[Roughness] = field(factory=list)
    roughness: Roughness = SMOOTH
    held: deque[tuple[int, bytes]] = field(factory=deque)
    waiting_bytes: int = 0
    free_at_ns: int = 0
    resets_until_ns: int = 0
    carried: int = 0
    lost: int = 0
    ends: tuple[str, str] = ("", "")

    @property
    def is_plain(self) -> bool:
        """Does everything come out at once?"""
        return not (self.cuts or self.holds or self.slowness or self.resets_until_ns or self.roughness is not SMOOTH)

    def delays_ns(self, size: int, now_ns: int) -> list[int]:
        """When each copy of a frame comes out, from now on; none for one that is lost."""
        slow = self.slowness[-1] if self.slowness else None
        if slow is not None and slow.loss_per_mille and self.rng.chance(slow.loss_per_mille):
            return []
        delay_ns = 0
        if slow is not None:
            delay_ns = slow.latency_ns + (self.rng.below(slow.jitter_ns + 1) if slow.jitter_ns else 0)
        rough = self.roughness
        if rough.bits_per_s:
            self.free_at_ns = max(now_ns, self.free_at_ns) + size * BITS * SECOND_NS // rough.bits_per_s
            delay_ns += self.free_at_ns - now_ns
        if rough.reordered_per_mille and self.rng.chance(rough.reordered_per_mille):
            delay_ns += rough.late_ns
        twice = rough.duplicated_per_mille and self.rng.chance(rough.duplicated_per_mille)
        return [delay_ns, delay_ns] if twice else [delay_ns]


class Network:
    """:param record: where all frames that come in are kept, if anywhere.

    :param watch: is told of what connections carry, if anybody is; of `WATCHED_A_SECOND_MAX` segments at most.

    :ivar frames: how many have come in.
    """

    def __init__(self, reactor: Any, seed: str, record: Pcap | None = None, watch: Watch | None = None) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._seed = seed
        self._record = record
        self._watch = watch
        self._second = self._told = 0
        self._ports: dict[str, _Port] = {}
        self._by_mac: dict[bytes, _Port] = {}
        self._ways: dict[tuple[str, str], Way] = {}
        self._late: list[tuple[int, int, int, _Port, bytes, Way]] = []
        self._order = 0
        self._timer: IDelayedCall | None = None
        self.frames = 0

    # Machines.

    def attach(self, name: str, mac: str, tap: int | None) -> None:
        """Have a machine on it. The descriptor is this network's from now on; without one it is not on it."""
        if tap is None:
            return
        port = _Port(self, name, tap)
        for other in self._ports:
            for source, target in ((name, other), (other, name)):
                rng = RandomStream(f"{self._seed}:way {source} {target}")
                self._ways[source, target] = Way(rng, ends=(source, target))
        self._ports[name] = self._by_mac[octets(mac)] = port
        self._reactor.addReader(port)

    def close(self) -> None:
        for port in self._ports.values():
            self._reactor.removeReader(port)
            os.close(port.fileno())
        self._ports.clear()
        self._by_mac.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._record is not None:
            self._record.close()

    def detached(self, port: "_Port") -> None:
        """A machine has ended by itself: nothing comes from it any more."""
        self._reactor.removeReader(port)

    @property
    def names(self) -> Iterable[str]:
        return tuple(self._ports)

    def way(self, source: str, target: str) -> Way:
        return self._ways[source, target]

    # What is done to a direction.

    def cut(self, source: str, target: str) -> None:
        """Nothing gets through until it is mended as often as it was cut."""
        self._ways[source, target].cuts += 1

    def mend(self, source: str, target: str) -> None:
        way = self._ways[source, target]
        way.cuts = max(0, way.cuts - 1)

    def hold(self, source: str, target: str) -> None:
        """What is sent waits until it is released as often as it was held."""
        self._ways[source, target].holds += 1

    def release(self, source: str, target: str) -> None:
        way = self._ways[source, target]
        way.holds = max(0, way.holds - 1)
        if not way.holds:
            held, way.held = way.held, deque()
            for came_ns, frame in held:
                way.waiting_bytes -= len(frame)
                self._carry(way, self._ports[target], frame, came_ns)

    def slow(self, source: str, target: str, slowness: Slowness) -> None:
        self._ways[source, target].slowness.append(slowness)

    def calm(self, source: str, target: str) -> None:
        """The last that made it slow does so no more."""
        way = self._ways[source, target]
        if way.slowness:
            way.slowness.pop()

    def roughen(self, source: str, target: str, roughness: Roughness) -> None:
        """Let it be rough, too, until it is smoothed of that."""
        way = self._ways[source, target]
        way.roughnesses.append(roughness)
        way.roughness = together(way.roughnesses)

    def smooth(self, source: str, target: str, roughness: Roughness) -> None:
        way = self._ways[source, target]
        if roughness in way.roughnesses:
            way.roughnesses.remove(roughness)
        way.roughness = together(way.roughnesses)

    def heal(self) -> None:
        """All is well again, and what was held comes out."""
        for (source, target), way in self._ways.items():
            way.cuts, way.roughness, way.resets_until_ns = 0, SMOOTH, 0
            way.slowness.clear()
            way.roughnesses.clear()
            way.holds = min(1, way.holds)
            if way.holds:
                self.release(source, target)

    def silence(self, name: str) -> None:
        """A machine is off: it says nothing, and hears nothing."""
        for source, target in self._all_of(name):
            self.cut(source, target)

    def hear(self, name: str) -> None:
        """It is there again."""
        for source, target in self._all_of(name):
            self.mend(source, target)

    def reset(self, source: str, target: str) -> None:
        """Both ends of each connection between two machines get a reset when one of them says something next."""
        for way in (self._ways[source, target], self._ways[target, source]):
            way.resets_until_ns = time.monotonic_ns() + RESETS_NS

    def _all_of(self, name: str) -> list[tuple[str, str]]:
        others = [other for other in self._ports if other != name]
        return [*((name, other) for other in others), *((other, name) for other in others)]

    # What passes.

    def came(self, source: "_Port", frame: bytes) -> None:
        self.frames += 1
        came_ns = time.monotonic_ns()
        if self._record is not None:
            self._record.add(time.time_ns(), frame)
        if is_for_many(frame):
            for target in self._ports.values():
                if target is not source:
                    self._carry(self._ways[source.name, target.name], target, frame, came_ns)
            return
        to = self._by_mac.get(target_of(frame))
        if to is not None and to is not source:
            self._carry(self._ways[source.name, to.name], to, frame, came_ns)

    def _carry(self, way: Way, target: "_Port", frame: bytes, came_ns: int) -> None:
        if way.is_plain:
            self._put(way, target, frame, came_ns)
        elif self._breaks(way, target, frame) or way.cuts or way.waiting_bytes + len(frame) > QUEUE_BYTES_MAX:
            self._lose(way, frame, came_ns)
        elif way.holds:
            way.waiting_bytes += len(frame)
            way.held.append((came_ns, frame))
        else:
            self._delay(way, target, frame, came_ns)

    def _put(self, way: Way, target: "_Port", frame: bytes, came_ns: int) -> None:
        target.put(way, frame)
        if self._watch is not None:
            self._tell(way, frame, came_ns, time.monotonic_ns())

    def _lose(self, way: Way, frame: bytes, came_ns: int) -> None:
        way.lost += 1
        if self._watch is not None:
            self._tell(way, frame, came_ns, None)

    def _tell(self, way: Way, frame: bytes, came_ns: int, arrived_ns: int | None) -> None:
        """So many a second, and no more: nobody could look at all of it."""
        second = came_ns // SECOND_NS
        if second > self._second:  # what was late on its way has come before
            self._second, self._told = second, 0
        said = payload_of(frame) if self._told < WATCHED_A_SECOND_MAX else b""
        if said and self._watch is not None:
            self._told += 1
            self._watch(*way.ends, came_ns, arrived_ns, said)

    def _breaks(self, way: Way, target: "_Port", frame: bytes) -> bool:
        """Answer a segment of a connection with resets to both ends, while that is wanted."""
        if not way.resets_until_ns:
            return False
        if time.monotonic_ns() > way.resets_until_ns:
            way.resets_until_ns = 0
            return False
        resets = resets_for(frame)
        if resets is None:
            return False
        back, on = resets
        source = self._by_mac.get(target_of(back))
        target.put(way, on)
        if source is not None:
            source.put(way, back)
        return True

    def _delay(self, way: Way, target: "_Port", frame: bytes, came_ns: int) -> None:
        now_ns = time.monotonic_ns()
        delays_ns = way.delays_ns(len(frame), now_ns)
        if not delays_ns:
            self._lose(way, frame, came_ns)
        for delay_ns in delays_ns:
            self._order += 1
            way.waiting_bytes += len(frame)
            heappush(self._late, (now_ns + delay_ns, self._order, came_ns, target, frame, way))
        self._wait()

    def _wait(self) -> None:
        if not self._late:
            return
        due_s = self._clock.seconds() + max(0, self._late[0][0] - time.monotonic_ns()) / SECOND_NS
        if self._timer is not None and self._timer.active():
            if self._timer.getTime() <= due_s:
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0.0, due_s - self._clock.seconds()), self._deliver)

    def _deliver(self) -> None:
        now_ns = time.monotonic_ns()
        while self._late and self._late[0][0] <= now_ns:
            _, _, came_ns, target, frame, way = heappop(self._late)
            way.waiting_bytes -= len(frame)
            if way.cuts:
                self._lose(way, frame, came_ns)
            elif way.holds:
                way.waiting_bytes += len(frame)
                way.held.append((came_ns, frame))
            else:
                self._put(way, target, frame, came_ns)
        self._wait()


@implementer(IReadDescriptor)
class _Port:
    """A machine's end of the network, seen from the switch."""

    def __init__(self, network: Network, name: str, tap: int) -> None:
        self.name = name
        self._network = network
        self._tap = tap
        self._came: Callable[[_Port, bytes], None] = network.came

    def fileno(self) -> int:
        return self._tap

    def logPrefix(self) -> str:
        return f"the network at {self.name}"

    def doRead(self) -> None:
        read, tap, came = os.read, self._tap, self._came
        try:
            for _ in range(FRAMES_AT_ONCE):
                came(self, read(tap, FRAME_BYTES_MAX))
        except BlockingIOError:
            pass
        except OSError:
            self._gone()

    def put(self, way: Way, frame: bytes) -> None:
        """Hand it to the machine's kernel. One whose interface is down, or whose queue is full, loses it."""
        try:
            os.write(self._tap, frame)
        except OSError:
            way.lost += 1
        else:
            way.carried += 1

    def connectionLost(self, reason: object) -> None:
        """The reactor stops, or does not poll it any more."""

    def _gone(self) -> None:
        """EBADFD: its machine has ended, and the device with it."""
        self._network.detached(self)
