"""Names and addresses in a process of the world."""

import socket
from collections.abc import Callable

import pytest

from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.resolving import Resolver
from tests.simulation.test_kernel import MS, Box

TCP = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
UDP = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "")


@pytest.fixture
def box() -> Box:
    made = Box()
    made.world.machine("relay")
    return made


def asked(box: Box, ask: Callable[[Resolver], object], seconds: int = 60) -> tuple[object, int]:
    """The answer, or the error's number; and when it came, in ms."""
    found: list[object] = []

    def main(process: Process) -> None:
        try:
            found.append(ask(Resolver(lambda: process)))
        except socket.gaierror as error:
            found.append(error.errno)
        box.say("answered")

    process = box.process(main)
    box.run(seconds * 1000)
    assert process.failure is None
    return found[0], box.said[0][0]


def test_a_name_is_that_of_a_machine(box: Box) -> None:
    there = (box.world.machines["relay"].address, 80)
    assert asked(box, lambda it: it.getaddrinfo("relay", 80)) == ([(*TCP, there), (*UDP, there)], 0)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda it: it.getaddrinfo(None, "80", type=socket.SOCK_STREAM), [(*TCP, ("127.0.0.1", 80))]),
        (lambda it: it.getaddrinfo("", 0, 0, socket.SOCK_DGRAM, 0, socket.AI_PASSIVE), [(*UDP, ("0.0.0.0", 0))]),
        (lambda it: it.getaddrinfo(b"10.9.9.9", 1, proto=socket.IPPROTO_TCP), [(*TCP, ("10.9.9.9", 1))]),
        (lambda it: it.gethostbyname("localhost"), "127.0.0.1"),
        (lambda it: it.gethostbyname("nobody"), socket.EAI_NONAME),
        (lambda it: it.getaddrinfo("relay", 1, flags=socket.AI_NUMERICHOST), socket.EAI_NONAME),
        (lambda it: it.getaddrinfo("relay", "http"), socket.EAI_SERVICE),
        (lambda it: it.getaddrinfo("relay", 1, socket.AF_INET6), socket.EAI_FAMILY),
    ],
)
def test_answers(box: Box, ask: Callable[[Resolver], object], answer: object) -> None:
    assert asked(box, ask)[0] == answer


def test_a_name_server_may_be_late_or_silent(box: Box) -> None:
    box.world.names.late_ns["relay"] = 700 * MS
    address, at_ms = asked(box, lambda it: it.gethostbyname("relay"))
    assert (address, at_ms) == (box.world.machines["relay"].address, 700)
    silent = Box()
    silent.world.names.silent.add("relay")
    assert asked(silent, lambda it: it.gethostbyname("relay")) == (socket.EAI_AGAIN, 30_000)
