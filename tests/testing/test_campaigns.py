"""Campaigns of a simulated test: `glitchgrid simulate --test`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from glitchgrid.testing.faults import DRAWN

HERE = Path(__file__).parent
SAMPLE = HERE / "sample_register.py"
ROOT = HERE.parents[1]


def simulate(directory: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "glitchgrid", "simulate", "--test", f"{SAMPLE}::{name}", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def report(directory: Path, name: str, *arguments: str) -> dict[str, Any]:
    done = simulate(directory, name, "--json", *arguments)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_campaign_says_what_it_found_and_how_it_is_seen_again(tmp_path: Path) -> None:
    done = simulate(tmp_path, "test_it_forgets", "--seeds", "0:3", "--out", "out")
    assert done.returncode == 1, done.stderr
    assert "3 seeds: " in done.stdout
    assert "test_it_forgets --sim-seed " in done.stdout
    assert {each.suffix for each in (tmp_path / "out").iterdir()} == {".json", ".jsonl", ".trace"}
    alone, together = (report(tmp_path, "test_it_forgets", "--seeds", "0:4", "--jobs", jobs) for jobs in ("1", "2"))
    assert alone == together


def test_what_programs_state_is_collected(tmp_path: Path) -> None:
    found = report(tmp_path, "test_states_what_holds", "--seeds", "0:2")["properties"]
    short, counts, two, long = (
        *("it is started again before the third tick", "it counts up", "there are two ticks", "it lives for long"),
    )
    assert found == {"held": [counts, short, two], "not held": [long, two]}
    said = simulate(tmp_path, "test_states_what_holds", "--seeds", "0:2").stdout
    assert f"no seed has shown that it holds: {long}\n" in said
    assert said.count("no seed has shown") == 1


def test_one_seed_and_its_trace(tmp_path: Path) -> None:
    done = simulate(tmp_path, "test_well", "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert "client" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("passed: digest ")


def test_the_second_time_is_elsewhere_with_other_hashes(tmp_path: Path) -> None:
    assert simulate(tmp_path, "test_well", "--seeds", "0:2", "--check-determinism").returncode == 0
    (violation,) = report(tmp_path, "test_depends_on_hashes", "--seeds", "0:1", "--check-determinism")["violations"]
    assert violation["oracle"] == "determinism"


def test_a_hang_ends_no_campaign(tmp_path: Path) -> None:
    found = report(tmp_path, "test_hangs_without_a_fork", "--seeds", "0:2")
    assert [each["oracle"] for each in found["violations"]] == ["hang", "hang"]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("no_such_test", [], "has no simulated test called no_such_test"),
        ("test_well", ["--vaults", "3"], "--vaults is not for --test"),
        ("test_never_runs", ["--seeds", "0:1"], "has never let the world run"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, arguments: list[str], told: str) -> None:
    done = simulate(tmp_path, name, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.thorough
def test_every_kind_of_fault_does_something_and_ends(tmp_path: Path) -> None:
    found = report(tmp_path, "test_every_kind_of_fault", "--seeds", "0:40", "--jobs", "2")
    assert found["violations"] == []
    assert {kind for kind in DRAWN if not found["faults"].get(kind)} == set()
