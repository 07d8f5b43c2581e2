"""Control while its vaults are killed, stopped, refusing and failing: what a majority decides, and what it costs.

Under both protocols; where what they promise differs the test says so.
"""

import contextlib
import shutil
import socket
import socketserver
import statistics
import threading
import time

import pytest

from tests.end_to_end.processes import HOST, SLACK_S, Grid, Servers, ask, free_port, guarded, sent, using, wait_until

VAULT_TIMEOUT_S = 1.0
SAMPLES = 20
MEDIAN_MAX_S = 0.15
REST_MAX_S = 0.5
"""The longest that an atomic control leaves a vault alone that has failed."""

INCONSISTENT = (500, "-1")


@pytest.fixture
def grid(servers: Servers, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Grid:
    """Nobody but the test reads and writes here: control has done with its own reads, by which it sees that it serves.

    One of them that came later could bring a write of the test's to a majority that had none.
    """
    said = servers.directory / "sdk.jsonl"
    monkeypatch.setenv("ANTITHESIS_SDK_LOCAL_OUTPUT", str(said))
    made = servers.grid(options=using(protocol))
    wait_until(lambda: "antithesis_setup" in said.read_text(encoding="utf-8"), "control says that it serves")
    assert made.read() == (200, "0")
    assert made.write(5) in sent(protocol, 3)
    assert made.read() == (200, "5")
    made.wait_until_all_hold(5)
    return made


def test_vaults_killed_and_started_again(grid: Grid, protocol: str) -> None:
    first, second, third = grid.vaults
    first.kill()
    assert grid.write(6) in sent(protocol, 2)
    assert grid.read() == (200, "6")
    second.kill()
    assert grid.write(7) in sent(protocol, 1)
    assert grid.read() == INCONSISTENT
    wait_until(lambda: ask(third.port).body == "7", "the one that is left takes 7")
    third.kill()
    assert grid.write(8) in sent(protocol, 0)
    assert grid.read() == INCONSISTENT

    for vault in grid.vaults:
        vault.start()
    for vault in grid.vaults:
        vault.wait_ready()
    if protocol == "atomic":
        wait_until(lambda: ask(first.port).body == "6", "it is sent what it has missed", REST_MAX_S + SLACK_S)
    assert [ask(vault.port).body for vault in grid.vaults] == ["6" if protocol == "atomic" else "5", "6", "7"]
    # 8 was never committed, so 7 is no decrease; 5 would be one, since 6 was.
    assert grid.write(5) == (400, "Client would make value decrease from 6 to 5")
    assert grid.write(7) in sent(protocol, 3)
    assert grid.write(9) in sent(protocol, 3)
    assert grid.read() == (200, "9")
    assert grid.write(7) == (400, "Client would make value decrease from 9 to 7")
    assert grid.read() == (200, "9")


def test_half_of_the_vaults_is_no_majority(servers: Servers, protocol: str) -> None:
    grid = servers.grid(4, options=using(protocol))
    grid.vaults[0].kill()
    assert grid.write(5) in sent(protocol, 3, 4)
    assert grid.read() == (200, "5")
    grid.vaults[1].kill()
    assert grid.write(6) in sent(protocol, 2, 4)
    assert grid.read() == INCONSISTENT


def test_three_vaults_with_three_values(servers: Servers, protocol: str) -> None:
    """All are up. Classic finds no majority of equals, and never will; atomic heals what it reads."""
    grid = servers.grid(options=using(protocol))
    for vault, value in zip(grid.vaults, (5, 6, 7), strict=True):
        assert guarded(vault.port, value).status == 200
    if protocol == "classic":
        assert grid.read() == INCONSISTENT
        assert [ask(vault.port).body for vault in grid.vaults] == ["5", "6", "7"]
        return
    # The largest of a majority, which need not have the 7 in it; without the 5 it must.
    assert grid.read() in {(200, "6"), (200, "7")}
    grid.vaults[0].kill()
    assert grid.read() == (200, "7")
    wait_until(lambda: ask(grid.vaults[1].port).body == "7", "whoever held less is sent it")


def test_vaults_stopped_and_continued(grid: Grid, protocol: str) -> None:
    """A stopped process is the grey failure: its kernel takes connections and requests, and nothing answers."""
    first, second, _ = grid.vaults
    first.stop()
    began = time.monotonic()
    assert grid.write(6) in sent(protocol, 2)
    assert grid.read() == (200, "6")
    assert time.monotonic() - began < 2 * VAULT_TIMEOUT_S + SLACK_S
    second.stop()
    began = time.monotonic()
    assert grid.write(7) in sent(protocol, 1)
    assert time.monotonic() - began > VAULT_TIMEOUT_S * 0.9
    assert grid.read() == INCONSISTENT
    # Under atomic each of the two may have to wait behind a request in flight first, and then for its own.
    waits = 4 if protocol == "atomic" else 2
    assert time.monotonic() - began < waits * VAULT_TIMEOUT_S + SLACK_S

    first.cont()
    second.cont()
    # What they were sent while they were stopped is theirs now: those stores were never recalled.
    wait_until(lambda: ask(first.port).body in {"6", "7"} and ask(second.port).body == "7", "the late stores land")
    assert grid.write(9) in sent(protocol, 3)
    assert grid.read() == (200, "9")
    grid.wait_until_all_hold(9)


def test_vault_whose_disk_fails(grid: Grid, protocol: str) -> None:
    """A store that fails is no acknowledgement, and the vault goes on serving what it holds."""
    first, second, _ = grid.vaults
    shutil.rmtree(first.data_dir)
    assert grid.write(6) in sent(protocol, 2)
    assert grid.read() == (200, "6")
    assert ask(first.port).plain == (200, "5")
    assert ask(first.port, "POST", "6").plain == (500, "Store failed")
    # Nothing is taken until it is restarted, although its directory is back.
    first.data_dir.mkdir()
    assert ask(first.port, "POST", "6").plain == (500, "Store failed")
    assert "store failed" in first.log

    shutil.rmtree(second.data_dir)
    assert grid.write(7) in sent(protocol, 1)
    # The three hold 5, 6 and 7. Whoever sees the 7 can't heal it; under atomic the other two still say 6, which a
    # majority took.
    assert grid.read() in {"atomic": {INCONSISTENT, (200, "6")}, "classic": {INCONSISTENT}}[protocol]


def test_control_that_starts_before_its_vaults(servers: Servers, protocol: str) -> None:
    vaults = [servers.vault() for _ in range(3)]
    control = servers.control([vault.address for vault in vaults], using(protocol)).restart()
    assert ask(control.port, "POST", "3").plain in sent(protocol, 0)
    assert ask(control.port).plain == INCONSISTENT
    for vault in vaults:
        vault.start()
    for vault in vaults:
        vault.wait_ready()
    assert ask(control.port, "POST", "4").plain in sent(protocol, 3)
    assert ask(control.port).plain == (200, "4")


class _Forward(socketserver.BaseRequestHandler):
    """Carries bytes to another port, and back."""

    server: "Forwarder"
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection((HOST, self.server.target)) as onward:
            back = threading.Thread(target=_copy, args=(onward, self.request))
            back.start()
            _copy(self.request, onward)
            back.join()


class Forwarder(socketserver.ThreadingTCPServer):
    """A second address of the server at port `target`."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, target: int) -> None:
        super().__init__((HOST, 0), _Forward)
        self.target = target


def _copy(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


def test_one_vault_under_two_addresses_counts_once(servers: Servers, protocol: str) -> None:
    """No list shows that two addresses lead to one disk; the identity that comes with each answer does."""
    vault = servers.vault().restart()
    with Forwarder(vault.port) as forwarder:
        threading.Thread(target=forwarder.serve_forever, daemon=True).start()
        alias = f"{HOST}:{forwarder.server_address[1]}"
        assert ask(int(forwarder.server_address[1])).plain == (200, "0")
        control = servers.control([vault.address, alias, f"{HOST}:{free_port()}"], using(protocol)).restart()
        assert ask(control.port, "POST", "3").plain in sent(protocol, 1)
        assert ask(control.port).plain == INCONSISTENT
        # Atomic does not even send it: nobody could tell it whether 3 is a decrease.
        assert ask(vault.port).plain == (200, "0" if protocol == "atomic" else "3")
        control.terminate()
        control.wait_gone()
        forwarder.shutdown()
    assert control.log.count("are one vault") == 1
    assert alias in control.log.partition("are one vault")[0]


@pytest.mark.parametrize("host", [pytest.param(HOST, marks=pytest.mark.thorough), "localhost"])
def test_refused_port_costs_nothing(servers: Servers, protocol: str, host: str) -> None:
    """An attempt delay of 0.3 s between a name's addresses would be 0.3 s for every single request here."""
    grid = servers.grid(options=using(protocol), host=host)
    healthy = median_s(grid, 0)
    grid.vaults[0].kill()
    refusing = median_s(grid, SAMPLES)
    assert grid.write(3 * SAMPLES) in sent(protocol, 2)
    assert healthy < MEDIAN_MAX_S
    assert refusing < MEDIAN_MAX_S, f"{refusing:.3f} s with a refused port, {healthy:.3f} s without"


def median_s(grid: Grid, above: int) -> float:
    """How long an operation takes, writes and reads mixed."""
    times: list[float] = []
    for value in range(above + 1, above + 1 + SAMPLES):
        began = time.monotonic()
        status, _ = grid.write(value) if value % 2 else grid.read()
        times.append(time.monotonic() - began)
        assert status == 200
    return statistics.median(times)
