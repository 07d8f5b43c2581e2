"""Simulated tests as their authors run them: by pytest, by trial, with options, and when they are wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from glitchgrid.testing import WorldError, simulated
from glitchgrid.testing.settings import Options, from_environment

HERE = Path(__file__).parent
SAMPLE = HERE / "sample_register.py"
ROOT = HERE.parents[1]


def run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def pytest_of(directory: Path, name: str, *arguments: str) -> str:
    """What pytest says of one test of the sample."""
    done = run(directory, "pytest", "-p", "no:cacheprovider", "-q", f"{SAMPLE}::{name}", *arguments)
    return done.stdout + done.stderr


def test_what_is_well_passes(tmp_path: Path) -> None:
    assert "1 passed" in pytest_of(tmp_path, "test_well")
    assert "2 passed" in pytest_of(tmp_path, "test_with_parameters")
    assert "1 passed" in pytest_of(tmp_path, "test_states_what_holds")
    assert "1 passed" in pytest_of(tmp_path, "test_no_descriptor_is_left")
    assert "1 passed" in pytest_of(tmp_path, "RegisterTests::test_a_method")
    assert "1 passed" in pytest_of(tmp_path, "PlainTests::test_a_method")


def test_a_failure_is_found_shrunk_drawn_and_replayed(tmp_path: Path) -> None:
    said = pytest_of(tmp_path, "test_it_forgets", "--sim-html", "run.html")
    assert "1 failed" in said
    seed = re.search(r"^seed (\d+)", said, re.MULTILINE)
    assert seed is not None
    assert "history, at " in said
    assert re.search(r"shrunk in \d+ runs to 1 fault \(of \d+\):\n +at .*: Kill\(machine='server'\)", said)
    assert "first difference from the nearest run that passes: at " in said
    assert "server" in (tmp_path / "run.html").read_text(encoding="utf-8")
    (plan,) = (tmp_path / ".glitchgrid").glob("*.plan.json")
    data = json.loads(plan.read_text(encoding="utf-8"))
    assert [each["kind"] for each in data["faults"]] == ["kill"]

    again = pytest_of(tmp_path, "test_it_forgets", "--sim-plan", str(plan))
    assert "1 failed" in again
    finding = re.search(r"history, at .*", said)
    assert finding is not None
    alone = pytest_of(tmp_path, "test_it_forgets", "--sim-seed", seed[1], "--sim-no-shrink")
    assert finding[0] in alone
    assert "shrunk" not in alone
    calm = data | {"faults": []}
    plan.write_text(json.dumps(calm), encoding="utf-8")
    assert "1 passed" in pytest_of(tmp_path, "test_it_forgets", "--sim-plan", str(plan))


def test_the_same_with_more_jobs_and_elsewhere(tmp_path: Path) -> None:
    alone, side_by_side = (pytest_of(tmp_path, "test_it_forgets", "--sim-jobs", jobs) for jobs in ("1", "2"))
    told = re.compile(r"^seed .*\n\nhistory.*", re.MULTILINE)
    assert told.findall(alone) == told.findall(side_by_side) != []
    for name in ("test_well", "test_parses_xml"):
        assert "1 passed" in pytest_of(tmp_path, name, "--sim-check")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("test_always", r"always, at \d.*it does not always hold: fewer than four operations"),
        ("test_eventually", r"eventually, at 60.000 s: it has not come true: more than four hundred operations"),
        ("test_a_crash", r"crash, at 0.000 s: server: crash has failed:\n(.*\n)+LookupError: of all things"),
        ("test_a_program_that_ends", r"twistd -n --pidfile= no-such-plugin has ended by itself with status 1"),
        (
            "test_states_what_does_not_hold",
            r"property, at 3\.\d+ s: a program states .*: it is started again before the third tick \{.*\"left\": 3",
        ),
        ("test_states_what_does_not_hold_run_after_run", r"seed 1 (.*\n)+property, at .*: it is the first seed"),
        ("test_never_runs", r"the test returned, and has never let the world run: call world.run\(SECONDS\)"),
        ("test_no_such_machine", r"no machine is called 'sever'; there are server, client so far"),
        ("test_no_such_fault", r"there is no fault called 'kil'; there are .*kill"),
        ("test_hangs", r"hang, at .*has not ended after 1 s of real time(.*\n)+.*sample_register.py.* in spin"),
        ("test_hangs_without_a_fork", r"hang, at .*has not ended after 1 s(.*\n)+.*sample_register.py.* in spin"),
        ("test_dies", r"died, at .*the process of the run has ended: status -11"),
        ("test_own_fault", r"to 1 fault \(of \d+\):\n +at .*: bad_weather\(machine='server'\)"),
        ("RegisterTests::test_a_method_that_fails", r"10 != 11"),
    ],
)
def test_what_is_told_of_a_failure(tmp_path: Path, name: str, told: str) -> None:
    said = pytest_of(tmp_path, name)
    assert "1 failed" in said
    assert re.search(told, said), said
    assert "glitchgrid/testing/driving.py" not in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sim-seed", "1", "--sim-plan", "x"], "exclude each other"),
        (["--sim-jobs", "0"], "--sim-jobs 0: from 1 to"),
        (["--sim-html", "nowhere/run.html"], "nowhere/run.html: it can't be written"),
        (["--sim-plan", "nowhere.json"], "--sim-plan nowhere.json: it can't be read"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: list[str], told: str) -> None:
    assert told in pytest_of(tmp_path, "test_well", *arguments)


def test_a_plan_of_another_test(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    pytest_of(tmp_path, "test_it_forgets")
    (kept,) = (tmp_path / ".glitchgrid").glob("*.plan.json")
    text = kept.read_text(encoding="utf-8").replace('"server"', '"other"')
    plan.write_text(text, encoding="utf-8")
    said = pytest_of(tmp_path, "test_it_forgets", "--sim-plan", str(plan))
    assert "the plan is for other machines: it has faults of other, and this test has server, client" in said


def test_a_plan_whose_faults_nobody_asks_for(tmp_path: Path) -> None:
    pytest_of(tmp_path, "test_it_forgets")
    (kept,) = (tmp_path / ".glitchgrid").glob("*.plan.json")
    told = "the plan has faults, and this test asks for none: it does not call world.faults"
    assert told in pytest_of(tmp_path, "test_well", "--sim-plan", str(kept))


def test_a_plan_that_was_given_is_made_smaller(tmp_path: Path) -> None:
    pytest_of(tmp_path, "test_it_forgets")
    (kept,) = (tmp_path / ".glitchgrid").glob("*.plan.json")
    data = json.loads(kept.read_text(encoding="utf-8"))
    harmless = {"at_ms": 9900, "for_ms": 10, "kind": "pause", "machine": "server"}
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(data | {"faults": [*data["faults"], harmless]}), encoding="utf-8")
    assert "shrunk" not in pytest_of(tmp_path, "test_it_forgets", "--sim-plan", str(plan))
    said = pytest_of(tmp_path, "test_it_forgets", "--sim-plan", str(plan), "--sim-shrink", "--sim-html", "run.html")
    assert re.search(r"to 1 fault \(of 2\)", said), said
    assert (tmp_path / "run.html").exists()


def test_a_directory_in_which_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / ".glitchgrid").write_text("a file", encoding="utf-8")
    said = pytest_of(tmp_path, "test_it_forgets")
    assert "shrunk in" in said
    assert "the plan can't be kept here" in said


def test_trial(tmp_path: Path) -> None:
    name = "tests.testing.sample_register.RegisterTests"
    done = run(tmp_path, "twisted.trial", f"{name}.test_a_method")
    assert done.returncode == 0, done.stdout
    failed = run(tmp_path, "twisted.trial", f"{name}.test_a_method_that_fails", GLITCHGRID_SIM_SEED="1")
    assert "10 != 11" in failed.stdout
    assert f"GLITCHGRID_SIM_SEED=1 python -m twisted.trial {name}.test_a_method_that_fails" in failed.stdout


def test_beside_xdist(tmp_path: Path) -> None:
    assert "2 passed" in pytest_of(tmp_path, "test_with_parameters", "-n", "2")


def test_the_door_is_light() -> None:
    """It imports neither klein nor treq, nor Twisted's reactor."""
    program = "import sys, glitchgrid.testing.runner; print(sorted(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for name in ("klein", "treq", "twisted", "asyncio", "subprocess", "ssl"):
        assert f"'{name}'" not in imported
    program = "import sys, glitchgrid.testing.world, glitchgrid.testing.case; print(sorted(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for name in ("klein", "treq", "twisted.internet.reactor"):
        assert f"'{name}'" not in imported


