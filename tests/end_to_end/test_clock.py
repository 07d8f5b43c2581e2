"""A wall clock that is stepped under a waiting server changes nothing about its deadlines.

libfaketime gives the process a wall clock of its own, which follows a file and so can be stepped while it runs;
the monotonic clock it leaves alone.
"""

import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.end_to_end.processes import SLACK_S, STOP_TIMEOUT_S, Answer, Servers, ask, sent, using
from tests.end_to_end.raw import RawConnection, get, post

VAULT_TIMEOUT_S = 1.0
STEP_AFTER_S = 0.3
DAY_S = 86400
STEP_SEEN_S = 3600
LIBRARIES = ("libfaketime.so.1", "faketime/libfaketime.so.1")


class WallClock:
    """What the server's wall clock is off by, in seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.step(0)

    def step(self, offset_s: int) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(f"{offset_s:+d}\n", encoding="ascii")
        new.replace(self._path)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # what versions before 0.9.9 call it
        }


def libfaketime() -> Path:
    roots = [Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-*"), Path("/usr/local/lib"), Path("/usr/lib64")]
    for path in (root / library for root in roots for library in LIBRARIES):
        if path.exists():
            return path
    pytest.skip("libfaketime is missing: apt-get install faketime")


@pytest.fixture
def wall_clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path / "clock")


def clock_of(answer: Answer) -> float:
    """What its sender took for the time."""
    date = {name.lower(): value for name, value in answer.headers.items()}["date"]
    return parsedate_to_datetime(date).timestamp()


@pytest.mark.parametrize("step_s", [-DAY_S, DAY_S], ids=["a day back", "a day forward"])
@pytest.mark.parametrize(("protocol", "stopped"), [("atomic", 2), ("classic", 1)])
def test_vault_timeout_keeps_its_length(
    protocol: str, stopped: int, step_s: int, servers: Servers, wall_clock: WallClock
) -> None:
    """Back, a deadline on the wall clock would come a day late; forward, at once.

    Classic waits for every vault, atomic only for one that it takes for a majority.
    """
    vaults = [servers.vault().start() for _ in range(3)]
    options = ["--vault-timeout", str(VAULT_TIMEOUT_S), *using(protocol)]
    control = servers.control([vault.address for vault in vaults], options, wall_clock.environment()).start()
    for server in [*vaults, control]:
        server.wait_ready()
    assert abs(clock_of(ask(control.port)) - time.time()) < STEP_SEEN_S
    for vault in vaults[:stopped]:
        vault.stop()

    with RawConnection(control.port) as client:
        began = time.monotonic()
        client.send(post(b"7"))
        threading.Event().wait(STEP_AFTER_S)  # the step comes in the middle of the wait
        wall_clock.step(step_s)
        # Another request shows that the step is there, and wakes the reactor up: it would sleep on else, with
        # the time-out that it began with.
        with RawConnection(control.port) as other:
            other.send(get("/elsewhere"))
            assert abs(clock_of(other.answer()) - time.time() - step_s) < STEP_SEEN_S
        answer = client.answer()
        took_s = time.monotonic() - began
    assert answer.plain in sent(protocol, 3 - stopped)
    assert VAULT_TIMEOUT_S * 0.9 < took_s < VAULT_TIMEOUT_S + SLACK_S / 2

    for vault in vaults[:stopped]:
        vault.cont()
    assert ask(control.port, "POST", "8").plain in sent(protocol, 3)


@pytest.mark.thorough
def test_slow_sender_s_deadline_and_the_stop_keep_their_length(servers: Servers, wall_clock: WallClock) -> None:
    vault = servers.vault(env=wall_clock.environment()).restart()
    with RawConnection(vault.port) as client:
        client.send(post(b"1", length=2))
        assert ask(vault.port).status == 200
        wall_clock.step(DAY_S)
        assert abs(clock_of(ask(vault.port)) - time.time() - DAY_S) < STEP_SEEN_S
        client.send(b"2")
        assert client.answer().plain == (200, "12")  # a day's step is not ten seconds of waiting
    with RawConnection(vault.port) as client:
        client.send(post(b"1", length=2))
        assert ask(vault.port).status == 200
        began = time.monotonic()
        vault.terminate()
        wall_clock.step(-DAY_S)
        vault.wait_gone()
        assert time.monotonic() - began > STOP_TIMEOUT_S * 0.9
