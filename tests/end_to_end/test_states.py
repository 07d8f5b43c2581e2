"""SIGTERM in each state that a server can be in, on a system that hangs, too: it is gone within 6 s, in good order."""

import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.processes import HOST, Server, Servers, ask, some_of, wait_until
from tests.end_to_end.raw import RawConnection, get, post

GONE_S = 6.0
HANGS_S = "30"
BAD_SYSTEM = str(Path(__file__).with_name("bad_system"))

State = Callable[[Servers, ExitStack, Path], Server]
"""Brings a server into a state, and what belongs to it into a stack."""


def bad(note: Path, **settings: str) -> dict[str, str]:
    return {"PYTHONPATH": BAD_SYSTEM, "BAD_NOTE": str(note), "BAD_SECONDS": HANGS_S, **settings}


def vault_that_starts(**settings: str) -> State:
    """A vault whose start hangs in its disk."""

    def state(servers: Servers, _stack: ExitStack, note: Path) -> Server:
        vault = servers.vault(env=bad(note, **settings)).start()
        wait_until(note.exists, "the start hangs")
        return vault

    return state


def vault_that_stores(servers: Servers, stack: ExitStack, note: Path) -> Server:
    """A store hangs in the disk, and others wait behind it."""
    vault = servers.vault(env=bad(note, BAD_CALL="fdatasync")).restart()
    for value in (b"7", b"8", b"9"):
        stack.enter_context(RawConnection(vault.port)).send(post(value))
    wait_until(note.exists, "the store hangs")
    return vault


def control_over_stopped_vaults(servers: Servers, stack: ExitStack, _note: Path) -> Server:
    grid = servers.grid()
    for vault in grid.vaults:
        vault.stop()
    for request in (post(b"7"), get()):
        stack.enter_context(RawConnection(grid.control.port)).send(request)
    time.sleep(0.3)  # both are under way; where they are not, the state is another one of these
    return grid.control


def control_that_starts_over_nothing(servers: Servers, stack: ExitStack, _note: Path) -> Server:
    """It recovers its floor, and nobody answers."""
    control = servers.control([f"{HOST}:1", f"{HOST}:2"]).start()
    wait_until(lambda: "control serves" in control.log, "it serves")
    return control


def control_over_slow_names(servers: Servers, stack: ExitStack, note: Path) -> Server:
    vault = servers.vault().restart()
    names = [f"slow.test:{vault.port}", "slow.b.test:1", f"a.test:{vault.port}"]
    control = servers.control(names, env=bad(note, BAD_NAMES=HANGS_S)).start()
    wait_until(lambda: "Face starting on" in control.log, "it listens")  # it says that it serves a moment before
    stack.enter_context(RawConnection(control.port)).send(get())
    return control


def with_clients_that_do_not_read(servers: Servers, stack: ExitStack, _note: Path) -> Server:
    vault = servers.vault().restart()
    for _ in range(3):
        client = stack.enter_context(RawConnection(vault.port))
        threading.Thread(target=flood, args=(client,), daemon=True).start()
    time.sleep(0.5)
    return vault


def with_clients_of_all_kinds(servers: Servers, stack: ExitStack, _note: Path) -> Server:
    """Idle ones, halves of requests, one that was refused, one that sends nothing more."""
    control = servers.grid().control
    for sent in (b"", get(), get()[:5], post(b"42")[:-1], b"\x16\x03\x01", get() + get()[:9]):
        stack.enter_context(RawConnection(control.port)).send(sent)
    half_closed = stack.enter_context(socket.create_connection((HOST, control.port)))
    half_closed.sendall(get())
    half_closed.shutdown(socket.SHUT_WR)
    assert ask(control.port).status == 200
    return control


def flood(client: RawConnection) -> None:
    """As much as the server takes, and no answer is read."""
    try:
        for _ in range(1000):
            client.send(get() * 1000)
    except OSError:
        pass  # it has been left


STATES: dict[str, State] = {
    "a vault whose lock hangs": vault_that_starts(BAD_CALL="flock"),
    "a vault whose directory hangs": vault_that_starts(BAD_CALL="fsync", BAD_KIND="directory"),
    "a vault whose new file hangs": vault_that_starts(BAD_CALL="fsync", BAD_KIND="file"),
    "a vault whose start will fail": vault_that_starts(
        BAD_CALL="fsync", BAD_KIND="file", BAD_SECONDS="2", BAD_ERROR=str(errno.EIO)
    ),
    "a vault that is told before it has started": vault_that_starts(BAD_CALL="flock", BAD_MOMENT="1"),
    "a vault whose store hangs": vault_that_stores,
    "a control over stopped vaults": control_over_stopped_vaults,
    "a control over nothing": control_that_starts_over_nothing,
    "a control over slow names": control_over_slow_names,
    "a vault with clients that do not read": with_clients_that_do_not_read,
    "a control with clients of all kinds": with_clients_of_all_kinds,
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.mark.parametrize(
    "state",
    some_of(
        STATES,
        "a vault whose start will fail",
        "a vault that is told before it has started",
        "a vault whose store hangs",
        "a control over slow names",
        "a vault with clients that do not read",
    ),
)
def test_it_is_gone_in_time(state: str, servers: Servers, stack: ExitStack, tmp_path: Path) -> None:
    """Told once, or again while it ends: that makes no difference, and is no error."""
    server = STATES[state](servers, stack, tmp_path / "note")
    began = time.monotonic()
    server.terminate()
    time.sleep(0.2)
    if server.process.poll() is None:
        server.terminate()
        server.terminate(signal.SIGINT)
    status = server.wait_gone(GONE_S)
    assert time.monotonic() - began < GONE_S
    assert status in {1, -signal.SIGTERM, -signal.SIGINT}, "which of the signals it ends by is a matter of time"
    assert len(server.stderr.splitlines()) <= 1, server.stderr
    assert "Traceback" not in server.log


def test_a_name_that_never_resolves_costs_the_others_nothing(servers: Servers) -> None:
    """Vaults are killed and come back meanwhile: their names have to be looked up again and again."""
    vaults = [servers.vault().restart() for _ in range(2)]
    names = [f"slow.test:{vaults[0].port}", *(f"vault-{number}.test:{each.port}" for number, each in enumerate(vaults))]
    environment = {"PYTHONPATH": BAD_SYSTEM, "BAD_NAMES": "12"}
    control = servers.control(names, env=environment).restart()
    began = time.monotonic()
    value = 0
    while time.monotonic() - began < 9:
        value += 1
        assert ask(control.port, "POST", str(value)).status == 200
        assert ask(control.port).plain == (200, str(value))
        if value % 10 == 0:
            victim = vaults[value // 10 % 2]
            victim.kill()
            victim.restart()
            wait_until(lambda: ask(control.port).status == 200, "the grid has both again", timeout_s=2)
    assert value > 30
    control.terminate()
    control.wait_gone(GONE_S)
