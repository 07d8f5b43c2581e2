"""Who runs a campaign's seeds makes no difference: processes, some of which die, or a Dask cluster."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from distributed import LocalCluster

from glitchgrid.lab.campaign.campaign import Summary, Task, run_campaign
from glitchgrid.lab.campaign.workers import DEATHS_PER_SEED_MAX, LocalWorkers, Workers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.system import REGISTER
from tests.end_to_end.processes import free_port, wait_until
from tests.end_to_end.test_simulate import processor_s, simulate, workers_of

AT_WORK_S = 2.5
"""Of processor time: it has started, and has run seeds; and many are left."""

TASKS = [Task(seed, GridLayout(steps=5)) for seed in range(40)]


def digest_of(workers: Workers, tasks: list[Task] = TASKS) -> str:
    summary = Summary(REGISTER)
    for result in run_campaign(tasks, workers):
        summary = summary.and_also(result)
    assert summary.seeds == len(tasks)
    return summary.digest


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        yield cluster


@pytest.mark.thorough
def test_a_cluster_runs_the_same_campaign(cluster: Any, tmp_path: Path) -> None:
    options = ("--seeds", "0:12", "--steps", "5", "--json")
    there = simulate(*options, "--dask", cluster.scheduler_address, cwd=tmp_path)
    assert there.returncode == 0, there.stderr
    assert json.loads(there.stdout) == json.loads(simulate(*options, cwd=tmp_path).stdout)


def test_a_cluster_finds_what_a_glitch_does(cluster: Any, tmp_path: Path) -> None:
    options = ("--seeds", "0:6", "--glitch", "forget-on-restart", "--json", "--dask", cluster.scheduler_address)
    done = simulate(*options, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert {each["oracle"] for each in json.loads(done.stdout)["violations"]} >= {"invariant"}


@pytest.mark.thorough
def test_a_cluster_whose_worker_dies(tmp_path: Path) -> None:
    """Its seeds are run by the other one."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        pids = [nanny.pid for nanny in cluster.workers.values()]
        options = ["--seeds", "0:200", "--steps", "10", "--json"]
        command = [str(Path(sys.executable).parent / "glitchgrid"), "simulate", *options]
        command += ["--dask", cluster.scheduler_address]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as campaign:
            wait_until(lambda: processor_s(pids[0]) > AT_WORK_S, "a worker is at work")
            os.kill(pids[0], signal.SIGKILL)
            said, complained = campaign.communicate(timeout=240)
        assert campaign.returncode == 0, complained
    assert json.loads(said) == json.loads(simulate(*options, cwd=tmp_path).stdout)


@pytest.mark.thorough
def test_no_cluster_is_one_clear_line(tmp_path: Path) -> None:
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x", ""):
        done = simulate("--seeds", "0:2", "--dask", address, cwd=tmp_path)
        assert done.returncode == 2
        assert "Dask cluster" in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.thorough
def test_a_process_that_dies_costs_its_seeds_nothing(tmp_path: Path) -> None:
    options = ["--seeds", "0:200", "--steps", "10", "--jobs", "2", "--json"]
    command = [str(Path(sys.executable).parent / "glitchgrid"), "simulate", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as campaign:
        wait_until(lambda: len(workers_of(campaign.pid)) == 2, "two workers")
        victim = workers_of(campaign.pid)[0]
        wait_until(lambda: processor_s(victim) > AT_WORK_S, "it is at work")
        os.kill(victim, signal.SIGKILL)
        said, complained = campaign.communicate(timeout=240)
    assert campaign.returncode == 0, complained
    assert json.loads(said) == json.loads(simulate(*options, cwd=tmp_path).stdout)


class Dying(Executor):
    """Breaks with every task that it is given, after a while."""

    def submit(self, *_arguments: Any, **_options: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        Thread(target=future.set_exception, args=(BrokenExecutor("it died"),)).start()
        return future


class DyingWorkers(LocalWorkers):
    def __init__(self) -> None:
        super().__init__(2)
        self.made = 0
        self.were_broken_off = False

    def executor(self) -> Executor:
        self.made += 1
        return Dying()

    def break_off(self) -> None:
        self.were_broken_off = True


def test_a_seed_that_kills_whoever_runs_it_is_named() -> None:
    workers = DyingWorkers()
    with pytest.raises(CannotRun, match="seed 0"):
        digest_of(workers)
    assert workers.made == DEATHS_PER_SEED_MAX
    assert workers.were_broken_off


class Here(Executor):
    """Any executor will do: this one does it at once."""

    def submit(self, function: Any, *arguments: Any) -> "Future[Any]":  # type: ignore[override]
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future


class InThisProcess(LocalWorkers):
    def executor(self) -> Executor:
        return Here()


@pytest.mark.thorough
def test_any_executor_will_do() -> None:
    there = "from tests.end_to_end.test_workers import *; print(digest_of(InThisProcess(1), TASKS[:5]))"
    said = subprocess.run(
        [sys.executable, "-c", there],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    ).stdout
    assert said.strip() == digest_of(LocalWorkers(2), TASKS[:5])


BREAKS_OFF = """
from pathlib import Path
from glitchgrid.lab.campaign.workers import LocalWorkers
from tests.end_to_end.test_workers import large_result

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

if __name__ == "__main__":
    workers = LocalWorkers(1)
    workers.executor().submit(large_result)
    before = pages()
    while pages() < before + 10_000:  # until a part of it has come
        pass
    workers.break_off()
    print("broken off")
"""


def large_result() -> bytes:
    """What takes its time on its way through a pipe."""
    return bytes(300_000_000)


def test_nobody_waits_for_the_rest_of_a_result_whose_worker_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "breaks_off.py"
    script.write_text(BREAKS_OFF, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=30, check=True, env=environment
    )
    assert done.stdout == "broken off\n"
