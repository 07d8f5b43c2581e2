"""`glitchgrid up` and `glitchgrid demo`: what they print, how they end, and that they leave nothing behind."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.end_to_end.processes import (
    HOST,
    PROTOCOLS,
    alive,
    ask,
    free_port,
    guarded,
    read_from_terminal,
    sent,
    some_of,
    using,
    wait_until,
)

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")
VAULTS = 3
TOKEN = "a" * 40
END_TIMEOUT_S = 20.0
DEMO_TIMEOUT_S = 300.0
"""It ends with a hundred simulated runs: half a minute on a machine that does nothing else."""
ESCAPE = "\x1b"


def free_ports_in_a_row(vaults: int = VAULTS) -> int:
    """The first of as many free ports as a grid takes."""
    while True:
        first = free_port()
        probes = [socket.socket() for _ in range(vaults)]
        try:
            for offset, probe in enumerate(probes, start=1):
                probe.bind((HOST, first + offset))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return first


def run(*arguments: str, timeout_s: float = 60.0, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GLITCHGRID, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


class Running:
    """A command in a pipe, with a temporary directory of its own to leave things behind in."""

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        self.output_path = directory / "output"
        self.temporary = directory / "tmp"
        self.temporary.mkdir(exist_ok=True)
        with self.output_path.open("w") as output:
            self.process = subprocess.Popen(
                [GLITCHGRID, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"TMPDIR": str(self.temporary)} | environment,
            )

    @property
    def output(self) -> str:
        return self.output_path.read_text(encoding="utf-8")

    def children(self) -> dict[str, int]:
        """Its servers' pids, by what they are called in its command lines; not who waits to tidy up after it."""
        pid = self.process.pid
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        found = {}
        for child in map(int, pids):
            command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "rm -rf" in command:
                continue
            name = re.search(r"vault\d|workload\.sh", command.rpartition("--data-dir")[2])
            found["control" if " control " in command else name[0] if name else command] = child
        return found

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.output, f"{text!r} in the output:\n{self.output}")

    def end(self, with_signal: signal.Signals) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(END_TIMEOUT_S)


@contextmanager
def running(directory: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    command = Running(directory, *arguments, **environment)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.wait(END_TIMEOUT_S)


@contextmanager
def running_up(directory: Path, *arguments: str) -> Iterator[tuple[Running, int]]:
    port = free_ports_in_a_row()
    with running(directory, "up", "--port", str(port), *arguments) as command:
        command.wait_for(f"vault{VAULTS} {HOST}:{port + VAULTS}: up, answers")
        yield command, port


def assert_all_gone(pids: dict[str, int]) -> None:
    wait_until(lambda: not any(map(alive, pids.values())), f"{pids} are gone", timeout_s=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_serves_until_a_signal_ends_it_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with running_up(tmp_path) as (command, port):
        assert f"Try: curl -d 7 http://{HOST}:{port}/" in command.output
        assert ask(port, "POST", "7").plain in {
            (200, "Sent updates to 2/3 vaults"),
            (200, "Sent updates to 3/3 vaults"),
        }
        command.wait_for(f"control {HOST}:{port}: up, answers 7")
        children = command.children()
        assert set(children) == {"control", "vault1", "vault2", "vault3"}
        assert command.end(number) == 0
        assert_all_gone(children)
        assert list(command.temporary.iterdir()) == []
        assert ESCAPE not in command.output


def test_up_switches_a_glitch_on(tmp_path: Path) -> None:
    with running_up(tmp_path, "--glitch", "ignore-guard") as (command, port):
        command.wait_for("ignore-guard is on: A vault takes every store")
        vault, vaults = port + 1, [f"{HOST}:{port + number}" for number in range(1, VAULTS + 1)]
        assert guarded(vault, 9, vaults).status == 200
        assert guarded(vault, 5, vaults).status == 200, "a vault that is well refuses"
        assert ask(vault, "GET").body == "5"


def test_up_leaves_no_child_behind_when_it_is_killed(tmp_path: Path) -> None:
    with running_up(tmp_path) as (command, _):
        children = command.children()
        assert len(children) == 1 + VAULTS
        command.end(signal.SIGKILL)
        assert_all_gone(children)
        wait_until(lambda: not list(command.temporary.iterdir()), "nothing is left of its directory")


def test_up_shows_a_killed_vault_and_starts_it_again_with_what_it_had(tmp_path: Path) -> None:
    with running_up(tmp_path) as (command, port):
        ask(port, "POST", "41")
        command.wait_for(f"vault2 {HOST}:{port + 2}: up, answers 41")
        before = command.children()["vault2"]
        os.kill(before, signal.SIGKILL)
        command.wait_for(f"vault2 {HOST}:{port + 2}: down (killed by SIGKILL), answers -")
        assert ask(port, "GET").plain == (200, "41")
        wait_until(lambda: command.output.count(f"vault2 {HOST}:{port + 2}: up, answers 41") == 2, "it is up again")
        assert command.children()["vault2"] != before
        assert command.end(signal.SIGTERM) == 0


@pytest.mark.thorough
def test_up_carries_out_a_plan(tmp_path: Path) -> None:
    """Servers that it kills stay down until it is over: no supervisor of ours starts them before."""
    faults = [
        {"at_ms": 200, "for_ms": 7000, "kind": "kill", "machine": "vault2"},
        {"at_ms": 400, "for_ms": 800, "kind": "cut", "source": "control1", "target": "vault1"},
    ]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"plan": 2, "faults": faults}), encoding="utf-8")
    with running_up(tmp_path, "--plan", str(path)) as (command, port):
        command.wait_for("fault: Kill(machine='vault2')")
        command.wait_for("over: Cut(source='control1', target='vault1')")
        assert ask(port, "POST", "41").plain[0] == 200
        command.wait_for("over: Kill(machine='vault2')")
        up_again = f"vault2 {HOST}:{port + 2}: up, answers"
        wait_until(lambda: up_again in command.output[command.output.index("over: Kill") :], "it is up again")
        assert up_again not in command.output.partition("fault: Kill")[2].partition("over: Kill")[0]
        assert command.end(signal.SIGTERM) == 0


