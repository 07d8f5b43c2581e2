"""``glitchgrid rehearse --system``, as users call it: the grid, and programs that nobody here wrote."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from glitchgrid.lab.composer.templates import find_templates
from glitchgrid.lab.faults.processes import Blackout
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.plans import plan_with
from glitchgrid.machines import cgroups, clocks, means
from glitchgrid.machines.cgroups import Limits
from glitchgrid.machines.clocks import ClockFile
from tests.end_to_end.test_machines import processes_in

pytestmark = [
    pytest.mark.skipif(bool(means.missing_for_links()), reason=means.missing_for_links()),
    pytest.mark.skipif(bool(means.missing_for_disks()), reason=means.missing_for_disks()),
]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
GRID = EXAMPLES / "grid" / "system.toml"


def rehearse(*arguments: object, within_s: float = 300) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "glitchgrid", "rehearse", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=within_s, check=False)
    return done.returncode, done.stdout, done.stderr


def nothing_is_left(directory: Path) -> bool:
    return not processes_in(directory) and str(directory) not in Path("/proc/mounts").read_text(encoding="utf-8")


def plan(path: Path, *faults: dict[str, object]) -> Path:
    path.write_text(json.dumps({"plan": 2, "faults": faults}), encoding="utf-8")
    return path


def kinds_of(out: Path) -> set[str]:
    lines = [line for path in out.glob("*/faults.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    return {json.loads(line)["kind"] for line in lines}


def until_the_time_is_up(directory: Path) -> tuple[object, ...]:
    """The register's test commands, without those that have a timeline to themselves: they may end before the faults
    do, and quiet periods put those off.
    """
    templates = directory / "templates"
    shutil.copytree(find_templates() / "register", templates / "register")
    for command in (templates / "register").glob("s*_driver_*"):
        command.unlink()
    return "--templates", templates


def test_the_grid_holds(tmp_path: Path) -> None:
    """By a plan, in the simulator's words, with a fault of each sort."""
    out = tmp_path / "out"
    faults = plan(
        tmp_path / "plan.json",
        {"at_ms": 500, "for_ms": 1500, "kind": "power loss", "machine": "vault1"},
        {"at_ms": 1000, "for_ms": 1000, "kind": "cut", "source": "control1", "target": "vault2"},
        {
            "at_ms": 1000,
            "for_ms": 3000,
            "kind": "duplication",
            "source": "control1",
            "target": "vault3",
            "duplicated_per_mille": 500,
        },
        {
            "at_ms": 1500,
            "for_ms": 3000,
            "kind": "reordering",
            "source": "control2",
            "target": "vault1",
            "reordered_per_mille": 300,
            "late_us": 5000,
        },
        {
            "at_ms": 2000,
            "for_ms": 3000,
            "kind": "bandwidth",
            "source": "vault3",
            "target": "control1",
            "bits_per_s": 256_000,
        },
        {"at_ms": 2500, "for_ms": 500, "kind": "blackout"},
        {"at_ms": 4000, "for_ms": 1000, "kind": "pause", "machine": "control2"},
        {"at_ms": 5000, "for_ms": 1000, "kind": "sync fails", "machine": "vault3", "syncs": 1},
        {"at_ms": 6000, "for_ms": 500, "kind": "reset", "source": "control1", "target": "vault1"},
        {"at_ms": 6500, "for_ms": 500, "kind": "signal", "machine": "control2", "signal": "SIGINT"},
    )
    options = (
        *until_the_time_is_up(tmp_path),
        "--timelines",
        1,
        "--seed",
        1,
        "--minutes",
        0.15,
        "--plan",
        faults,
        "--record",
    )
    status, said, errors = rehearse("--system", GRID, *options, "--out", out)
    assert (status, errors) == (0, ""), said
    assert kinds_of(out) == {each["kind"] for each in json.loads(faults.read_text(encoding="utf-8"))["faults"]}
    assert "history of timeline-1: linearizable" in said
    assert "again: " in said
    for name in ("plan.json", "frames.pcap", "logs/vault1.log", "sdk.jsonl"):
        assert (out / "timeline-1" / name).stat().st_size > 0
    assert nothing_is_left(tmp_path)


