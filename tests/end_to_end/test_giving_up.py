"""A question that was sent to a server that does not answer, and is given up: nobody takes that for an answer."""

import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor  # noqa: TID251 - pytest-twisted runs the global one
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThread

from glitchgrid.lab.register.testkit.http import Http
from glitchgrid.sight.asking import Asker
from glitchgrid.vaults.address import VaultAddress

HOST = "127.0.0.1"
PATIENCE_S = 10

ASKING: dict[str, Callable[[VaultAddress], Coroutine[Any, Any, object]]] = {
    "what a server knows": lambda address: Asker(reactor).ask(address),
    "a write by hand": lambda address: Asker(reactor).ask(address, value=1),
    "a look at all": lambda address: Asker(reactor).look_at([address], [address]),
    "a test command": lambda address: Http(reactor).ask(address),
}


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(PATIENCE_S)
        yield listening


def heard(listening: socket.socket) -> socket.socket:
    """A connection on which something has come."""
    connection, _ = listening.accept()
    connection.settimeout(PATIENCE_S)
    assert connection.recv(1)
    return connection


@pytest.mark.parametrize("what", ASKING)
@pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
async def test_a_question_that_was_sent_is_given_up(what: str, silent: socket.socket) -> None:
    """The agent fails with a response that was never received: that is no answer of the server's."""
    asked = Deferred.fromCoroutine(ASKING[what](VaultAddress(HOST, silent.getsockname()[1])))
    with await deferToThread(heard, silent):
        asked.cancel()
        with pytest.raises(CancelledError):
            await asked
