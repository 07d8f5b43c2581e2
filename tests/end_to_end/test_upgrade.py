"""A rolling restart, as an upgrade is one: vaults one after another, under load, and no request is lost."""

import contextlib
import http.client
import json
import socket
import threading
from collections import Counter

from tests.end_to_end.processes import HOST, Grid, Servers, ask, ask_over, wait_until

WRITES_MIN = 20
"""Between two restarts."""


class Load(threading.Thread):
    """Writes ever larger values, one at a time, until it is told to end; and keeps what was not answered 200."""

    def __init__(self, port: int, keeps_its_connection: bool = True) -> None:
        super().__init__()
        self._port = port
        self._keeps = keeps_its_connection
        self._is_over = threading.Event()
        self.written = 0
        self.failed: list[object] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=10)
        while not self._is_over.is_set():
            try:
                answer = ask_over(connection, "POST", str(self.written + 1))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(error)
                connection.close()
            else:
                if answer.status != 200:
                    self.failed.append(answer)
            self.written += 1
            if not self._keeps:
                connection.close()
        connection.close()

    def end(self) -> None:
        self._is_over.set()
        self.join()

    def wait_for_more(self) -> None:
        enough = self.written + WRITES_MIN
        wait_until(lambda: self.written >= enough, "the load goes on")


class Balancer(threading.Thread):
    """A load balancer of TCP connections: each goes to a server that is in, and stays there until it ends."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._in = list(ports)
        self._open: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take_out(self, port: int) -> None:
        """New connections go elsewhere. Returns when those that are there have ended."""
        with self._lock:
            self._in.remove(port)
        wait_until(lambda: not self._open[port], "its connections end")

    def put_in(self, port: int) -> None:
        with self._lock:
            self._in.insert(0, port)

    def run(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                with self._lock:
                    port = self._in[0]
                    self._open[port] += 1
                threading.Thread(target=self._carry, args=(client, port), daemon=True).start()

    def _carry(self, client: socket.socket, port: int) -> None:
        with client, socket.create_connection((HOST, port)) as server:
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()
        with self._lock:
            self._open[port] -= 1

    def close(self) -> None:
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def has_caught_up(grid: Grid, address: str) -> bool:
    """As the runbook has it: ready, and control hears from it."""
    told = json.loads(ask(grid.control.port, path="/status").body)
    (vault,) = (each for each in told["vaults"] if each["address"] == address)
    return vault["fails"] is None


def test_vaults_are_restarted_one_by_one_under_load(servers: Servers) -> None:
    grid = servers.grid()
    load = Load(grid.control.port)
    load.start()
    try:
        load.wait_for_more()
        for vault in grid.vaults:
            vault.terminate()
            vault.wait_gone()
            load.wait_for_more()
            vault.start()
            wait_until(lambda vault=vault: _is_ready(vault.port), "it is ready")  # type: ignore[misc]
            wait_until(lambda vault=vault: has_caught_up(grid, vault.address), "control hears from it")  # type: ignore[misc]
            load.wait_for_more()
    finally:
        load.end()
    assert load.failed == []
    assert grid.read() == (200, str(load.written))


def test_controls_are_restarted_one_by_one_behind_a_load_balancer(servers: Servers) -> None:
    grid = servers.grid()
    other = servers.control([vault.address for vault in grid.vaults]).restart()
    controls = [grid.control, other]
    balancer = Balancer([control.port for control in controls])
    balancer.start()
    load = Load(balancer.port, keeps_its_connection=False)
    load.start()
    try:
        for control in controls:
            load.wait_for_more()
            balancer.take_out(control.port)
            control.terminate()
            control.wait_gone()
            load.wait_for_more()
            control.start()
            wait_until(lambda control=control: _is_ready(control.port), "it is ready")  # type: ignore[misc]
            balancer.put_in(control.port)
    finally:
        load.end()
        balancer.close()
    assert load.failed == []
    assert grid.read() == (200, str(load.written))


def test_a_machine_is_replaced_while_the_controls_are_stopped(servers: Servers) -> None:
    """As the runbook has it: the value that was acknowledged by the lost vault and one other is still there."""
    grid = servers.grid()
    first, second, lost = grid.vaults
    first.kill()
    assert grid.write(7)[0] == 200, "the second has it, and the one that will be lost"
    grid.control.terminate()
    grid.control.wait_gone()
    lost.kill()
    first.restart()
    new = servers.vault().restart()
    largest = max(int(ask(vault.port).body) for vault in (first, second))
    guard = {"Glitchgrid-Guard": "increase"}
    for vault in (first, second, new):
        assert ask(vault.port, "POST", str(largest), guard).status in {200, 412}
    second.kill()  # what it alone had of the others is on two again
    control = servers.control([vault.address for vault in (first, second, new)]).restart()
    assert ask(control.port).plain == (200, "7")


def _is_ready(port: int) -> bool:
    try:
        return ask(port, path="/readyz").status == 200
    except OSError:
        return False
