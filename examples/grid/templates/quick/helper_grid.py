"""A client of the grid, by HTTP and nothing else, so that it begins quickly; what it does is recorded."""

import http.client
import json
import os
import random
import time
from pathlib import Path

CONTROLS = ("control1", "control2")
PORT = 8000
TIMEOUT_S = 2.0
CONNECT_AGAIN_S = 0.05


class Client:
    """Of one control, over a connection that it keeps."""

    def __init__(self, control):
        self._control = control
        self._connection = None

    def ask(self, method, body=None):
        """The status and what is said; OSError where nobody knows whether it was done."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._control, PORT, timeout=TIMEOUT_S)
        try:
            self._connection.request(method, "/", body)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode()
        except http.client.HTTPException as error:
            self.leave()
            raise OSError(str(error)) from error
        except OSError:
            self.leave()
            raise

    def leave(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Recorder:
    """A file of events in the form of Jepsen's histories, a line each."""

    def __init__(self, control):
        directory = Path(os.environ["GLITCHGRID_TIMELINE"], "history")
        directory.mkdir(exist_ok=True)
        self._file = (directory / f"{time.monotonic_ns()}-{os.getpid()}.jsonl").open("x", buffering=1)
        self._client = Client(control)
        self._process = 0
        self.seen = 0

    def event(self, kind, function, value):
        at = {"process": self._process, "type": kind, "f": function, "value": value, "time": time.monotonic_ns()}
        self._file.write(json.dumps(at) + "\n")

    def write(self, value):
        """Returns whether it was served."""
        self.event("invoke", "write", value)
        try:
            status, _ = self._client.ask("POST", str(value))
        except OSError:
            status = 0
        if status == 200:
            self.event("ok", "write", value)
            self.seen = max(self.seen, value)
        elif status == 400:  # it would have been a decrease
            self.event("fail", "write", value)
        else:
            self.event("info", "write", value)
            self._process += 1
        return status in {200, 400}

    def read(self):
        """Returns whether it was served."""
        self.event("invoke", "read", None)
        try:
            status, said = self._client.ask("GET")
        except OSError:
            status = 0
        if status == 200:
            self.seen = max(self.seen, int(said))
            self.event("ok", "read", int(said))
        else:
            self.event("fail", "read", None)
        return status == 200


def drive(seconds):
    """Write and read at random, each write more than what this client has seen."""
    chance = random.Random(int(os.environ["GLITCHGRID_SEED"]))
    recorder = Recorder(chance.choice(CONTROLS))
    writes = chance.choice((0.1, 0.5, 0.9))
    pause_s = chance.choice((0.0, 0.005, 0.05))
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        is_write = chance.random() < writes
        served = recorder.write(recorder.seen + chance.randint(1, 3)) if is_write else recorder.read()
        time.sleep(chance.uniform(0, pause_s) if served else CONNECT_AGAIN_S)


def read_all(within_s):
    """Read at each control; returns those that answer nothing until then."""
    waiting = {control: Recorder(control) for control in CONTROLS}
    end_s = time.monotonic() + within_s
    while waiting and time.monotonic() < end_s:
        waiting = {control: recorder for control, recorder in waiting.items() if not recorder.read()}
        time.sleep(CONNECT_AGAIN_S)
    return sorted(waiting)
