"""Under systemd: what it is told, its units, and its sockets; each by systemd's own tools where they are there."""

import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.processes import HOST, START_TIMEOUT_S, TWISTD, Servers, ask, free_port, wait_until

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
TIMEOUT_S = 30
EXPOSURE_MAX = 2.0
"""Of 10, by `systemd-analyze security`."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd's tools are missing. On Debian: apt-get install systemd"
)


def test_what_a_service_manager_is_told(servers: Servers, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(START_TIMEOUT_S)
        vault = servers.vault(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}).start()
        assert manager.recv(100) == b"READY=1"
        assert ask(vault.port).plain == (200, "0"), "it serves when it says so"
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        vault.process.send_signal(signal.SIGHUP)
        assert manager.recv(100) == b"WATCHDOG=1"
        vault.terminate()
        wait_until(lambda: manager.recv(100) == b"STOPPING=1", "it says that it stops")
        vault.wait_gone()


@needs_systemd
@pytest.mark.parametrize("name", ["vault", "control"])
def test_units(name: str, tmp_path: Path) -> None:
    """As they are, but for the path of twistd, which has to be there."""
    for source in UNITS.iterdir():
        text = source.read_text(encoding="utf-8").replace("/opt/glitchgrid/bin/twistd", TWISTD)
        (tmp_path / source.name).write_text(text, encoding="utf-8")
    unit = tmp_path / f"glitchgrid-{name}.service"
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    ).stdout
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert float(exposure) <= EXPOSURE_MAX
    (command,) = re.findall("^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    options = subprocess.run([TWISTD, name, "--help"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    for option in re.findall(r"--[a-z-]+", command.partition(f" {name} ")[2]):
        assert option in options.stdout


@needs_systemd
def test_a_socket_of_systemds(servers: Servers, tmp_path: Path) -> None:
    vault = servers.vault().restart()
    port = free_port()
    listen = ["--listen", "systemd:domain=INET:index=0"]
    command = [
        "systemd-socket-activate",
        "--fdname=control",
        f"--listen={HOST}:{port}",
        TWISTD,
        "--nodaemon",
        "--pidfile=",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "control", "--vaults", vault.address, *listen], cwd=tmp_path, stdout=log, stderr=log
        )
    try:

        def is_held() -> bool:
            with socket.socket() as client:
                return client.connect_ex((HOST, port)) == 0

        wait_until(is_held, "systemd holds the port")
        assert ask(port, "POST", "5", timeout_s=START_TIMEOUT_S).plain == (200, "Sent updates to 1/1 vaults")
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)
    finally:
        process.kill()
        process.wait(TIMEOUT_S)
