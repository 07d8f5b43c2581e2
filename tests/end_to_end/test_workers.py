"""Who runs a campaign's seeds makes no difference: processes, some of which die, or a Dask cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import Mock

import pytest
from distributed import LocalCluster

from glitchgrid.lab.campaign.campaign import Summary, run_campaign
from glitchgrid.lab.campaign.placed import PROCESSES
from glitchgrid.lab.campaign.pool import FREE_MAX, Pool
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.campaign.tasks import Task, perform
from glitchgrid.lab.campaign.workers import DEATHS_PER_SEED_MAX, LocalWorkers, Workers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.layout import STEPS_MAX, GridLayout
from glitchgrid.lab.register.system import REGISTER
from tests.end_to_end.processes import free_port, wait_until
from tests.end_to_end.test_simulate import children_of, processor_s, simulate, workers_of

GIVEN_UP_S = 2
AT_WORK_S = 2.5
"""Of processor time: it has started, and has run seeds; and many are left."""

TASKS = [Task(seed, GridLayout(steps=5)) for seed in range(40)]


MANY = ("--seeds", "0:60", "--steps", "10", "--json")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What comes of the campaign where nobody dies."""
    return json.loads(simulate(*MANY, cwd=tmp_path_factory.mktemp("undisturbed")).stdout)


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
def test_a_cluster_whose_worker_dies(tmp_path: Path, undisturbed: Any) -> None:
    """Its seeds are run by the other one."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        pids = [nanny.pid for nanny in cluster.workers.values()]
        options = [*MANY]
        command = [str(Path(sys.executable).parent / "glitchgrid"), "simulate", *options]
        command += ["--dask", cluster.scheduler_address]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as campaign:
            wait_until(lambda: processor_s(pids[0]) > AT_WORK_S, "a worker is at work")
            os.kill(pids[0], signal.SIGKILL)
            said, complained = campaign.communicate(timeout=240)
        assert campaign.returncode == 0, complained
    assert json.loads(said) == undisturbed


@pytest.mark.thorough
def test_no_cluster_is_one_clear_line(tmp_path: Path) -> None:
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x", ""):
        done = simulate("--seeds", "0:2", "--dask", address, cwd=tmp_path)
        assert done.returncode == 2
        assert "Dask cluster" in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.thorough
def test_a_process_that_dies_costs_its_seeds_nothing(tmp_path: Path, undisturbed: Any) -> None:
    options = [*MANY, "--jobs", "2"]
    command = [str(Path(sys.executable).parent / "glitchgrid"), "simulate", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as campaign:
        wait_until(lambda: len(workers_of(campaign.pid)) == 2, "two workers")
        victim = workers_of(campaign.pid)[0]
        wait_until(lambda: processor_s(victim) > AT_WORK_S, "it is at work")
        os.kill(victim, signal.SIGKILL)
        said, complained = campaign.communicate(timeout=240)
    assert campaign.returncode == 0, complained
    assert json.loads(said) == undisturbed


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


def test_runs_that_go_on_are_given_up() -> None:
    PROCESSES.close()
    workers = LocalWorkers(2)
    executor = workers.executor()
    futures = [executor.submit(perform, Task(seed, GridLayout(steps=STEPS_MAX))) for seed in range(5)]
    wait_until(lambda: len(runners := workers_of(os.getpid())) == 2 and all(map(children_of, runners)), "two runs")
    began_s = time.monotonic()
    workers.break_off()
    assert time.monotonic() - began_s < GIVEN_UP_S
    assert workers_of(os.getpid()) == []
    assert PROCESSES.free == []
    assert [future.cancelled() or isinstance(future.exception(0), CancelledError) for future in futures] == [True] * 5
    assert run_seed("0", GridLayout(steps=1)).findings == (), "others are not concerned"


def test_what_is_free_has_a_limit() -> None:
    made: list[Mock] = []

    def begin(_key: str) -> Mock:
        made.append(Mock())
        return made[-1]

    pool = Pool(begin)
    taken = [pool.take("a") for _ in range(FREE_MAX)]
    for each in taken:
        pool.give("a", each)
    assert pool.take("a") is taken[-1]
    pool.give("a", taken[-1])
    assert not taken[0].close.called
    other = pool.take("b")
    assert taken[0].close.called
    assert other not in taken
    pool.close()
    assert [each.close.call_count for each in made] == [1] * FREE_MAX + [0]
