"""A contender while it is measured: brought to a known value, loaded, looked at, left to come to rest."""

import shutil
import time
from contextlib import nullcontext
from pathlib import Path

from benchmarks.contenders import Contender, Running
from benchmarks.dialects import Reading
from benchmarks.errors import DoesNotAnswer
from benchmarks.observer import Observer
from benchmarks.results import Cell, Measurement
from benchmarks.wrk import Load, run_wrk

PRIME_TIMEOUT_S = 5.0
SETTLED_AFTER_S = 0.05
REST_TIMEOUT_S = 2.0
REST_LOOK_S = 0.1
REST_BUSY_MAX = 0.2
"""A contender that uses less of one core is at rest: three nodes of etcd beat their hearts all the time."""


class Session:
    """One contender in one world."""

    def __init__(self, contender: Contender, world: str, directory: Path) -> None:
        self._contender = contender
        self._world = world
        self._directory = directory
        self._starts = 0
        self._highest = 1
        self._running: Running | None = None

    def start(self) -> None:
        """:raises DoesNotAnswer: when it does not come up."""
        self._starts += 1
        self._highest = 1
        self._running = self._contender.start(self._directory / f"start{self._starts}", self._world)

    def close(self) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def measure(self, cell: Cell, round_number: int, seconds: int) -> Measurement:
        """One cell. What goes wrong with the contender is in the measurement, and ends nothing."""
        try:
            before = self._primed()
            measurement = self._load(cell, round_number, seconds, before)
        except DoesNotAnswer as error:
            return Measurement(cell, round_number, trouble=str(error))
        self._rest()
        return measurement

    def _load(self, cell: Cell, round_number: int, seconds: int, before: Reading) -> Measurement:
        assert self._running is not None
        dialect, port = self._contender.dialect, self._running.port
        cpu_before_s = self._cpu_s()
        observer = Observer(dialect, port, before)
        with observer if cell.kind == "mixed" else nullcontext():
            load = run_wrk(
                port,
                dialect.name,
                cell.kind,
                cell.connections,
                seconds,
                before.value,
                self._highest,
                scheme=dialect.scheme,
            )
        busy = {name: (used_s - cpu_before_s[name]) / load.seconds for name, used_s in self._cpu_s().items()}
        resident_mb = {name: child.resident_mb() for name, child in self._running.children.items()}
        self._highest += load.sent
        lost = self._lost(dialect.read(port), before, load)
        return Measurement(
            cell,
            round_number,
            seconds=load.seconds,
            ok=load.ok,
            refused=load.refused,
            errors=load.failed + load.broken,
            wrong=load.wrong + observer.went_back + bool(lost),
            first_wrong=load.first_wrong or observer.first or lost,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            resident_mb=resident_mb,
            busy=busy | {"wrk": load.wrk_cpu_s / load.seconds},
        )

    def _lost(self, after: Reading | None, before: Reading, load: Load) -> str:
        """What the read after a load says of its writes. Each that was acknowledged was larger than any before it.

        The protocols that are not linearizable may lose the order of writes that overlap; that is known of them.
        """
        if after is None:
            return ""
        if not self._contender.linearizable:
            return "" if 0 <= after.value <= self._highest else f"read {after.value}, which nobody wrote"
        expected = before.position + load.acknowledged
        return f"read {after.position} at the end, not {expected} or more" if after.position < expected else ""

    def _primed(self) -> Reading:
        """Write a value larger than any before, and see it read: no store of an earlier load is under way then.

        A contender that can't do that within `PRIME_TIMEOUT_S` still works on what it was sent before, or never will
        agree again. It is started anew.
        """
        reading = self._prime() if self._running is not None and self._running.intact() else None
        if reading is None:
            if self._running is not None:
                self._running.close()
                self._running = None
            self.start()
            reading = self._prime()
        if reading is None:
            raise DoesNotAnswer("it did not answer before the load")
        return reading

    def _prime(self) -> Reading | None:
        assert self._running is not None
        dialect, port = self._contender.dialect, self._running.port
        end_s = time.monotonic() + PRIME_TIMEOUT_S
        while time.monotonic() < end_s:
            self._highest += 1
            if not dialect.write(port, self._highest):
                continue
            readings = [dialect.read(port)]
            time.sleep(SETTLED_AFTER_S)
            readings.append(dialect.read(port))
            if all(reading is not None and reading.value == self._highest for reading in readings):
                return readings[-1]
        return None

    def _rest(self) -> None:
        """Wait until it has done with the load, so that it takes nothing from the next one."""
        end_s = time.monotonic() + REST_TIMEOUT_S
        while time.monotonic() < end_s:
            before_s = sum(self._cpu_s().values())
            time.sleep(REST_LOOK_S)
            if sum(self._cpu_s().values()) - before_s <= REST_BUSY_MAX * REST_LOOK_S:
                return

    def _cpu_s(self) -> dict[str, float]:
        assert self._running is not None
        return {name: child.cpu_s() for name, child in self._running.children.items()}
