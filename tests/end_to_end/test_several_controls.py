"""Two controls over the same three vaults, and everything happens at once: the history is linearizable.

The controls know nothing of each other. Vaults are killed with -9 and paused, one after another and two at a
time, a control is killed too, while clients write and read at both.
"""

import time
from pathlib import Path

import pytest

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import Linearizable
from glitchgrid.lab.history.format import count
from tests.end_to_end.processes import Control, Servers, Vault, ask, wait_until
from tests.end_to_end.recording import Clients

CLIENTS = 6
FAULT_S = 1.2
ACKNOWLEDGED_MIN = 100


def two_controls(servers: Servers, *options: str) -> tuple[list[Control], list[Vault]]:
    vaults = [servers.vault().start() for _ in range(3)]
    addresses = [vault.address for vault in vaults]
    controls = [servers.control(addresses, options).start() for _ in range(2)]
    for server in (*vaults, *controls):
        server.wait_ready()
    return controls, vaults


def meanwhile(clients: Clients, operations: int) -> None:
    """Let the clients have so many more answers, and let some time pass."""
    begun_at, wanted = time.monotonic(), clients.answered + operations
    wait_until(lambda: clients.answered >= wanted and time.monotonic() >= begun_at + FAULT_S, "the clients go on")


@pytest.mark.thorough
def test_a_history_of_two_controls_under_faults_is_linearizable(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        controls, vaults = two_controls(servers)
        ports = [control.port for control in controls]
        with Clients(tmp_path / "history.jsonl", ports, CLIENTS, seed=1) as clients:
            for number in range(3):
                one, other = vaults[number], vaults[(number + 1) % 3]
                meanwhile(clients, 20)
                one.kill()
                meanwhile(clients, 20)
                other.stop()  # no majority: writes become ambiguous
                meanwhile(clients, 1)
                one.start()
                meanwhile(clients, 5)
                other.cont()
                one.wait_ready()
                if number == 1:
                    controls[0].kill()
                    meanwhile(clients, 5)
                    controls[0].restart()
            for vault in vaults:
                wait_until(lambda vault=vault: ask(vault.port).status == 200, "every vault answers")  # type: ignore[misc]
            meanwhile(clients, 50)
        history = clients.history
        assert servers.bugs() == []
    counts = count(history)
    assert check(history, ACKNOWLEDGED_MIN) == Linearizable(), counts
    # The faults were felt, and the clients did what they are there for.
    assert counts.ambiguous > 0, counts
    assert counts.refused > 0, counts
