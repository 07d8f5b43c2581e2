"""SIGTERM: what is in progress ends, what is idle goes, and nothing outlasts the deadline."""

import http.client
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.processes import (
    HOST,
    SLACK_S,
    STOP_TIMEOUT_S,
    Answer,
    Control,
    Server,
    Servers,
    Vault,
    ask,
    ask_over,
    sent,
    using,
    wait_until,
)
from tests.end_to_end.raw import RawConnection, get, post

AT_ONCE_S = SLACK_S
"""Nothing is in progress: no part of the deadline may be waited for."""

VAULT_TIMEOUT_S = 2.0


@pytest.fixture(params=["vault", "control"])
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """A vault, or a control with one."""
    vault = servers.vault().restart()
    return vault if request.param == "vault" else servers.control([vault.address]).restart()


@pytest.fixture
def silent_vault() -> Iterator[socket.socket]:
    """What a stopped vault is to control: connections and requests are taken, and nothing comes back."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        listener.settimeout(10.0)
        yield listener


def left_within(server: Server, timeout_s: float, with_signal: signal.Signals = signal.SIGTERM) -> None:
    """Stop a server; it leaves in time, and by the signal or with 0, as twistd has it."""
    began = time.monotonic()
    server.terminate(with_signal)
    assert server.wait_gone(timeout_s) in {0, -with_signal}
    assert time.monotonic() - began < timeout_s
    assert "Server Shut Down" in server.log


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_leaves_at_once(server: Server, with_signal: signal.Signals) -> None:
    left_within(server, AT_ONCE_S, with_signal)
    with pytest.raises(ConnectionRefusedError):
        ask(server.port)


def test_idle_connections_do_not_hold_it(server: Server) -> None:
    used = [http.client.HTTPConnection(HOST, server.port, timeout=10) for _ in range(20)]
    for connection in used:
        assert ask_over(connection).status == 200
    with RawConnection(server.port) as unused:
        left_within(server, AT_ONCE_S)
        assert unused.rest() == b""
    for connection in used:
        connection.close()


@pytest.mark.thorough
def test_half_a_request_does_not_hold_it_longer_than_the_deadline(servers: Servers) -> None:
    """A vault and a control at one time, for both take the whole deadline."""
    vault = servers.vault().restart()
    control = servers.control([vault.address]).restart()
    with (
        RawConnection(vault.port) as of_vault,
        RawConnection(vault.port) as of_vault_behind_others,
        RawConnection(control.port) as of_control,
        RawConnection(control.port) as of_control_behind_others,
    ):
        for client in (of_vault, of_control):
            client.send(post(b"1", length=2))
        for client in (of_vault_behind_others, of_control_behind_others):
            client.send(get() * 50 + get()[:10])
            assert [client.answer().status for _ in range(50)] == [200] * 50
        # These requests came later, so that the halves are there before the signal.
        assert ask(vault.port).status == ask(control.port).status == 200
        began = time.monotonic()
        control.terminate()
        vault.terminate()
        for server in (control, vault):
            server.wait_gone(began + STOP_TIMEOUT_S + SLACK_S - time.monotonic())
            assert "Server Shut Down" in server.log
        for client in (of_vault, of_vault_behind_others, of_control, of_control_behind_others):
            assert client.rest() == b""


def test_half_a_request_that_is_completed_in_time_is_answered(server: Server) -> None:
    with RawConnection(server.port) as client:
        client.send(post(b"1", length=2))
        assert ask(server.port).status == 200
        server.terminate()
        wait_until(lambda: refuses(server.port), "no new connection is taken")
        client.send(b"2")
        answer = client.answer()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert client.rest() == b""
    server.wait_gone(AT_ONCE_S)


def test_request_in_progress_is_answered(servers: Servers, silent_vault: socket.socket) -> None:
    """Classic, which waits for every vault; what atomic waits for is two that are stopped, below."""
    vaults = [servers.vault().start() for _ in range(2)]
    for vault in vaults:
        vault.wait_ready()
    control = control_over(servers, vaults, silent_vault)
    answers: list[Answer] = []
    client = threading.Thread(target=lambda: answers.append(ask(control.port, "POST", "7")))
    client.start()
    with silent_vault.accept()[0]:
        # The third vault has been asked, so the request is in progress; it ends with that vault's deadline.
        control.terminate()
        client.join(10)
        assert [answer.plain for answer in answers] == [(200, "Sent updates to 2/3 vaults")]
        control.wait_gone(AT_ONCE_S)
    assert [ask(vault.port).body for vault in vaults] == ["7", "7"]


def control_over(servers: Servers, vaults: list[Vault], silent_vault: socket.socket) -> Control:
    """Its readiness is seen by the connection alone: a read would wait for the silent vault."""
    addresses = [*(vault.address for vault in vaults), f"{HOST}:{silent_vault.getsockname()[1]}"]
    options = ["--vault-timeout", str(VAULT_TIMEOUT_S), *using("classic")]
    control = servers.control(addresses, options).start()
    wait_until(lambda: not refuses(control.port), "control listens")
    return control


@pytest.mark.parametrize(("protocol", "stopped"), [("atomic", 1), ("atomic", 2), ("classic", 1)])
def test_control_leaves_with_its_stopped_vaults_still_stopped(servers: Servers, protocol: str, stopped: int) -> None:
    grid = servers.grid(options=["--vault-timeout", str(VAULT_TIMEOUT_S), *using(protocol)])
    for vault in grid.vaults[:stopped]:
        vault.stop()
    with RawConnection(grid.control.port) as client:
        began = time.monotonic()
        client.send(post(b"7"))
        wait_until(lambda: ask(grid.vaults[-1].port).body == "7", "the write has begun")
        grid.control.terminate()
        assert client.answer().plain in sent(protocol, 3 - stopped)
        if (protocol, stopped) != ("atomic", 1):  # atomic waits for no single vault
            assert time.monotonic() - began > VAULT_TIMEOUT_S * 0.9
        assert client.rest() == b""
    grid.control.wait_gone(AT_ONCE_S)


def test_next_vault_takes_the_directory_at_once(servers: Servers) -> None:
    vault = servers.vault(name="first").restart()
    with RawConnection(vault.port) as idle:
        idle.send(get())
        assert idle.answer().plain == (200, "0")
        assert ask(vault.port, "POST", "7").plain == (200, "7")
        left_within(vault, AT_ONCE_S)
        following = servers.vault(name="second", port=vault.port, data_dir=vault.data_dir).restart()
    assert ask(following.port).plain == (200, "7")


def refuses(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=5):
            return False
    except OSError:
        return True
