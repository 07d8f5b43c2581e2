"""A set in scrapyd: the jobs that wait, by its API; what was called and what came back is recorded."""

import json
import os
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

TIMEOUT_S = 5
PROJECT, SPIDER = "elements", "element"


class Refused(Exception):
    """It has answered that it has not done it."""


def ask(path, **data):
    """What it answers; OSError where that is not known."""
    body = urllib.parse.urlencode(data).encode() if data else None
    try:
        with urllib.request.urlopen(f"http://scrapyd:6800/{path}", body, TIMEOUT_S) as response:
            answer = json.loads(response.read())
    except ValueError as error:
        raise OSError("half an answer") from error
    if answer["status"] != "ok":
        raise Refused(answer.get("message"))
    return answer


class Recorder:
    """A file of events in the form of Jepsen's histories, a line each."""

    def __init__(self):
        directory = Path(os.environ["GLITCHGRID_TIMELINE"], "history")
        directory.mkdir(exist_ok=True)
        self._file = (directory / f"{time.monotonic_ns()}-{os.getpid()}.jsonl").open("x", buffering=1)
        self._process = 0

    def event(self, kind, function, value):
        at = {"process": self._process, "type": kind, "f": function, "value": value, "time": time.monotonic_ns()}
        self._file.write(json.dumps(at) + "\n")

    def add(self, value):
        self.event("invoke", "add", value)
        try:
            ask("schedule.json", project=PROJECT, spider=SPIDER, jobid=str(value))
        except OSError:
            self.event("info", "add", value)
            self._process += 1
        else:
            self.event("ok", "add", value)

    def read(self):
        self.event("invoke", "read", None)
        try:
            jobs = ask(f"listjobs.json?project={PROJECT}")
        except OSError as error:
            self.event("fail", "read", None)
            return str(error) or "nothing"
        self.event("ok", "read", sorted(int(job["id"]) for job in jobs["pending"]))
        return ""


def drive(seconds):
    chance = random.Random(int(os.environ["GLITCHGRID_SEED"]))
    recorder = Recorder()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        recorder.add(chance.randrange(1, 1 << 40))
        time.sleep(chance.uniform(0, 0.05))