def test_machines_that_share_a_network(tmp_path: Path) -> None:
    """As where there is no /dev/net/tun: links do not fail, and all else goes on."""
    out = tmp_path / "out"
    faults = plan(
        tmp_path / "plan.json",
        {"at_ms": 500, "for_ms": 1000, "kind": "power loss", "machine": "vault1"},
        {"at_ms": 2000, "for_ms": 500, "kind": "kill", "machine": "control1"},
        {"at_ms": 3000, "for_ms": 500, "kind": "pause", "machine": "vault2"},
    )
    options = (*until_the_time_is_up(tmp_path), "--timelines", 1, "--seed", 1, "--minutes", 0.1, "--plain-network")
    status, said, errors = rehearse("--system", GRID, *options, "--plan", faults, "--out", out)
    assert (status, errors) == (0, ""), said
    assert kinds_of(out) == {"power loss", "kill", "pause"}
    assert "history of timeline-1: linearizable" in said
    assert "--plain-network" in said
    assert nothing_is_left(tmp_path)
    cut = {"at_ms": 0, "for_ms": 1, "kind": "cut", "source": "vault1", "target": "control1"}
    status, _, errors = rehearse("--system", GRID, *options, "--plan", plan(tmp_path / "cut.json", cut))
    assert status == 2
    assert "cut: it cannot be done here: the machines share one network" in errors


@pytest.mark.thorough
def test_a_plan_that_fails_in_simulation_fails_here_and_the_other_way_round(tmp_path: Path) -> None:
    """Values that were acknowledged before they were synced, and blackouts. Without that bug nothing is found."""
    # So far from one another that a busy machine starts its servers, and clients write, before the next.
    blackouts = [Planned(4000 * each, 300, Blackout()) for each in range(1, 7)]
    simulated, out = tmp_path / "simulated.json", tmp_path / "out"
    made = plan_with("1", GridLayout(3, 2), blackouts, 26_000, "acknowledge-before-fsync")
    simulated.write_text(encode_plan(made), encoding="utf-8")
    assert simulate("--plan", simulated) == 1
    assert simulate("--plan", simulated, "--glitch", "none") == 0
    options = ("--template", "register", "--timelines", 1, "--seed", 4, "--minutes", 0.43, "--plan", simulated)
    status, said, _ = rehearse("--system", GRID, *options, "--set", "glitch=acknowledge-before-fsync", "--out", out)
    assert status == 1, said
    assert "Something is wrong" in said
    rehearsed = out / "timeline-1" / "plan.json"
    assert simulate("--plan", rehearsed, "--glitch", "acknowledge-before-fsync") == 1
    assert simulate("--plan", rehearsed) == 0


def simulate(*arguments: object) -> int:
    command = [sys.executable, "-m", "glitchgrid", "simulate", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False).returncode


@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is missing: apt-get install etcd-server")
def test_etcd_holds(tmp_path: Path) -> None:
    out = tmp_path / "out"
    faults = plan(
        tmp_path / "plan.json",
        {"at_ms": 1000, "for_ms": 2000, "kind": "power loss", "machine": "n1"},
        {"at_ms": 4000, "for_ms": 3000, "kind": "partition", "groups": [["n1"], ["n2", "n3"]], "one_way": False},
    )
    system = EXAMPLES / "etcd" / "system.toml"
    status, said, errors = rehearse(
        "--system", system, "--timelines", 1, "--minutes", 0.15, "--plan", faults, "--out", out
    )
    assert (status, errors) == (0, ""), said
    assert "history of timeline-1: linearizable" in said
    assert kinds_of(out) == {"power loss", "partition"}


REDIS_IS_FAILED_OVER = """#!/usr/bin/env python3
from helper_redis import drive, fail_over

drive(seconds=2)
fail_over()
drive(seconds=1)
"""


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis is missing: apt-get install redis-server")
def test_what_redis_loses_by_a_failover_is_found(tmp_path: Path) -> None:
    """The replica has not heard of what the primary acknowledged.

    The example leaves to chance when somebody fails over; here it comes after writes, and while the replica is cut off.
    """
    faults = plan(
        tmp_path / "plan.json",
        {"at_ms": 0, "for_ms": 8000, "kind": "cut", "source": "redis1", "target": "redis2"},
    )
    example = shutil.copytree(EXAMPLES / "redis", tmp_path / "redis")
    for driver in (example / "templates" / "set").glob("parallel_driver_*"):
        driver.unlink()
    driver = example / "templates" / "set" / "singleton_driver_failover.py"
    driver.write_text(REDIS_IS_FAILED_OVER, encoding="utf-8")
    driver.chmod(0o755)
    system = example / "system.toml"
    status, said, _ = rehearse("--system", system, "--timelines", 1, "--seed", 3, "--minutes", 0.1, "--plan", faults)
    assert status == 1, said
    assert " lacks " in said


