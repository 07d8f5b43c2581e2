"""`glitchgrid check` as a process: no reactor, pipes that close, disks that are full, terminals."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.test_commands import GLITCHGRID, run

TIMEOUT_S = 60.0
HEADER = '{"history": 1, "initial": 9}\n'
READ_5 = '{"op": 1, "call": "read", "client": "c1", "at_ns": 1}\n{"op": 1, "return": "ok", "value": 5, "at_ns": 2}\n'
RED = re.compile(r"\x1b\[[0-9;]*31[0-9;]*m")


@pytest.fixture(name="bad")
def _bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.jsonl"
    path.write_text(HEADER + READ_5, encoding="utf-8")
    return path


def test_the_exit_status_is_the_verdict_and_a_pipe_gets_plain_text(bad: Path) -> None:
    done = run("check", str(bad))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("not linearizable, by rule 1: read #1 by c1 returned 5")
    assert "\x1b" not in done.stdout
    done = run("check", str(bad.parent / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"glitchgrid: {bad.parent / 'none'}: No such file or directory\n"


def test_it_needs_no_reactor(bad: Path) -> None:
    program = (
        "import sys\n"
        "from glitchgrid.cli import main\n"
        f"sys.argv = ['glitchgrid', 'check', {str(bad)!r}]\n"
        "try:\n    main()\n"
        "finally:\n    print('twisted.internet.reactor' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (1, "False", "")


@pytest.mark.parametrize(
    ("shell", "status", "error"),
    [
        ('"$0" check "$1" >/dev/full', 2, "glitchgrid: standard output: No space left on device\n"),
        ('"$0" check - <&-', 2, "glitchgrid: standard input is closed\n"),
        ('"$0" check - <"$1" | true; exit "${PIPESTATUS[0]}"', 1, ""),
    ],
)
def test_streams_that_are_closed_or_full(bad: Path, shell: str, status: int, error: str) -> None:
    command = ["bash", "-c", shell, GLITCHGRID, str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", error)


@pytest.mark.parametrize("no_color", [False, True])
def test_colours_on_a_terminal(bad: Path, no_color: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    if no_color:
        environment["NO_COLOR"] = "1"
    try:
        done = subprocess.run(
            [GLITCHGRID, "check", str(bad)], stdout=theirs, env=environment, timeout=TIMEOUT_S, check=False
        )
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 1
    assert "not linearizable" in shown
    assert bool(RED.search(shown)) is not no_color
