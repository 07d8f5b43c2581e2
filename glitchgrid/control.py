"""Control: the server that clients talk to. It keeps nothing on a disk; what state there is, is its register's."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from antithesis.assertions import always, reachable
from klein import Klein
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.web.iweb import IRequest

from glitchgrid.errors import ListDiffers, Misfit, ValueDecreases, ValueTooLarge
from glitchgrid.http.counting import FaceCounts
from glitchgrid.http.doors import OPEN, Doors
from glitchgrid.http.face import Face, answer_errors, respond, routes
from glitchgrid.http.health import PROCESS, Check, Fault, Health
from glitchgrid.http.healthdoor import health_door
from glitchgrid.http.metrics import Metrics
from glitchgrid.http.naming import traceparent
from glitchgrid.http.openapi import document
from glitchgrid.http.operating import add_operating_routes
from glitchgrid.http.service import FaceService, Fatal
from glitchgrid.http.status import Status
from glitchgrid.observer import UNOBSERVED, Observer, both
from glitchgrid.outcome import Committed, Decreases, Holds, ReadOutcome, WriteOutcome
from glitchgrid.protocol.quorum import majority
from glitchgrid.register import PROTOCOLS
from glitchgrid.register.interface import OPERATION_TIMEOUT_S, OPERATIONS_MAX, IRegister
from glitchgrid.register.metrics import RegisterMetrics
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.tls.ends import Ends
from glitchgrid.value import VALUE_MAX, encode_number, parse_value
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.client import VaultClient, VaultSight
from glitchgrid.vaults.connections import vault_http

INCONSISTENT_ANSWER = b"-1"

READY_AGAIN_S = 0.2
"""How long control waits before it tries once more whether it can serve a read."""

_log = Logger()


class ControlFace:
    """The routes of control over its register."""

    app = Klein()
    openapi = document("control")

    def __init__(
        self,
        register: IRegister,
        clock: IReactorTime,
        protocol: str,
        vaults: Sequence[VaultClient],
        value_max: int = VALUE_MAX,
        metrics: Metrics | None = None,
        ends: Ends | None = None,
    ) -> None:
        self._register = register
        self.metrics = Metrics() if metrics is None else metrics
        self._protocol = protocol
        self._vaults = vaults
        self._value_max = value_max
        self._last: WriteOutcome | None = None
        self.health = Health(clock, (PROCESS,), (Check("majority", self._fault_of_majority),))
        limits = {"operations": OPERATIONS_MAX, "operation_s": OPERATION_TIMEOUT_S, "value": value_max}
        self._status = Status("control", clock, self.health, limits, ends)

    def _fault_of_majority(self) -> Deferred[Fault]:
        """Reads the register. Those who ask at the same time share a read, as clients do."""

        def fault(outcome: ReadOutcome) -> Fault:
            return None if isinstance(outcome, Holds) else "a read has found no majority of the vaults"

        return self._register.read().addCallback(fault)

    @app.route("/status", methods=["GET"])
    def status(self, request: IRequest) -> bytes:
        floor = self._register.floor
        facts = {
            "protocol": self._protocol,
            "floor": floor,
            "majority": majority(len(self._vaults)),
            "vaults": [_told(vault.sight, floor) for vault in self._vaults],
            "in_progress": self._register.in_progress(),
        }
        return self._status.answer(request, facts)

    @app.route("/", methods=["GET"])
    def read(self, request: IRequest) -> Deferred[bytes]:
        return self._register.read(traceparent(request)).addCallback(self._tell_value, request)

    def _tell_value(self, outcome: ReadOutcome, request: IRequest) -> bytes:
        if isinstance(outcome, Holds):
            return respond(request, encode_number(outcome.value))
        reachable("control: a read finds no majority")
        return respond(request, INCONSISTENT_ANSWER, status=500)

    @app.route("/", methods=["POST"])
    def write(self, request: IRequest) -> Deferred[bytes]:
        value = parse_value(request.content.read())
        if value > self._value_max:
            raise ValueTooLarge(value, self._value_max)
        return self._register.write(value, traceparent(request)).addCallback(self._tell_outcome, request)

    def _tell_outcome(self, outcome: WriteOutcome, request: IRequest) -> bytes:
        if isinstance(outcome, Decreases):
            raise ValueDecreases(outcome.floor, outcome.value)
        committed = isinstance(outcome, Committed)
        if not committed:
            reachable("control: a write is answered 500")
        elif outcome is not self._last:
            # The clients of a round share its outcome: what holds for one of them holds for all.
            self._last = outcome
            always(
                2 * outcome.acknowledged > outcome.vaults,
                "control: a write is answered 200 only when more than half of the vaults have it",
            )
        sent = f"Sent updates to {outcome.acknowledged}/{outcome.vaults} vaults"
        return respond(request, sent, status=200 if committed else 500)


add_operating_routes(ControlFace.app)
answer_errors(ControlFace.app)


def _told(vault: VaultSight, floor: int | None) -> dict[str, Any]:
    """One vault in control's status. Its lag is how far below the floor it was when it answered last."""
    lag = None if vault.held is None or floor is None else max(0, floor - vault.held)
    return {
        "address": vault.address,
        "identity": vault.identity,
        "held": vault.held,
        "lag": lag,
        "fails": vault.fails or None,
    }


