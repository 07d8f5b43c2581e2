"""`socket` in processes of the world: blocking calls, families, descriptors in messages, what is refused."""

import errno
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from glitchgrid.testing import World, simulated

in_a_world = simulated(seeds=1, modules="shared")
PORT = 7
FAMILIES = [socket.AF_INET, socket.AF_INET6]


def together(world: World, *functions: Callable[[Any], object], seconds: float = 30) -> None:
    """Run each on a machine of its own, to its end."""
    ended: list[str] = []

    def to_its_end(reactor: Any, function: Callable[[Any], object]) -> None:
        function(reactor)
        ended.append(function.__name__)
        os._exit(0)

    for name, function in zip("abcd", functions, strict=False):
        world[name].run(to_its_end, function)
    assert world.run(seconds, until=lambda: len(ended) == len(functions)), f"only {ended} came to an end"


def number_of(call: Callable[[], object]) -> int | None:
    with pytest.raises(OSError, match=r".*") as raised:
        call()
    return raised.value.errno


def echo(family: int) -> Callable[[Any], None]:
    """A server for one connection."""

    def serve(_reactor: Any) -> None:
        with socket.create_server(("", PORT), family=family) as listening:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                for line in stream:
                    stream.write(line.upper())
                    stream.flush()

    return serve


@pytest.mark.parametrize("family", FAMILIES)
@in_a_world
def test_an_echo(world: World, family: int) -> None:
    def ask(_reactor: Any) -> None:
        time.sleep(1)
        with socket.socket(family) as client:
            assert isinstance(client, socket.socket)
            client.connect(("a", PORT))
            client.sendall(b"hello\n" + b"x" * 100_000 + b"\n")
            stream = client.makefile("rb")
            assert stream.readline() == b"HELLO\n"
            assert len(stream.readline()) == 100_001
            assert client.getpeername()[:2] == (world["a"].address if family == socket.AF_INET else "fd00::1", PORT)
            client.shutdown(socket.SHUT_WR)
            assert stream.read() == b""
            assert number_of(client.getpeername) == errno.ENOTCONN  # either end has ended

    together(world, echo(family), ask)


