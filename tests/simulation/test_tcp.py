"""TCP as open files: how connections come about, what is said over them, and how they end."""

import errno

import pytest

from glitchgrid.simulation.kernel.descriptors import HUP, IN, OUT
from glitchgrid.simulation.kernel.stack import Stack
from glitchgrid.simulation.kernel.tcp import Tcp
from glitchgrid.simulation.world import World

MS = 1_000_000
PORT = 80


class Net:
    """Two machines; one listens."""

    def __init__(self) -> None:
        self.world = World("a seed")
        self.a, self.b = self.world.machine("a"), self.world.machine("b")
        self.stacks: dict[str, Stack] = {}
        for each in (self.a, self.b):
            self.stacks[each.name] = Stack(each, self.stacks, lambda _host, _name: None)
        self.server = Tcp(self.stacks["b"])
        self.server.bind(("", PORT))
        self.server.listen(5)

    def run(self, ms: int = 10) -> None:
        self.world.run(ms * MS)

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
