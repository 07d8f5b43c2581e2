"""twistd as a daemon: how a start that fails is told, ports below 1024, logs that are rotated."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.end_to_end.processes import HOST, START_TIMEOUT_S, TWISTD, alive, ask, free_port, wait_until

NOBODY = 65534
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives privileges up, which takes root (sudo make test)")


def start(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start a daemon: what its starter is told."""
    return subprocess.run(
        [TWISTD, "--pidfile=pid", "--logfile=log", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=directory, timeout=START_TIMEOUT_S, check=False,
    )  # fmt: skip


@contextmanager
def ended(directory: Path) -> Iterator[None]:
    """Whatever daemon has left its pid there is gone afterwards."""
    try:
        yield
    finally:
        pid = directory / "pid"
        if pid.exists():
            os.kill(int(pid.read_text(encoding="ascii")), signal.SIGKILL)


def assert_told(done: subprocess.CompletedProcess[str], directory: Path, reason: str) -> None:
    assert done.returncode == 1, done
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    wait_until(lambda: not (directory / "pid").exists(), "the pid file is gone")
    assert reason in (directory / "log").read_text(encoding="utf-8")


def test_one_that_serves_is_told_when_it_does(tmp_path: Path) -> None:
    port = free_port()
    with ended(tmp_path):
        done = start(tmp_path, "vault", "--listen", f"tcp:{port}:interface={HOST}", "--data-dir", "d")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert ask(port).plain == (200, "0")
        pid = int((tmp_path / "pid").read_text(encoding="ascii"))
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), "it has ended")
        assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("program", ["vault", "control"])
def test_a_port_in_use(program: str, tmp_path: Path) -> None:
    with socket.socket() as taken, ended(tmp_path):
        taken.bind((HOST, 0))
        taken.listen()
        listen = f"tcp:{taken.getsockname()[1]}:interface={HOST}"
        options = ["--data-dir", "d"] if program == "vault" else ["--vaults", f"{HOST}:1"]
        done = start(tmp_path, program, "--listen", listen, *options)
        assert_told(done, tmp_path, f"twistd {program}: cannot listen on {listen}")


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "value").write_text("42", encoding="ascii")
    with ended(tmp_path):
        done = start(tmp_path, "vault", "--port", str(free_port()), "--data-dir", "d")
        assert_told(done, tmp_path, "is damaged")


@pytest.mark.parametrize("name", ["value", "value.new", "lock"])
def test_what_is_no_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "d" / name)
    began = time.monotonic()
    with ended(tmp_path):
        done = start(tmp_path, "vault", "--port", str(free_port()), "--data-dir", "d")
        assert_told(done, tmp_path, f"open {name}: it is not a regular file")
    assert time.monotonic() - began < START_TIMEOUT_S / 2


@NEEDS_ROOT
@pytest.mark.parametrize("program", ["vault", "control"])
def test_a_port_below_1024_for_a_user_who_may_not(program: str, tmp_path: Path) -> None:
    """As a daemon and as the user that it becomes: the port is taken before, the data is that user's."""
    highest = 1023 if program == "vault" else 1022  # the other program's test may run at the same time
    port = next(each for each in range(highest, 600, -2) if _is_free(each))
    listen = f"tcp:{port}:interface={HOST}"
    with TemporaryDirectory() as data, ended(tmp_path):  # each pytest that begins shuts what is above `tmp_path`
        os.chown(data, NOBODY, NOBODY)
        options = ["--data-dir", data] if program == "vault" else ["--vaults", f"{HOST}:1"]
        become = [f"--uid={NOBODY}", f"--gid={NOBODY}"]
        done = start(tmp_path, *become, program, "--listen", listen, *options)
        assert (done.returncode, done.stderr) == (0, "")
        pid = int((tmp_path / "pid").read_text(encoding="ascii"))
        assert os.stat(f"/proc/{pid}").st_uid == NOBODY
        assert ask(port).status in {200, 500}
        if program == "vault":
            assert ask(port, "POST", "7").plain == (200, "7")
            assert (Path(data) / "value").stat().st_uid == NOBODY


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def test_a_log_that_was_rotated_is_opened_anew(tmp_path: Path) -> None:
    port = free_port()
    with ended(tmp_path):
        listen = f"tcp:{port}:interface={HOST}"
        start(tmp_path, "vault", "--listen", listen, "--data-dir", "d")
        pid = int((tmp_path / "pid").read_text(encoding="ascii"))
        log, rotated = tmp_path / "log", tmp_path / "log.1"
        for _ in range(2):
            log.rename(rotated)
            os.kill(pid, signal.SIGHUP)
            wait_until(log.exists, "the log is there again")
            wait_until(lambda: "opened anew" in log.read_text(encoding="utf-8"), "it is written to")
            assert ask(port).status == 200
        ask(port, "POST", "9")
        ask(port, "POST", "3")
        wait_until(lambda: "Value decreases from 9 to 3" in log.read_text(encoding="utf-8"), "it is written to")
        assert alive(pid)


def test_in_the_foreground_a_lost_terminal_ends_it_gracefully(tmp_path: Path) -> None:
    port = free_port()
    command = [TWISTD, "--nodaemon", "--pidfile=pid", "vault", "--listen", f"tcp:{port}:interface={HOST}", "-d", "d"]
    with (tmp_path / "out").open("wb") as output:
        process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until(lambda: (tmp_path / "pid").exists() and not _is_free(port), "it listens")
        ask(port)
        process.send_signal(signal.SIGHUP)
        assert process.wait(START_TIMEOUT_S) == -signal.SIGHUP
    finally:
        process.kill()
    assert "Server Shut Down" in (tmp_path / "out").read_text(encoding="utf-8")
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_directory_whose_name_the_log_cannot_encode(encoding: str, tmp_path: Path) -> None:
    """A name that is no text, and one that is none in this locale: the line that tells of it is there, escaped."""
    for number, name in enumerate((b"d-\xe9", "d-\N{SNOWMAN}".encode(), b"d\n\x1b[1m")):
        port = free_port()
        directory = tmp_path / str(number)
        directory.mkdir()
        for where in ("out", "log"):
            target = [] if where == "out" else [f"--logfile={directory / 'log'}"]
            command = [TWISTD, "--nodaemon", "--pidfile=", *target, "vault", "--listen", f"tcp:{port}", "--data-dir"]
            with (directory / "out").open("wb") as output:
                process = subprocess.Popen(
                    [*map(os.fsencode, command), os.fsencode(directory) + b"/" + name],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | {"PYTHONIOENCODING": encoding},
                )
            try:
                seen = directory / where
                wait_until(partial(_tells, seen), f"{name!r} in {where}")
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(START_TIMEOUT_S)
            text = seen.read_bytes()
            assert b"Traceback" not in text
            assert b"\x1b" not in text
            assert sys.getfilesystemencoding() == "utf-8"


def _tells(log: Path) -> bool:
    return log.exists() and b"holds 0 in" in log.read_bytes()
