"""The switch: what is done to one direction between two machines, and to no other."""

import os
import socket
import time

import pytest
from twisted.internet.task import Clock

from glitchgrid.machines import network as networks
from glitchgrid.machines.network import QUEUE_BYTES_MAX, WATCHED_A_SECOND_MAX, Network
from glitchgrid.machines.roughness import Roughness
from glitchgrid.simulation.network import Slowness
from tests.machines.test_frames import ACK, PSH, RST, read, segment

MS_NS = 1_000_000


class Reactor(Clock):
    """Reads when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[object] = []

    def addReader(self, reader: object) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: object) -> None:
        if reader in self.readers:
            self.readers.remove(reader)


class Bench:
    """Machines whose taps are sockets here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int = 2) -> None:
        self.reactor = Reactor()
        self.now_ns = 1_000_000_000
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.now_ns)
        self.seen: list[tuple[object, ...]] = []
        self.network = Network(self.reactor, "0", watch=lambda *seen: self.seen.append(seen))
        self.ends: list[socket.socket] = []
        for number in range(1, count + 1):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            ours.setblocking(False)
            theirs.setblocking(False)
            self.network.attach(f"m{number}", f"02:00:00:00:00:{number:02x}", theirs.detach())
            self.ends.append(ours)

    def send(self, number: int, frame: bytes) -> None:
        self.ends[number - 1].send(frame)
        for reader in list(self.reactor.readers):
            reader.doRead()  # type: ignore[attr-defined]

    def came(self, number: int) -> list[bytes]:
        frames = []
        while True:
            try:
                frames.append(self.ends[number - 1].recv(65536))
            except BlockingIOError:
                return frames

    def pass_time(self, ms: float) -> None:
        self.now_ns += int(ms * MS_NS)
        self.reactor.advance(ms / 1000)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def frame(target: int, source: int, data: bytes = b"x") -> bytes:
    return bytes([2, 0, 0, 0, 0, target, 2, 0, 0, 0, 0, source]) + b"\x08\x00" + data


def test_it_comes_to_whom_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, 3)
    bench.send(1, frame(2, 1))
    assert [bench.came(each) for each in (1, 2, 3)] == [[], [frame(2, 1)], []]
    many = b"\xff" * 6 + frame(2, 1)[6:]
    bench.send(1, many)
    assert [bench.came(each) for each in (1, 2, 3)] == [[], [many], [many]]
    bench.send(1, frame(9, 1))
    assert [bench.came(each) for each in (1, 2, 3)] == [[], [], []]


def test_a_cut_is_one_way_and_partitions_may_overlap(bench: Bench) -> None:
    bench.network.cut("m1", "m2")
    bench.network.cut("m1", "m2")
    bench.send(1, frame(2, 1))
    bench.send(2, frame(1, 2))
    assert bench.came(2) == []
    assert bench.came(1) == [frame(1, 2)]
    bench.network.mend("m1", "m2")
    bench.send(1, frame(2, 1))
    assert bench.came(2) == [], "it was cut twice"
    bench.network.mend("m1", "m2")
    bench.send(1, frame(2, 1))
    assert bench.came(2) == [frame(2, 1)]
    assert bench.network.way("m1", "m2").lost == 2


def test_what_is_held_comes_in_its_order(bench: Bench) -> None:
    bench.network.hold("m1", "m2")
    for data in (b"a", b"b"):
        bench.send(1, frame(2, 1, data))
    assert bench.came(2) == []
    bench.network.release("m1", "m2")
    assert bench.came(2) == [frame(2, 1, b"a"), frame(2, 1, b"b")]


def test_what_is_held_has_a_limit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "QUEUE_BYTES_MAX", 100)
    bench.network.hold("m1", "m2")
    for _ in range(20):
        bench.send(1, frame(2, 1))
    bench.network.release("m1", "m2")
    assert len(bench.came(2)) == 100 // len(frame(2, 1)) < 20
    assert QUEUE_BYTES_MAX > 64 * 1500


def test_a_slow_link(bench: Bench) -> None:
    bench.network.slow("m1", "m2", Slowness(50 * MS_NS, 0, 0))
    bench.send(1, frame(2, 1))
    bench.pass_time(49)
    assert bench.came(2) == []
    bench.pass_time(2)
    assert bench.came(2) == [frame(2, 1)]
    bench.network.calm("m1", "m2")
    bench.send(1, frame(2, 1))
    assert bench.came(2) == [frame(2, 1)]


def test_what_is_late_is_lost_by_a_cut_and_kept_by_a_hold(bench: Bench) -> None:
    bench.network.slow("m1", "m2", Slowness(50 * MS_NS, 0, 0))
    bench.send(1, frame(2, 1, b"a"))
    bench.network.hold("m1", "m2")
    bench.pass_time(60)
    assert bench.came(2) == []
    bench.network.calm("m1", "m2")
    bench.network.release("m1", "m2")
    assert bench.came(2) == [frame(2, 1, b"a")]
    bench.network.slow("m1", "m2", Slowness(50 * MS_NS, 0, 0))
    bench.send(1, frame(2, 1, b"b"))
    bench.network.cut("m1", "m2")
    bench.pass_time(60)
    assert bench.came(2) == []


def test_some_of_it_is_lost(bench: Bench) -> None:
    bench.network.slow("m1", "m2", Slowness(1, 0, 300))
    for _ in range(200):
        bench.send(1, frame(2, 1))
        bench.pass_time(1)
    assert 100 < len(bench.came(2)) < 180


