"""Procfiles and Compose files, as far as machines can be made of them."""

import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from glitchgrid.cli import main
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.rehearsal.otherfiles import refused_services
from glitchgrid.lab.rehearsal.platformfile import complaints_about
from glitchgrid.lab.rehearsal.systemfile import SystemFile, read_system, replaced

COMPOSE = """
services:
  web_server:
    image: whatever
    command: ["sleep", "60"]
    environment: {A: 1, B: null}
    ports: ["80:80"]
  store:
    command: cat /dev/zero
    environment: ["C=x=y"]
    volumes: ["data:/data"]
volumes: {data: }
"""


def read(directory: Path, name: str, text: str) -> SystemFile:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return read_system(path, {})


@pytest.mark.parametrize("name", ["compose.yaml", "docker-compose.yml", "compose.dev.yaml"])
def test_a_compose_file(tmp_path: Path, name: str) -> None:
    found = dict(read(tmp_path, name, COMPOSE).names)
    assert list(found) == ["web-server", "store"]
    here = f"--chdir={tmp_path.resolve()}"
    assert found["web-server"].program == ("env", here, "sleep", "60")
    assert found["web-server"].environment == {"A": "1", "B": "", "DISK": "{disk}"}
    assert found["store"].program == ("env", here, "cat", "/dev/zero")
    assert found["store"].environment == {"C": "x=y", "DISK": "{disk}"}
    assert (found["web-server"].keeps, found["store"].keeps) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: {db: {image: postgres}}", "db has no command, and its image cannot be run here"),
        ("services: {db: {command: no-such-program -x}}", "db runs no-such-program, which is not on the PATH"),
        ("services: {}", "has no services"),
        ("x", "is no Compose file"),
        ("a: [", "is no Compose file"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CannotRun) as refused:
        read(tmp_path, "compose.yaml", text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def words(found: SystemFile, name: str) -> list[str]:
    """The program of a machine, as it is run."""
    known = found.words(name, "10.0.0.1", Path("/disk"))
    return [replaced(word, known, name) for word in dict(found.names)[name].program]


def test_variables_in_a_compose_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_SHELL", "shell")
    monkeypatch.delenv("NOWHERE", raising=False)
    (tmp_path / ".env").write_text("# two\nFROM_FILE='file'\nFROM_SHELL=file\n", encoding="utf-8")
    text = """
services:
  a:
    entrypoint: [sh, -c]
    command: ["echo $FROM_FILE ${FROM_SHELL} ${NOWHERE:-else} ${NOWHERE-else} [$NOWHERE] $$HOME {name} $${HOME}"]
    environment: {X: "${FROM_FILE}/{name}"}
  b: {command: "${NOWHERE:-sleep} 5"}
"""
    found = read(tmp_path, "compose.yaml", text)
    assert words(found, "a")[2:] == ["sh", "-c", "echo file shell else else [] $HOME {name} ${HOME}"]
    assert words(found, "b")[2:] == ["sleep", "5"]
    assert found.machines["a"].environment["X"] == "file/{brace}name}"


def test_services_that_cannot_be_run_do_not_keep_the_others_from_it(tmp_path: Path) -> None:
    text = COMPOSE.replace("volumes: {data: }", "  db: {image: postgres}\n  odd: {command: no-such-program}\n")
    assert [name for name, _ in read(tmp_path, "compose.yaml", text).names] == ["web-server", "store"]
    assert refused_services(tmp_path / "compose.yaml") == (
        "db has no command, and its image cannot be run here",
        "odd runs no-such-program, which is not on the PATH",
    )
    assert refused_services(tmp_path / "Procfile") == ()


def test_a_procfile(tmp_path: Path) -> None:
    text = "# who\nweb: python -m http.server ${PORT}\n\nweb_worker:  sleep 5\n"
    system = read(tmp_path, "Procfile", text)
    found = dict(system.names)
    here = shlex.quote(str(tmp_path.resolve()))
    assert words(system, "web") == ["sh", "-c", f"cd {here} && python -m http.server ${{PORT}}"]
    assert words(system, "web-worker") == ["sh", "-c", f"cd {here} && sleep 5"]
    assert found["web"].environment == {"PORT": "5000", "DISK": "{disk}"}
    assert all(each.keeps for each in found.values())
    with pytest.raises(CannotRun, match="line 2 is not NAME: COMMAND"):
        read(tmp_path, "Procfile", "a: b\nc" + os.linesep)


WELL = """
name: grid
services:
  vault:
    image: ${IMAGE}
    platform: linux/amd64
    init: true
    container_name: vault
    hostname: vault
    healthcheck: {test: ["CMD", "true"]}
  control:
    image: grid:1
    platform: linux/amd64
    init: true
    container_name: control
    hostname: control
    healthcheck: {test: ["CMD", "true"]}
    command: ["echo", "$$HOME ${ROUNDS:-3}"]
    depends_on:
      vault: {condition: service_healthy}
"""


def complaints(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / ".env").write_text("# what is run\nIMAGE=grid:1\n", encoding="utf-8")
    (tmp_path / "compose.yaml").write_text(text, encoding="utf-8")
    return complaints_about(tmp_path / "compose.yaml")


def test_what_the_platform_takes(tmp_path: Path) -> None:
    assert complaints(tmp_path, WELL) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: grid\n", "", "there is no name at the top"),
        ("image: ${IMAGE}", "build: .", "vault: there is no image"),
        ("${IMAGE}", "${TAG}", "$TAG would have to come from a shell"),
        ("${IMAGE}", "$TAG", "$TAG would have to come from a shell"),
        ("platform: linux/amd64", "platform: linux/arm64", "vault: platform is 'linux/arm64', and not 'linux/amd64'"),
        ("init: true", "init: false", "vault: init is not true"),
        ("container_name: vault", "container_name: a", "vault: container_name and hostname are 'a' and 'vault'"),
        ("    hostname: vault\n", "", "vault: container_name and hostname are 'vault' and None"),
        ("name: vault\n    hostname: vault", "name: v_1\n    hostname: v_1", "vault: hostname 'v_1' has an underscore"),
        ('    healthcheck: {test: ["CMD", "true"]}\n', "", "vault: there is no healthcheck"),
        ("{condition: service_healthy}", "{condition: service_started}", "control: it depends on vault with 'service_"),
        ("      vault: {condition: service_healthy}", "      - vault", "control: it depends on vault with None"),
        (
            "depends_on:\n      vault: {condition: service_healthy}",
            "depends_on: vault",
            "control: depends_on is 'vault'",
        ),
        ("    init: true", "    init: true\n    logging: {driver: none}", "vault: logging is the platform's to choose"),
        ("name: grid\n", "name: grid\nnetworks: {own: {internal: true}}\n", "network own: internal is true"),
    ],
)
def test_what_the_platform_does_not_take_is_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in WELL
    (line,) = complaints(tmp_path, WELL.replace(old, new, 1))
    assert line.startswith(said)


