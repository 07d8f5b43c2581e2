"""The manifests: against the schemas of Kubernetes, and against each other, which no schema sees."""

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from click.testing import CliRunner
from kubernetes_validate.utils import latest_version
from ruamel.yaml import YAML

from glitchgrid import control_tap, vault_tap
from glitchgrid.cli import main
from tests.test_containers import COMPOSE, IMAGES

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = ROOT / "antithesis" / "kubernetes"
LOCKED = ROOT / "deploy" / "kubernetes"
OLDEST = "1.29"
CPU_MILLI_MAX = 1000
MEMORY_MIB_MAX = 10 * 1024
DOCUMENTS: dict[str, dict[str, Any]] = {
    f"{each['kind']}/{each['metadata']['name']}": each
    for path in sorted(MANIFESTS.glob("*.yaml"))
    for each in YAML(typ="safe").load_all(path.read_text(encoding="utf-8"))
}
SECURED: dict[str, dict[str, Any]] = {
    f"{each['kind']}/{each['metadata']['name']}": each
    for path in sorted(LOCKED.glob("*.yaml"))
    for each in YAML(typ="safe").load_all(path.read_text(encoding="utf-8"))
    if each["kind"] != "Kustomization"
}
WORKLOADS = {name: each for name, each in DOCUMENTS.items() if "template" in each["spec"]}


def option_of(server: dict[str, Any], name: str) -> str:
    arguments: list[str] = server["args"]
    return arguments[arguments.index(name) + 1]