class _Readiness:
    """Reads the register again and again until a read is answered, and then says that control is ready."""

    def __init__(self, register: IRegister, clock: IReactorTime, ready: Callable[[], None]) -> None:
        self._register = register
        self._clock = clock
        self._ready = ready
        self._again: IDelayedCall | None = None
        self._stopped = False

    def ask(self) -> None:
        self._again = None
        self._register.read().addCallback(self._answered)

    def _answered(self, outcome: ReadOutcome) -> None:
        if self._stopped:
            return
        if isinstance(outcome, Holds):
            self._ready()
        else:
            self._again = self._clock.callLater(READY_AGAIN_S, self.ask)

    def stop(self) -> None:
        self._stopped = True
        if self._again is not None:
            self._again.cancel()


class _ListRefused:
    """Called by each vault whose grid has another list. One of them is enough to stop control."""

    def __init__(self, option: str, vaults: Sequence[VaultAddress], fatal: Fatal) -> None:
        self._option = option
        self._vaults = tuple(map(str, vaults))
        self._fatal: Fatal | None = fatal

    def __call__(self, vault: VaultAddress, said: str) -> None:
        fatal, self._fatal = self._fatal, None
        if fatal is not None:
            lists = f"bad {self._option}: it lists {','.join(self._vaults)}"
            fatal(Misfit(f"{lists}. {vault} says: {said} ({self._difference(said)})"))

    def _difference(self, said: str) -> str:
        theirs = said.removeprefix(ListDiffers([]).message).split(",")
        odd = ", ".join(each for each in self._vaults if each not in theirs)
        lacking = ", ".join(each for each in theirs if each not in self._vaults)
        return "; ".join([*([f"without {odd}"] if odd else []), *([f"with {lacking}"] if lacking else [])])


class ControlService(FaceService):
    """A control that can be started and stopped.

    :ivar register: what it serves, for tests and oracles to look at.
    :ivar vaults: those that it asks.
    """

    register: IRegister
    vaults: Sequence[VaultClient]

    def present(self, vault_token: bytes | None) -> None:
        """Present a token to the vaults from now on."""
        for vault in self.vaults:
            vault.present(vault_token)


def control_service(
    reactor: Any,
    endpoint: IStreamServerEndpoint,
    endpoint_name: str,
    vaults: Sequence[VaultAddress],
    protocol: str,
    vault_timeout_s: float,
    fatal: Fatal,
    report_every_s: float = 0.0,
    value_max: int = VALUE_MAX,
    ready: Callable[[], None] | None = None,
    observer: Observer = UNOBSERVED,
    vault_token: bytes | None = None,
    vault_tls: ClientTLS | None = None,
    listed: Sequence[VaultAddress] = (),
    doors: Doors = OPEN,
) -> ControlService:
    """A control over `vaults` (each listed once) that serves at `endpoint`.

    :param protocol: one of `glitchgrid.register.PROTOCOLS`.
    :param vault_timeout_s: the deadline of one vault's answer, at most `OPERATION_TIMEOUT_S`.
    :param value_max: the largest value that clients may write.
    :param ready: is called once, when it really serves: it listens, and a read has been answered. Where nobody
        wants to know, nobody reads.
    :param vault_token: what is presented to the vaults.
    :param vault_tls: how the vaults are asked by TLS; None to ask them without.
    :param listed: how the vaults list themselves, where that is not how they are reached; else `vaults`.
    :param doors: how it is reached, and by whom.
    """
    metrics = RegisterMetrics()
    observer = both(metrics, observer)
    ends = Ends(reactor) if doors.ends is None else doors.ends
    door = health_door(reactor, doors.health_at)
    refused = _ListRefused("--listed-as" if listed else "--vaults", listed or vaults, fatal)
    connections = [vault_http(reactor, vault, vault_timeout_s, vault_tls) for vault in vaults]
    clients = [
        VaultClient(http, reactor, vault, vault_timeout_s, observer, listed or vaults, partial(refused, vault))
        for http, vault in zip(connections, vaults, strict=True)
    ]
    register = metrics.register = PROTOCOLS[protocol](clients, reactor, observer)
    metrics.vaults = clients

    def prepare() -> Deferred[Face]:
        _log.info(
            "control serves {vaults} by the {protocol} protocol at {endpoint}",
            vaults=", ".join(map(str, vaults)),
            protocol=protocol,
            endpoint=endpoint_name,
        )
        counts = FaceCounts(routes(ControlFace.app), reactor)
        control = ControlFace(register, reactor, protocol, clients, value_max, Metrics(counts, metrics, ends), ends)
        if door is not None:
            door.health = control.health
        return succeed(Face(reactor, control.app, observer=observer, counts=counts, doors=doors))

    readiness = None if ready is None else _Readiness(register, reactor, ready)

    def serve() -> None:
        register.start()
        if readiness is not None:
            readiness.ask()

    async def finish() -> None:
        if readiness is not None:
            readiness.stop()
        register.stop()
        await gatherResults([http.close() for http in connections])

    service = ControlService(
        reactor,
        endpoint,
        endpoint_name,
        prepare,
        serve,
        lambda: Deferred.fromCoroutine(finish()),
        fatal,
        report_every_s,
        door,
    )
    service.register = register
    service.vaults = clients
    service.present(vault_token)
    return service
