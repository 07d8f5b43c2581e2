"""The images' files, against their linters and against what Antithesis asks of a compose file."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from glitchgrid import __version__, control_tap, vault_tap

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
PLATFORM = ROOT / "antithesis"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\$\{(\w+)\}")
IMAGES = dict(
    line.split("=", 1)
    for line in (PLATFORM / ".env").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
FILES = {
    "home": ROOT / "docker-compose.yml",
    "platform": PLATFORM / "docker-compose.yaml",
}


def compose_file(name: str) -> dict[str, Any]:
    """What it says, with its variables filled in as compose fills them in: from .env beside it."""
    text = VARIABLE.sub(lambda found: IMAGES[found[1]], FILES[name].read_text(encoding="utf-8"))
    parsed: dict[str, Any] = YAML(typ="safe").load(text)
    return parsed


COMPOSE = {name: compose_file(name) for name in FILES}
SERVICES: dict[str, dict[str, dict[str, Any]]] = {name: compose["services"] for name, compose in COMPOSE.items()}
EACH = [(name, service) for name, services in SERVICES.items() for service in services]
VAULTS = {"vault1", "vault2", "vault3"}


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


@pytest.mark.parametrize("path", FILES.values(), ids=list(FILES))
def test_a_compose_file_fits_its_schema(path: Path) -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(path))


def test_the_schema_can_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "compose.json"
    bad.write_text(json.dumps({"services": {"vault1": {"imaje": "glitchgrid"}}}), encoding="ascii")
    with pytest.raises(AssertionError, match="imaje"):
        lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(bad))


def test_the_stacks() -> None:
    assert {name: compose["name"] for name, compose in COMPOSE.items()} == dict.fromkeys(FILES, "glitchgrid")
    assert set(SERVICES["home"]) == {*VAULTS, "control", "workload"}
    assert set(SERVICES["platform"]) == {*VAULTS, "control1", "control2", "workload"}


@pytest.mark.parametrize(("file", "name"), EACH)
def test_a_service_is_as_antithesis_wants_it(file: str, name: str) -> None:
    service = SERVICES[file][name]
    assert service["platform"] == "linux/amd64"
    assert service["init"] is True
    assert service["hostname"] == service["container_name"] == name
    assert "_" not in name
    assert service["healthcheck"]["test"][0] == "CMD"
    assert not {"logging", "pull_policy", "restart", "networks"} & set(service)


@pytest.mark.parametrize(("file", "name"), [each for each in EACH if each[1] not in VAULTS])
def test_the_start_is_gated_by_health(file: str, name: str) -> None:
    needed = SERVICES[file][name]["depends_on"]
    controls = {each for each in SERVICES[file] if each.startswith("control")}
    assert set(needed) == (controls if name == "workload" else VAULTS)
    assert all(condition == {"condition": "service_healthy"} for condition in needed.values())


@pytest.mark.parametrize(("file", "name"), [each for each in EACH if each[1] in VAULTS])
def test_each_vault_keeps_its_data_in_a_volume_of_its_own(file: str, name: str) -> None:
    (volume,) = SERVICES[file][name]["volumes"]
    source, target = volume.split(":")
    assert source == f"{name}-data"
    assert source in COMPOSE[file]["volumes"]
    command = SERVICES[file][name]["command"]
    assert target == command[command.index("--data-dir") + 1]
    assert re.search(rf"install --directory .*--owner=glitchgrid .*{target}", DOCKERFILE)


@pytest.mark.parametrize("path", FILES.values(), ids=list(FILES))
def test_nothing_depends_on_a_shell_or_an_internal_network(path: Path) -> None:
    """What is written with a dollar sign is in the .env that the config image takes along, and in no shell."""
    text = path.read_text(encoding="utf-8")
    assert set(VARIABLE.findall(text)) == (set(IMAGES) if path.parent == PLATFORM else set())
    assert "$" not in VARIABLE.sub("", text)
    assert "internal: true" not in text


def test_the_platform_builds_nothing_and_takes_no_moving_tag() -> None:
    for service in SERVICES["platform"].values():
        assert "build" not in service
        name, _, tag = service["image"].partition(":")
        assert name
        assert tag == __version__, "an image is of one version, and named after it"


def test_the_platforms_controls_know_all_vaults_and_the_workload_knows_everybody() -> None:
    services = SERVICES["platform"]
    vaults = [f"{name}:8001" for name in sorted(VAULTS)]
    for name in ("control1", "control2"):
        assert services[name]["command"][-1].split(",") == vaults
    for name in VAULTS:
        assert services[name]["command"][-2:] == ["--peers", ",".join(vaults)]
    settings = services["workload"]["environment"]
    assert settings["GLITCHGRID_VAULTS"].split(",") == vaults
    assert settings["GLITCHGRID_CONTROLS"].split(",") == ["control1:8000", "control2:8000"]


def test_the_platforms_workload_stays_up_and_shares_a_volume() -> None:
    """Commands are called in it. A client that began by itself would be one that Test Composer knows nothing of."""
    workload = SERVICES["platform"]["workload"]
    assert workload["entrypoint"] == ["sleep", "infinity"]
    directory = workload["environment"]["GLITCHGRID_TIMELINE"]
    assert workload["volumes"] == [f"timeline:{directory}"]
    assert "timeline" in COMPOSE["platform"]["volumes"]
    assert re.search(rf"install --directory .*--owner=glitchgrid .*{directory}", DOCKERFILE)


def stage(name: str) -> str:
    """The lines of one stage of the Dockerfile."""
    found = re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_config_images_hold_what_they_should_and_nothing_else() -> None:
    assert re.search(r"^FROM scratch AS config$", DOCKERFILE, re.MULTILINE)
    assert stage("config").split() == ["COPY", "antithesis/docker-compose.yaml", "antithesis/.env", "/"]
    assert re.search(r"^FROM scratch AS config-kubernetes$", DOCKERFILE, re.MULTILINE)
    assert stage("config-kubernetes").split() == ["COPY", "antithesis/kubernetes/", "/manifests/"]


def test_the_test_commands_and_the_catalogue_are_where_antithesis_looks() -> None:
    assert "COPY workload/templates/ /opt/antithesis/test/v1/" in stage("workload")
    for name in ("grid", "workload"):
        assert "-o /opt/antithesis/catalog/catalog.json" in stage(name).replace("\\\n        ", "")
        assert re.search(r"ln -s \S+ /opt/antithesis/catalog/\w+", stage(name))


def test_the_image_runs_a_recent_glibc_python_by_antithesis_launcher_and_not_as_root() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    python = [base for base in bases if base.startswith("python:")]
    assert python
    for base in python:
        version = re.fullmatch(r"python:3\.(\d+)-slim\S*", base)
        assert version is not None
        assert int(version[1]) >= 12
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1] not in {"root", "0"}
    assert 'ENTRYPOINT ["python", "-m", "antithesis", "/opt/glitchgrid/bin/twistd"' in stage("grid")
    assert '"--nodaemon", "--pidfile="' in stage("grid")


def test_no_test_command_says_that_the_setup_is_complete() -> None:
    """Test Composer waits for that before it calls one: it would wait for itself."""
    for path in (*(ROOT / "workload").rglob("*.py"), *(ROOT / "glitchgrid" / "lab" / "testkit").rglob("*.py")):
        assert "setup_complete" not in path.read_text(encoding="utf-8")


# ---- the variant with TLS

TLS_FILE = ROOT / "deploy" / "compose" / "tls.yml"
TLS: dict[str, Any] = YAML(typ="safe").load(TLS_FILE.read_text(encoding="utf-8"))


def test_the_variant_with_tls_fits_the_schema_and_is_of_the_same_services() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(TLS_FILE))
    assert set(TLS["services"]) == {*SERVICES["home"], "certificates"}
    for name in SERVICES["home"]:
        assert "certificates:/etc/glitchgrid:ro" in TLS["services"][name]["volumes"]


@pytest.mark.parametrize("name", [*sorted(VAULTS), "control"])
def test_a_server_with_tls_has_the_certificates_that_are_made(name: str, tmp_path: Path) -> None:
    """By the very command of the compose file; the server's own options take them from there."""
    certs, where, *names = TLS["services"]["certificates"]["command"]
    assert (certs, where) == ("certs", "/var/lib/glitchgrid")
    made = subprocess.run([str(TOOLS / "glitchgrid"), "certs", str(tmp_path), *names], capture_output=True, check=False)
    assert made.returncode == 0
    program, *arguments = TLS["services"][name]["command"]
    given = [each.replace("/etc/glitchgrid", str(tmp_path)) for each in arguments]
    options = (vault_tap if program == "vault" else control_tap).Options()
    options.parseOptions(given)
    assert options.tls is not None
    assert any(name in ending.names for ending in options.tls.endings), "others look for it by this name"
    health = "http://127.0.0.1:8081/livez"
    assert TLS["services"][name]["environment"]["GLITCHGRID_HEALTH_URL"] == health


def test_the_list_of_what_is_in_the_images_is_whole() -> None:
    """What the images install is what the lock pins, and each package of it is listed with its version."""
    lock = ROOT / "requirements-runtime.lock"
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    lister = [str(TOOLS / "cyclonedx-py"), "requirements", "--output-reproducible", str(lock)]
    listed = subprocess.run(lister, capture_output=True, text=True, timeout=60, check=False)
    assert listed.returncode == 0, listed.stderr
    components = {each["name"]: each["version"] for each in json.loads(listed.stdout)["components"]}
    assert components == pinned
    assert "twisted" in components
