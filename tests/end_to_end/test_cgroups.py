"""Limits of real programs, by real control groups.

Whether there can be any is for the machine to say, and no package: where there can be none, CI looks at what is said.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glitchgrid.machines import cgroups
from glitchgrid.machines.cgroups import Group, Limits
from glitchgrid.machines.errors import CannotBeMade

BOTH = Limits(memory_mib=64, processors=0.25)
REFUSED = cgroups.missing(BOTH)
pytestmark = pytest.mark.skipif(bool(REFUSED) and "CI" not in os.environ, reason=REFUSED)

TAKES_MEMORY = "import sys; taken = bytearray(int(sys.argv[1]) << 20); print(len(taken))"
TAKES_TIME = """
import time
until = time.monotonic() + 2
while time.monotonic() < until:
    pass
print(time.process_time())
"""


def groups(maker: int | None = None) -> list[Path]:
    """The groups that a process has made. Those of others come and go meanwhile, which os.walk takes as it comes."""
    begins = f"glitchgrid-{os.getpid() if maker is None else maker}-"
    found = os.walk("/sys/fs/cgroup")
    return [Path(parent, name) for parent, names, _ in found for name in names if name.startswith(begins)]


def test_who_cannot_make_any_is_told_how_to() -> None:
    assert not REFUSED or REFUSED.endswith(f"run it as: {cgroups.CURE}")


@pytest.fixture
def group() -> Iterator[Group | None]:
    if REFUSED:
        with pytest.raises(CannotBeMade, match=re.escape(REFUSED)):
            Group("a", BOTH)
        yield None
        return
    made = Group("a", BOTH)
    try:
        yield made
    finally:
        made.close()
    assert groups() == []


def run(group: Group, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = group.entering([sys.executable, "-c", program, *arguments])
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_more_memory_than_there_is_kills(group: Group | None) -> None:
    if group is None:
        return
    assert run(group, TAKES_MEMORY, "16").stdout == f"{16 << 20}\n"
    assert run(group, TAKES_MEMORY, "256").returncode in {-9, 137}


def test_a_share_of_a_processor(group: Group | None) -> None:
    """A quarter of two seconds, and one period more or less at each end."""
    if group is None:
        return
    assert 0.2 < float(run(group, TAKES_TIME).stdout) < 1.0


def test_what_is_not_limited_is_not_asked_for() -> None:
    assert cgroups.missing(Limits()) == ""
    assert Limits().settings == {}


def test_nothing_is_left_of_one_whose_maker_was_killed(group: Group | None) -> None:
    if group is None:
        return
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
        assert groups(maker.pid)
        maker.kill()
    end_s = time.monotonic() + 10
    while groups(maker.pid):
        assert time.monotonic() < end_s
        time.sleep(0.05)
