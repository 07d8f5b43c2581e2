"""A link in front of a real vault: what goes through it, and what does not."""

import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ParamSpec, cast

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor as _reactor  # noqa: TID251 - pytest-twisted runs the global one
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.relay.link import HOST, Direction, Link, Passing
from glitchgrid.lab.relay.way import WAITING_BYTES_MAX
from tests.end_to_end.processes import Answer, Servers, ask
from tests.end_to_end.raw import RawConnection
from tests.raw_client import get

_P = ParamSpec("_P")
reactor: Any = _reactor
PATIENCE_S = 10
MUCH_BYTES = 32 << 20
"""More than what the kernel and a link keep of one connection."""


def in_reactor(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, Coroutine[Any, Any, None]]:
    return cast("Callable[_P, Coroutine[Any, Any, None]]", pytest_twisted.ensureDeferred(test))


class Linked:
    """A link, and all that it has told."""

    def __init__(self, port: int) -> None:
        self.told: list[Passing] = []
        self.link = Link(reactor, "control", "vault1", port, REGISTER.read, self.told.append)
        self.port = self.link.open()

    def asked(self, method: str = "GET", body: str | None = None) -> "Deferred[Answer]":
        return cast("Deferred[Answer]", deferToThread(ask, self.port, method, body))

    @property
    def arrived(self) -> list[str]:
        return [f"{each.source}: {each.text}" for each in self.told if each.arrived_s is not None]


@pytest.fixture
def linked(servers: Servers) -> Iterator[Linked]:
    made = Linked(servers.vault().start().wait_ready().port)
    yield made
    pytest_twisted.blockon(made.link.close())
    pytest_twisted.blockon(until(lambda: not made.link.connections, "its connections are gone"))


def until(condition: Callable[[], object], what: str) -> "Deferred[None]":
    async def look() -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, what
            await deferLater(reactor, 0.01)

    return Deferred.fromCoroutine(look())


@in_reactor
async def test_all_goes_through_and_is_told(linked: Linked) -> None:
    assert (await linked.asked("POST", "7")).plain == (200, "7")
    assert (await linked.asked()).plain == (200, "7")
    await until(lambda: not linked.link.connections, "both connections have ended")
    assert linked.arrived == ["control: POST 7", "vault1: 200 7", "control: GET", "vault1: 200 7"]
    sent = [each for each in linked.told if each.arrived_s is None]
    assert [each.text for each in sent] == ["POST 7", "200 7", "GET", "200 7"]
    assert linked.link.is_well


@in_reactor
async def test_one_that_is_cut_and_healed(linked: Linked) -> None:
    linked.link.cut()
    answer = linked.asked()
    await until(lambda: linked.link.connections, "it takes the connection")
    await deferLater(reactor, 0.2)
    assert not answer.called
    assert linked.told == []
    assert not linked.link.is_well
    linked.link.heal()
    assert (await answer).plain == (200, "0")


@in_reactor
async def test_cut_one_way_a_store_happens_and_nobody_hears_of_it(servers: Servers) -> None:
    vault = servers.vault().start().wait_ready()
    linked = Linked(vault.port)
    linked.link.cut(Direction.BACK)
    answer = linked.asked("POST", "9")
    await until(lambda: linked.arrived == ["control: POST 9"], "the request arrives")
    await until(lambda: "vault1" in {each.source for each in linked.told}, "the vault has answered")
    assert (await deferToThread(ask, vault.port)).plain == (200, "9")
    assert not answer.called
    linked.link.heal()
    assert (await answer).plain == (200, "9")
    await linked.link.close()


@in_reactor
async def test_one_that_is_slow(linked: Linked) -> None:
    linked.link.slow(0.2)
    began_s = reactor.seconds()
    await linked.asked()
    assert reactor.seconds() - began_s >= 0.4
    arrived = [each for each in linked.told if each.arrived_s is not None]
    assert all((each.arrived_s or 0) - each.sent_s >= 0.19 for each in arrived)


@in_reactor
async def test_a_target_that_reads_nothing_holds_up_its_source() -> None:
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(PATIENCE_S)
        linked = Linked(listening.getsockname()[1])
        with socket.create_connection((HOST, linked.port), PATIENCE_S) as source:
            sending = deferToThread(source.sendall, bytes(MUCH_BYTES))
            target, _ = await deferToThread(listening.accept)
            with target:
                target.settimeout(PATIENCE_S)
                way = linked.link.ways[Direction.THERE]
                await until(lambda: way.waiting_bytes > WAITING_BYTES_MAX, "the link is full")
                assert not sending.called
                assert await deferToThread(read_so_much, target, MUCH_BYTES) == MUCH_BYTES
                await sending
    await linked.link.close()


def read_so_much(reader: socket.socket, most: int) -> int:
    got = 0
    while got < most and (data := reader.recv(1 << 16)):
        got += len(data)
    return got


@in_reactor
async def test_held_and_released(linked: Linked) -> None:
    linked.link.hold(Direction.THERE)
    answer = linked.asked("POST", "3")
    await until(lambda: linked.link.connections, "it takes the connection")
    linked.link.release(Direction.THERE)
    assert (await answer).plain == (200, "3")


@in_reactor
async def test_a_reset_is_seen_at_once(linked: Linked) -> None:
    linked.link.hold(Direction.BACK)
    answer = linked.asked()
    await until(lambda: linked.arrived, "the request has arrived")
    linked.link.reset()
    with pytest.raises(OSError, match=r"reset|closed|aborted"):
        await answer


@in_reactor
async def test_a_target_that_is_not_there(servers: Servers) -> None:
    linked = Linked(servers.vault().port)
    with pytest.raises(OSError, match=r"reset|closed|aborted"):
        await linked.asked()
    await until(lambda: not linked.link.connections, "it is gone")
    await linked.link.close()


@in_reactor
async def test_ends_that_vanish_leave_nothing(linked: Linked) -> None:
    def come_and_go() -> None:
        for _ in range(20):
            with RawConnection(linked.port) as client:
                client.send(get())

    await deferToThread(come_and_go)
    await until(lambda: not linked.link.connections, "all are gone")
    assert linked.link.ways[Direction.BACK].waiting_bytes == 0
