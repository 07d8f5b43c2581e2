"""Control's wire: the spec's table, over a register that says what it is told to."""

import json
from functools import partial
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from glitchgrid import control, register
from glitchgrid.control import ControlFace, control_service
from glitchgrid.errors import StartError
from glitchgrid.http.face import Face
from glitchgrid.observer import Observer
from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, ReadOutcome, Undecided, WriteOutcome
from glitchgrid.register.interface import OPERATION_TIMEOUT_S, IRegister
from glitchgrid.vaults.address import parse_vaults
from glitchgrid.waiting import shield
from tests.fakes import CaughtLog
from tests.raw_client import RawClient, Wire, get, head, post
from tests.test_vault import NO_VALUES


@implementer(IRegister)
class FakeRegister:
    """Keeps what it is asked for, until the test says how it ends. As of any register, leaving it stops nothing."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.writes: list[Deferred[WriteOutcome]] = []
        self.reads: list[Deferred[ReadOutcome]] = []
        self.floor: int | None = None
        self.traces: list[bytes | None] = []

    def start(self) -> None:
        """It is ready."""

    def stop(self) -> None:
        """It has nothing to stop."""

    def write(self, value: int, trace: bytes | None = None) -> Deferred[WriteOutcome]:
        self.traces.append(trace)
        self.written.append(value)
        self.writes.append(Deferred())
        return shield(self.writes[-1])

    def in_progress(self) -> dict[str, int]:
        return {}

    def read(self, trace: bytes | None = None) -> Deferred[ReadOutcome]:
        self.traces.append(trace)
        self.reads.append(Deferred())
        return shield(self.reads[-1])


class ControlTestCase(SynchronousTestCase):
    treq: Any

    def setUp(self) -> None:
        self.clock: Any = MemoryReactorClock()
        self.register = FakeRegister()
        self.face = Face(self.clock, ControlFace(self.register, self.clock, "atomic", []).app)
        self.treq = StubTreq(self.face.resource)

    def answer(self, pending: Deferred[Any]) -> tuple[int, str]:
        self.treq.flush()
        response = self.successResultOf(pending)
        return response.code, self.successResultOf(response.text())

    def read(self, outcome: ReadOutcome, method: str = "GET") -> tuple[int, str]:
        pending = self.treq.request(method, "http://control/")
        self.assertNoResult(pending)
        self.register.reads.pop().callback(outcome)
        return self.answer(pending)

    def write(self, body: bytes, outcome: WriteOutcome) -> tuple[int, str]:
        pending = self.treq.post("http://control/", data=body)
        self.assertNoResult(pending)
        self.register.writes.pop().callback(outcome)
        return self.answer(pending)


class ReadTests(ControlTestCase):
    def test_the_value(self) -> None:
        for value in (0, 1, 2**63 - 1):
            self.assertEqual(self.read(Holds(value)), (200, str(value)))

    def test_inconsistent_is_500_and_minus_1(self) -> None:
        self.assertEqual(self.read(Inconsistent()), (500, "-1"))

    def test_head(self) -> None:
        self.assertEqual(self.read(Holds(42), "HEAD"), (200, ""))
        self.assertEqual(self.read(Inconsistent(), "HEAD"), (500, ""))


class WriteTests(ControlTestCase):
    def test_a_committed_write(self) -> None:
        self.assertEqual(self.write(b"5", Committed(2, 3)), (200, "Sent updates to 2/3 vaults"))
        self.assertEqual(self.register.written, [5])

    def test_an_undecided_write(self) -> None:
        self.assertEqual(self.write(b"5", Undecided(1, 3)), (500, "Sent updates to 1/3 vaults"))
        self.assertEqual(self.write(b"5", Undecided(0, 3)), (500, "Sent updates to 0/3 vaults"))

    def test_a_decrease(self) -> None:
        self.assertEqual(self.write(b"5", Decreases(9, 5)), (400, "Client would make value decrease from 9 to 5"))

    def test_white_space_and_leading_zeros(self) -> None:
        for body in (b"5\n", b" \t\r\n5 \t\r\n", b"0005", b"0" * 63 + b"5"):
            self.assertEqual(self.write(body, Committed(1, 1))[0], 200)
        self.assertEqual(self.register.written, [5, 5, 5, 5])

    def test_the_largest_value(self) -> None:
        self.write(b"9223372036854775807", Committed(1, 1))
        self.assertEqual(self.register.written, [2**63 - 1])

    def test_what_is_no_value_is_refused_and_sent_to_nobody(self) -> None:
        for body in NO_VALUES:
            answer = self.answer(self.treq.post("http://control/", data=body.encode("utf-8")))
            self.assertEqual(answer, (400, "Invalid or missing POST body"), repr(body))
        self.assertEqual(self.register.written, [])

    def test_above_the_largest_that_this_control_takes(self) -> None:
        self.treq = StubTreq(
            Face(self.clock, ControlFace(self.register, self.clock, "atomic", [], value_max=99).app).resource
        )
        for value in (100, 2**63 - 1):
            answer = self.answer(self.treq.post("http://control/", data=b"%d" % value))
            self.assertEqual(answer, (400, f"Value {value} is above 99, the largest that this control takes"))
        self.assertEqual(self.register.written, [])
        self.assertEqual(self.write(b"99", Committed(2, 3)), (200, "Sent updates to 2/3 vaults"))
        answer = self.answer(self.treq.post("http://control/", data=b"9223372036854775808"))
        self.assertEqual(answer, (400, "Invalid or missing POST body"))

    def test_what_others_wrote_above_it_is_read_all_the_same(self) -> None:
        self.treq = StubTreq(
            Face(self.clock, ControlFace(self.register, self.clock, "atomic", [], value_max=99).app).resource
        )
        self.assertEqual(self.read(Holds(100)), (200, "100"))

    def test_a_body_beyond_64_bytes_is_413(self) -> None:
        answer = RawClient(self.face, self.clock).ask(post(b" " * 64 + b"5"))
        self.assertEqual((answer.status, self.register.written), (413, []))

    def test_a_body_of_an_unlikely_type_is_read_as_it_is(self) -> None:
        for kind in (b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"):
            RawClient(self.face, self.clock).send(post(b"5", b"Content-Type: " + kind))
        self.assertEqual(self.register.written, [5, 5])


class HealthTests(ControlTestCase):
    def test_ready_is_what_can_serve_a_read(self) -> None:
        for outcome, status, line in (
            (Holds(5), 200, "[+]majority ok"),
            (Inconsistent(), 503, "[-]majority failed: a read has found no majority of the vaults"),
        ):
            pending = self.treq.get("http://control/readyz?verbose")
            self.assertNoResult(pending)
            self.register.reads.pop().callback(outcome)
            found, text = self.answer(pending)
            self.assertEqual((found, text.splitlines()[0]), (status, line))

    def test_live_asks_nobody(self) -> None:
        self.assertEqual(self.answer(self.treq.get("http://control/livez")), (200, "ok"))
        self.assertEqual(self.register.reads, [])


class OtherTests(ControlTestCase):
    def test_other_methods_and_paths(self) -> None:
        for method in ("PUT", "DELETE", "OPTIONS"):
            self.assertEqual(self.answer(self.treq.request(method, "http://control/")), (405, "Method not allowed"))
            answer = RawClient(self.face, self.clock).ask(head(method.encode("ascii")))
            self.assertEqual(answer.headers["allow"], "GET, HEAD, POST")
        for path in ("x", "healthz", "readyz/", "status/", "metrics/", "ui/"):
            self.assertEqual(self.answer(self.treq.get("http://control/" + path)), (404, "Not found"))

    def test_a_bug_in_the_register_is_500_and_logged(self) -> None:
        pending = self.treq.get("http://control/")
        self.register.reads[0].errback(ZeroDivisionError("secret"))
        self.assertEqual(self.answer(pending), (500, "Internal error"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_client_that_leaves_is_no_bug(self) -> None:
        for request in (post(b"5"), get()):
            client = RawClient(self.face, self.clock)
            client.send(request)
            client.vanish()
        for operation in (*self.register.writes, *self.register.reads):
            self.assertNoResult(operation)
        self.register.writes[0].callback(Committed(3, 3))
        self.register.reads[0].callback(Holds(5))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_control_does_not_pose_as_a_vault(self) -> None:
        client = RawClient(self.face, self.clock)
        self.assertNotIn("glitchgrid-vault", client.ask(post(b"x")).headers)

    def test_an_operation_has_4_s(self) -> None:
        self.assertEqual(OPERATION_TIMEOUT_S, 4)


class RegisterTests(SynchronousTestCase):
    """What control does with its register, whichever protocol is behind it."""

    def test_it_says_once_that_it_serves_when_a_read_was_answered(self) -> None:
        reactor, register, told = MemoryReactorClock(), FakeRegister(), []
        readiness = control._Readiness(register, reactor, lambda: told.append("ready"))
        readiness.ask()
        for seconds in (control.READY_AGAIN_S / 2, control.READY_AGAIN_S / 2):
            reactor.advance(seconds)
        self.assertEqual(len(register.reads), 1, "one at a time")
        register.reads[0].callback(Inconsistent())
        reactor.advance(control.READY_AGAIN_S)
        self.assertEqual((len(register.reads), told), (2, []))
        register.reads[1].callback(Holds(0))
        reactor.advance(10 * control.READY_AGAIN_S)
        self.assertEqual((len(register.reads), told), (2, ["ready"]))
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_it_asks_no_more_once_it_is_stopped(self) -> None:
        for is_waiting in (True, False):
            reactor, register = MemoryReactorClock(), FakeRegister()
            told: list[None] = []
            readiness = control._Readiness(register, reactor, partial(told.append, None))
            readiness.ask()
            if is_waiting:
                register.reads[0].callback(Inconsistent())
            readiness.stop()
            if not is_waiting:
                register.reads[0].callback(Holds(7))
            self.assertEqual((told, reactor.getDelayedCalls()), ([], []))

    def test_it_is_started_and_stopped_with_the_service(self) -> None:
        steps: list[str] = []

        class Register(FakeRegister):
            def start(self) -> None:
                steps.append("start")

            def stop(self) -> None:
                steps.append("stop")

        registers: list[Any] = []

        def make(clients: Any, clock: Any, _observer: Observer) -> Any:
            registers.append((len(clients), clock))
            return Register()

        self.patch(register, "PROTOCOLS", {})
        self.patch(control, "PROTOCOLS", {"any": make})
        reactor: Any = MemoryReactorClock()
        vaults = parse_vaults("10.0.0.1:8001,10.0.0.2:8002")
        endpoint = TCP4ServerEndpoint(reactor, 8000)
        service = control_service(reactor, endpoint, "tcp:8000", vaults, "any", 1.0, self.fail, value_max=5)
        self.assertEqual((registers, steps), ([(2, reactor)], []))
        service.startService()
        self.assertEqual((steps, len(reactor.tcpServers)), (["start"], 1))
        client = RawClient(reactor.tcpServers[0][1], reactor)
        self.assertEqual(client.ask(post(b"6")).status, 400)
        stopped = service.stopService()
        reactor.advance(0)
        self.successResultOf(stopped)
        self.assertEqual(steps, ["start", "stop"])


class ServiceTests(SynchronousTestCase):
    """The whole of control, with its vaults at the ends of connections in memory."""

    protocol = "classic"

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.fatal: list[StartError] = []
        self.service = control_service(
            self.reactor,
            TCP4ServerEndpoint(self.reactor, 8000),
            "tcp:8000",
            parse_vaults("10.0.0.1:8001,10.0.0.2:8002,10.0.0.3:8003"),
            self.protocol,
            1.0,
            self.fatal.append,
        )
        self.log = CaughtLog(self)
        self.service.startService()
        self.client = RawClient(self.reactor.tcpServers[0][1], self.reactor)

    def connect(self, number: int) -> Wire:
        """Let control's `number`-th connection to a vault come about."""
        protocol = self.reactor.tcpClients[number][2].buildProtocol(None)
        wire = Wire(self.reactor, protocol)
        protocol.makeConnection(wire)
        self.reactor.advance(0)
        return wire

    def say(self, wire: Wire, text: bytes) -> None:
        wire._protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        self.reactor.advance(0)

    def test_it_asks_its_vaults(self) -> None:
        self.client.send(post(b"5"))
        self.assertEqual([connection[:2] for connection in self.reactor.tcpClients], [
            ("10.0.0.1", 8001), ("10.0.0.2", 8002), ("10.0.0.3", 8003),
        ])  # fmt: skip
        for number in (0, 1):
            wire = self.connect(number)
            self.assertTrue(wire.value().startswith(b"POST / HTTP/1.1\r\n"))
            self.assertTrue(wire.value().endswith(b"\r\n\r\n5"))
            self.say(wire, b"5")
        self.reactor.advance(1)
        answer = self.client.answer()
        self.assertEqual((answer.status, answer.text), (200, "Sent updates to 2/3 vaults"))

    def test_a_read_without_vaults_is_inconsistent_after_their_time(self) -> None:
        self.client.send(get())
        self.reactor.advance(0.99)
        self.assertEqual(self.client.answers(), [])
        self.reactor.advance(0.01)
        answer = self.client.answer()
        self.assertEqual((answer.status, answer.text), (500, "-1"))

    def test_it_says_what_it_serves(self) -> None:
        vaults = "10.0.0.1:8001, 10.0.0.2:8002, 10.0.0.3:8003"
        self.assertEqual(self.log.infos, [f"control serves {vaults} by the {self.protocol} protocol at tcp:8000"])

    def test_it_stops(self) -> None:
        stopped = self.service.stopService()
        self.reactor.advance(0)
        self.successResultOf(stopped)
        self.assertFalse(self.client.is_open)
        self.assertEqual(self.fatal, [])

    def status(self) -> dict[str, Any]:
        self.client.send(get(b"/status"))
        answer = self.client.answer()
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        told: dict[str, Any] = json.loads(answer.text)
        return told

    def test_its_status(self) -> None:
        """It asks nobody: of each vault it tells what it heard last."""
        for _ in range(2):
            self.reactor.advance(1)
        asked = len(self.reactor.tcpClients)
        status = self.status()
        self.assertEqual(len(self.reactor.tcpClients), asked)
        self.assertEqual(set(status.pop("versions")), {"glitchgrid", "python", "twisted"})
        self.assertEqual(status.pop("limits")["operations"], 20_000)
        self.assertEqual(status.pop("certificates"), [])
        self.assertEqual([each["check"] for each in status.pop("health")["readyz"]], ["majority"])
        self.assertGreaterEqual(set(status.pop("in_progress")), {"waiting operations"})
        vaults = status.pop("vaults")
        self.assertEqual(status, {
            "form": 1, "server": "control", "uptime_s": 2.0, "answered": 0, "protocol": self.protocol,
            "majority": 2, "floor": 0 if self.protocol == "classic" else None,
        })  # fmt: skip
        self.assertEqual([vault["address"] for vault in vaults], ["10.0.0.1:8001", "10.0.0.2:8002", "10.0.0.3:8003"])
        self.assertEqual({vault["held"] for vault in vaults}, {None})

    def test_its_status_when_vaults_have_answered_and_failed(self) -> None:
        self.client.send(get())
        for number, text in enumerate((b"4", b"7")):
            self.say(self.connect(number), text)
        self.reactor.advance(1)
        self.client.answer()
        first, second, third = self.status()["vaults"]
        self.assertEqual((first["held"], second["held"], third["held"]), (4, 7, None))
        self.assertIn("within 1 s", third["fails"])


