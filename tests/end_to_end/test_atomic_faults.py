"""The atomic protocol over real processes: what a majority carries through, and what it costs meanwhile."""

import http.client
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import pytest

from tests.end_to_end.processes import HOST, SLACK_S, Grid, Server, Servers, ask, ask_over, free_port, wait_until

KILL_EVERY_S = 2.0
OPERATIONS = 100
OPERATIONS_WITHIN_S = 15.0
"""A vault's time-out is 1 s: whoever waited for it in each operation would need 100."""

RETURNS_WITHIN_S = 1.0
READERS = 2
INCONSISTENT = (500, "-1")


def lines_about(control: Server, vault: Server) -> list[str]:
    """What control has logged of a vault, but for the list of all of them."""
    return [line for line in control.log.splitlines() if vault.address in line and "control serves" not in line]


@pytest.fixture
def grid(servers: Servers) -> Grid:
    made = servers.grid()
    assert made.write(5)[0] == 200
    assert made.read() == (200, "5")
    return made


class Traffic:
    """One writer of ever larger values and some readers, until told to stop; each checks what it is answered."""

    def __init__(self, port: int, value: int) -> None:
        self._port = port
        self.attempted = self.acknowledged = value
        self.answers = 0
        self.wrong: list[str] = []
        self._done = threading.Event()
        tasks = [self._write, *[self._read] * READERS]
        self._threads = [threading.Thread(target=self._until_done, args=(task,), daemon=True) for task in tasks]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a client hangs"

    def _until_done(self, step: Callable[[http.client.HTTPConnection], None]) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=10)
        try:
            while not self._done.is_set():
                step(connection)
                self.answers += 1
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append(repr(error))
        finally:
            connection.close()

    def _write(self, connection: http.client.HTTPConnection) -> None:
        self.attempted += 1
        answer = ask_over(connection, "POST", str(self.attempted))
        if answer.status != 200:
            self.wrong.append(f"write of {self.attempted}: {answer.plain}")
        else:
            self.acknowledged = self.attempted

    def _read(self, connection: http.client.HTTPConnection) -> None:
        least = self.acknowledged
        answer = ask_over(connection)
        if answer.status != 200 or not least <= int(answer.body) <= self.attempted:
            self.wrong.append(f"read, {least} to {self.attempted} expected: {answer.plain}")


def test_vaults_killed_one_after_the_other_under_traffic(grid: Grid) -> None:
    """Whoever is killed, the other two are a majority: no client sees anything of it."""
    with Traffic(grid.control.port, 5) as traffic:
        for vault in [*grid.vaults, grid.vaults[0]]:
            killed_at = time.monotonic()
            answers = traffic.answers
            vault.kill()
            vault.restart()
            wait_until(lambda at=killed_at: time.monotonic() > at + KILL_EVERY_S, "the next kill")  # type: ignore[misc]
            assert traffic.answers > answers
    assert traffic.wrong == []
    assert traffic.answers > OPERATIONS
    assert grid.read() == (200, str(traffic.acknowledged))
    newest = str(traffic.acknowledged)
    wait_until(lambda: [ask(vault.port).body for vault in grid.vaults] == [newest] * 3, "all hold the newest value", 5)


