"""kill -9 in the middle of stores, again and again: a vault loses nothing that it acknowledged.

What kill -9 shows is the order of things: durable (to a process, not to a power cut), then acknowledged, and
never a file that no vault can start from. Losing what the kernel had not yet written is for the simulated disk.
"""

import http.client
import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.end_to_end.processes import HOST, Answer, Servers, Vault, ask, ask_over

KILLS = 100
"""A store has a handful of moments at which a kill could do harm, each some ten microseconds to a millisecond
long, and a kill hits one of them by chance. A fault that one kill in thirty shows gets past 100 kills with a
probability of 3 in 100, past 20 kills with 51 in 100; and 100 still take less than two minutes."""

CLIENTS = 6
KILL_WITHIN_S = 0.04
WARM_PROCESSES = 2
FILE_BYTES = 8192
JOIN_TIMEOUT_S = 20.0


class Ledger:
    """What the clients have attempted, and what the vault has acknowledged, over all of its lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.attempted = 0
        self.acknowledged = 0
        self.in_flight = 0
        self.wrong: list[str] = []
        self.answered = threading.Event()

    def next_value(self) -> int:
        with self._lock:
            self.attempted += 1
            return self.attempted

    def note_answer(self, value: int, answer: Answer) -> None:
        """An acknowledgement is a 200 with the value, or a 412 with one that is no smaller."""
        with self._lock:
            acknowledged = answer.status == 200 and answer.body == str(value)
            refused = answer.status == 412 and answer.body.isdigit() and int(answer.body) >= value
            if acknowledged or refused:
                self.acknowledged = max(self.acknowledged, int(answer.body))
            else:
                self.wrong.append(f"{value} was answered {answer.plain}")
        self.answered.set()

    def note_in_flight(self) -> None:
        with self._lock:
            self.in_flight += 1


def store_until_killed(port: int, ledger: Ledger) -> None:
    """One client: ever larger guarded values over one connection, as fast as it can, until that breaks."""
    connection = http.client.HTTPConnection(HOST, port, timeout=JOIN_TIMEOUT_S)
    sent = False
    try:
        while True:
            value = ledger.next_value()
            sent = False
            if connection.sock is None:
                connection.connect()
            sent = True
            answer = ask_over(connection, "POST", str(value), {"Glitchgrid-Guard": "increase"})
            ledger.note_answer(value, answer)
    except (OSError, http.client.HTTPException):
        if sent:
            ledger.note_in_flight()
    finally:
        connection.close()


def one_life(vault: Vault, ledger: Ledger, moment_s: float) -> None:
    """Store until the kill, which comes `moment_s` after the first answer."""
    ledger.answered.clear()
    clients = [threading.Thread(target=store_until_killed, args=(vault.port, ledger)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    assert ledger.answered.wait(JOIN_TIMEOUT_S), "the vault answers no store"
    time.sleep(moment_s)  # not a wait for anything: this is the random moment itself
    vault.kill()
    for client in clients:
        client.join(JOIN_TIMEOUT_S)
        assert not client.is_alive(), "a client hangs after the kill"


@pytest.mark.thorough
def test_acknowledged_values_survive_a_hundred_kills(servers: Servers, tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"KILL_SEED={seed}")
    moments = random.Random(seed)
    vault = servers.vault(data_dir=tmp_path / "data", warm=True)
    ledger = Ledger()
    kills_in_flight = kept_unacknowledged = 0
    for _ in range(WARM_PROCESSES):
        vault.prepare()
    identity = vault.restart() and ask(vault.port).headers["Glitchgrid-Vault"]
    for life in range(KILLS):
        before, in_flight = ledger.acknowledged, ledger.in_flight
        one_life(vault, ledger, moments.uniform(0, KILL_WITHIN_S))
        kills_in_flight += ledger.in_flight > in_flight
        assert (tmp_path / "data" / "value").stat().st_size == FILE_BYTES
        assert not (tmp_path / "data" / "value.new").exists(), "a store has made a new file"
        assert ledger.wrong == []
        assert ledger.acknowledged > before
        if life < KILLS - WARM_PROCESSES:
            vault.prepare()

        vault.restart()
        recovered = ask(vault.port)
        assert recovered.status == 200
        assert ledger.acknowledged <= int(recovered.body) <= ledger.attempted, f"after kill {life + 1}"
        assert recovered.headers["Glitchgrid-Vault"] == identity
        kept_unacknowledged += int(recovered.body) > ledger.acknowledged
    print(
        f"{KILLS} kills: {kills_in_flight} hit stores in flight, {kept_unacknowledged} between durable and"
        f" acknowledged; {ledger.acknowledged} acknowledged"
    )
    assert kills_in_flight >= KILLS // 2, "the kills hit no stores"
    assert kept_unacknowledged >= 1, "no kill came in the middle of a store"
