"""Names and addresses in a process of the world."""

import socket
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.resolving import Resolver
from tests.simulation.test_kernel import MS, Box

TCP = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
UDP = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "")
RAW = (socket.AF_INET, socket.SOCK_RAW, 0, "")
TCP6 = (socket.AF_INET6, *TCP[1:])


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
        except (socket.gaierror, socket.herror) as error:
            found.append(error.errno)
        box.say("answered")

    process = box.process(main)
    box.run(seconds * 1000)
    assert process.failure is None
    return found[0], box.said[0][0]


def test_a_name_is_that_of_a_machine(box: Box) -> None:
    there = (box.world.machines["relay"].address, 80)
    assert asked(box, lambda it: it.getaddrinfo("relay", 80)) == ([(*TCP, there), (*UDP, there), (*RAW, there)], 0)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda it: it.getaddrinfo("relay", 1, type=socket.SOCK_STREAM), [(*TCP, ("10.0.0.2", 1))]),
        (lambda it: it.getaddrinfo("relay", 1, socket.AF_INET6, socket.SOCK_STREAM), [(*TCP6, ("fd00::2", 1, 0, 0))]),
        (lambda it: it.gethostbyname("localhost"), "127.0.0.1"),
        (lambda it: it.gethostbyname(""), "0.0.0.0"),
        (lambda it: it.gethostbyname("nobody"), socket.EAI_NONAME),
        (lambda it: it.gethostbyname("::1"), socket.EAI_ADDRFAMILY),
        (lambda it: it.gethostbyaddr("10.0.0.2"), ("relay", [], ["10.0.0.2"])),
        (lambda it: it.gethostbyaddr("relay"), ("relay", [], ["10.0.0.2"])),
        (lambda it: it.gethostbyaddr("10.0.0.9"), 1),
        (lambda it: it.getnameinfo(("fd00::2", 80), 0), ("relay", "80")),
        (lambda it: it.getnameinfo(("10.0.0.9", 80), 0), ("10.0.0.9", "80")),
        (lambda it: it.getnameinfo(("10.0.0.9", 80), socket.NI_NAMEREQD), socket.EAI_NONAME),
        (lambda it: it.getnameinfo(("10.0.0.9", -1), 0), socket.EAI_SERVICE),
        (lambda it: it.getnameinfo(("fe80::1", 80, 0, 2), socket.NI_NUMERICHOST), ("fe80::1%eth0", "80")),
        (lambda it: it.getnameinfo(("fe80::1", 80, 0, 7), socket.NI_NUMERICHOST), ("fe80::1%7", "80")),
        (lambda it: it.getaddrinfo("fe80::1%eth0", 1, 0, socket.SOCK_STREAM), [(*TCP6, ("fe80::1", 1, 0, 2))]),
        (lambda it: it.getaddrinfo("relay", 1, flags=socket.AI_NUMERICHOST), socket.EAI_NONAME),
        (lambda it: it.getaddrinfo("relay", "http"), socket.EAI_SERVICE),
    ],
)
def test_answers(box: Box, ask: Callable[[Resolver], object], answer: object) -> None:
    assert asked(box, ask)[0] == answer


HOSTS = (
    "127.0.0.1",
    "127.1",
    "::1",
    "::0:1",
    "::1%4",
    "fe80::1%lo",
    "::1%lo",
    "fe80::1%x",
    b"10.9.9.9",
    "::ffff:1.2.3.4",
    None,
    "",
)
SERVICES = ("", "5", b"5", " 5", "5 ", "+5", -1, 123_456, None, "nosuch")
KINDS = ((0, 0), (1, 0), (2, 0), (9, 0), (1, 17), (0, 6))
FLAGS = (0, socket.AI_PASSIVE, socket.AI_NUMERICHOST | socket.AI_NUMERICSERV, socket.AI_CANONNAME, socket.AI_V4MAPPED)


def test_what_no_name_server_is_asked_for_is_answered_as_on_linux() -> None:
    ours = Resolver(lambda: pytest.fail("it asks"))
    what = [*((host, 5) for host in HOSTS), *(("127.0.0.1", port) for port in SERVICES), (None, None)]
    families = (socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6, 99)

    def answer(ask: Callable[..., object], *arguments: Any) -> object:
        try:
            return ask(*arguments)
        except socket.gaierror as error:
            return error.args

    for (host, port), family, (kind, proto), flags in product(what, families, KINDS, FLAGS):
        asked_for = host, port, family, kind, proto, flags
        assert (asked_for, answer(ours.getaddrinfo, *asked_for)) == (asked_for, answer(socket.getaddrinfo, *asked_for))


def test_a_name_server_may_be_late_or_silent(box: Box) -> None:
    box.world.names.late_ns["relay"] = 700 * MS
    address, at_ms = asked(box, lambda it: it.gethostbyname("relay"))
    assert (address, at_ms) == (box.world.machines["relay"].address, 700)
    silent = Box()
    silent.world.names.silent.add("relay")
    assert asked(silent, lambda it: it.gethostbyname("relay")) == (socket.EAI_AGAIN, 30_000)


@pytest.mark.parametrize("is_silent", [False, True])
def test_who_waits_has_his_answer_when_the_fault_is_over(box: Box, is_silent: bool) -> None:
    """He asks again all the while, as resolver(5) does."""
    names = box.world.names
    if is_silent:
        names.silent.add("relay")
    else:
        names.late_ns["relay"] = 20_000 * MS
    box.world.after(1230 * MS, names.heal)
    assert asked(box, lambda it: it.gethostbyname("relay")) == (box.world.machines["relay"].address, 1300)
