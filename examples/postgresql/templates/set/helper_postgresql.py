"""A table of numbers in PostgreSQL, by psql; what was called and what came back is recorded."""

import json
import os
import random
import subprocess
import time
from pathlib import Path

TIMEOUT_S = 10


def ask(statement):
    """What a statement gives; OSError where that is not known."""
    words = [os.environ["PSQL"], "-h", "db", "-U", "grid", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAtX"]
    environment = os.environ | {"PGCONNECT_TIMEOUT": "3"}
    try:
        done = subprocess.run(
            [*words, "-c", statement], capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError("it takes too long") from error
    if done.returncode:
        raise OSError(done.stderr.strip())
    return done.stdout.split()


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
            ask(f"insert into elements values ({value})")
        except OSError:
            self.event("info", "add", value)
            self._process += 1
        else:
            self.event("ok", "add", value)

    def read(self):
        self.event("invoke", "read", None)
        try:
            found = sorted(map(int, ask("select value from elements")))
        except OSError as error:
            self.event("fail", "read", None)
            return str(error) or "nothing"
        self.event("ok", "read", found)
        return ""


def drive(seconds):
    chance = random.Random(int(os.environ["GLITCHGRID_SEED"]))
    recorder = Recorder()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        recorder.add(chance.randrange(1, 1 << 40))
