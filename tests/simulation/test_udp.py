"""UDP as open files: datagrams that arrive, are lost, overtake, or find nobody."""

import errno
import socket

import pytest

from glitchgrid.simulation.kernel.descriptors import ERR, IN, OUT
from glitchgrid.simulation.kernel.socket_file import Received
from glitchgrid.simulation.kernel.udp import DATAGRAM_BYTES_MAX, Udp
from glitchgrid.simulation.network import Slowness
from tests.simulation.two_machines import TwoMachines

PORT = 53


class Net(TwoMachines):
    """Two machines; one has a port."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Udp(self.stacks["b"])
        self.server.bind(("", PORT))
        self.client = Udp(self.stacks["a"])
        self.there = (self.b.address, PORT)

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
    assert net.client.events == OUT | ERR
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
        (lambda net: net.client.send(b"x" * (DATAGRAM_BYTES_MAX[socket.AF_INET] + 1), net.there), errno.EMSGSIZE),
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


def test_what_goes_out_by_the_machine_itself_stays_there(net: Net) -> None:
    group = ("224.0.0.251", 5)
    joined = socket.inet_aton(group[0]) + bytes(4)
    takers = [Udp(net.stacks[name]) for name in ("a", "b")]
    for taker in takers:
        taker.bind(("", 5))
        taker.set_option(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
    net.client.set_option(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    net.client.send(b"x", group)
    net.run()
    assert [bool(taker.events & IN) for taker in takers] == [True, False]
    assert takers[0].receive(1).source[0] == "127.0.0.1"


def test_who_has_joined_no_group_hears_what_its_machine_hears(net: Net) -> None:
    joined, other = Udp(net.stacks["b"]), Udp(net.stacks["b"])
    joined.set_option(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + bytes(4))
    other.bind(("", 5))
    net.client.send(b"x", ("224.0.0.251", 5))
    net.run()
    assert other.events & IN
    other.receive(1)
    joined.close()
    net.client.send(b"x", ("224.0.0.251", 5))
    net.run()
    assert not other.events & IN


def test_a_socket_of_the_other_family_hears_groups_that_it_has_joined(net: Net) -> None:
    """As Linux 6 has it: what others of its machine have joined is nothing to it."""
    membership = socket.inet_aton("224.0.0.251") + bytes(4)
    joined, other = Udp(net.stacks["b"]), Udp(net.stacks["b"], socket.AF_INET6)
    joined.set_option(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    other.bind(("::", 5))
    net.client.send(b"x", ("224.0.0.251", 5))
    net.run()
    assert not other.events & IN
    other.set_option(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    net.client.send(b"x", ("224.0.0.251", 5))
    net.run()
    assert other.events & IN
