"""scrapyd with a runner of its own: jobs are scheduled by its API, and each runs in a process of its own."""

import json
from typing import Any

from lost import LOST
from treq.client import HTTPClient
from twisted.internet import task
from twisted.web.client import Agent

from glitchgrid.testing import World, simulated

CONFIGURATION = b"""
[scrapyd]
bind_address = 0.0.0.0
poll_interval = 1
max_proc = 2
runner = programs.scrapyd_runner
dbs_dir = /srv/dbs
eggs_dir = /srv/eggs
logs_dir = /srv/logs

[settings]
project = settings.of.the.project
"""
JOBS = 6


async def ask(reactor: Any, method: str, path: str, **data: str) -> Any:
    client = HTTPClient(Agent(reactor, connectTimeout=2))
    response = await client.request(method, f"http://server:6800/{path}", data=data or None, reactor=reactor, timeout=4)
    return json.loads(await response.text())


async def schedule(reactor: Any, taken: set[str], finished: list[str]) -> None:
    for number in range(JOBS):
        await task.deferLater(reactor, 1, lambda: None)
        job = f"job-{number}"
        try:
            answer = await ask(reactor, "POST", "schedule.json", project="project", spider="spider", jobid=job)
        except LOST:
            continue  # it may run, or not
        assert answer["status"] == "ok", answer
        taken.add(answer["jobid"])
    await task.deferLater(reactor, 30, lambda: None)
    answer = await ask(reactor, "GET", "listjobs.json?project=project")
    assert not answer["pending"] + answer["running"]
    finished += [each["id"] for each in answer["finished"]]


def read(_reactor: Any, crawled: list[str]) -> None:
    with open("/srv/crawled") as file:
        crawled += file.read().split()


@simulated(seeds=50)
def test_each_job_runs_once(world: World) -> None:
    taken: set[str] = set()
    finished: list[str] = []
    crawled: list[str] = []
    world["server"].host.disk.put("/etc/scrapyd/scrapyd.conf", CONFIGURATION)
    world["server"].run_module("scrapyd")
    world["client"].run(schedule, taken, finished)
    # A kill would lose the jobs that it finds at work: they have left the queue.
    world.faults("cut", "reset", "pause", "clog", on=["server"], until=10)
    assert world.run(90, until=lambda: finished)
    world["server"].run(read, crawled)
    world.run(1)
    assert len(crawled) == len(set(crawled))
    assert taken <= set(crawled)
    assert sorted(finished) == sorted(crawled)
