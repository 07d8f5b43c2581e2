"""``glitchgrid status``, ``get``, ``set`` and ``doctor`` as their users run them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.processes import HOST, Grid, Servers, alive, free_port, wait_until
from tests.end_to_end.test_commands import free_ports_in_a_row

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")
BYSTANDER_S = 60


def glitchgrid(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GLITCHGRID, *arguments],
        capture_output=True,
        text=True,
        timeout=BYSTANDER_S,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture
def grid(servers: Servers) -> Grid:
    made = servers.grid()
    made.read()
    return made


def test_a_grid_that_loses_vaults(grid: Grid) -> None:
    here = ("--control", grid.control.address)
    written = glitchgrid("set", "287", *here)
    assert (written.returncode, written.stdout.splitlines()[0]) == (0, "Sent updates to 2/3 vaults")
    assert "on vault" in written.stdout.splitlines()[1]
    grid.wait_until_all_hold(287)
    read = glitchgrid("get", *here)
    assert (read.returncode, read.stdout, read.stderr) == (0, "287\n", "")

    done = glitchgrid("status", *here)
    assert (done.returncode, done.stderr) == (0, "")
    headline, empty, control, *vaults = done.stdout.splitlines()
    assert (headline, empty) == ("Serving 287. All 3 vaults are up; it can lose 1.", "")
    assert control.split()[:4] == ["control", grid.control.address, "answers", "287"]
    for number, (line, vault) in enumerate(zip(vaults, grid.vaults, strict=True), start=1):
        assert line.split()[:4] == [f"vault{number}", vault.address, "shows", "287"]

    grid.vaults[2].kill()
    glitchgrid("set", "300", *here)
    done = glitchgrid("status", *here)
    assert done.returncode == 1
    assert done.stdout.startswith("Serving 300. 2 of 3 vaults are up; one more loss and writes stop.\n")
    assert "does not answer: Connection refused (it held 287 when control last heard of it)" in done.stdout

    grid.vaults[1].kill()
    told = glitchgrid("status", "--json", *here)
    assert told.returncode == 1
    status = json.loads(told.stdout)
    assert (status["serves"], status["degraded"], status["losses_left"]) == (False, True, -1)
    assert [vault["up"] for vault in status["vaults"]] == [True, False, False]
    refused = glitchgrid("get", *here)
    assert refused.returncode == 1
    assert "rather than guess" in refused.stdout
    ambiguous = glitchgrid("set", "301", "--json", *here)
    assert ambiguous.returncode == 1
    assert "may still happen" in json.loads(ambiguous.stdout)["means"]

    grid.control.kill()
    for command in (("status",), ("get",), ("set", "302")):
        done = glitchgrid(*command, *here)
        assert done.returncode == 2
        assert "not answer" in done.stdout + done.stderr


def test_a_vault_that_was_away_is_behind_until_it_is_healed(grid: Grid) -> None:
    here = ("--control", grid.control.address)
    grid.vaults[2].stop()
    assert glitchgrid("set", "7", *here).returncode == 0
    stopped = glitchgrid("status", *here)
    assert stopped.returncode == 1
    assert "does not answer: no answer within 5 s" in stopped.stdout.splitlines()[-1]
    grid.vaults[2].cont()
    status = json.loads(glitchgrid("status", "--json", *here).stdout)
    assert status["floor"] == 7
    lags = [vault["lag"] for vault in status["vaults"]]
    assert lags[:2] == [0, 0]
    assert lags[2] in {0, 7}
    grid.wait_until_all_hold(7)
    assert [each["lag"] for each in json.loads(glitchgrid("status", "--json", *here).stdout)["vaults"]] == [0, 0, 0]


def test_bad_addresses_are_one_line() -> None:
    for address in ("nonsense", f"{HOST}:0", f"{HOST}:99999", "a b:1"):
        done = glitchgrid("status", "--control", address)
        assert done.returncode == 2
        assert f"bad control address {address!r}" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = glitchgrid("get", "--control", f"{HOST}:{free_port()}")
    assert done.returncode == 2
    assert done.stderr.endswith("Connection refused\n")


def test_the_grid_of_the_last_up_is_meant(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    before = glitchgrid("status", **state)
    assert before.returncode == 2
    assert "--control HOST:PORT" in before.stderr
    port = free_ports_in_a_row()
    up = subprocess.Popen(
        [GLITCHGRID, "up", "--port", str(port)], stdout=subprocess.PIPE, text=True, env=os.environ | state
    )
    with up:
        assert up.stdout is not None
        wait_until(lambda: any(tmp_path.rglob("up.json")), "up has noted where it is")
        assert glitchgrid("set", "5", **state).returncode == 0
        assert glitchgrid("get", **state).stdout == "5\n"
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=BYSTANDER_S)
    assert up.returncode == 0
    after = glitchgrid("status", **state)
    assert (after.returncode, after.stderr) == (2, before.stderr)


def test_an_up_that_was_killed_is_no_grid(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with subprocess.Popen(["sleep", "60"]) as gone:
        gone.kill()
    assert not alive(gone.pid)
    (tmp_path / "glitchgrid").mkdir()
    (tmp_path / "glitchgrid" / "up.json").write_text(json.dumps({"pid": gone.pid, "controls": []}), encoding="utf-8")
    done = glitchgrid("status", **state)
    assert done.returncode == 2
    assert "has ended" in done.stderr
    (tmp_path / "glitchgrid" / "up.json").write_text("[", encoding="utf-8")
    assert glitchgrid("status", **state).returncode == 2


def test_the_doctor(tmp_path: Path) -> None:
    done = glitchgrid("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("Every command runs here.\n")
    bash = shutil.which("bash")
    assert bash is not None
    (tmp_path / "bash").symlink_to(bash)
    done = glitchgrid("doctor", PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stdout.splitlines()[0] == "Not every command runs here: up, demo, rehearse would fail."
    assert "apt-get install curl" in done.stdout
    told = json.loads(glitchgrid("doctor", "--json", PATH=str(tmp_path)).stdout)
    assert {each["what"] for each in told if each["here"]} >= {"bash", "/proc"}
    assert {each["what"] for each in told if not each["here"]} >= {"curl", "setpriv"}
