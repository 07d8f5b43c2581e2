"""``glitchgrid simulate`` as its users run it."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.processes import alive, read_from_terminal, wait_until

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")
TIMEOUT_S = 240
PLANS = Path(__file__).parents[2] / "docs" / "plans"


def simulate(*options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GLITCHGRID, "simulate", *options], cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@pytest.mark.thorough
def test_a_clean_campaign(tmp_path: Path) -> None:
    done = simulate("--seeds", "0:6", "--steps", "8", "--check-determinism", "--coverage", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"6 seeds: [4-6] passed", done.stdout.splitlines()[-1])
    assert "violation" not in done.stdout
    assert "a read healed" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def printed(output: str) -> str:
    """The first line that is printed for people to run."""
    return next(line for line in output.splitlines() if line.startswith("  ") and "glitchgrid simulate --" in line)


def as_printed(line: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run it just so, by a shell, where it was printed."""
    return subprocess.run(["bash", "-c", line], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_failures_are_found_kept_and_replayed(tmp_path: Path) -> None:
    options = ("--protocol", "classic", "--seeds", "0:12", "--out", "out")
    done = simulate(*options, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    replay = printed(done.stdout)
    replayed = as_printed(replay, tmp_path)
    assert replayed.returncode == 1
    seed = shlex.split(replay)[3]
    plan = next((tmp_path / "out").glob(f"seed-{seed}.plan.json"))
    from_its_plan = simulate("--plan", str(plan), cwd=tmp_path)
    assert from_its_plan.stdout == replayed.stdout
    kept = plan.with_name(f"seed-{seed}.trace").read_text(encoding="utf-8")
    assert replayed.stdout.startswith(kept)
    history = plan.with_name(f"seed-{seed}.history.jsonl")
    said = subprocess.run([GLITCHGRID, "check", history], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode in {0, 1, 2}
    assert "operations" in said.stdout


def test_what_was_found_is_told_by_its_cause_and_what_to_do_next(tmp_path: Path) -> None:
    done = simulate("--seeds", "0:4", "--glitch", "forget-on-restart", "--out", "out", "--html", "p.html", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"(one cause|\d causes) of failure, in \d of 4 runs:", lines[0])
    assert lines[2].startswith("invariant: what vault")
    assert re.fullmatch(r"  in \d of 4 runs, the first is seed \d", lines[3])
    assert lines[4] == printed(done.stdout)
    assert re.match(r"reached: \d+ of \d+ things; --coverage tells which", next(x for x in lines if "reached" in x))
    assert f"  {(tmp_path / 'p.html').as_uri()}" in lines
    assert re.match(r"4 seeds: .*; digest [0-9a-f]{32}$", lines[-1])
    assert len(lines) < 30
    following = lines[lines.index("next:") + 1 : -1]
    assert [shlex.split(line)[1] for line in following] == ["shrink", "report"]
    assert as_printed(following[1], tmp_path).returncode == 1
    assert (tmp_path / "out" / "report.html").exists()

    quiet = simulate("--seeds", "0:4", "--glitch", "forget-on-restart", "--quiet", cwd=tmp_path)
    assert quiet.stdout.splitlines() == lines[-1:]
    drawn = simulate("--seed", "0", "--glitch", "forget-on-restart", "--html", "one.html", cwd=tmp_path)
    assert drawn.returncode == 1
    assert len(drawn.stdout.splitlines()) < 10, "the trace is in the picture"


def test_a_plan_has_the_glitch_that_it_was_found_with(tmp_path: Path) -> None:
    options = ("--seeds", "0:2", "--glitch", "forget-on-restart", "--out", "out")
    assert simulate(*options, cwd=tmp_path).returncode == 1
    plan = "out/seed-0.plan.json"
    assert simulate("--plan", plan, "--quiet", cwd=tmp_path).returncode == 1
    other = simulate("--plan", plan, "--quiet", "--glitch", "ignore-guard", cwd=tmp_path)
    assert other.stderr == (
        "glitchgrid: the plan was found with --glitch forget-on-restart, and is run with --glitch ignore-guard:"
        " that was given\n"
    )
    path = tmp_path / plan
    path.write_text(path.read_text(encoding="utf-8").replace("forget-on-restart", "unheard-of"), encoding="utf-8")
    unknown = simulate("--plan", plan, cwd=tmp_path)
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (2, 1)
    assert "'unheard-of', which is not known here" in unknown.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["simulate", "--glitch", "forget-on-restrat"], "'forget-on-restart'"), (["simulat"], "'simulate'")],
)
def test_what_may_have_been_meant(words: list[str], meant: str) -> None:
    done = subprocess.run([GLITCHGRID, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"id you mean {meant}?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_glitch_is_found_and_replayed(tmp_path: Path) -> None:
    options = ("--glitch", "forget-on-restart")
    done = simulate("--seeds", "0:3", *options, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    replay = printed(done.stdout)
    assert shlex.split(replay)[-2:] == list(options)
    assert as_printed(replay, tmp_path).returncode == 1
    without = replay.replace(shlex.join(options), "")
    assert as_printed(without, tmp_path).returncode in {0, 2}, "it is off unless it is asked for"
    listed = subprocess.run([GLITCHGRID, "glitches"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "forget-on-restart\n    A vault begins with nothing" in listed


@pytest.mark.thorough
def test_what_was_reached_before_must_be_reached_again(tmp_path: Path) -> None:
    options = ("--seeds", "0:2", "--steps", "5")
    simulate(*options, "--out", "before", cwd=tmp_path)
    baseline = tmp_path / "before" / "campaign.json"
    assert simulate(*options, "--baseline", str(baseline), cwd=tmp_path).returncode == 0
    reached = json.loads(baseline.read_text(encoding="utf-8"))
    reached["reached"].append("a thing of the past")
    reached["held"].append("control: a property of the past")
    baseline.write_text(json.dumps(reached), encoding="utf-8")
    done = simulate(*options, "--baseline", str(baseline), cwd=tmp_path)
    assert done.returncode == 1
    assert "reached before, and not any more: a thing of the past" in done.stderr
    assert "reached before, and not any more: control: a property of the past" in done.stderr


def test_json(tmp_path: Path) -> None:
    options = ("--seeds", "0:2", "--steps", "5", "--json")
    found = [json.loads(simulate(*options, "--jobs", jobs, cwd=tmp_path).stdout) for jobs in ("1", "2")]
    assert found[0] == found[1], "the number of processes changes nothing"
    assert found[0]["seeds"] == 2
    assert found[0]["verdicts"]["passed"] + found[0]["verdicts"]["cannot say"] == 2
    assert found[0]["violations"] == []
    assert len(found[0]["digest"]) == 32


def test_what_was_never_reached(tmp_path: Path) -> None:
    done = simulate("--seeds", "0:1", "--steps", "5", "--require-reach", cwd=tmp_path)
    assert done.returncode == 2
    assert "never reached: " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "3:3"], "'3:3' is not A:B"),
        (["--seeds", "x"], "'x' is not A:B"),
        (["--plan", "missing.json"], "missing.json: No such file"),
        (["--plan", "bad.json"], "bad.json: "),
        (["--seeds", "0:1", "--baseline", "missing.json"], "--baseline missing.json: it cannot be read"),
        (["--seeds", "0:1", "--baseline", "bad.json"], "--baseline bad.json: it is no campaign.json"),
        (["--seed", "1", "--baseline", "bad.json"], "--baseline is not for it"),
        (["--vaults", "0"], "0 is not in the range"),
        (["--glitch", "gremlin"], "there is no glitch 'gremlin'"),
        (["--seed", "1", "--plan", "bad.json"], "exclude each other"),
        (["--seeds", "0:" + "9" * 5000], "is not A:B"),
        (["--seed", "1", "--seeds", "0:2"], "--seeds is not for it"),
        (["--plan", "bad.json", "--vaults", "3"], "--vaults is not for it"),
        (["--seeds", "0:2", "--out", "bad.json/x"], "is a file; name a directory"),
        (
            ["--seeds", "0:2", "--html", "no/such/file"],
            "no/such/file: there is no directory no/such; make it, or name",
        ),
        (["--seeds", "0:2", "--perfetto", "."], ". is a directory; name a file in it"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_bad_input_is_one_clear_line(options: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"plan": 1, "seed": 3}', encoding="utf-8")
    done = simulate(*options, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout == ""


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["simulate", "shrink"])
def test_a_single_run_that_is_interrupted_finds_nothing(number: signal.Signals, command: str, tmp_path: Path) -> None:
    """Whatever of the grid runs just then: Twisted catches what a signal's handler raises."""
    plan = json.loads((PLANS / "classic-no-majority.json").read_text(encoding="utf-8"))
    plan["layout"]["steps"] = 10_000
    (tmp_path / "long.json").write_text(json.dumps(plan), encoding="utf-8")
    words = [GLITCHGRID, command, "--plan", "long.json"]
    for pause_s in (1.5, 2.1, 2.7):
        with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            wait_until(partial(_has_worked, run.pid, pause_s), "it is at work")
            run.send_signal(number)
            _, said = run.communicate(timeout=TIMEOUT_S)
        assert (run.returncode, said) == (2, "glitchgrid: interrupted\n")


def _has_worked(pid: int, seconds: float) -> bool:
    return processor_s(pid) > seconds


def processor_s(pid: int) -> float:
    """How much processor time a process has used, and those that it has started and that run still."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    own_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own_s + sum(map(processor_s, children_of(pid)))


def children_of(pid: int) -> list[int]:
    return [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text(encoding="ascii").split()
    ]


def workers_of(pid: int) -> list[int]:
    """The processes that see to a campaign's seeds, each with a fork that runs them."""
    return [child for child in children_of(pid) if b"campaign.serving" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_campaign(number: signal.Signals, tmp_path: Path) -> None:
    command = [GLITCHGRID, "simulate", "--seeds", "0:100000", "--jobs", "2", "--steps", "2000"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as campaign:
        wait_until(lambda: len(workers_of(campaign.pid)) == 2, "two workers")
        workers = workers_of(campaign.pid)
        wait_until(lambda: all(map(children_of, workers)), "each has a fork that runs seeds")
        workers += [child for worker in workers for child in children_of(worker)]
        campaign.send_signal(number)
        _, said = campaign.communicate(timeout=TIMEOUT_S)
    wait_until(lambda: not any(map(alive, workers)), f"{workers} are gone")
    if number is signal.SIGKILL:
        assert campaign.returncode == -number
    else:
        assert (campaign.returncode, said) == (2, "glitchgrid: interrupted: 0 of 100000 seeds were run\n")


def test_a_bar_on_a_terminal_and_ctrl_c(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [GLITCHGRID, "simulate", "--seeds", "0:100000", "--jobs", "2"]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "160"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as campaign:
        try:
            shown = read_from_terminal(ours, until=" seeds/s, ")
            shown += read_from_terminal(ours, until=" failures")
            os.killpg(campaign.pid, signal.SIGINT)
            assert campaign.wait(TIMEOUT_S) == 2
            shown += read_from_terminal(ours, until="glitchgrid: interrupted")
        finally:
            campaign.kill()
            os.close(ours)
            os.close(theirs)
    assert "Traceback" not in shown


@pytest.mark.thorough
def test_a_failure_is_shrunk_and_replayed(tmp_path: Path) -> None:
    command = [GLITCHGRID, "shrink", "--glitch", "torn-write", "--out", "small"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    assert "first difference: at " in done.stdout
    again = done.stdout.splitlines()[-1]
    assert "--glitch" not in again, "the plan knows with what it was found"
    assert as_printed(again, tmp_path).returncode == 1
    without = as_printed(f"{again} --glitch none", tmp_path)
    assert without.returncode in {0, 2}
    assert "found with --glitch torn-write" in without.stderr
