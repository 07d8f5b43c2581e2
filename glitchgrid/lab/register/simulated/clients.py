"""The clients of a simulated grid: each does one operation after another, and all that happens is recorded.

What they write mostly grows; now and then a value is written again, or a smaller one, so that equal values, 400s and
overtaken writes happen. They give up on slow answers, leave in the middle, and try again: every attempt is an
operation of its own in the history.
"""

import re
from collections.abc import Callable, Sequence

from attrs import define
from twisted.application.service import Service
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.lab.place.inside import Inside
from glitchgrid.lab.register.habits import PATIENT, ClientHabits
from glitchgrid.lab.register.layout import CONTROL_PORT, VAULT_PORT
from glitchgrid.lab.register.oracles.availability import Attempt, Availability
from glitchgrid.lab.register.oracles.invariant import Invariant
from glitchgrid.lab.register.simulated.connection import Answer, ClientConnection, get, post
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.value import parse_number

RETRY_AFTER_MS = 50
CONNECT_TIMEOUT_S = 5.0
PROBE_AGAIN_S = 0.1
OK, DECREASES = 200, 400
SERVED = (OK, DECREASES)
"""A control that refuses a decrease serves: another one may have written more meanwhile."""
_DECREASES = re.compile(rb"Client would make value decrease from (\d+) to \d+")
_STEPS = (-3, -1, 0, 0, 1, 1, 1, 2, 3)


Done = Callable[[bool], None]


@define
class Workload:
    """What all clients of a run share."""

    recorder: Recorder
    invariant: Invariant
    availability: Availability
    now_ns: Callable[[], int]
    writes_left: int
    largest: int = 0
    working: int = 0

    def next_value(self, rng: RandomStream) -> int:
        value = max(1, self.largest + rng.pick(_STEPS))
        self.largest = max(self.largest, value)
        self.writes_left -= 1
        return value


class _Operator(Service):
    """Carries out operations, on a process of the machine that all clients share."""

    def __init__(self, name: str, process: Inside, habits: ClientHabits, workload: Workload) -> None:
        self._client = name
        self._reactor = process.reactor
        self._rng = process.world.rng(f"client {name}")
        self._habits = habits
        self._workload = workload
        self._connections: dict[str, ClientConnection] = {}

    def operation(self, control: Machine, value: int | None, done: Done) -> None:
        """Write `value`, or read where it is None; `done` is told at its end whether it was served."""
        connection = self._connections.get(control.name)
        if connection is not None and connection.is_free:
            self._begin(control, connection, value, done)
            return
        endpoint = TCP4ClientEndpoint(self._reactor, control.address, CONTROL_PORT, timeout=CONNECT_TIMEOUT_S)
        connecting = connectProtocol(endpoint, ClientConnection(self._workload.now_ns))
        asked = control, value, self._workload.now_ns(), done
        connecting.addCallbacks(self._connected, self._not_connected, asked[:2] + asked[3:], {}, asked, {})

    def _connected(self, connection: ClientConnection, control: Machine, value: int | None, done: Done) -> None:
        self._connections[control.name] = connection
        self._begin(control, connection, value, done)

    def _not_connected(self, failure: Failure, control: Machine, value: int | None, called_ns: int, done: Done) -> None:
        failure.trap(ConnectError)
        op = self._call(control, value)
        self._workload.recorder.failed(op)
        self._judge(control, value, called_ns, None, f"found no connection: {failure.getErrorMessage()}")
        done(False)

    def _begin(self, control: Machine, connection: ClientConnection, value: int | None, done: Done) -> None:
        op = self._call(control, value, port=connection.port)
        patience_ms = self._habits.patience_ms
        if self._rng.chance(self._habits.leaves_per_mille):
            patience_ms = self._rng.between(0, patience_ms)
        timer = self._reactor.callLater(patience_ms / 1000, connection.drop)
        shown = self._workload.invariant.shown_majority
        called_ns = self._workload.now_ns()

        def told(answer: Answer | None) -> None:
            has_left = not timer.active()
            _stop(timer)
            self._record(op, value, answer, shown)
            is_served = answer is not None and answer.status in SERVED
            if not has_left or self._is_late(called_ns):
                self._judge(control, value, called_ns, connection.made_ns, None if is_served else _told(answer))
            done(is_served)

        connection.ask(get() if value is None else post(b"%d" % value), told)

    def _is_late(self, called_ns: int) -> bool:
        pace = self._workload.availability.pace
        return pace is not None and self._workload.now_ns() - called_ns > pace.bound_ns

    def _judge(
        self, control: Machine, value: int | None, called_ns: int, connected_ns: int | None, failure: str | None
    ) -> None:
        what = "a read" if value is None else f"a write of {value}"
        attempt = Attempt(self._client, what, control.name, called_ns, connected_ns, failure)
        self._workload.availability.ended(attempt, self._workload.now_ns())

    def _call(self, control: Machine, value: int | None, **notes: int) -> int:
        recorder = self._workload.recorder
        if value is None:
            return recorder.call_read(self._client, control=control.name, **notes)
        self._workload.invariant.written.add(value)
        return recorder.call_write(self._client, value, control=control.name, **notes)

    def _record(self, op: int, value: int | None, answer: Answer | None, shown_at_call: int) -> None:
        recorder, invariant = self._workload.recorder, self._workload.invariant
        if value is None:
            if answer is not None and answer.status == OK:
                read = parse_number(answer.body)
                recorder.read_ok(op, read)
                invariant.was_read(read, shown_at_call)
            else:
                recorder.failed(op)
        elif answer is None:
            recorder.ambiguous(op)
        elif answer.status == OK:
            recorder.write_ok(op)
            invariant.acknowledged(value)
        elif answer.status == DECREASES and (refused := _DECREASES.fullmatch(answer.body)):
            recorder.decreases(op, int(refused[1]))
        else:
            recorder.ambiguous(op, status=answer.status)


