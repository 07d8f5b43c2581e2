"""Clients that write and read from several threads at once, and record what happens to them."""

import http.client
import random
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Self

from glitchgrid.lab.history.format import lines_of, read_history
from glitchgrid.lab.history.operation import History
from glitchgrid.lab.history.recorder import Recorder
from tests.end_to_end.processes import HOST, ask_over

CLIENT_TIMEOUT_S = 10.0
JOIN_TIMEOUT_S = 30.0

_DECREASES = re.compile(r"Client would make value decrease from (\d+) to \d+")


class Clients:
    """Several clients of several controls, from `with` to its end; `history` is there afterwards.

    What they write grows in steps, and not always: now and then a client repeats a value or writes a smaller
    one, so that equal values, 400s and overtaken writes happen. All their choices come from `seed`.

    :param rest_s: between two operations of a client.
    """

    def __init__(self, path: Path, controls: Sequence[int], clients: int, seed: int, rest_s: float = 0.0) -> None:
        self._rest_s = rest_s
        self._path = path
        self._seed = seed
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._recorder = Recorder(self._file, monotonic_ns)
        self._largest = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._errors: list[BaseException] = []
        self.answered = 0
        self._threads = [
            threading.Thread(target=self._work, args=(f"c{number}", controls[number % len(controls)]), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)
            assert not thread.is_alive(), "a client hangs"
        self._file.close()
        if self._errors:
            raise self._errors[0]

    @property
    def history(self) -> History:
        with self._path.open("rb") as file:
            return read_history(lines_of(file))

    def _work(self, name: str, port: int) -> None:
        chance = random.Random(f"{self._seed}:{name}")
        connection = http.client.HTTPConnection(HOST, port, timeout=CLIENT_TIMEOUT_S)
        try:
            while not self._ending.is_set():
                if chance.random() < 0.5:
                    self._read(connection, name)
                else:
                    self._write(connection, name, self._next_value(chance))
                self.answered += 1
                self._ending.wait(self._rest_s)
        except BaseException as error:  # noqa: BLE001 - for the test's own thread to raise
            self._errors.append(error)
        finally:
            connection.close()

    def _next_value(self, chance: random.Random) -> int:
        with self._lock:
            step = chance.choice((-3, -1, 0, 0, 1, 1, 1, 2, 3))
            value = max(1, self._largest + step)
            self._largest = max(self._largest, value)
            return value

    def _read(self, connection: http.client.HTTPConnection, name: str) -> None:
        op = self._recorder.call_read(name, port=connection.port)
        try:
            answer = ask_over(connection)
        except (OSError, http.client.HTTPException):
            connection.close()
            self._recorder.failed(op)
            return
        if answer.status == 200:
            self._recorder.read_ok(op, int(answer.body))
        else:
            assert answer.plain == (500, "-1"), answer
            self._recorder.failed(op, status=answer.status)

    def _write(self, connection: http.client.HTTPConnection, name: str, value: int) -> None:
        op = self._recorder.call_write(name, value, port=connection.port)
        try:
            answer = ask_over(connection, "POST", str(value))
        except ConnectionRefusedError:
            connection.close()
            self._recorder.failed(op)
            return
        except (OSError, http.client.HTTPException):
            connection.close()
            self._recorder.ambiguous(op)
            return
        refused = _DECREASES.fullmatch(answer.body)
        if answer.status == 400:
            assert refused is not None, answer
            self._recorder.decreases(op, int(refused[1]))
        elif answer.status == 200:
            self._recorder.write_ok(op, answer=answer.body)
        else:
            assert answer.status == 500, answer
            self._recorder.ambiguous(op, answer=answer.body)