def test_our_own_files_are_taken() -> None:
    root = Path(__file__).resolve().parents[2]
    assert complaints_about(root / "antithesis" / "docker-compose.yaml") == []


def test_no_compose_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(CannotRun, match="is no text"):
        complaints_about(tmp_path / "odd.yaml")
    with pytest.raises(CannotRun, match="No such file"):
        complaints_about(tmp_path / "compose.yaml")
    with pytest.raises(CannotRun, match="has no services"):
        complaints(tmp_path, "name: grid\n")


def test_nothing_runs_for_a_check_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status says whether the platform would take it: 0, or 1 where something should be otherwise."""
    complaints(tmp_path, WELL)
    asked = ["rehearse", "--check", "--compose", str(tmp_path / "compose.yaml")]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert "register: " in done.output
    assert "compose.yaml: as the platform takes it" in done.output
    assert "setup_complete: not looked for" in done.output
    monkeypatch.setenv("ANTITHESIS_OUTPUT_DIR", str(tmp_path))
    done = CliRunner().invoke(main, asked)
    assert (done.exit_code, "setup_complete: nobody has said it" in done.output) == (1, True)
    (tmp_path / "sdk.jsonl").write_text('{"antithesis_setup": {"status": "complete", "details": null}}\n', "utf-8")
    done = CliRunner().invoke(main, asked)
    assert (done.exit_code, f"setup_complete: said in {tmp_path}" in done.output) == (0, True)
    (tmp_path / "compose.yaml").write_text(WELL.replace("init: true", "init: false", 1), encoding="utf-8")
    done = CliRunner().invoke(main, asked)
    assert (done.exit_code, "compose.yaml: vault: init is not true" in done.output) == (1, True)


def test_a_compose_file_is_for_a_check() -> None:
    done = CliRunner().invoke(main, ["rehearse", "--compose", "compose.yaml"])
    assert (done.exit_code, "--compose is for --check without --system" in done.output) == (2, True)
