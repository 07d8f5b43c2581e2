"""`glitchgrid rehearse` and `glitchgrid report`: real grids, real commands, and Test Composer's rules."""

import json
import re
import signal
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.end_to_end.processes import alive, wait_until
from tests.end_to_end.test_commands import GLITCHGRID

LIMIT_S = 240

NOISY = """#!/usr/bin/env bash
# Says when it begins and ends, by a clock that all can see, and stays for a while.
say() {{ read -r uptime _ < /proc/uptime; echo "$uptime $$ ${{0##*/}} $1" >> {log}; }}
say begins
sleep {seconds}
say ends
"""


class Event(NamedTuple):
    pid: int
    name: str
    what: str


def glitchgrid(*arguments: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [GLITCHGRID, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def template(directory: Path, name: str, *commands: str, seconds: float = 0.2) -> Path:
    """A template whose commands note when they run; the log is beside it."""
    log = directory / f"{name}.log"
    (directory / "templates" / name).mkdir(parents=True)
    for command in commands:
        path = directory / "templates" / name / command
        path.write_text(NOISY.format(log=log, seconds=seconds))
        path.chmod(0o755)
    return log


def events(log: Path) -> list[Event]:
    """What the commands have said, in its order."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [Event(int(pid), name, what) for _, pid, name, what in lines]


def beside(log: Path) -> set[tuple[str, str]]:
    """Which commands were seen to run beside which, themselves among them."""
    running: dict[int, str] = {}
    pairs = set()
    for event in events(log):
        if event.what == "ends":
            running.pop(event.pid)
            continue
        for other in running.values():
            pairs.add((min(event.name, other), max(event.name, other)))
        running[event.pid] = event.name
    return pairs


def rehearse(tmp_path: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return glitchgrid("rehearse", "--templates", tmp_path / "templates", "--out", tmp_path / "out", *arguments)


@pytest.mark.thorough
def test_what_runs_beside_what(tmp_path: Path) -> None:
    names = ("first_a.sh", "parallel_driver_p.sh", "serial_driver_s.sh", "anytime_x.sh", "finally_f.sh")
    log = template(tmp_path, "mine", *names)
    done = rehearse(tmp_path, "--timelines", 1, "--seed", 1, "--minutes", 0.15)
    assert done.returncode == 0, done.stdout + done.stderr
    order = [event.name for event in events(log)]
    assert order[:2] == ["first_a.sh"] * 2
    assert order[-2:] == ["finally_f.sh"] * 2
    assert set(order) == set(names)
    pairs = beside(log)
    assert ("parallel_driver_p.sh", "parallel_driver_p.sh") in pairs
    assert {pair for pair in pairs if "serial_driver_s.sh" in pair} <= {("anytime_x.sh", "serial_driver_s.sh")}
    assert not {pair for pair in pairs if "first_a.sh" in pair or "finally_f.sh" in pair}


@pytest.mark.thorough
def test_a_singleton_is_the_only_driver_and_runs_once(tmp_path: Path) -> None:
    log = template(tmp_path, "mine", "singleton_driver_d.sh", "anytime_x.sh", seconds=2.0)
    assert rehearse(tmp_path, "--timelines", 1, "--minutes", 0.05).returncode == 0
    assert sum(event == (event.pid, "singleton_driver_d.sh", "begins") for event in events(log)) == 1
    assert ("anytime_x.sh", "singleton_driver_d.sh") in beside(log)


@pytest.mark.thorough
@pytest.mark.parametrize("killed", ["parallel_driver_p.sh", "anytime_x.sh", "singleton_driver_d.sh"])
def test_an_eventually_kills_what_runs_with_all_that_it_has_started(tmp_path: Path, killed: str) -> None:
    others = ["parallel_driver_q.sh"] if killed.startswith("anytime") else []
    log = template(tmp_path, "mine", killed, "eventually_e.sh", *others, seconds=0.3)
    path = tmp_path / "templates" / "mine" / killed
    path.write_text(path.read_text().replace("sleep 0.3", f"sleep 600 & echo $! > {tmp_path}/sleeper\nwait"))
    done = rehearse(tmp_path, "--timelines", 1, "--minutes", 0.05)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [event.what for event in events(log) if event.name == killed].count("ends") == 0
    assert events(log)[-1].name == "eventually_e.sh"
    sleeper = int((tmp_path / "sleeper").read_text())
    wait_until(lambda: not alive(sleeper), "what the driver has started is gone")
    assert re.search(rf"{killed}: \d stopped", done.stdout)


@pytest.mark.thorough
def test_a_command_that_never_ends_is_killed_and_said(tmp_path: Path) -> None:
    template(tmp_path, "mine", "anytime_x.sh", seconds=600)
    done = rehearse(tmp_path, "--timelines", 1, "--minutes", 0.05, "--patience", 1)
    assert done.returncode == 2
    said = "  anytime_x.sh never ended: it was killed after 1 s"
    assert said in done.stdout.splitlines()
    again = re.search("^again: (.*)$", done.stdout, re.MULTILINE)
    assert again is not None
    repeated = subprocess.run(
        ["bash", "-c", again[1]], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert repeated.returncode == 2
    assert said in repeated.stdout.splitlines()


QUIET = """#!/usr/bin/env bash
# Asks for a quiet period, and fails where a fault ends in it: what goes on is ended before it begins.
"$ANTITHESIS_STOP_FAULTS" 0.5 || exit 1
faults=$(dirname "$ANTITHESIS_STOP_FAULTS")/faults.jsonl
before=$(wc -l < "$faults")
sleep 0.4
[ "$(wc -l < "$faults")" = "$before" ]
"""


def test_faults_of_a_plan_on_links_and_processes_and_a_quiet_period(tmp_path: Path) -> None:
    log = template(tmp_path, "mine", "parallel_driver_p.sh", "serial_driver_quiet.sh")
    (tmp_path / "templates" / "mine" / "serial_driver_quiet.sh").write_text(QUIET)
    plan = tmp_path / "plan.json"
    faults = [
        {"at_ms": 0, "for_ms": 1000, "kind": "cut", "source": "control1", "target": "vault1"},
        {"at_ms": 200, "for_ms": 500, "kind": "kill", "machine": "vault2"},
        {"at_ms": 400, "for_ms": 500, "kind": "pause", "machine": "control2"},
        {"at_ms": 600, "for_ms": 500, "kind": "signal", "machine": "vault3", "signal": "SIGINT"},
    ]
    plan.write_text(json.dumps({"plan": 2, "faults": [*faults, *({**each, "at_ms": 1500} for each in faults)]}))
    done = rehearse(tmp_path, "--timelines", 1, "--minutes", 0.2, "--seed", 3, "--plan", plan)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "timeline 1: mine, seed 3, 8 faults planned" in done.stdout
    assert f"--plan {plan}" in done.stdout
    assert any(each.name == "parallel_driver_p.sh" for each in events(log))
    assert re.search(r"serial_driver_quiet.sh: \d+ passed", done.stdout), done.stdout
    place = tmp_path / "out" / "timeline-1"
    injected = [json.loads(line) for line in (place / "faults.jsonl").read_text().splitlines()]
    assert {each["kind"] for each in injected} == {"cut", "kill", "pause", "signal"}
    told = [json.loads(line)["fault"] for line in (place / "events.jsonl").read_text().splitlines()]
    assert {each["name"] for each in told} == {"partition", "kill", "pause", "signal", "restore"}
    lives = [json.loads(line)["server"] for line in (place / "lives.jsonl").read_text().splitlines()]
    assert lives.count("vault1") == 1
    assert lives.count("vault2") >= 2
    assert lives.count("vault3") >= 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--plan", "/nowhere"), "glitchgrid: /nowhere: No such file or directory"),
        (("--template", "yours"), "glitchgrid: there is no template 'yours' in "),
        (("--glitch", "gremlin"), "glitchgrid: Invalid value for '--glitch': there is no glitch 'gremlin'"),
        (("--templates", "/nowhere"), "glitchgrid: /nowhere: No such file or directory"),
        (
            ("--out", "/proc/nowhere"),
            "glitchgrid: /proc/nowhere cannot be made: No such file or directory; name another",
        ),
        (("--out", "."), "glitchgrid: . is not empty"),
        (("--timelines", "0"), "glitchgrid: Invalid value for '--timelines'"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: Sequence[str], line: str) -> None:
    (tmp_path / "something").write_text("")
    done = glitchgrid("rehearse", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, tuple[int, str, Path]]:
    """A rehearsal of each template without a glitch, and one with."""
    done = {}
    for glitch in (None, "half-is-majority"):
        out = tmp_path_factory.mktemp("rehearsed") / "out"
        options = ("--glitch", glitch, "--template", "register", "--timelines", 1) if glitch else ("--timelines", 2)
        ended = glitchgrid("rehearse", "--seed", 1, "--minutes", 0.1, "--out", out, *options)
        done[glitch] = (ended.returncode, ended.stdout, out)
    return done


@pytest.mark.thorough
def test_a_sound_grid_holds(rehearsed: dict[str | None, tuple[int, str, Path]]) -> None:
    status, told, out = rehearsed[None]
    assert status == 0, told
    assert "timeline 1: curl, seed 1" in told
    assert "timeline 2: register, seed 2" in told
    assert "history of timeline-2: linearizable" in told
    report = json.loads(glitchgrid("report", out, "--json").stdout)
    standings = defaultdict(list)
    for each in report["properties"]:
        standings[each["standing"]].append(each["text"])
    assert not standings["failed"]
    assert "control: a commit has the votes of more than half of all" in standings["passed"]
    assert "test: the only client reads back just what it wrote" in standings["passed"]
    assert report["setup_complete"] >= 4, "two timelines, two controls each"
    assert report["commands"]["first_write.py"] == {"passed": 1}


@pytest.mark.thorough
def test_a_glitch_is_found_and_told(rehearsed: dict[str | None, tuple[int, str, Path]]) -> None:
    status, told, out = rehearsed["half-is-majority"]
    assert status == 1
    assert "first_write.py failed: first_write: 127.0.0.1:" in told
    done = glitchgrid("report", out)
    assert done.returncode == 1
    assert (
        "failed  control: a commit has the votes of more than half of all (always, protocol/rounds.py:" in done.stdout
    )
    assert "1 of 3 vaults for a majority" in done.stdout


@pytest.mark.thorough
def test_reach_is_asked_for_by_an_option_alone(rehearsed: dict[str | None, tuple[int, str, Path]]) -> None:
    out = rehearsed[None][2]
    done = glitchgrid("report", out, "--require-reach")
    assert done.returncode == 2
    assert done.stderr.startswith("glitchgrid: never hit: ")
    assert "vault: a store takes longer than its deadline" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.thorough
def test_a_report_on_a_simulation(tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulated = glitchgrid("simulate", "--seeds", "0:25", "--glitch", "forget-on-restart", "--out", out)
    assert simulated.returncode == 1
    done = glitchgrid("report", out, "--html", tmp_path / "report.html")
    assert done.returncode == 1
    assert re.search(r"simulated runs: .*\d+ violation", done.stdout)
    assert re.search(r"failed  control: a majority holds less than was committed", done.stdout)
    assert re.search(r"run of seed-\d+: violation: ", done.stdout)
    assert "drawPicture(" in (tmp_path / "report.html").read_text()


def test_a_directory_without_output_is_one_line(tmp_path: Path) -> None:
    done = glitchgrid("report", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"glitchgrid: {tmp_path} has no output in it, neither of the SDK nor of a simulation\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_it_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    log = template(tmp_path, "mine", "parallel_driver_p.sh", seconds=600)
    command: list[str | Path] = [
        GLITCHGRID,
        "rehearse",
        "--templates",
        tmp_path / "templates",
        "--out",
        tmp_path / "out",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: log.exists() and events(log), "a driver runs")
        children = _children(process.pid)
        assert len(children) > 5, "five servers and a driver"
        process.send_signal(number)
        _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2
    assert "Traceback" not in errors
    wait_until(lambda: not any(map(alive, children)), "all that it has started is gone")


def _children(pid: int) -> list[int]:
    """Of a process, and theirs."""
    found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(child for each in found for child in _children(each))]
