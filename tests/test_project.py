"""What a public project has beside its code: workflows, forms and the like are what their schemas ask for, and true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from glitchgrid import __version__

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
MAKES = re.compile(r"\bmake ([a-z-]+)")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def check(schema: str, path: Path) -> str:
    """What the schema has against a file: nothing, where all is well."""
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def read(path: Path) -> dict[str, object]:
    loaded: dict[str, object] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows(path: Path) -> None:
    assert check("vendor.github-workflows", path) == ""
    assert set(MAKES.findall(path.read_text(encoding="utf-8"))) <= TARGETS


def test_what_is_wrong_with_a_workflow_is_seen(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on", "runs-in"), encoding="utf-8")
    assert "bad.yml" in check("vendor.github-workflows", bad)


def test_nothing_runs_on_antithesis_without_its_secrets() -> None:
    text = (ROOT / ".github" / "workflows" / "antithesis.yml").read_text(encoding="utf-8")
    assert "if: vars.ANTITHESIS_TENANT != ''" in text


@pytest.mark.parametrize("path", sorted(FORMS.glob("*.yml")), ids=lambda path: path.name)
def test_the_forms_for_issues(path: Path) -> None:
    assert check("vendor.github-issue-config" if path.stem == "config" else "vendor.github-issue-forms", path) == ""


def test_dependabot() -> None:
    assert check("vendor.dependabot", ROOT / ".github" / "dependabot.yml") == ""


def test_the_citation_is_of_this_version() -> None:
    assert check("vendor.citation-file-format", ROOT / "CITATION.cff") == ""
    assert read(ROOT / "CITATION.cff")["version"] == __version__


def test_the_stages_that_are_built_are_those_of_the_dockerfile() -> None:
    stages = set(re.findall(r"^FROM \S+ AS ([\w-]+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    workflow = (ROOT / ".github" / "workflows" / "images.yml").read_text(encoding="utf-8")
    built = re.search(r"stage: \[([^]]+)\]", workflow)
    assert built is not None
    assert set(built[1].split(", ")) == stages - {"build"}
