"""Many clients at one time, and clients that leave in the middle."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ParamSpec, cast

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from treq.client import HTTPClient
from twisted.internet import reactor  # noqa: TID251 - pytest-twisted runs the global one
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from tests.end_to_end.processes import HOST, Server, Servers, ask, wait_until
from tests.end_to_end.raw import RawConnection, post

CLIENTS = 30
STORES_EACH = 6
TIMEOUT_S = 20.0

_P = ParamSpec("_P")


def in_the_reactor(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, Coroutine[Any, Any, None]]:
    """pytest-twisted's mark, with types."""
    return cast("Callable[_P, Coroutine[Any, Any, None]]", pytest_twisted.ensureDeferred(test))


@pytest.fixture
def http() -> Iterator[HTTPClient]:
    """treq over connections that are gone when the test is."""
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = CLIENTS
    yield HTTPClient(Agent(reactor, pool=pool))
    pytest_twisted.blockon(pool.closeCachedConnections())


async def exchange(
    http: HTTPClient, server: Server, method: str, body: int | None = None, guard: str | None = None
) -> tuple[int, str]:
    """Status and body."""
    headers = None if guard is None else Headers({"Glitchgrid-Guard": [guard]})
    data = None if body is None else b"%d" % body
    response = await http.request(
        method, f"http://{HOST}:{server.port}/", data=data, headers=headers, timeout=TIMEOUT_S
    )
    return response.code, await response.text()


async def all_at_once(client: Callable[[int], Any]) -> list[Any]:
    return await gatherResults([Deferred.fromCoroutine(client(number)) for number in range(CLIENTS)])


@in_the_reactor
async def test_guarded_stores_of_many_clients_never_go_back(http: HTTPClient, servers: Servers) -> None:
    """Each answer is the client's own value, or a larger one; what a client has seen, it never sees less of."""
    vault = servers.vault().restart()
    refused = 0

    async def client(number: int) -> int:
        nonlocal refused
        seen = 0
        for turn in range(STORES_EACH):
            value = 1 + turn * CLIENTS + (number * 7 + turn) % CLIENTS
            status, held = await exchange(http, vault, "POST", value, guard="increase")
            assert (status, int(held)) == (200, value) or (status == 412 and int(held) > value)
            assert int(held) >= seen
            refused += status == 412
            status, shown = await exchange(http, vault, "GET")
            assert status == 200
            assert int(shown) >= int(held)
            seen = int(shown)
        return seen

    largest = CLIENTS * STORES_EACH
    seen = await all_at_once(client)
    assert max(seen) == largest
    assert refused > 0, "the clients did not meet"
    assert await exchange(http, vault, "GET") == (200, str(largest))
    vault.kill()
    assert ask(vault.restart().port).plain == (200, str(largest))


@in_the_reactor
async def test_unguarded_stores_of_many_clients_leave_one_of_them(http: HTTPClient, servers: Servers) -> None:
    """Each is acknowledged, and the last in the order of arrival stays, whichever that was."""
    vault = servers.vault().restart()

    async def client(number: int) -> None:
        for turn in range(STORES_EACH):
            value = 1 + turn * CLIENTS + number
            assert await exchange(http, vault, "POST", value) == (200, str(value))

    await all_at_once(client)
    status, held = await exchange(http, vault, "GET")
    assert status == 200
    last_turn = (STORES_EACH - 1) * CLIENTS
    assert last_turn < int(held) <= last_turn + CLIENTS or "Value decreases" in vault.log
    vault.kill()
    assert ask(vault.restart().port).plain == (200, held)


@in_the_reactor
async def test_many_clients_of_control(http: HTTPClient, servers: Servers) -> None:
    """Every write ends in one of its three ways, every read in one of its two."""
    grid = servers.grid()

    async def client(number: int) -> None:
        for turn in range(STORES_EACH):
            value = 1 + turn * CLIENTS + number
            status, text = await exchange(http, grid.control, "POST", value)
            if status == 400:
                assert text.startswith("Client would make value decrease from ")
                assert text.endswith(f" to {value}")
            else:
                assert text in {f"Sent updates to {count}/3 vaults" for count in ({2, 3} if status == 200 else {0, 1})}
            status, text = await exchange(http, grid.control, "GET")
            assert (status, text) == (500, "-1") or (status == 200 and text.isdigit())

    await all_at_once(client)
    largest = CLIENTS * STORES_EACH + 1
    assert (await exchange(http, grid.control, "POST", largest))[0] == 200
    assert await exchange(http, grid.control, "GET") == (200, str(largest))


@in_the_reactor
async def test_clients_that_leave_do_not_take_their_stores_along(http: HTTPClient, servers: Servers) -> None:
    """A store that has begun goes its way: what the disk, the memory and the next process say is the same."""
    vault = servers.vault().restart()
    vault.stop()
    left = 0
    for value in range(1, 11):
        with RawConnection(vault.port) as client:
            client.send(post(b"%d" % value))
        left = value
    vault.cont()
    status, held = await exchange(http, vault, "POST", left + 1)
    assert (status, held) == (200, str(left + 1))
    vault.stop()
    with RawConnection(vault.port) as client:
        client.send(post(b"100"))
    vault.cont()
    wait_until(lambda: ask(vault.port).body == "100", "the store of a client that has left takes effect")
    vault.kill()
    assert ask(vault.restart().port).plain == (200, "100")


@in_the_reactor
async def test_client_of_control_that_leaves_does_not_undo_its_write(http: HTTPClient, servers: Servers) -> None:
    grid = servers.grid()
    grid.control.stop()
    with RawConnection(grid.control.port) as client:
        client.send(post(b"7"))
    grid.control.cont()
    wait_until(lambda: [ask(vault.port).body for vault in grid.vaults] == ["7"] * 3, "all vaults hold the value")
    # A pool whose connections were cut off in the middle still works.
    results = await DeferredList(
        [Deferred.fromCoroutine(exchange(http, grid.control, "GET")) for _ in range(10)], consumeErrors=True
    )
    assert results == [(True, (200, "7"))] * 10