SCRAPYD = ROOT / ".venv-services" / "bin" / "scrapyd"


@pytest.mark.thorough
@pytest.mark.skipif(not SCRAPYD.exists(), reason="scrapyd is missing: scripts/services prepare")
def test_a_strangers_twisted_service_comes_up_again(tmp_path: Path) -> None:
    """After each loss of power, and tells of what it holds. Whether its last job is lost is left to chance."""
    losses = [{"at_ms": 1000 * each, "for_ms": 200, "kind": "power loss", "machine": "scrapyd"} for each in range(1, 6)]
    out = tmp_path / "out"
    options = ("--timelines", 1, "--seed", 1, "--minutes", 0.1, "--plan", plan(tmp_path / "plan.json", *losses))
    system = EXAMPLES / "scrapyd" / "system.toml"
    status, said, errors = rehearse("--system", system, *options, "--set", f"scrapyd={SCRAPYD}", "--out", out)
    assert (status in {0, 1}, errors) == (True, ""), said
    assert "finally_read.py: 1 passed" in said
    assert "every server serves again" not in said
    assert kinds_of(out) == {"power loss"}


POSTGRESQL = Path("/usr/lib/postgresql/15/bin/postgres")


@pytest.mark.thorough
@pytest.mark.skipif(not POSTGRESQL.exists(), reason="PostgreSQL is missing: apt-get install postgresql")
@pytest.mark.parametrize(("fsync", "expected"), [("on", 0), ("off", 1)])
def test_postgresql_loses_nothing_with_fsync(fsync: str, expected: int, tmp_path: Path) -> None:
    losses = [{"at_ms": 1500 * each, "for_ms": 200, "kind": "power loss", "machine": "db"} for each in range(1, 9)]
    faults = plan(tmp_path / "plan.json", *losses)
    options = ("--timelines", 1, "--seed", 3, "--minutes", 0.25, "--plan", faults, "--set", f"fsync={fsync}")
    status, said, errors = rehearse("--system", EXAMPLES / "postgresql" / "system.toml", *options)
    assert (status, errors) == (expected, ""), said


def toy(directory: Path, system: str, **commands: str) -> Path:
    """A system with test commands in sh, each named by its path without the suffix: "templates/toy/finally_look"."""
    for name, text in commands.items():
        path = directory / f"{name}.sh"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
    (directory / "system.toml").write_text(system, encoding="utf-8")
    return directory / "system.toml"


CLOCKS = """
clocks = true
[machines.a]
keeps = true
program = ["{python}", "-uc", '''
import threading, time
lock = threading.Lock()
lock.acquire()
while True:
    print(time.time(), time.monotonic())
    time.sleep(0.02)
    assert not lock.acquire(timeout=0.02)
''']
[machines.b]
program = ["sh", "-c", "while date +%s.%N; do sleep 0.05; done"]
[machines.c]
program = ["env", "--unset=LD_PRELOAD", "sleep", "1000"]
"""


@pytest.mark.skipif(bool(clocks.missing()), reason=clocks.missing())
def test_clocks_are_set_and_drift(tmp_path: Path) -> None:
    """Python sleeps and waits meanwhile, as it does without; and with the power the monotonic clock begins anew."""
    faults = plan(
        tmp_path / "plan.json",
        {"at_ms": 500, "for_ms": 1000, "kind": "clock jump", "machine": "a", "by_s": 3600},
        {"at_ms": 500, "for_ms": 1000, "kind": "clock jump", "machine": "b", "by_s": -30},
        {"at_ms": 2000, "for_ms": 1500, "kind": "clock drift", "machine": "a", "by_ppm": 1_000_000},
        {"at_ms": 2000, "for_ms": 100, "kind": "clock jump", "machine": "c", "by_s": 30},
        {"at_ms": 4000, "for_ms": 200, "kind": "power loss", "machine": "a"},
    )
    system = toy(tmp_path, CLOCKS, **{"templates/toy/parallel_driver_wait": "sleep 1"})
    out = tmp_path / "out"
    status, said, errors = rehearse(
        "--system", system, "--timelines", 1, "--minutes", 0.1, "--plan", faults, "--out", out
    )
    assert (status, errors) == (0, ""), said
    assert "has ended by itself" not in said
    assert (
        said.count("does not load what sets clocks") == said.count("c: sleep has the real time: it does not load") == 1
    )
    logs = out / "timeline-1" / "logs"
    shown = [tuple(map(float, line.split())) for line in (logs / "a.log").read_text(encoding="utf-8").splitlines()]
    steps = [(then[0] - now[0], then[1] - now[1]) for now, then in itertools.pairwise(shown)]
    jumps = [round(wall_s) for wall_s, _ in steps if abs(wall_s) > 60]
    assert jumps == [3600, -3600]
    boots = [index for index, (_, monotonic_s) in enumerate(steps) if monotonic_s < 0]
    assert len(boots) == bool(means.has_time_namespaces())
    assert all(shown[index + 1][1] < 60 for index in boots)
    usual = [each for index, each in enumerate(steps) if abs(each[0]) < 60 and index not in boots]
    fast = [wall_s for wall_s, monotonic_s in usual if monotonic_s and 1.8 < wall_s / monotonic_s < 2.2]
    assert 2 < sum(fast) < 4, "one and a half seconds, twice as fast"
    seconds = [float(line) for line in (logs / "b.log").read_text(encoding="utf-8").splitlines()]
    assert [round(step / 10) for step in _steps(seconds) if abs(step) > 5] == [-3, 3]