def _told(answer: Answer | None) -> str:
    if answer is None:
        return "was not answered: its connection ended"
    return f"was answered {answer.status} {answer.body.decode('utf-8', 'backslashreplace')}"


def _stop(timer: IDelayedCall) -> None:
    if timer.active():
        timer.cancel()


class SimulatedClient(_Operator):
    """Writes and reads, now at this control, now at that, until all writes of the run are made."""

    def __init__(
        self, name: str, process: Inside, habits: ClientHabits, workload: Workload, controls: Sequence[Machine]
    ) -> None:
        super().__init__(name, process, habits, workload)
        self.controls = controls
        workload.working += 1

    def startService(self) -> None:
        super().startService()
        self._pause()

    def _pause(self) -> None:
        wait_ms = self._rng.rarely_long(self._habits.pause_ms)
        self._reactor.callLater(wait_ms / 1000, self._next)

    def _next(self) -> None:
        workload = self._workload
        if workload.writes_left <= 0:
            workload.working -= 1
            return
        value = workload.next_value(self._rng) if self._rng.chance(self._habits.writes_per_mille) else None
        self._attempt(value, self._habits.retries)

    def _attempt(self, value: int | None, retries_left: int) -> None:
        def done(served: bool) -> None:
            if served or not retries_left:
                self._pause()
            else:
                wait_ms = self._rng.rarely_long(RETRY_AFTER_MS)
                self._reactor.callLater(wait_ms / 1000, self._attempt, value, retries_left - 1)

        self.operation(self._rng.pick(self.controls), value, done)


class Prober(_Operator):
    """Reads at one control, then writes `value` there; repeats each until it is served.

    The read comes first: a grid that can only be read once somebody has written anew does not serve.

    :param value: None where it is to read alone.
    :param reads: else it writes alone.
    :ivar served: whether it was, all of it.
    """

    def __init__(
        self, process: Inside, workload: Workload, control: Machine, value: int | None, *, reads: bool = True
    ) -> None:
        super().__init__(f"probe {control.name}", process, PATIENT, workload)
        self.control = control
        self.value = value
        self._reads = reads
        self.served = False

    def startService(self) -> None:
        super().startService()
        if self._reads:
            self._read()
        else:
            self._write()

    def _read(self) -> None:
        self.operation(self.control, None, self._was_read)

    def _was_read(self, well: bool) -> None:
        if not well:
            self._reactor.callLater(PROBE_AGAIN_S, self._read)
        elif self.value is None:
            self.served = True
        else:
            self._write()

    def _write(self) -> None:
        self.operation(self.control, self.value, self._was_written)

    def _was_written(self, well: bool) -> None:
        if well:
            self.served = True
        else:
            self._reactor.callLater(PROBE_AGAIN_S, self._write)


def store_by_hand(process: Inside, workload: Workload, vault: Machine, value: int) -> None:
    """Send a store straight to a vault and without the guard, as curl would.

    Whatever the vault answers, no majority has acknowledged it: it may take effect now, later or never.
    """
    op = workload.recorder.call_write("by hand", value, vault=vault.name)
    workload.invariant.written.add(value)

    def connected(connection: ClientConnection) -> None:
        timer = process.reactor.callLater(CONNECT_TIMEOUT_S, connection.drop)
        port = connection.port

        def told(_answer: Answer | None) -> None:
            _stop(timer)
            workload.recorder.ambiguous(op, port=port)

        connection.ask(post(b"%d" % value), told)

    def not_connected(failure: Failure) -> None:
        failure.trap(ConnectError)
        workload.recorder.failed(op)

    endpoint = TCP4ClientEndpoint(process.reactor, vault.address, VAULT_PORT, timeout=CONNECT_TIMEOUT_S)
    connectProtocol(endpoint, ClientConnection(workload.now_ns)).addCallbacks(connected, not_connected)
