"""A set in Redis, by its protocol (RESP); what was called and what came back is recorded."""

import fcntl
import json
import os
import random
import socket
import time
from pathlib import Path

PORT = 6379
TIMEOUT_S = 2.0
KEY = "elements"
TIMELINE = Path(os.environ["GLITCHGRID_TIMELINE"])
PRIMARY = TIMELINE / "primary"


class Refused(Exception):
    """The server has answered that it has not done it."""


def ask(host, *words):
    """The answer of a command; OSError where there is none."""
    with socket.create_connection((host, PORT), TIMEOUT_S) as connection:
        parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
        connection.sendall("".join(parts).encode())
        with connection.makefile("rb") as answers:
            return _answer(answers)


def _answer(answers):
    line = answers.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind == "":
        raise OSError("it hung up")
    if kind == "-":
        raise Refused(rest)
    if kind == "$":
        return answers.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return [_answer(answers) for _ in range(int(rest))]
    return int(rest) if kind == ":" else rest


def primary():
    """Whom clients write to: what whoever failed over last has written down."""
    return PRIMARY.read_text() if PRIMARY.exists() else "redis1"


def fail_over():
    """Make the other one the primary, as an operator would who has given the old one up."""
    with (TIMELINE / "failover.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = primary()
        new = "redis2" if old == "redis1" else "redis1"
        try:
            ask(new, "REPLICAOF", "NO", "ONE")
        except (OSError, Refused):
            return
        PRIMARY.write_text(new)
    for _ in range(40):
        try:
            ask(old, "REPLICAOF", new, str(PORT))
            return
        except (OSError, Refused):
            time.sleep(0.25)


class Recorder:
    """A file of events in the form of Jepsen's histories, a line each."""

    def __init__(self):
        directory = TIMELINE / "history"
        directory.mkdir(exist_ok=True)
        self._file = (directory / f"{time.monotonic_ns()}-{os.getpid()}.jsonl").open("x", buffering=1)
        self._process = 0

    def event(self, kind, function, value):
        at = {"process": self._process, "type": kind, "f": function, "value": value, "time": time.monotonic_ns()}
        self._file.write(json.dumps(at) + "\n")

    def add(self, value):
        self.event("invoke", "add", value)
        try:
            ask(primary(), "SADD", KEY, str(value))
        except Refused:
            self.event("fail", "add", value)
        except OSError:
            self.event("info", "add", value)
            self._process += 1
        else:
            self.event("ok", "add", value)

    def read(self):
        self.event("invoke", "read", None)
        try:
            found = sorted(map(int, ask(primary(), "SMEMBERS", KEY)))
        except (OSError, Refused):
            self.event("fail", "read", None)
            return False
        self.event("ok", "read", found)
        return True


def drive(seconds):
    chance = random.Random(int(os.environ["GLITCHGRID_SEED"]))
    recorder = Recorder()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        recorder.add(chance.randrange(1, 1 << 40))
        time.sleep(chance.uniform(0, 0.05))
