"""SIGINT and SIGTERM, told once or again, at any moment of any command: gone within 3 s, and nothing is left behind.

Alone on a machine most are gone within half a second. What else runs beside these tests may add to that.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.processes import HOST, SLACK_S, some_of, wait_until
from tests.end_to_end.test_commands import GLITCHGRID, free_ports_in_a_row

GONE_S = 3.0
MARK = "GLITCHGRID_TEST_MARK"

COMMANDS = {
    "up": ["up"],
    "demo": ["demo"],
    "rehearse": ["rehearse", "--minutes", "0.5"],
    "campaign": ["simulate", "--seeds", "0:5000"],
    "run": ["simulate", "--seed", "3", "--steps", "3000"],
    "shrink": ["shrink", "--protocol", "classic", "--seed", "0", "--steps", "200", "--out", "shrunk"],
    "glitches": ["glitches", "--find"],
    "check": ["check", "-"],
}
MOMENTS_S = (0.0, 0.2, 0.7, 1.5)
WAYS = ((signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM,) * 3)
SUMMARIES = ("campaign", "glitches", "shrink", "rehearse")
"""These may say what they have by then; all of them say one line at most on standard error."""


class Command:
    """A command whose processes and directories can be found again, as the head of a process group of its own."""

    def __init__(self, directory: Path, arguments: Sequence[str]) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self.output, self.errors = directory / "output", directory / "errors"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [GLITCHGRID, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                cwd=directory,
                env=os.environ | {MARK: self.mark, "TMPDIR": str(self.temporary)},
                process_group=0,
            )

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8") + self.errors.read_text(encoding="utf-8")

    def heeds_signals(self) -> bool:
        """Whether its own code has begun: the time before that is Python's, which answers Ctrl-C with a traceback."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def processes(self) -> list[int]:
        """Those that still run, of all that it has started, and itself."""
        mark = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def tell(self, number: signal.Signals) -> None:
        """As a terminal does: the whole group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def assert_gone(self, began: float) -> int:
        status = self.process.wait(GONE_S + SLACK_S + 10)
        took_s = time.monotonic() - began
        assert took_s < GONE_S + SLACK_S, f"{took_s:.1f} s\n{self.said()}"
        wait_until(lambda: not self.processes(), "nothing is left of it", timeout_s=SLACK_S)
        assert list(self.temporary.iterdir()) == []
        said = self.said()
        assert "Traceback" not in said, said
        assert "nhandled" not in said, said
        assert len(self.errors.read_text(encoding="utf-8").splitlines()) <= 1, said
        return status

    def clear_away(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    made: list[Command] = []

    def begin(*arguments: str) -> Command:
        directory = tmp_path / str(len(made))
        directory.mkdir()
        made.append(Command(directory, arguments))
        return made[-1]

    yield begin
    for command in made:
        command.clear_away()


def arguments_of(name: str) -> list[str]:
    port = ["--port", str(free_ports_in_a_row())] if name == "up" else []
    return [*COMMANDS[name], *port]


def interrupt(command: Command, *numbers: signal.Signals, between_s: float = 0.0) -> int:
    began = time.monotonic()
    for number in numbers:
        command.tell(number)
        time.sleep(between_s)
    return command.assert_gone(began)


@pytest.mark.parametrize("name", some_of(COMMANDS, "up", "campaign"))
def test_under_way(name: str, start: Callable[..., Command]) -> None:
    """Told once by Ctrl-C, and by one who does not wait to see what the first SIGTERM does."""
    for numbers, between_s in (((signal.SIGINT,), 0.0), ((signal.SIGTERM, signal.SIGTERM), 0.2)):
        command = start(*arguments_of(name))
        if name == "up":
            wait_until(lambda command=command: "control" in command.said(), "the grid is up")  # type: ignore[misc]
        else:
            time.sleep(3.0)
        assert command.process.poll() is None, command.said()
        status = interrupt(command, *numbers, between_s=between_s)
        assert status in ({0} if name == "up" else {1, 2})


@pytest.mark.thorough
@pytest.mark.parametrize("moment", range(len(MOMENTS_S)))
@pytest.mark.parametrize("name", COMMANDS)
def test_at_its_beginning(name: str, moment: int, start: Callable[..., Command]) -> None:
    """From its first moment on. Each command is told in each of these ways, at two of the moments."""
    after_s = MOMENTS_S[moment]
    for numbers in WAYS[(moment + list(COMMANDS).index(name)) % 2 :: 2]:
        command = start(*arguments_of(name))
        wait_until(command.heeds_signals, "the command heeds signals")
        time.sleep(after_s)
        interrupt(command, *numbers, between_s=0.03)


@pytest.mark.parametrize("after_s", some_of([2.0, 2.8, 3.6], 3.6))
def test_a_grid_with_a_vault_that_is_stopped(after_s: float, start: Callable[..., Command]) -> None:
    """It is asked once a second, and does not answer: a command that waits for that is told to end meanwhile."""
    port = free_ports_in_a_row()
    command = start("up", "--port", str(port))
    address = f"{HOST}:{port + 1}"
    wait_until(lambda: f"vault1 {address}: up" in command.said(), "the grid is up")
    (vault,) = (pid for pid in command.processes() if f"tcp:{port + 1}:" in _command_line(pid))
    os.kill(vault, signal.SIGSTOP)
    time.sleep(after_s)
    assert interrupt(command, signal.SIGINT) == 0


def test_a_campaign_tells_what_it_has_by_then(start: Callable[..., Command]) -> None:
    command = start("simulate", "--seeds", "0:5000", "--protocol", "classic", "--out", "kept")
    kept = command.output.parent / "kept"
    wait_until(lambda: kept.is_dir() and any(kept.iterdir()), "a run has failed")
    assert interrupt(command, signal.SIGINT) == 1
    output = command.output.read_text(encoding="utf-8")
    assert " of failure, in " in output.splitlines()[0]
    assert " seeds: " in output.splitlines()[-1]
    assert " of 5000 seeds were run" in command.errors.read_text(encoding="utf-8")
    assert (kept / "campaign.json").exists()


@pytest.mark.thorough
def test_shrinking_keeps_what_it_has_by_then(start: Callable[..., Command]) -> None:
    command = start("shrink", "--glitch", "torn-write", "--seed", "0", "--out", "kept")
    time.sleep(4.0)
    if command.process.poll() is None:
        assert interrupt(command, signal.SIGTERM) in {1, 2}
    plans = list((command.output.parent / "kept").glob("*.json"))
    said = command.said()
    assert bool(plans) == ("is:   " in said), said


def test_a_demo_that_is_interrupted_has_no_verdict(start: Callable[..., Command]) -> None:
    command = start("demo")
    wait_until(lambda: "Expected=" in command.said() or "Message=" in command.said(), "the workload writes")
    assert interrupt(command, signal.SIGINT) == 2
    assert "verdict" not in command.said()
    assert "holds" not in command.said()


def test_a_workload_that_somebody_kills_has_no_verdict(start: Callable[..., Command]) -> None:
    command = start("demo")
    wait_until(lambda: "Message=" in command.said(), "the workload writes")
    (workload,) = (pid for pid in command.processes() if "workload.sh" in _command_line(pid) and _is_leader(pid))
    os.kill(workload, signal.SIGKILL)
    assert command.process.wait(20) == 2
    assert "verdict" not in command.said()
    assert "the workload did not come to its end: killed by SIGKILL" in command.said()


def _command_line(pid: int) -> str:
    """Empty for a process that has ended meanwhile: the workload's commands are short."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _is_leader(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False