def operate(grid: Grid, above: int) -> float:
    """As many writes as reads, one after the other, and how long they took."""
    began = time.monotonic()
    for value in range(above + 1, above + 1 + OPERATIONS // 2):
        assert grid.write(value) == (200, "Sent updates to 2/3 vaults")
        assert grid.read() == (200, str(value))
    return time.monotonic() - began


def test_a_stopped_vault_costs_nothing_and_is_used_again_when_it_returns(grid: Grid) -> None:
    """It takes connections and requests, and answers none of them: each is a time-out of a second."""
    stopped = grid.vaults[0]
    wait_until(lambda: ask(stopped.port).body == "5", "the last straggler is in")
    # All of a grid starts at once: control may have asked a vault before it listened.
    before = len(lines_about(grid.control, stopped))
    stopped.stop()
    assert operate(grid, 5) < OPERATIONS_WITHIN_S
    newest = 5 + OPERATIONS // 2
    wait_until(lambda: lines_about(grid.control, stopped)[before:], "the log says that it fails")
    # What it was asked for operations is given up; all that goes on is its catching up.
    until = time.monotonic() + 2.0
    wait_until(lambda: time.monotonic() > until, "a time-out and a rest")
    stopped.cont()
    wait_until(
        lambda: ask(stopped.port).body == str(newest), "it catches up, with no write made", RETURNS_WITHIN_S + SLACK_S
    )
    wait_until(
        lambda: "answers again" in lines_about(grid.control, stopped)[-1], "the log says that it is back", SLACK_S
    )
    # Where the machine is busy, one that has just woken may be late once more: then that is said, and its end too.
    said = lines_about(grid.control, stopped)[before:]
    assert len(said) % 2 == 0, said
    for fails, again in zip(said[::2], said[1::2], strict=True):
        assert f"vault {stopped.address} fails: no whole answer within 1 s" in fails
        assert f"vault {stopped.address} answers again" in again


def test_a_closed_port_costs_nothing(servers: Servers) -> None:
    vaults = [servers.vault().restart() for _ in range(2)]
    nobody = free_port()
    control = servers.control([vaults[0].address, f"{HOST}:{nobody}", vaults[1].address]).restart()
    assert operate(Grid(control, vaults), 5) < OPERATIONS_WITHIN_S
    lines = [line for line in control.log.splitlines() if f"{HOST}:{nobody} fails" in line]
    assert len(lines) == 1


def test_no_majority_is_said_at_once_and_ends_at_once(grid: Grid) -> None:
    for vault in grid.vaults[:2]:
        vault.kill()
    began = time.monotonic()
    for value in range(10, 15):
        # It goes out as soon as two have failed, and the third may not have acknowledged by then.
        status, text = grid.write(value)
        assert (status, text) in {(500, f"Sent updates to {count}/3 vaults") for count in (0, 1)}
        assert grid.read() == INCONSISTENT
    assert time.monotonic() - began < 4, "ten operations took as long as one may"
    grid.vaults[0].restart()
    # A write that was given up while the last vault was busy with the one before it was never sent there. So what a
    # majority says now is what that vault has, be it less than 14.
    wait_until(lambda: grid.read()[0] == 200, "a majority is back", RETURNS_WITHIN_S + SLACK_S)
    wait_until(lambda: grid.read() == (200, ask(grid.vaults[2].port).body), "what the last vault has is read")
    assert int(grid.read()[1]) in {5, *range(10, 15)}
    assert grid.write(15)[0] == 200
    assert grid.write(14) == (400, "Client would make value decrease from 15 to 14")
    assert grid.read() == (200, "15")


def test_control_restarted_knows_the_floor(grid: Grid) -> None:
    """The very first request of a new control is a decrease, and is refused as one."""
    assert grid.write(9)[0] == 200
    grid.control.kill()
    grid.control.start()

    def first_answer() -> tuple[int, str] | None:
        try:
            return grid.write(8)
        except OSError:
            return None

    assert wait_until(first_answer, "control listens") == (400, "Client would make value decrease from 9 to 8")


def test_two_controls_of_one_grid(grid: Grid, servers: Servers) -> None:
    """Neither knows of the other: what one has written the other reads, and its refusals follow."""
    other = servers.control([vault.address for vault in grid.vaults]).restart()
    for value in range(10, 30, 2):
        assert grid.write(value)[0] == 200
        assert ask(other.port).plain == (200, str(value))
        assert ask(other.port, "POST", str(value + 1)).status == 200
        assert grid.read() == (200, str(value + 1))
        assert grid.write(value) == (400, f"Client would make value decrease from {value + 1} to {value}")
    # Its floor is a courtesy: a write of less than what the other has committed is taken, and changes nothing.
    assert grid.write(50)[0] == 200
    assert ask(other.port, "POST", "40").status == 200
    assert ask(other.port).plain == (200, "50")
