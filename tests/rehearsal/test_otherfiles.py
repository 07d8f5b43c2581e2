"""Procfiles and Compose files, as far as machines can be made of them."""

import os
from pathlib import Path

import pytest

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.rehearsal.systemfile import SystemFile, read_system

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
    assert found["web-server"].program == ("sleep", "60")
    assert found["web-server"].environment == {"A": "1", "B": ""}
    assert (found["store"].program, found["store"].environment) == (("cat", "/dev/zero"), {"C": "x=y"})
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


def test_a_procfile(tmp_path: Path) -> None:
    text = "# who\nweb: python -m http.server $PORT\n\nweb_worker:  sleep 5\n"
    found = dict(read(tmp_path, "Procfile", text).names)
    assert found["web"].program == ("sh", "-c", "exec python -m http.server $PORT")
    assert found["web-worker"].program == ("sh", "-c", "exec sleep 5")
    assert all(each.keeps for each in found.values())
    with pytest.raises(CannotRun, match="line 2 is not NAME: COMMAND"):
        read(tmp_path, "Procfile", "a: b\nc" + os.linesep)
