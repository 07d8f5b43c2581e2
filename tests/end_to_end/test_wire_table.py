"""The wire's table of the laboratory, asked of real servers: it is theirs, and not the simulation's."""

import time

import pytest
from twisted.internet import reactor as global_reactor  # noqa: TID251 - pytest-twisted runs the global one
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from glitchgrid.lab.register.oracles.wire import CONTROL, REQUEST_TIMEOUT_S, ROWS, VAULT, Inquiry, Known, Row
from glitchgrid.wire import IDENTITY_HEADER
from tests.end_to_end.processes import HOST, Servers, ask
from tests.end_to_end.test_concurrent_clients import in_the_reactor

VALUE = 17
QUICK = [row for row in ROWS if row.after_s + row.closes_after_s <= REQUEST_TIMEOUT_S + 2]
"""What takes longer is left to the simulation."""


def inquire(row: Row, known: Known, port: int) -> "Deferred[tuple[str, str | None]]":
    told: Deferred[tuple[str, str | None]] = Deferred()
    inquiry = Inquiry(
        global_reactor,
        time.monotonic_ns,
        row,
        known,
        lambda over: told.callback((f"{known.kind} was sent {row.name}", over.problem)),
    )
    connectProtocol(TCP4ClientEndpoint(global_reactor, HOST, port), inquiry)
    return told


@pytest.mark.thorough
@in_the_reactor
async def test_each_row_that_is_quick(servers: Servers) -> None:
    grid = servers.grid()
    assert grid.write(VALUE)[0] == 200
    grid.wait_until_all_hold(VALUE)
    assert grid.read() == (200, str(VALUE))
    vault = grid.vaults[0]
    identity = ask(vault.port).headers[IDENTITY_HEADER.decode()].encode()
    asked = [
        inquire(row, Known(kind, VALUE, len(grid.vaults), name, time.time), server.port)
        for kind, server, name in ((VAULT, vault, identity), (CONTROL, grid.control, None))
        for row in QUICK
        if kind in row.kinds
    ]
    said = await gatherResults(asked)
    assert [each for each in said if each[1] is not None] == []
