"""Servers under pressure, for seconds: `python -m tests.pressure` presses for longer, and has the figures."""

import asyncio
import shutil
import socket

import pytest

from tests.end_to_end.processes import HOST, Server, Servers, ask, wait_until
from tests.pressure import kinds
from tests.pressure.kinds import Pressure, Seen
from tests.pressure.watching import Held, Watched

SETTLE_S = 20.0


@pytest.mark.parametrize(
    ("pressure", "seconds"),
    [(kinds.idle(1000), 0), (kinds.slow(50), 1), (kinds.churn(20), 2), (kinds.malformed(2), 0)],
    ids=["idle", "slow", "churn", "malformed"],
)
def test_pressure_leaves_nothing_behind(servers: Servers, pressure: Pressure, seconds: float) -> None:
    """On both faces: nothing but refusals, no descriptor left, memory as it was the second time, and it serves."""
    grid = servers.grid(vaults=1)
    ask(grid.control.port, "POST", "5")
    for server in (grid.control, *grid.vaults):
        watched = Watched(server)
        before = watched.held().descriptors
        pressed = [asyncio.run(_pressed(watched, pressure, server.port, seconds, before)) for _ in range(2)]
        assert all(after.descriptors <= before for _, after in pressed), pressed
        assert pressed[1][1].memory_mib < 1.1 * pressed[0][1].memory_mib
        for seen, _ in pressed:
            assert not [what for what in seen if "no end" in what or "answered" in what], seen
        assert ask(server.port).plain == (200, "5")


async def _pressed(watched: Watched, pressure: Pressure, port: int, seconds: float, before: int) -> tuple[Seen, Held]:
    seen = await pressure(port, seconds)
    return seen, await watched.settled(before)


# ---- descriptors

FEW = 64
WAITS = "there are descriptors for no more"


def with_few_descriptors(server: Server) -> Server:
    """So that its process may have no more: the hard limit is what it raises its own to."""
    server.twistd = [shutil.which("prlimit") or "prlimit", f"--nofile={FEW}:{FEW}", *server.twistd]
    return server


def test_without_descriptors_connections_wait(servers: Servers) -> None:
    """They are neither refused nor closed, nobody is in a loop about it, and one line of the log tells of it."""
    vaults = [servers.vault() for _ in range(3)]
    control = servers.control([vault.address for vault in vaults])
    for server in (*vaults, control):
        with_few_descriptors(server).restart()
    for server in (control, vaults[0]):
        crowd = [socket.create_connection((HOST, server.port), SETTLE_S) for _ in range(3 * FEW)]
        wait_until(lambda server=server: WAITS in server.log, "it says so")  # type: ignore[misc]
        watched = Watched(server)
        used_s = watched.cpu_s()
        assert b" 200 " in read_over(crowd[0]), "who is in is served"
        assert crowd[-1].getpeername() == (HOST, server.port)
        crowd[-1].settimeout(1)
        with pytest.raises(TimeoutError):
            read_over(crowd[-1])
        assert watched.cpu_s() - used_s < 0.5
        for connection in crowd[:-1]:
            connection.close()
        crowd[-1].settimeout(SETTLE_S)
        assert b" 200 " in crowd[-1].recv(65536), "who has waited is served, too"
        crowd[-1].close()
        assert ask(server.port).status == 200
        assert server.log.count(WAITS) == 1
        assert "EMFILE" not in server.log


def read_over(connection: socket.socket) -> bytes:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n")
    return connection.recv(65536)