def test_what_a_decorator_refuses() -> None:
    for wrong in ({"seeds": 0}, {"modules": "mine"}, {"fork": False}, {"reactor": "gtk"}, {"timeout_s": 0}):
        with pytest.raises(WorldError, match=next(iter(wrong))):
            simulated(**wrong)
    with pytest.raises(WorldError, match="takes an argument called world"):
        simulated()(lambda: None)

    async def coroutine(world: object) -> None: ...

    with pytest.raises(WorldError, match="no coroutine"):
        simulated()(coroutine)


def test_a_function_within_a_function() -> None:
    @simulated()
    def inner(world: object) -> None: ...

    with pytest.raises(WorldError, match="not within a function"):
        inner()


def test_options_from_the_environment() -> None:
    given = {"GLITCHGRID_SIM_SEEDS": "7", "GLITCHGRID_SIM_SHRINK": "0", "HOME": "/"}
    assert from_environment(given) == Options(seeds=7, shrink=False)
    assert from_environment({"GLITCHGRID_SIM_SHRINK": "1"}) == Options(shrink_plan=True)
    with pytest.raises(WorldError, match="there is no GLITCHGRID_SIM_SED"):
        from_environment({"GLITCHGRID_SIM_SED": "7"})
    with pytest.raises(WorldError, match="whole numbers"):
        from_environment({"GLITCHGRID_SIM_JOBS": "many"})
