"""Alert rules and the dashboard: by promtool, and against the documentation of what there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "glitchgrid.rules.yml"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is missing. On Debian: apt-get install prometheus"
)
METRIC = re.compile(r"\b(?:glitchgrid|process)_[a-z_]+")
_OF_HISTOGRAMS = re.compile("_(bucket|sum|count)$")
TIMEOUT_S = 60


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts() -> list[dict[str, object]]:
    (group,) = YAML(typ="safe").load(RULES)["groups"]
    found: list[dict[str, object]] = group["rules"]
    return found


def documented() -> set[str]:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    return {name for line in page.splitlines() if line.startswith("| `") for name in METRIC.findall(line.split("|")[1])}


@needs_promtool
def test_promtool_takes_the_configuration_and_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES.name)


@needs_promtool
def test_each_fires_for_what_it_is_there_for() -> None:
    assert "SUCCESS" in promtool("test", "rules", "glitchgrid.test.yml")
    tests = (RULES.parent / "glitchgrid.test.yml").read_text(encoding="utf-8")
    for alert in alerts():
        assert str(alert["alert"]) in tests


def test_each_has_its_runbook() -> None:
    page = (ROOT / "docs" / "how-to" / "alerts.md").read_text(encoding="utf-8")
    titles = re.findall("^## (.+)$", page, re.MULTILINE)
    assert titles == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        annotations = alert["annotations"]
        assert isinstance(annotations, dict)
        assert annotations["runbook"] == f"docs/how-to/alerts.md#{str(alert['alert']).lower()}"


def test_what_they_ask_for_exists() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "glitchgrid.json").read_text(encoding="utf-8"))
    asked = [str(alert["expr"]) for alert in alerts()]
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    known = documented()
    for text in asked:
        for name in METRIC.findall(text):
            assert name in known or _OF_HISTOGRAMS.sub("", name) in known, name


def test_each_metric_of_ours_is_on_the_dashboard_or_has_an_alert() -> None:
    """But for those that only say what a server is."""
    shown = (ROOT / "deploy" / "grafana" / "glitchgrid.json").read_text(encoding="utf-8") + RULES.read_text(
        encoding="utf-8"
    )
    only_told = {"glitchgrid_build_info", "glitchgrid_vault_value"}
    ours = {name for name in documented() if name.startswith("glitchgrid_")}
    missing = {name for name in ours - only_told if name not in shown}
    assert not missing
