"""A register in etcd: one key, by the JSON gateway of its third API; what was called and what came back is recorded."""

import base64
import http.client
import json
import os
import random
import time
from pathlib import Path

NODES = os.environ["NODES"].split()
PORT = 2379
TIMEOUT_S = 5.0
KEY = "register"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def ask(node, path, body):
    """The answer, as JSON; OSError or http.client.HTTPException where there is none."""
    connection = http.client.HTTPConnection(node, PORT, timeout=TIMEOUT_S)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        return json.loads(text)
    finally:
        connection.close()


def write(node, value):
    ask(node, "/v3/kv/put", {"key": encoded(KEY), "value": encoded(str(value))})


def read(node):
    """None where nobody has written."""
    found = ask(node, "/v3/kv/range", {"key": encoded(KEY)}).get("kvs", [])
    return int(base64.b64decode(found[0]["value"])) if found else None


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

    def call(self, function, value, work):
        """Do something, and record it. What ends in nobody knows what is the last that its process does."""
        self.event("invoke", function, value)
        try:
            result = work()
        except (OSError, http.client.HTTPException, ValueError):
            self.event("fail" if function == "read" else "info", function, value)
            self._process += function != "read"
            return False
        self.event("ok", function, result if function == "read" else value)
        return True


def drive(seconds):
    """Write and read at any node, for so long; every value is another one."""
    chance = random.Random(int(os.environ["GLITCHGRID_SEED"]))
    recorder = Recorder()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        node = chance.choice(NODES)
        if chance.random() < 0.5:
            value = chance.randrange(1, 1 << 40)
            recorder.call("write", value, lambda: write(node, value))
        else:
            recorder.call("read", None, lambda: read(node))
        time.sleep(chance.uniform(0, 0.02))