@in_a_world
def test_ipv4_comes_to_a_socket_of_ipv6(world: World) -> None:
    def serve(_reactor: Any) -> None:
        with socket.create_server(("", PORT), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
            connection, source = listening.accept()
            assert source[0] == f"::ffff:{world['b'].address}"
            connection.sendall(b"x")

    def ask(_reactor: Any) -> None:
        time.sleep(1)
        with socket.create_connection(("a", PORT)) as client:
            assert client.family == socket.AF_INET
            assert client.recv(1) == b"x"

    together(world, serve, ask)


@in_a_world
def test_a_time_out_and_what_is_refused(world: World) -> None:
    def ask(_reactor: Any) -> None:
        time.sleep(1)
        assert number_of(lambda: socket.create_connection(("a", 99))) == errno.ECONNREFUSED
        with pytest.raises(socket.gaierror):
            socket.create_connection(("nobody", PORT))
        client = socket.create_connection(("a", PORT))
        client.settimeout(0.25)
        before = time.monotonic()
        with pytest.raises(TimeoutError, match="timed out"):
            client.recv(1)
        assert 0.25 <= time.monotonic() - before < 0.26
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        client.close()
        assert client.fileno() == -1
        assert number_of(lambda: client.recv(1)) == errno.EBADF

    together(world, echo(socket.AF_INET), ask)


@in_a_world
def test_its_own_machine_answers_at_once(world: World) -> None:
    def talk(_reactor: Any) -> None:
        listening = socket.create_server(("127.0.0.1", PORT))
        client = socket.socket()
        client.setblocking(False)
        assert client.connect_ex(("127.0.0.1", PORT)) == errno.EINPROGRESS
        assert select.select([listening], [client], [], 0) == ([listening], [client], [])
        assert [client.connect_ex(("127.0.0.1", PORT)) for _ in range(3)] == [0, errno.EISCONN, errno.EISCONN]
        server, source = listening.accept()
        assert source == client.getsockname()
        server.setblocking(False)
        client.send(b"x")
        assert server.recv(2) == b"x"
        other = socket.socket()
        other.setblocking(False)
        assert other.connect_ex(("127.0.0.1", 99)) == errno.EINPROGRESS
        assert other.connect_ex(("127.0.0.1", 99)) == errno.ECONNREFUSED

    together(world, talk)


@in_a_world
def test_a_reset_is_told_once(world: World) -> None:
    def serve(_reactor: Any) -> None:
        with socket.create_server(("", PORT)) as listening:
            connection, _ = listening.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            time.sleep(1)

    def ask(_reactor: Any) -> None:
        time.sleep(1)
        client = socket.create_connection(("a", PORT))
        assert number_of(lambda: client.recv(1)) == errno.ECONNRESET
        assert client.recv(1) == b""
        assert number_of(lambda: client.send(b"x")) == errno.EPIPE
        assert number_of(client.getpeername) == errno.ENOTCONN

    together(world, serve, ask)


@in_a_world
def test_who_has_gone_again_is_accepted_by_its_name(world: World) -> None:
    def talk(_reactor: Any) -> None:
        listening = socket.create_server(("127.0.0.1", PORT))
        client = socket.create_connection(("127.0.0.1", PORT))
        name = client.getsockname()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        server, source = listening.accept()
        assert source == name
        assert number_of(server.getpeername) == errno.ENOTCONN

    together(world, talk)


@pytest.mark.parametrize("family", FAMILIES)
@in_a_world
def test_datagrams(world: World, family: int) -> None:
    def serve(_reactor: Any) -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as server:
            server.bind(("", PORT))
            data, source = server.recvfrom(100)
            assert server.sendto(data.upper(), source) == len(data)

    def ask(_reactor: Any) -> None:
        time.sleep(1)
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", ("a", PORT))
            assert client.recv(3) == b"HEL"  # the rest of it is gone

    together(world, serve, ask)


@in_a_world
def test_a_group_hears(world: World) -> None:
    group = socket.inet_aton("224.0.0.9") + socket.inet_aton("0.0.0.0")

    def listen(_reactor: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("", PORT))
            server.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            assert server.recv(100) == b"all"

    def say(_reactor: Any) -> None:
        time.sleep(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"all", ("224.0.0.9", PORT))

    together(world, listen, say, listen)


@in_a_world
def test_unix_sockets_and_descriptors_in_messages(world: World) -> None:
    def serve(_reactor: Any) -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind("\0here")
        listening.listen()

        def give() -> None:
            connection, _ = listening.accept()
            reading, writing = os.pipe()
            os.write(writing, b"through a pipe")
            socket.send_fds(connection, [b"take it"], [reading])
            connection.close()

        threading.Thread(target=give).start()
        client = socket.socket(socket.AF_UNIX)
        client.connect("\0here")
        data, (descriptor,), _, _ = socket.recv_fds(client, 100, 1)
        assert (data, os.read(descriptor, 100)) == (b"take it", b"through a pipe")
        assert client.recv(1) == b""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.send(b"1")
        one.send(b"22")
        assert (other.recv(9), other.recv(9)) == (b"1", b"22")
        assert number_of(lambda: socket.socket(socket.AF_UNIX).connect("\0nowhere")) == errno.ECONNREFUSED

    together(world, serve)


@in_a_world
def test_no_descriptor_is_left(world: World) -> None:
    """Nobody is taken from the queue who can't be kept."""

    def serve(_reactor: Any) -> None:
        listening = socket.create_server(("127.0.0.1", PORT))
        client = socket.create_connection(("127.0.0.1", PORT))
        taken = []
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        assert number_of(listening.accept) == errno.EMFILE
        os.close(taken.pop())
        server, _ = listening.accept()
        server.send(b"x")
        assert client.recv(1) == b"x"

    together(world, serve)


@in_a_world
def test_a_class_of_a_programs_own(world: World) -> None:
    def use(_reactor: Any) -> None:
        class Counting(socket.socket):
            sent = 0

            def send(self, data: Any, flags: int = 0) -> int:
                Counting.sent += 1
                return super().send(data, flags)

        listening = socket.create_server(("127.0.0.1", PORT))
        with Counting() as client:
            client.connect(("127.0.0.1", PORT))
            client.send(b"x")
            assert listening.accept()[0].recv(1) == b"x"
            assert (Counting.sent, isinstance(client, Counting)) == (1, True)

    together(world, use)


@in_a_world
def test_epoll_poll_and_select_agree(world: World) -> None:
    def look(_reactor: Any) -> None:
        one, other = socket.socketpair()
        one.setblocking(False)
        poll, epoll = select.poll(), select.epoll()
        poll.register(one, select.POLLIN | select.POLLOUT)
        epoll.register(one, select.EPOLLIN | select.EPOLLOUT)
        writable = one.fileno(), select.POLLOUT
        assert (poll.poll(0), epoll.poll(0), select.select([one], [one], [], 0)) == (
            [writable],
            [writable],
            ([], [one], []),
        )
        other.send(b"x")
        both = one.fileno(), select.POLLIN | select.POLLOUT
        assert (poll.poll(0), epoll.poll(0), select.select([one], [one], [], 0)) == ([both], [both], ([one], [one], []))
        other.close()
        ((_, events),) = epoll.poll(0)
        assert events & select.EPOLLHUP
        before = time.monotonic()
        assert select.select([], [], [], 1.5) == ([], [], [])
        assert 1.5 <= time.monotonic() - before < 1.51

    together(world, look)