class AtomicServiceTests(ServiceTests):
    """The same by the other protocol, which asks for the floor first and waits for no more than a majority."""

    protocol = "atomic"

    def test_it_asks_its_vaults(self) -> None:
        self.client.send(post(b"5"))
        self.assertEqual([connection[:2] for connection in self.reactor.tcpClients], [
            ("10.0.0.1", 8001), ("10.0.0.2", 8002), ("10.0.0.3", 8003),
        ])  # fmt: skip
        wires = [self.connect(number) for number in (0, 1)]
        for wire in wires:
            self.assertTrue(wire.value().startswith(b"GET / HTTP/1.1\r\n"))
            wire.clear()
            self.say(wire, b"4")
        for wire in wires:
            head, _, body = wire.value().partition(b"\r\n\r\n")
            self.assertEqual((head.split(b"\r\n")[0], body), (b"POST / HTTP/1.1", b"5"))
            self.assertIn(b"Glitchgrid-Guard: increase", head.split(b"\r\n"))
            self.assertEqual(self.client.answers(), [])
            self.say(wire, b"5")
        answer = self.client.answer()
        self.assertEqual((answer.status, answer.text), (200, "Sent updates to 2/3 vaults"))
        self.assertEqual(self.reactor.seconds(), 0)

    def test_a_read_without_vaults_is_inconsistent_after_their_time(self) -> None:
        """Twice their time: what asks for the floor was under way when it came, and does not count for it."""
        self.client.send(get())
        self.reactor.advance(1)
        self.reactor.advance(0.99)
        self.assertEqual(self.client.answers(), [])
        self.reactor.advance(0.01)
        answer = self.client.answer()
        self.assertEqual((answer.status, answer.text), (500, "-1"))

    def test_a_decrease_right_after_the_start(self) -> None:
        self.client.send(post(b"5"))
        for number in (0, 1):
            self.say(self.connect(number), b"9")
        answer = self.client.answer()
        self.assertEqual((answer.status, answer.text), (400, "Client would make value decrease from 9 to 5"))

    def test_a_client_that_leaves_does_not_undo_its_write(self) -> None:
        self.client.send(post(b"5"))
        wires = [self.connect(number) for number in (0, 1)]
        self.client.vanish()
        for wire in wires:
            wire.clear()
            self.say(wire, b"4")
        self.assertEqual([wire.value()[-1:] for wire in wires], [b"5", b"5"])
        for wire in wires:
            self.say(wire, b"5")
        self.assertEqual(self.flushLoggedErrors(), [])