def test_up_ends_in_one_line_when_its_directory_is_gone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_up(tmp_path, "--data-dir", str(data)) as (command, _):
        children = command.children()
        shutil.rmtree(data)
        os.kill(children["vault2"], signal.SIGKILL)
        assert command.process.wait(END_TIMEOUT_S) == 2
        assert_all_gone(children)
        last = command.output.splitlines()[-1]
        assert last == f"glitchgrid: vault2 cannot be started: {data / 'vault2.log'}: No such file or directory"
        assert "Traceback" not in command.output


def test_up_ends_a_vault_that_was_stopped(tmp_path: Path) -> None:
    with running_up(tmp_path) as (command, port):
        children = command.children()
        os.kill(children["vault1"], signal.SIGSTOP)
        command.wait_for(f"vault1 {HOST}:{port + 1}: no answer")
        assert command.end(signal.SIGTERM) == 0
        assert_all_gone(children)


def test_up_keeps_its_data_where_it_is_told_to(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    with running_up(tmp_path, "--data-dir", str(data)) as (command, port):
        ask(port, "POST", "123")
        assert command.end(signal.SIGTERM) == 0
    with running(tmp_path, "up", "--port", str(port), "--data-dir", str(data)) as command:
        command.wait_for("Serving 123. All 3 vaults are up")
        assert command.end(signal.SIGTERM) == 0
    # Vaults know where their grid is. At other ports, or with more of them, they would wait for those from before.
    for arguments in (["--port", str(free_ports_in_a_row())], ["--port", str(port), "--vaults", "4"]):
        done = run("up", *arguments, "--data-dir", str(data))
        assert (done.returncode, done.stdout.count("\n"), done.stderr.count("\n")) == (2, 0, 1)
        assert f"{data} has the vaults {HOST}:{port + 1},{HOST}:{port + 2},{HOST}:{port + 3}" in done.stderr
        assert f"give --port {port} --vaults 3, or another directory" in done.stderr


def test_up_names_a_port_in_use() -> None:
    port = free_ports_in_a_row()
    with socket.socket() as other:
        other.bind((HOST, port + 2))
        other.listen()
        done = run("up", "--port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"glitchgrid: port {port + 2} is in use: choose another --port\n"


def test_up_names_a_data_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("up", "--port", str(free_ports_in_a_row()), "--data-dir", str(tmp_path / "file"))
    assert done.returncode == 2
    assert done.stderr == f"glitchgrid: data directory {tmp_path / 'file'} cannot be used: Not a directory\n"


def test_up_says_why_a_vault_does_not_start(tmp_path: Path) -> None:
    damaged = tmp_path / "vault2" / "value"
    damaged.parent.mkdir()
    damaged.write_text("42\n", encoding="ascii")
    done = run("up", "--port", str(free_ports_in_a_row()), "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{damaged} is damaged" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["up", "--vaults", "0"], "--vaults"),
        (["up", "--port", "65535"], "65536"),
        (["up", "--protocol", "best"], "best"),
        (["demo", "--protocol", "best"], "best"),
        (["up", "--bogus"], "--bogus"),
        (["bogus"], "bogus"),
    ],
)
def test_a_usage_error_is_named_and_exits_with_2(arguments: list[str], named: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["demo", "--help"], ["--version"]])
def test_help_and_version(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert "glitchgrid" in done.stdout


@pytest.mark.parametrize("protocol", some_of(PROTOCOLS, "atomic"), indirect=True)
def test_demo_shows_the_workloads_lines_and_what_it_does_to_the_grid(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, protocol: str
) -> None:
    """By the classic protocol it wants a token, too."""
    environment = {"NUM_STEPS": "30", "CHECK_WHEN_MULTIPLE_OF": "13", "FINAL_DELAY": "0", "TMPDIR": str(tmp_path)}
    if protocol == "classic":
        tokens = tmp_path_factory.mktemp("tokens") / "tokens"
        tokens.touch(0o600)
        tokens.write_text(f"write {TOKEN}\n", encoding="ascii")
        environment["GLITCHGRID_TOKEN_FILE"] = str(tokens)
    done = run("demo", *using(protocol), timeout_s=DEMO_TIMEOUT_S, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert ESCAPE not in done.stdout
    lines = done.stdout.splitlines()
    workloads = [line for line in lines if not line.startswith(("demo: ", "  "))]
    assert workloads[0] == "=== START TEST ==="
    assert workloads[-2:] == ["Test completed with storage in a consistent and correct state.", "==== END TEST ===="]
    writes = [line for line in workloads if " Message=" in line]
    assert len(writes) == 30
    with_all, with_two = (
        {f"HttpStatus={status} Message={text}" for status, text in sent(protocol, up)} for up in (3, 2)
    )
    undecided = {f"HttpStatus=500 Message=Sent updates to {count}/3 vaults" for count in (0, 1)}
    assert set(writes) <= with_all | with_two | undecided
    assert set(writes[:10]) == with_all
    story = iter(lines)
    # The workload is told at 21 to wait for the replaced disk, and may be some writes further when it does.
    for step, (least, most) in {
        "a write of 1 goes to 3 vaults, of which vault3 is held up": (0, 0),
        "vault3 goes on, and has it late": (0, 0),
        "vault3 is killed with -9": (10, 10),
        "vault3 is started again with an empty disk": (20, 20),
        "vault3 did not vote before it had heard from its peers": (20, 25),
        "vault1 and vault2 are killed, too": (25, 25),
        "the grid answers 500, rather than guess": (28, 28),
        "both are started again": (28, 28),
        "the workload's verdict is 0: consistent and correct": (30, 30),
    }.items():
        line = next(line for line in story if step in line)
        written = sum(" Message=" in before for before in lines[: lines.index(line)])
        assert least <= written <= most, line
    assert set(writes[15:20]) == with_two  # the workload may be some writes ahead of the kill
    assert 3 <= sum(line in undecided for line in writes) <= 5
    assert list(tmp_path.iterdir()) == []

    bug, seeds, *sentences, picture, _, again, shrink, up = story
    assert "a simulated world, with one bug in it, acknowledge-after-failed-fsync" in bug
    assert re.search(r"seed \d+ is the first of which a client can tell .* among \d+ faults", seeds)
    assert len(sentences) == 4
    assert re.search(
        r"Read #\d+ by .* returned 0, although write #\d+ of \d+ by .* had been answered 200", sentences[3]
    )
    page = Path(unquote(urlsplit(picture.rpartition(" ")[2]).path))
    assert "violation" in page.read_text(encoding="utf-8")
    for line, status in ((again, 1), (shrink, 1)):
        command = ["bash", "-c", line.rpartition("#")[0]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, done.stderr
        assert "checker: read #" in done.stdout
    assert up.split("#")[0].split()[-1] == "up"


def test_demo_exits_with_the_workloads_verdict() -> None:
    done = run("demo", NUM_STEPS="many")
    assert done.returncode == 2
    assert "NUM_STEPS is 'many'" in done.stdout + done.stderr


def test_demo_leaves_nothing_when_it_is_interrupted(tmp_path: Path) -> None:
    with running(tmp_path, "demo") as command:
        command.wait_for("HttpStatus=200 Message=")
        children = command.children()
        assert "workload.sh" in children
        assert command.end(signal.SIGINT) == 2
        assert_all_gone(children)
        assert list(command.temporary.iterdir()) == []


@pytest.mark.parametrize("no_color", [False, True])
def test_up_shows_a_table_on_a_terminal_and_ctrl_c_ends_it(no_color: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    if no_color:
        environment["NO_COLOR"] = "1"
    command = [GLITCHGRID, "up", "--port", str(free_ports_in_a_row())]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        try:
            shown = read_from_terminal(ours, until="Starting a grid")
            shown += read_from_terminal(ours, until="Data and logs are in")
            shown += read_from_terminal(ours, until="requests/s")
            assert "All 3 vaults are up" in shown
            assert "vault3" in shown
            colours = re.findall(r"\x1b\[[0-9;]*3[0-7][0-9;]*m", shown)
            assert bool(colours) is not no_color
            process.send_signal(signal.SIGINT)
            assert process.wait(END_TIMEOUT_S) == 0
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)