@pytest.mark.skipif(bool(clocks.missing()), reason=clocks.missing())
def test_a_clock_that_is_set_leaves_endless_waits_alone(tmp_path: Path) -> None:
    """A deadline in some thousands of millions of years; and whoever asks for nothing gets it."""
    page = ClockFile(tmp_path / "clock")
    page.write(-3600 * 10**9, 0, 0)
    code = """
import ctypes, time
libc = ctypes.CDLL(None)
assert libc.gettimeofday(None, None) == 0
class Timespec(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]
semaphore = ctypes.create_string_buffer(64)
libc.sem_init(semaphore, 0, 0)
print(time.time(), flush=True)
libc.sem_timedwait(semaphore, ctypes.byref(Timespec(2**63 - 1, 0)))
print("it is over")
"""
    environment = os.environ | clocks.environment(tmp_path / "clock", {})
    waiting = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert waiting.stdout is not None
        assert time.time() - float(waiting.stdout.readline()) > 3500
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
    finally:
        waiting.kill()
        waiting.communicate()
    page.close()


def _steps(numbers: Sequence[float]) -> list[float]:
    return [then - now for now, then in itertools.pairwise(numbers)]


def test_templates_of_machines_are_one_with_those_of_clients(tmp_path: Path) -> None:
    """Each runs where it lies, and while that machine is up; what dies with it has not failed."""
    faults = plan(
        tmp_path / "plan.json",
        {"at_ms": 500, "for_ms": 500, "kind": "pause", "machine": "web"},
        {"at_ms": 1500, "for_ms": 1500, "kind": "kill", "machine": "web"},
        {"at_ms": 3500, "for_ms": 500, "kind": "stop", "machine": "web"},
    )
    here = 'echo "$(hostname) $(cat /proc/uptime)" >> "$GLITCHGRID_TIMELINE/called"'
    system = toy(
        tmp_path,
        '[machines.web]\nprogram = "sleep 1000"\ntemplates = "of-web"\n',
        **{"templates/toy/parallel_driver_a": f"{here}; sleep 0.3", "of-web/toy/anytime_b": f"{here}; exec sleep 1"},
    )
    out = tmp_path / "out"
    status, said, errors = rehearse(
        "--system", system, "--timelines", 1, "--minutes", 0.1, "--patience", 8, "--plan", faults, "--out", out
    )
    assert (status, errors) == (0, ""), said
    called = (out / "timeline-1" / "called").read_text(encoding="utf-8").splitlines()
    assert {line.split()[0] for line in called} == {"clients", "web"}
    told = [json.loads(line) for line in (out / "timeline-1" / "faults.jsonl").read_text("utf-8").splitlines()]
    (struck,) = (each for each in told if each["kind"] == "kill")
    calls = [json.loads(line) for line in (out / "timeline-1" / "calls.jsonl").read_text("utf-8").splitlines()]
    of_web = [each for each in calls if each["command"] == "anytime_b.sh"]
    meanwhile = [each for each in of_web if struck["began_ns"] < each["began_ns"] < struck["ended_ns"]]
    assert of_web
    assert not meanwhile
    assert {each["end"] for each in of_web} <= {"passed", "stopped"}


LIMITED = """
[machines.a]
memory_mib = 64
processors = 0.5
program = ["{python}", "-uc", "import time; print('begins'); taken = bytearray(256 << 20); time.sleep(1000)"]
"""


