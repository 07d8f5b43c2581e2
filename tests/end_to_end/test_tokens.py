"""A grid with tokens: real servers, the commands and the workload against it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.end_to_end.processes import Grid, Servers, ask, twistd_fails, wait_until
from tests.end_to_end.scenarios import TEMPLATES
from tests.end_to_end.test_commands import free_ports_in_a_row, running_up

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")
WORKLOAD = Path(__file__).parents[2] / "workload" / "workload.sh"
WRITER, READER, CONTROLS, NEXT = "Zk3vN0c5m1J8xQ2b", "t7Yw4R9p6L0aHs1d", "c0ntr0ls-0wn-t0ken", "n3xt-c0ntr0ls-t0ken"
TIMEOUT_S = 60


def secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, Path]:
    return {
        "clients": secret(tmp_path / "clients", f"write {WRITER}\nread {READER}\n"),
        "vaults": secret(tmp_path / "vaults", f"write {CONTROLS}\n"),
        "control": secret(tmp_path / "control", f"{CONTROLS}\n"),
        "reader": secret(tmp_path / "reader", READER),
    }


@pytest.fixture
def grid(servers: Servers, tokens: dict[str, Path]) -> Grid:
    vaults = [servers.vault(options=("--token-file", str(tokens["vaults"]))) for _ in range(3)]
    options = ("--token-file", str(tokens["clients"]), "--vault-token-file", str(tokens["control"]))
    control = servers.control([vault.address for vault in vaults], options)
    for server in (*vaults, control):
        server.restart()
    return Grid(control, vaults)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def run(
    *command: str, token_file: Path | None = None, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    given = {} if token_file is None else {"GLITCHGRID_TOKEN_FILE": str(token_file)}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, **given, **(environment or {})},
    )


def test_strangers_and_those_who_have_a_token(grid: Grid) -> None:
    for server in (grid.control, *grid.vaults):
        for path in ("/", "/status", "/metrics", "/nowhere"):
            assert ask(server.port, path=path).status == 401
        assert ask(server.port, "POST", "99").status == 401
        assert ask(server.port, path="/livez").plain == (200, "ok")
    wait_until(lambda: ask(grid.control.port, path="/readyz").status == 200, "control is ready")
    assert ask(grid.control.port, "POST", "5", bearer(READER)).status == 403
    assert ask(grid.control.port, "POST", "5", bearer(WRITER)).status == 200
    assert ask(grid.control.port, "GET", headers=bearer(READER)).plain == (200, "5")
    for vault in grid.vaults:
        assert ask(vault.port, "POST", "99", bearer(WRITER)).status == 401, "what clients have is nothing to vaults"


def test_commands_and_the_workload(grid: Grid, tokens: dict[str, Path]) -> None:
    here = ("--control", grid.control.address)
    done = run(GLITCHGRID, "set", "7", *here, token_file=tokens["clients"])
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Sent updates to 2/3 vaults")
    assert run(GLITCHGRID, "get", *here, "--token-file", str(tokens["reader"])).stdout == "7\n"
    refused = run(GLITCHGRID, "set", "8", *here, token_file=tokens["reader"])
    assert (refused.returncode, "may read, and not write" in refused.stdout) == (1, True)
    stranger = run(GLITCHGRID, "get", *here)
    assert (stranger.returncode, "--token-file" in stranger.stdout) == (1, True)
    missing = run(GLITCHGRID, "get", *here, "--token-file", "/nowhere")
    assert (missing.returncode, "bad --token-file /nowhere" in missing.stderr) == (2, True)
    quick = {"NUM_STEPS": "5", "CHECK_WHEN_MULTIPLE_OF": "1000", "FINAL_DELAY": "0", "START_DELAY": "5"}
    worked = run(str(WORKLOAD), grid.control.address, token_file=tokens["clients"], environment=quick)
    assert worked.returncode == 0, worked.stdout
    assert "Test completed with storage in a consistent and correct state." in worked.stdout
    nobody = run(str(WORKLOAD), grid.control.address, environment=quick | {"START_DELAY": "1"})
    assert nobody.returncode == 2


def test_tokens_are_exchanged_without_a_lost_request(grid: Grid, tokens: dict[str, Path]) -> None:
    """First the vaults take both, then control presents the new one, then the old one goes."""

    def writes(value: int) -> None:
        assert ask(grid.control.port, "POST", str(value), bearer(WRITER)).status == 200

    def read_again(*servers: str) -> None:
        for server in (grid.control, *grid.vaults):
            if server.name.partition("-")[0] in servers:
                before = server.log.count("tokens were read again")
                server.process.send_signal(signal.SIGHUP)
                wait_until(
                    lambda server=server, before=before: server.log.count("tokens were read again") > before,  # type: ignore[misc]
                    "it reads its tokens",
                )

    writes(1)
    secret(tokens["vaults"], f"write {CONTROLS}\nwrite {NEXT}\n")
    read_again("vault")
    writes(2)
    secret(tokens["control"], NEXT)
    read_again("control")
    writes(3)
    secret(tokens["vaults"], f"write {NEXT}\n")
    read_again("vault")
    writes(4)
    secret(tokens["vaults"], "")
    grid.vaults[0].process.send_signal(signal.SIGHUP)
    wait_until(lambda: "what was read before still holds" in grid.vaults[0].log, "it says that the file is empty")
    writes(5)


def test_a_control_whose_token_is_wrong_says_so(servers: Servers, tokens: dict[str, Path]) -> None:
    vault = servers.vault(options=("--token-file", str(tokens["vaults"]))).restart()
    control = servers.control([vault.address]).restart()
    assert ask(control.port).status == 500
    assert "it answered 401: it wants another token (--vault-token-file)" in control.log


def test_a_test_command_presents_one(grid: Grid, tokens: dict[str, Path], tmp_path: Path) -> None:
    """The one that everybody takes: it asks control and the vaults."""
    shared = secret(tmp_path / "shared", f"write {WRITER}\n")
    for which in ("clients", "vaults"):
        secret(tokens[which], f"write {WRITER}\nwrite {CONTROLS}\n")
    for server in (grid.control, *grid.vaults):
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda server=server: "tokens were read again" in server.log, "it reads its tokens")  # type: ignore[misc]
    timeline = tmp_path / "timeline"
    timeline.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GLITCHGRID_CONTROLS": grid.control.address,
        "GLITCHGRID_VAULTS": ",".join(vault.address for vault in grid.vaults),
        "GLITCHGRID_TIMELINE": str(timeline),
        "GLITCHGRID_SEED": "1",
    }
    for name in ("first_write.py", "parallel_driver_hostile.py"):
        command = str(TEMPLATES / "register" / name)
        done = run(command, token_file=shared, environment=environment)
        assert (done.returncode, done.stderr) == (0, "")
    stranger = run(str(TEMPLATES / "register" / "first_write.py"), environment=environment)
    assert stranger.returncode != 0
    wrong = run(command, token_file=tmp_path / "missing", environment=environment)
    assert (wrong.returncode, "GLITCHGRID_TOKEN_FILE: " in wrong.stderr) == (2, True)


def test_a_grid_of_ones_own_takes_tokens(tokens: dict[str, Path], tmp_path: Path) -> None:
    """`up`: its servers take the file's, its control presents the first, and so does its own watch."""
    with running_up(tmp_path, "--token-file", str(tokens["clients"])) as (up, port):
        assert f"Try: glitchgrid set 7 --token-file {tokens['clients']}" in up.output.replace(GLITCHGRID, "glitchgrid")
        assert ask(port, "POST", "5").status == 401
        assert ask(port, "POST", "5", bearer(WRITER)).status == 200
        up.wait_for(f"control 127.0.0.1:{port}: up, answers 5")
    reads_first = secret(tmp_path / "reads first", f"read {READER}\nwrite {WRITER}\n")
    refused = run(GLITCHGRID, "up", "--port", str(free_ports_in_a_row()), "--token-file", str(reads_first))
    assert (refused.returncode, "has to be one that may write" in refused.stderr) == (2, True)


def test_files_that_stop_the_start(tmp_path: Path, tokens: dict[str, Path]) -> None:
    tokens["clients"].chmod(0o644)
    empty = secret(tmp_path / "empty", "")
    for path, problem in (
        (tokens["clients"], "everybody can read it: chmod o-rw"),
        (empty, "it has no token"),
        (tmp_path, "Is a directory"),
        (tmp_path / "missing", "No such file or directory"),
    ):
        line = twistd_fails(["vault", "--data-dir", str(tmp_path / "data"), "--token-file", str(path)], tmp_path)
        assert line.startswith(f"twistd vault: bad --token-file {path}: "), line
        assert problem in line
    line = twistd_fails(["control", "--vaults", "127.0.0.1:1", "--vault-token-file", str(empty)], tmp_path)
    assert line.startswith(f"twistd control: bad --vault-token-file {empty}: ")
