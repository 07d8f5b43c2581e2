"""Limits of real programs, by real control groups."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glitchgrid.machines import cgroups
from glitchgrid.machines.cgroups import Group, Limits

BOTH = Limits(memory_mib=64, processors=0.25)
pytestmark = pytest.mark.skipif(bool(cgroups.missing(BOTH)), reason=cgroups.missing(BOTH))

TAKES_MEMORY = "import sys; taken = bytearray(int(sys.argv[1]) << 20); print(len(taken))"
TAKES_TIME = """
import time
until = time.monotonic() + 2
while time.monotonic() < until:
    pass
print(time.process_time())
"""


def groups() -> list[Path]:
    return list(Path("/sys/fs/cgroup").rglob(f"glitchgrid-{os.getpid()}-*"))


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group("a", BOTH)
    try:
        yield made
    finally:
        made.close()
    assert groups() == []


def run(group: Group, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = group.entering([sys.executable, "-c", program, *arguments])
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_more_memory_than_there_is_kills(group: Group) -> None:
    assert run(group, TAKES_MEMORY, "16").stdout == f"{16 << 20}\n"
    assert run(group, TAKES_MEMORY, "256").returncode in {-9, 137}


def test_a_share_of_a_processor(group: Group) -> None:
    """A quarter of two seconds, and one period more or less at each end."""
    assert 0.2 < float(run(group, TAKES_TIME).stdout) < 1.0


def test_what_is_not_limited_is_not_asked_for() -> None:
    assert cgroups.missing(Limits()) == ""
    assert Limits().settings == {}


def test_nothing_is_left_of_one_whose_maker_was_killed() -> None:
    code = """
import sys, time
from glitchgrid.machines.cgroups import Group, Limits
Group("b", Limits(64, 0.5))
print("made", flush=True)
time.sleep(60)
"""
    maker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    with maker:
        assert maker.stdout.readline() == "made\n"
        assert list(Path("/sys/fs/cgroup").rglob(f"glitchgrid-{maker.pid}-*-b"))
        maker.kill()
    end_s = time.monotonic() + 10
    while list(Path("/sys/fs/cgroup").rglob(f"glitchgrid-{maker.pid}-*-b")):
        assert time.monotonic() < end_s
        time.sleep(0.05)