def test_a_program_that_takes_more_memory_than_it_may_is_killed(tmp_path: Path) -> None:
    system = toy(tmp_path, LIMITED, **{"templates/toy/parallel_driver_wait": "sleep 0.5"})
    (tmp_path / "plan.json").write_text('{"plan": 2, "faults": []}', encoding="utf-8")
    options = ("--timelines", 1, "--minutes", 0.06, "--plan", tmp_path / "plan.json")
    _, said, errors = rehearse("--system", system, *options)
    assert errors == ""
    refused = cgroups.missing(Limits(1, 1))
    if refused:
        assert f"programs are not limited: {refused}" in said
        return
    assert "a has ended by itself: killed by SIGKILL" in said
    assert not list(Path("/sys/fs/cgroup").rglob("glitchgrid-*-a"))


def test_what_a_command_has_left_holds_nobody_up(tmp_path: Path) -> None:
    """It has ended, and a daemon of it has its output still: once patience is over nobody waits for that."""
    leave = {"templates/toy/parallel_driver_leave": f"setsid tail -f {tmp_path}/system.toml &\necho left"}
    system = toy(tmp_path, '[machines.a]\nprogram = "sleep 1000"\n', **leave)
    (tmp_path / "plan.json").write_text('{"plan": 2, "faults": []}', encoding="utf-8")
    options = ("--timelines", 1, "--minutes", 0.05, "--patience", 1, "--plan", tmp_path / "plan.json")
    status, said, errors = rehearse("--system", system, *options, within_s=60)
    assert (status, errors) == (2, ""), said
    assert "parallel_driver_leave.sh never ended: it was killed after 1 s" in said
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGKILL, ()), (signal.SIGKILL, ("--plain-network",))],
)
def test_nothing_is_left_when_it_is_ended(number: signal.Signals, options: Sequence[str], tmp_path: Path) -> None:
    command = ["rehearse", "--system", GRID, "--template", "register", "--minutes", 1, *options]
    running = subprocess.Popen(
        [sys.executable, "-m", "glitchgrid", *map(str, command)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    try:
        _until(lambda: any(each.stat().st_size for each in tmp_path.glob("*/timeline-1/logs/control2.log")))
        os.kill(running.pid, number)
        running.wait(30)
        _until(lambda: nothing_is_left(tmp_path) and not list(tmp_path.iterdir()))
    finally:
        running.kill()
        running.wait()


def _until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 40
    while not is_so():
        assert time.monotonic() < end_s, "not within 40 s"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--system", "nowhere.toml"], "nowhere.toml: No such file or directory"),
        (["--system", GRID, "--set", "glitch"], "'glitch' is not NAME=VALUE"),
        (["--system", GRID, "--set", "other=1"], "has no setting 'other'; there is glitch"),
        (["--system", GRID, "--glitch", "torn-write"], "--glitch is not for --system"),
        (["--system", GRID, "--history", "poem"], "--history is 'poem', and none of cas-register"),
        (["--system", GRID, "--template", "none"], "there is no template 'none'"),
        (["--plan", "plan.json"], "plan.json: No such file or directory"),
        (["--plan", "plan.json", "--check"], "--plan are not for --check"),
        (["--record"], "--record is for --system"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[object], said: str) -> None:
    status, out, errors = rehearse(*arguments)
    assert status == 2
    assert said in errors
    assert out == ""
    assert "Traceback" not in errors


def test_a_plan_with_what_cannot_be_done_here(tmp_path: Path) -> None:
    faults = plan(tmp_path / "plan.json", {"at_ms": 0, "for_ms": 1, "kind": "threads paused", "machine": "vault1"})
    status, _, errors = rehearse("--system", GRID, "--plan", faults)
    assert status == 2
    assert (
        "threads paused: it cannot be done here: the threads of a real process cannot be stopped one by one" in errors
    )


TOY = """
[machines.a]
program = ["sh", "-c", "echo started >> starts; exec sleep 1000"]
"""
TOY_COMMANDS = {
    "templates/toy/serial_driver_wait": "sleep 0.2",
    "templates/toy/finally_count": """
"$ANTITHESIS_STOP_FAULTS" 1 || exit 2
[ "$(wc -l < "$GLITCHGRID_TIMELINE/machines/a/disk/starts")" = 1 ]""",
}
"""It fails where its server was started twice."""


def test_a_failure_is_repeated_and_shrunk(tmp_path: Path) -> None:
    """One fault of four has to do with it; the test command asks for quiet, and gets it."""
    pauses: list[dict[str, object]] = [
        {"at_ms": at_ms, "for_ms": 100, "kind": "pause", "machine": "a"} for at_ms in (100, 300, 900)
    ]
    faults = plan(tmp_path / "plan.json", *pauses, {"at_ms": 600, "for_ms": 200, "kind": "kill", "machine": "a"})
    out, small = tmp_path / "out", tmp_path / "small"
    system = toy(tmp_path, TOY, **TOY_COMMANDS)
    options = ("--timelines", 1, "--seed", 1, "--minutes", 0.05, "--plan", faults, "--repeat", 2)
    status, said, errors = rehearse("--system", system, *options, "--out", out)
    assert (status, errors) == (1, ""), said
    assert "it has failed in 2 of 2 tries; again: " in said
    assert "\n    in 2 by test command finally_count.sh\n" in said
    assert "finally_count.sh: 2 failed" in said
    assert "test commands that have not passed once, as each has to on the platform: finally_count.sh" in said
    events = [json.loads(line) for line in (out / "timeline-1-1" / "events.jsonl").read_text("utf-8").splitlines()]
    assert [each["fault"]["name"] for each in events].count("kill") == 1
    command = [sys.executable, "-m", "glitchgrid", "shrink", "--rehearsal", out, "--tries", "1", "--out", small]
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1, done.stderr
    was, now, fault, again = done.stdout.splitlines()
    assert was == "was:  4 faults, which fail by test command finally_count.sh"
    assert now.startswith("is:   1, after ")
    assert now.endswith("it fails in 5 of 5 tries")
    assert fault.endswith("Kill(machine='a')")
    assert str(small / "shrunk.json") in again
    assert [each["kind"] for each in json.loads((small / "shrunk.json").read_text("utf-8"))["faults"]] == ["kill"]


SAYS = """
import http.server, os
class Says(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["WORD"].encode() + str(os.path.isdir(os.environ["DISK"])).encode())
http.server.HTTPServer(("", int(os.environ["PORT"])), Says).serve_forever()
"""
ASKS = """
read='import urllib.request as u; print(u.urlopen("http://web:5000/", None, 1).read().decode())'
said() { python3 -c "$read" 2> /dev/null; }
until [ "$(said)" = "${WORD:-fine}True" ]; do sleep 0.1; done"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Procfile", "web: WORD=fine ${PYTHON:-python3} says.py\n"),
        (
            "compose.yaml",
            """
services:
  db: {image: nobodys}
  web:
    command: ["python3", "says.py"]
    environment: {PORT: "5000", WORD: "${WORD:-fine}"}
""",
        ),
    ],
)
def test_files_of_other_tools(tmp_path: Path, name: str, text: str) -> None:
    """Programs find what lies beside the file, and the port that they are told; braces are a shell's, or Compose's."""
    toy(tmp_path, "", **{"templates/toy/singleton_driver_ask": ASKS})
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    options = ("--timelines", 1, "--minutes", 0.05, "--plan", plan(tmp_path / "plan.json"), "--patience", 60)
    status, said, errors = rehearse("--system", tmp_path / name, *options)
    assert (status, errors) == (0, ""), said
    assert "singleton_driver_ask.sh: 1 passed" in said
    assert ("not run: db has no command, and its image cannot be run here\n" in said) == (name == "compose.yaml")


def test_commands_are_tried_without_faults(tmp_path: Path) -> None:
    system = toy(tmp_path, TOY, **TOY_COMMANDS)
    status, said, errors = rehearse("--system", system, "--check")
    assert (status, errors) == (0, ""), said
    assert said.splitlines() == [
        "toy/serial_driver_wait.sh: passed",
        "toy/finally_count.sh: passed",
        "toy: nobody has said setup_complete, which the platform waits for",
        "every test command has passed, without faults",
    ]
    (tmp_path / "templates" / "toy" / "finally_count.sh").write_text("#!/bin/sh\necho why >&2; exit 3\n", "utf-8")
    status, said, _ = rehearse("--system", system, "--check")
    assert status == 1
    assert "toy/finally_count.sh: broke: why" in said
    (tmp_path / "templates" / "toy" / "driver").write_text("", "utf-8")
    status, said, errors = rehearse("--system", system, "--check")
    assert (status, said) == (2, "")
    assert "its name begins with none of first_" in errors


def test_nothing_to_shrink(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "glitchgrid", "shrink", "--rehearsal", tmp_path]
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "rehearsal.json: No such file or directory; it is what 'rehearse --system --out' leaves" in done.stderr
