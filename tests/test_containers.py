"""The images' files, against their linters and against what Antithesis asks of a compose file."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
COMPOSE = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def lint(*command: str) -> None:
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    lint("hadolint", "Dockerfile")


def test_hadolint_can_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian\nRUN cd /tmp && apt-get install curl\n", encoding="ascii")
    with pytest.raises(AssertionError, match="DL3"):
        lint("hadolint", str(bad))


def test_the_compose_file_fits_its_schema() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_the_schema_can_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "compose.json"
    bad.write_text(json.dumps({"services": {"vault1": {"imaje": "glitchgrid"}}}), encoding="ascii")
    with pytest.raises(AssertionError, match="imaje"):
        lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(bad))


def test_the_stack_is_three_vaults_a_control_and_the_workload() -> None:
    assert COMPOSE["name"] == "glitchgrid"
    assert set(SERVICES) == {"vault1", "vault2", "vault3", "control", "workload"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_as_antithesis_wants_it(name: str) -> None:
    service = SERVICES[name]
    assert service["platform"] == "linux/amd64"
    assert service["init"] is True
    assert service["hostname"] == service["container_name"] == name
    assert "_" not in name
    assert service["healthcheck"]["test"][0] == "CMD"
    assert not {"logging", "pull_policy", "restart"} & set(service)


@pytest.mark.parametrize("name", ["control", "workload"])
def test_the_start_is_gated_by_health(name: str) -> None:
    needed = SERVICES[name]["depends_on"]
    assert set(needed) == ({"vault1", "vault2", "vault3"} if name == "control" else {"control"})
    assert all(condition == {"condition": "service_healthy"} for condition in needed.values())


@pytest.mark.parametrize("name", ["vault1", "vault2", "vault3"])
def test_each_vault_keeps_its_data_in_a_volume_of_its_own(name: str) -> None:
    (volume,) = SERVICES[name]["volumes"]
    source, target = volume.split(":")
    assert source == f"{name}-data"
    assert source in COMPOSE["volumes"]
    assert target == SERVICES[name]["command"][-1]
    assert re.search(rf"install --directory .*--owner=glitchgrid .*{target}", DOCKERFILE)


def test_nothing_depends_on_a_shell_or_an_internal_network() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert not re.search(r"\$\{?\w", text)
    assert "internal: true" not in text


def test_the_image_runs_a_recent_glibc_python_and_not_as_root() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    python = [base for base in bases if base.startswith("python:")]
    assert python
    for base in python:
        version = re.fullmatch(r"python:3\.(\d+)-slim\S*", base)
        assert version is not None
        assert int(version[1]) >= 12
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1] not in {"root", "0"}
    assert '"--nodaemon", "--pidfile="' in DOCKERFILE
