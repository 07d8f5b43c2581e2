"""The real process in which runs happen: it is started anew when it dies, and what is changed is changed there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glitchgrid.lab.campaign import serving
from glitchgrid.lab.campaign.placed import PROCESSES
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.place.changes import changed, replaced
from glitchgrid.lab.register.glitches import switched_on
from glitchgrid.lab.register.layout import GridLayout
from tests.end_to_end.processes import wait_until

SHORT = GridLayout(steps=2)
HANGS = """
import socket
from glitchgrid.lab.place.watch import Watch

def turn_round_and_round():
    while True:
        pass

one, other = socket.socketpair()
with Watch(one.fileno(), 0.5).over(lambda: 1, lambda where: print(where, flush=True)):
    turn_round_and_round()
"""


def test_one_that_was_killed_is_replaced() -> None:
    digest = run_seed("100", SHORT).digest
    for each in PROCESSES.free:
        os.kill(each.pid, 9)
    assert run_seed("100", SHORT).digest == digest


def test_its_fork_is_replaced_when_it_was_killed() -> None:
    digest = run_seed("100", SHORT).digest
    forks = [fork for each in PROCESSES.free for fork in children_of(each.pid)]
    assert forks
    for fork in forks:
        os.kill(fork, 9)
    assert run_seed("100", SHORT).digest == digest


@pytest.mark.parametrize("change", ["few_runs", "little_memory"])
def test_a_fork_that_has_run_enough_makes_room_for_the_next(change: str) -> None:
    PROCESSES.close()
    with changed(f"tests.simulation.test_placed:{change}"):
        first = run_seed("100", SHORT).digest
    (one,) = PROCESSES.free
    before = children_of(one.pid)
    assert run_seed("100", SHORT).digest == first
    wait_until(lambda: children_of(one.pid) != before or not before, "another fork, or none")
    assert run_seed("100", SHORT).digest == first
    assert one.pid in [each.pid for each in PROCESSES.free], "the process is the same"


@contextmanager
def few_runs() -> Iterator[None]:
    """For good: the fork does not live long."""
    serving.RUNS_MAX = 2
    yield


@contextmanager
def little_memory() -> Iterator[None]:
    serving.MEMORY_MAX_BYTES = 1
    yield


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def test_what_is_changed_is_changed_there_for_as_long_as_that() -> None:
    digest = run_seed("100", SHORT).digest
    with replaced("glitchgrid.protocol.rounds", "majority", half):
        changed = run_seed("100", SHORT)
    with switched_on("half-is-majority"):
        assert run_seed("100", SHORT).digest == changed.digest != digest
    assert run_seed("100", SHORT).digest == digest


def half(vaults: int) -> int:
    """As the glitch does it."""
    return max(1, vaults // 2)


def test_a_run_that_hangs_says_where() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1
    assert "in turn_round_and_round" in done.stdout.splitlines()[0]
