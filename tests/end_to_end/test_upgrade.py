"""A rolling restart, as an upgrade is one: vaults one after another, under load, and no request is lost."""

import http.client
import json
import threading

from tests.end_to_end.processes import HOST, Grid, Servers, ask, ask_over, wait_until

WRITES_MIN = 20
"""Between two restarts."""


class Load(threading.Thread):
    """Writes ever larger values, one at a time, until it is told to end; and keeps what was not answered 200."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
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
        connection.close()

    def end(self) -> None:
        self._is_over.set()
        self.join()

    def wait_for_more(self) -> None:
        enough = self.written + WRITES_MIN
        wait_until(lambda: self.written >= enough, "the load goes on")


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


def _is_ready(port: int) -> bool:
    try:
        return ask(port, path="/readyz").status == 200
    except OSError:
        return False