def test_twice_late_and_thin(bench: Bench) -> None:
    twice, late = Roughness(duplicated_per_mille=1000), Roughness(reordered_per_mille=500, late_ns=5 * MS_NS)
    bench.network.roughen("m1", "m2", twice)
    bench.send(1, frame(2, 1))
    bench.pass_time(1)
    assert len(bench.came(2)) == 2
    bench.network.smooth("m1", "m2", twice)
    bench.network.roughen("m1", "m2", late)
    sent = [frame(2, 1, bytes([each])) for each in range(40)]
    for each in sent:
        bench.send(1, each)
    bench.pass_time(10)
    came = bench.came(2)
    assert sorted(came) == sorted(sent)
    assert came != sent
    bench.network.smooth("m1", "m2", late)
    bench.network.roughen("m1", "m2", Roughness(bits_per_s=len(sent[0]) * 8 * 100))
    for each in sent[:5]:
        bench.send(1, each)
    bench.pass_time(25)
    assert len(bench.came(2)) == 2, "a hundred of them in a second"


def test_what_overlaps_is_done_together(bench: Bench) -> None:
    twice, thin = Roughness(duplicated_per_mille=1000), Roughness(bits_per_s=len(frame(2, 1)) * 8 * 100)
    for rough in (twice, thin, twice):
        bench.network.roughen("m1", "m2", rough)
    bench.network.smooth("m1", "m2", twice)
    bench.send(1, frame(2, 1))
    bench.pass_time(5)
    assert bench.came(2) == []
    bench.pass_time(6)
    assert len(bench.came(2)) == 2, "it is thin, and one of two that send twice is left"
    bench.network.heal()
    assert bench.network.way("m1", "m2").is_plain


def test_a_reset_tells_both_ends(bench: Bench) -> None:
    bench.network.reset("m1", "m2")
    bench.send(1, segment(ACK, b"hello"))
    (back,), (on,) = bench.came(1), bench.came(2)
    assert read(back)[8] == read(on)[8] == RST | ACK
    bench.send(1, frame(2, 1))
    bench.pass_time(1)
    assert bench.came(2) == [frame(2, 1)], "no segment of TCP"
    bench.pass_time(2000)
    bench.send(1, segment(ACK, b"hello"))
    bench.pass_time(1)
    assert bench.came(2) == [segment(ACK, b"hello")]


def test_a_machine_without_power_and_all_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, 3)
    bench.network.silence("m1")
    bench.send(1, frame(2, 1))
    bench.send(3, frame(1, 3))
    bench.send(3, frame(2, 3))
    assert [bench.came(each) for each in (1, 2)] == [[], [frame(2, 3)]]
    bench.network.hear("m1")
    bench.network.cut("m1", "m2")
    bench.network.hold("m2", "m1")
    bench.network.hold("m2", "m1")
    bench.send(2, frame(1, 2))
    bench.network.heal()
    bench.send(1, frame(2, 1))
    assert [bench.came(each) for each in (1, 2)] == [[frame(1, 2)], [frame(2, 1)]]


def test_a_machine_that_has_ended(bench: Bench) -> None:
    port = next(iter(bench.reactor.readers))
    os.close(port.fileno())  # type: ignore[attr-defined]
    port.doRead()  # type: ignore[attr-defined]
    assert port not in bench.reactor.readers
    bench.send(2, frame(1, 2))
    assert bench.network.way("m2", "m1").lost == 1


def test_whoever_watches_is_told_of_what_connections_carry(bench: Bench) -> None:
    """When it was sent, and when it came out, if it did."""
    sent_ns = bench.now_ns
    bench.send(1, segment(ACK | PSH, b"at once"))
    bench.send(1, segment(ACK))
    bench.network.cut("m1", "m2")
    bench.send(1, segment(ACK | PSH, b"lost"))
    bench.network.mend("m1", "m2")
    bench.network.hold("m1", "m2")
    bench.send(1, segment(ACK | PSH, b"held"))
    bench.pass_time(5)
    bench.network.release("m1", "m2")
    bench.network.slow("m1", "m2", Slowness(3 * MS_NS, 0, 0))
    bench.send(1, segment(ACK | PSH, b"late"))
    bench.pass_time(3)
    assert bench.seen == [
        ("m1", "m2", sent_ns, sent_ns, b"at once"),
        ("m1", "m2", sent_ns, None, b"lost"),
        ("m1", "m2", sent_ns, sent_ns + 5 * MS_NS, b"held"),
        ("m1", "m2", sent_ns + 5 * MS_NS, sent_ns + 8 * MS_NS, b"late"),
    ]


def test_whoever_watches_is_not_told_of_more_than_anybody_could_look_at(bench: Bench) -> None:
    came = 0
    for _ in range(WATCHED_A_SECOND_MAX + 10):
        bench.send(1, segment(ACK | PSH, b"x"))
        came += len(bench.came(2))
    assert (len(bench.seen), came) == (WATCHED_A_SECOND_MAX, WATCHED_A_SECOND_MAX + 10)
    bench.pass_time(1000)
    bench.send(1, segment(ACK | PSH, b"later"))
    assert bench.seen[-1][-1] == b"later"


def test_frames_that_are_late_do_not_lift_the_limit(bench: Bench) -> None:
    bench.network.slow("m1", "m2", Slowness(400 * MS_NS, 0, 0))
    for _ in range(300):
        bench.send(1, segment(ACK | PSH, b"late"))
    bench.now_ns += 1700 * MS_NS
    bench.network.calm("m1", "m2")
    for number in range(300):
        bench.send(1, segment(ACK | PSH, b"now"))
        bench.came(2)
        if number == 150:
            bench.reactor.advance(0.4)
    assert len(bench.seen) <= WATCHED_A_SECOND_MAX
