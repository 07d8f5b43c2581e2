"""TCP as open files: how connections come about, what is said over them, and how they end."""

import errno
import socket

import pytest

from glitchgrid.simulation.connection import SEND_BUFFER_BYTES
from glitchgrid.simulation.kernel.descriptors import HUP, IN, OUT
from glitchgrid.simulation.kernel.tcp import Tcp
from tests.simulation.two_machines import MS, TwoMachines

PORT = 80


class Net(TwoMachines):
    """Two machines; one listens."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Tcp(self.stacks["b"])
        self.server.bind(("", PORT))
        self.server.listen(5)

    def client(self) -> Tcp:
        client = Tcp(self.stacks["a"])
        assert client.connect((self.b.address, PORT), "connect") == errno.EINPROGRESS
        return client

    def pair(self) -> tuple[Tcp, Tcp]:
        client = self.client()
        self.run()
        return client, self.server.accept()


@pytest.fixture
def net() -> Net:
    return Net()


def test_two_that_talk(net: Net) -> None:
    client, server = net.pair()
    assert (client.events, server.events) == (OUT, OUT)
    assert (client.remote_name(), server.local_name()) == ((net.b.address, PORT), (net.b.address, PORT))
    assert server.remote_name() == client.local_name()
    assert client.write(b"hello") == 5
    with pytest.raises(BlockingIOError):
        server.read(10)
    net.run()
    assert server.events == IN | OUT
    assert (server.read(3), server.read(10)) == (b"hel", b"lo")
    client.close()
    net.run()
    assert (server.events & IN, server.read(10)) == (IN, b"")


def test_one_is_accepted_when_it_has_acknowledged(net: Net) -> None:
    """The third packet makes a connection: until then there is none to accept, though the client has one."""
    client = net.client()
    while not client.end:
        assert not net.server.has_waiting
        net.world.run(MS // 20)
    assert not net.server.has_waiting
    net.run()
    assert net.server.has_waiting


def test_nobody_listens(net: Net) -> None:
    client = Tcp(net.stacks["a"])
    assert client.connect((net.b.address, 81), "connect") == errno.EINPROGRESS
    assert client.connect((net.b.address, 81), "connect") == errno.EALREADY
    net.run()
    assert client.take_error() == errno.ECONNREFUSED


def test_nobody_answers(net: Net) -> None:
    net.world.network.cut("a", "b")
    client = net.client()
    net.run(60_000)
    assert client.take_error() == 0
    net.run(120_000)
    assert client.take_error() == errno.ETIMEDOUT


def test_a_machine_without_power_asks_nobody_again(net: Net) -> None:
    net.world.network.cut("a", "b")
    net.client().vanish()
    net.world.network.heal()
    net.run(60_000)
    assert not net.server.has_waiting


def test_no_such_machine(net: Net) -> None:
    client = Tcp(net.stacks["a"])
    assert client.connect(("10.9.9.9", PORT), "connect") == errno.EHOSTUNREACH


def test_who_was_not_accepted_is_reset(net: Net) -> None:
    client = net.client()
    net.run()
    net.server.close()
    net.run()
    assert client.events & HUP
    with pytest.raises(ConnectionResetError):
        client.write(b"x")


def test_addresses(net: Net) -> None:
    other = Tcp(net.stacks["b"])
    with pytest.raises(OSError, match=r".*") as raised:
        other.bind(("", PORT))
    assert raised.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError, match=r".*") as raised:
        other.bind((net.a.address, 81))
    assert raised.value.errno == errno.EADDRNOTAVAIL
    net.server.close()
    other.bind(("", PORT))
    with pytest.raises(OSError, match=r".*") as raised:
        other.remote_name()
    assert raised.value.errno == errno.ENOTCONN


def test_a_full_queue_takes_nobody(net: Net) -> None:
    net.server.listen(0)
    clients = [net.client() for _ in range(3)]
    net.run()
    assert sum(each.end is not None for each in clients) == 1


def test_an_address_of_ipv6_has_a_zone(net: Net) -> None:
    listening = Tcp(net.stacks["a"], socket.AF_INET6)
    listening.bind(("fe80::1%eth0", PORT))
    assert listening.local_name() == ("fe80::1", PORT, 0, 2)
    listening.listen(1)
    client = Tcp(net.stacks["a"], socket.AF_INET6)
    assert client.connect(("fe80::1", PORT, 0, 2), "connect") == errno.EINPROGRESS
    assert (client.local_name()[0], client.local_name()[3]) == ("fe80::1", 2)
    assert listening.accept().remote_name() == client.local_name()
    with pytest.raises(socket.gaierror):
        listening.bind(("fe80::1%eth1", PORT))


def test_a_cut_of_the_way_back_stalls_acknowledgements(net: Net) -> None:
    client, server = net.pair()
    net.world.network.cut("b", "a")
    sent = 0
    while client.events & OUT:
        sent += client.write(b"x" * 100_000)
        net.run()
        while server.events & IN:
            server.read(1_000_000)
    assert sent == SEND_BUFFER_BYTES  # all of it was read, and none of it acknowledged
    net.world.network.mend("b", "a")
    net.run(10_000)
    assert client.write(b"y" * 100_000) == 100_000
    net.run()
    assert server.read(100_000) == b"y" * 100_000


def test_nobody_is_accepted_before_the_last_packet_of_the_handshake_has_come(net: Net) -> None:
    client = net.client()
    while not client.end:
        net.world.run(MS // 20)
        net.world.network.cut("a", "b")  # behind the first packet
    net.run(50)
    assert not net.server.has_waiting
    net.world.network.mend("a", "b")
    net.run(1000)
    assert net.server.has_waiting