def container(name: str) -> dict[str, Any]:
    (only,) = DOCUMENTS[name]["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize("version", [OLDEST, latest_version()])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_manifest_fits_its_schema(name: str, version: str) -> None:
    kubernetes_validate.validate(DOCUMENTS[name], version, strict=True)


def test_the_schemas_can_find_something() -> None:
    bad = copy.deepcopy(DOCUMENTS["StatefulSet/vault"])
    bad["spec"]["volumeClaimTemplate"] = bad["spec"].pop("volumeClaimTemplates")
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeClaimTemplate"):
        kubernetes_validate.validate(bad, OLDEST, strict=True)


def test_what_there_is() -> None:
    assert set(DOCUMENTS) == {
        "Service/vault",
        "StatefulSet/vault",
        "PodDisruptionBudget/vault",
        "Service/control",
        "Deployment/control",
        "PodDisruptionBudget/control",
        "PersistentVolumeClaim/timeline",
        "Deployment/workload",
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_everything_says_where_it_belongs(name: str) -> None:
    """Nobody sets a context on the platform."""
    assert DOCUMENTS[name]["metadata"]["namespace"] == "default"


@pytest.mark.parametrize("name", WORKLOADS)
def test_selectors_find_their_pods_and_only_these(name: str) -> None:
    labels = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]
    assert WORKLOADS[name]["spec"]["selector"]["matchLabels"] == labels
    for other, each in WORKLOADS.items():
        assert other == name or each["spec"]["template"]["metadata"]["labels"] != labels


@pytest.mark.parametrize("name", ["vault", "control"])
def test_services_and_budgets_are_for_the_pods_of_their_name(name: str) -> None:
    kind = "StatefulSet" if name == "vault" else "Deployment"
    labels = DOCUMENTS[f"{kind}/{name}"]["spec"]["template"]["metadata"]["labels"]
    assert DOCUMENTS[f"Service/{name}"]["spec"]["selector"] == labels
    budget = DOCUMENTS[f"PodDisruptionBudget/{name}"]["spec"]
    assert budget["selector"]["matchLabels"] == labels
    assert "minAvailable" not in budget, "one of the two, or the API server refuses it"
    (port,) = DOCUMENTS[f"Service/{name}"]["spec"]["ports"]
    (served,) = container(f"{kind}/{name}")["ports"]
    assert port["port"] == served["containerPort"]
    assert port["targetPort"] == served["name"]
    arguments = container(f"{kind}/{name}")["args"]
    assert arguments[arguments.index("--port") + 1] == str(served["containerPort"])


def test_a_majority_of_the_vaults_survives_a_disruption() -> None:
    replicas = DOCUMENTS["StatefulSet/vault"]["spec"]["replicas"]
    away = DOCUMENTS["PodDisruptionBudget/vault"]["spec"]["maxUnavailable"]
    assert replicas - away >= replicas // 2 + 1


def test_control_asks_every_vault_by_the_name_that_it_keeps() -> None:
    vault = DOCUMENTS["StatefulSet/vault"]["spec"]
    assert vault["serviceName"] == DOCUMENTS["Service/vault"]["metadata"]["name"]
    assert DOCUMENTS["Service/vault"]["spec"]["clusterIP"] == "None"
    names = [f"vault-{number}.{vault['serviceName']}:8001" for number in range(vault["replicas"])]
    assert container("Deployment/control")["args"][-1].split(",") == names
    assert option_of(container("StatefulSet/vault"), "--peers").split(",") == names
    (secured,) = SECURED["StatefulSet/vault"]["spec"]["template"]["spec"]["containers"]
    assert f"--peers={','.join(names)}" in secured["args"]
    for vaults in (DOCUMENTS, SECURED):  # which know each other before they are ready
        assert vaults["StatefulSet/vault"]["spec"]["podManagementPolicy"] == "Parallel"
        assert vaults["Service/vault"]["spec"]["publishNotReadyAddresses"] is True
    settings = {each["name"]: each["value"] for each in container("Deployment/workload")["env"]}
    assert settings["GLITCHGRID_VAULTS"].split(",") == names


def test_volumes_are_mounted_where_the_data_is() -> None:
    (claim,) = DOCUMENTS["StatefulSet/vault"]["spec"]["volumeClaimTemplates"]
    (mount,) = container("StatefulSet/vault")["volumeMounts"]
    assert mount["name"] == claim["metadata"]["name"]
    assert option_of(container("StatefulSet/vault"), "--data-dir").startswith(f"{mount['mountPath']}/")
    volumes = {each["name"]: each for each in DOCUMENTS["Deployment/workload"]["spec"]["template"]["spec"]["volumes"]}
    mounts = {each["name"]: each["mountPath"] for each in container("Deployment/workload")["volumeMounts"]}
    settings = {each["name"]: each["value"] for each in container("Deployment/workload")["env"]}
    assert set(volumes) == set(mounts)
    assert volumes["timeline"]["persistentVolumeClaim"]["claimName"] == "timeline"
    assert mounts["timeline"] == settings["GLITCHGRID_TIMELINE"]
    assert DOCUMENTS["Deployment/workload"]["spec"]["strategy"]["type"] == "Recreate", "two pods would not share it"


@pytest.mark.parametrize("name", WORKLOADS)
def test_images_are_those_of_the_compose_file(name: str) -> None:
    image = container(name)["image"]
    assert image in IMAGES.values()
    assert image in {service["image"] for service in COMPOSE["platform"]["services"].values()}
    assert container(name)["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_run_as_nobody_with_probes_and_within_bounds(name: str) -> None:
    only = container(name)
    assert only["readinessProbe"]["timeoutSeconds"] > 1, "Python starts within the default second, on most days"
    if name == "Deployment/workload":
        assert only["readinessProbe"]["exec"]["command"] == ["python", "-m", "glitchgrid.healthcheck"]
    else:
        ready = {"StatefulSet/vault": "/readyz", "Deployment/control": "/livez"}[name]
        assert only["readinessProbe"]["httpGet"] == {"path": ready, "port": "http"}
        assert only["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert ("livenessProbe" in only) == (name != "Deployment/workload")
    assert DOCUMENTS[name]["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert only["securityContext"]["allowPrivilegeEscalation"] is False
    assert only["resources"]["limits"]["memory"]


def test_all_of_it_fits_into_the_one_node_that_the_platform_has() -> None:
    cpu_milli = memory_mib = 0
    for name, each in WORKLOADS.items():
        requests = container(name)["resources"]["requests"]
        cpu_milli += each["spec"]["replicas"] * int(requests["cpu"].removesuffix("m"))
        memory_mib += each["spec"]["replicas"] * int(requests["memory"].removesuffix("Mi"))
    assert cpu_milli < CPU_MILLI_MAX
    assert memory_mib < MEMORY_MIB_MAX


# ---- the manifests with locks

KINDS = {"vault": "StatefulSet", "control": "Deployment"}
OPTIONS = {"vault": vault_tap.Options, "control": control_tap.Options}
READABLE_BY_OTHERS = 0o004


@pytest.mark.parametrize("version", [OLDEST, latest_version()])
@pytest.mark.parametrize("name", SECURED)
def test_a_locked_manifest_fits_its_schema(name: str, version: str) -> None:
    kubernetes_validate.validate(SECURED[name], version, strict=True)


def test_what_locked_manifests_there_are() -> None:
    kinds = ("Service", "PodDisruptionBudget", "NetworkPolicy")
    of_each = {f"{kind}/{name}" for kind in kinds for name in KINDS}
    assert set(SECURED) == of_each | {"StatefulSet/vault", "Deployment/control"}


@pytest.mark.parametrize("name", KINDS)
def test_a_locked_server_has_its_files_and_is_probed_where_nobody_asks_for_them(name: str) -> None:
    pod = SECURED[f"{KINDS[name]}/{name}"]["spec"]["template"]["spec"]
    (only,) = pod["containers"]
    program, *arguments = only["args"]
    options = OPTIONS[program]()
    given = dict(each.removeprefix("--").split("=", 1) for each in arguments)
    assert program == name
    assert set(given) <= {each.rstrip("=") for each in options.longOpt}
    mounted = {each["mountPath"]: each["name"] for each in only["volumeMounts"]}
    secrets = {each["name"]: each["secret"] for each in pod["volumes"]}
    for option in ("tls-cert", "tls-key", "tls-client-ca", "vault-ca", "client-cert", "client-key", "token-file"):
        if option in given:
            secret = secrets[mounted[str(Path(given[option]).parent)]]
            assert not secret["defaultMode"] & READABLE_BY_OTHERS, "a server refuses a key that everybody can read"
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"], "it is the group that reads it"
    ports = {each["name"]: each["containerPort"] for each in only["ports"]}
    assert given["health-listen"] == f"tcp:{ports['health']}"
    assert given["port"] == str(ports["https"])
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
        assert only[probe]["httpGet"] == {"path": path, "port": "health"}
    assert only["securityContext"]["readOnlyRootFilesystem"] is True


def test_only_controls_and_peers_reach_vaults() -> None:
    vault, control = (SECURED[f"NetworkPolicy/{name}"]["spec"] for name in KINDS)
    labels = {name: SECURED[f"{kind}/{name}"]["spec"]["template"]["metadata"]["labels"] for name, kind in KINDS.items()}
    assert vault["podSelector"]["matchLabels"] == labels["vault"]
    assert control["podSelector"]["matchLabels"] == labels["control"]
    store, health = vault["ingress"]
    servers = [{"podSelector": {"matchLabels": labels[name]}} for name in ("control", "vault")]
    assert store == {"from": servers, "ports": [{"port": "https"}]}
    assert health == {"ports": [{"port": "health"}]}
    assert vault["egress"] == control["egress"]
    assert control["egress"][0]["to"] == [{"podSelector": {"matchLabels": labels["vault"]}}]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is missing: apt-get install kubernetes-client")
def test_the_kustomization_makes_the_secrets_that_pods_mount(tmp_path: Path) -> None:
    directory = tmp_path / "kubernetes"
    shutil.copytree(LOCKED, directory)
    names = ["vault-0.vault,vault-1.vault,vault-2.vault", "control"]
    made = CliRunner().invoke(main, ["certs", str(directory / "certs"), *names])
    assert made.exit_code == 0, made.output
    (directory / "tokens").write_text("write a-token-of-some-length\n", encoding="utf-8")
    command = ["kubectl", "kustomize", str(directory)]
    rendered = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    applied = list(YAML(typ="safe").load_all(rendered))
    secrets = {each["metadata"]["name"]: set(each["data"]) for each in applied if each["kind"] == "Secret"}
    mounted = {
        volume["secret"]["secretName"]
        for each in applied
        if "template" in each.get("spec", {})
        for volume in each["spec"]["template"]["spec"]["volumes"]
    }
    assert mounted == set(secrets)
    assert sorted(map(sorted, secrets.values())) == [["ca.crt", "tls.crt", "tls.key"]] * 2 + [["tokens"]]
    assert {f"{each['kind']}/{each['metadata']['name']}" for each in applied if each["kind"] != "Secret"} == set(
        SECURED
    )
    for each in applied:
        kubernetes_validate.validate(each, OLDEST, strict=True)
