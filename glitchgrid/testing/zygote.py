"""The runner of a test, as whoever asks it sees it: a process that answers."""

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from glitchgrid.lab import interruption
from glitchgrid.lab.place.environment import environment
from glitchgrid.simulation.kernel.place import HASH_SEED
from glitchgrid.testing.decorator import Address, Simulated
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.settings import Settings

PROGRAM = "from glitchgrid.testing.runner import main; main()"

READY_S_MAX = 300
"""So long the file of a test and what its programs need may take to be imported, beside the time of a run."""

READ_BYTES = 1 << 20
LOOK_EVERY_S = 0.2
"""Has what is waited for been given up?"""

Progress = Callable[[int, int], None]


class Zygote:
    """A process that has imported a file with tests and is ready to run them, one after the other.

    It ends with this one.

    :param hash_seed: of Python's hashes there.
    :raises WorldError: where the file can't be imported.
    """

    def __init__(self, address: Address, settings: Settings, hash_seed: int = HASH_SEED) -> None:
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(writing)],
            stdin=subprocess.PIPE,
            pass_fds=[writing],
            env=environment(hash_seed),
            text=True,
            start_new_session=True,  # Ctrl-C is for whoever waits for it
        )
        os.close(writing)
        self._answers = _Lines(reading)
        self._asks = threading.Lock()
        self._patience_s = settings.timeout_s + READY_S_MAX
        request = {"module": address.module, "file": address.file}
        try:
            preempt = dict(settings.preempt)
            self._ask(request | {"share": settings.share, "reactor": settings.reactor, "preempt": preempt})
        except BaseException:
            self.close()
            raise

    @contextmanager
    def running(self, test: Simulated, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Iterator[None]:
        """Until the end of the block, what is asked is asked of this test. See `begin`."""
        try:
            self.begin(test, arguments, named)
            yield
            self._ask({"ask": "end"})
        except BaseException:
            self.close()  # whatever it is about, nobody listens any more
            raise

    def begin(self, test: Simulated, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """From now on, what is asked is asked of this test.

        :param arguments: what the test is called with beside its world.
        :raises WorldError: where the test can't be found, or its arguments can't be passed on.
        """
        address = test.address
        is_method = "." in address.name
        try:
            passed = pickle.dumps(((None, *arguments[1:]) if is_method else arguments, dict(named)))
        except Exception as error:
            raise WorldError(f"{address}: its arguments can't be passed to another process: {error}") from error
        request = {"ask": "begin", "name": address.name, "address": str(address)}
        self._ask(request | {"arguments": b64encode(passed).decode("ascii")})

    @property
    def is_closed(self) -> bool:
        return self._process.poll() is not None

    def run_seed(self, seed: str, *, trace: bool = False) -> dict[str, Any]:
        return self._ask({"ask": "seed", "seed": seed, "trace": trace})

    def run_plan(self, plan: str, *, trace: bool = False, html: str = "", replay: str = "") -> dict[str, Any]:
        return self._ask({"ask": "plan", "plan": plan, "trace": trace, "html": html, "replay": replay})

    def shrink(
        self, plan: str, oracle: str, runs: int, progress: Progress, html: str = "", replay: str = ""
    ) -> dict[str, Any]:
        """The smallest plan that fails in the same way."""
        request = {"ask": "shrink", "plan": plan, "oracle": oracle, "runs": runs, "html": html, "replay": replay}
        return self._ask(request, progress)

    def close(self) -> None:
        """End it, and wait for that."""
        if not self.is_closed:
            os.killpg(self._process.pid, signal.SIGKILL)  # its forks, too: it leads a group of its own
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._answers.close()
        self._process.wait()

    def _ask(self, request: dict[str, Any], progress: Progress = lambda _runs, _left: None) -> dict[str, Any]:
        with self._asks:  # a seed that fails is shrunk where it ran, and another thread may have a later one run there
            self._tell(request)
            while "progress" in (answer := self._heard()):
                progress(*answer["progress"])
            return answer

    def _tell(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it has ended; what it says, or does not say, tells so
            print(json.dumps(request), file=self._process.stdin, flush=True)

    def _heard(self) -> dict[str, Any]:
        """:raises WorldError: for what it could not do, and where it says nothing for too long."""
        line = self._answers.next(self._patience_s)
        if line is None:
            raise WorldError(f"the process that runs the test says nothing for {self._patience_s:g} s")
        if not line:
            raise WorldError(f"the process that runs the test has ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorldError(answer["error"])
        if "bug" in answer:
            raise WorldError(f"{answer['bug']}\n{answer['traceback']}")
        return answer


class _Lines:
    """The lines that come from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._data = b""

    def next(self, within_s: float) -> str | None:
        """The next one; "" at the end, None where none comes in that time.

        :raises KeyboardInterrupt: where somebody has asked this process to end.
        :raises CancelledError: where it was given up.
        """
        until_s = time.monotonic() + within_s
        assert self._descriptor is not None, "it is not closed"
        while b"\n" not in self._data:
            interruption.check()
            left_s = max(0, until_s - time.monotonic())
            ready, _, _ = select.select([self._descriptor], [], [], min(LOOK_EVERY_S, left_s))
            if not ready:
                if left_s:
                    continue
                return None
            data = os.read(self._descriptor, READ_BYTES)
            if not data:
                return ""
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        """Once or more: the number of a descriptor that is closed may be another's by then."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
