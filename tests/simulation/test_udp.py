"""UDP as open files: datagrams that arrive, are lost, overtake, or find nobody."""

import errno

import pytest

from glitchgrid.simulation.kernel.descriptors import ERR, IN, OUT
from glitchgrid.simulation.kernel.socket_file import Received
from glitchgrid.simulation.kernel.stack import Stack
from glitchgrid.simulation.kernel.udp import DATAGRAM_BYTES_MAX, Udp
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.world import World

MS = 1_000_000
PORT = 53


class Net:
    """Two machines; one has a port."""

    def __init__(self) -> None:
        self.world = World("a seed")
        self.a, self.b = self.world.machine("a"), self.world.machine("b")
        self.stacks: dict[str, Stack] = {}
        for each in (self.a, self.b):
            self.stacks[each.name] = Stack(each, self.stacks, lambda _host, _name: None)
        self.server = Udp(self.stacks["b"])
        self.server.bind(("", PORT))
        self.client = Udp(self.stacks["a"])
        self.there = (self.b.address, PORT)

    def run(self, ms: int = 20) -> None:
        self.world.run(ms * MS)

    def received(self) -> list[bytes]:
        found = []
        while self.server.events & IN:
            found.append(self.server.read(100))
        return found


@pytest.fixture
def net() -> Net:
    return Net()


def test_a_question_and_its_answer(net: Net) -> None:
    assert net.client.send(b"question", net.there) == 8
    with pytest.raises(BlockingIOError):
        net.server.receive(100)
    net.run()
    assert net.server.events == IN | OUT
    question, whole, source, _ = net.server.receive(5)
    assert (question, whole, source) == (b"quest", 8, (net.a.address, net.client.local.port))  # the rest of it is gone
    net.server.send(b"answer", source)
    net.run()
    assert net.client.receive(100) == Received(b"answer", 6, net.there)


def test_what_is_lost_is_lost(net: Net) -> None:
    net.world.network.cut("a", "b")
    net.client.send(b"1", net.there)
    net.run()
    net.world.network.mend("a", "b")
    net.run(5000)
    assert net.received() == []
    net.world.network.slow("a", "b", Slowness(200_000, 0, 500))
    for number in range(100):
        net.client.send(bytes([number]), net.there)
    net.run()
    assert 20 < len(net.received()) < 80


def test_one_may_overtake_another(net: Net) -> None:
    sent = [bytes([number]) for number in range(50)]
    for each in sent:
        net.client.send(each, net.there)
    net.run()
    received = net.received()
    assert sorted(received) == sent != received


def test_nobody_has_the_port(net: Net) -> None:
    net.client.send(b"x", (net.b.address, 54))
    net.run()
    assert net.client.events == OUT  # only who is connected is told
    net.client.connect((net.b.address, 54), "connect")
    net.client.write(b"x")
    net.run()
    assert net.client.events == OUT | IN | ERR
    with pytest.raises(ConnectionRefusedError):
        net.client.read(1)
    with pytest.raises(BlockingIOError):
        net.client.read(1)


def test_a_connected_one_hears_one_other(net: Net) -> None:
    net.server.connect((net.a.address, 9), "connect")
    net.client.send(b"x", net.there)
    net.run()
    assert net.received() == []


@pytest.mark.parametrize(
    ("act", "number"),
    [
        (lambda net: net.client.send(b"x" * (DATAGRAM_BYTES_MAX + 1), net.there), errno.EMSGSIZE),
        (lambda net: net.client.send(b"x", ("10.9.9.9", 1)), errno.ENETUNREACH),
        (lambda net: net.client.write(b"x"), errno.EDESTADDRREQ),
        (lambda net: Udp(net.stacks["b"]).bind(("", PORT)), errno.EADDRINUSE),
        (lambda net: net.client.bind((net.b.address, 1)), errno.EADDRNOTAVAIL),
        (lambda net: net.server.bind(("", 1)), errno.EINVAL),
    ],
)
def test_what_is_refused(net: Net, act: object, number: int) -> None:
    assert callable(act)
    with pytest.raises(OSError, match=r".*") as raised:
        act(net)
    assert raised.value.errno == number
