"""A service's life: prepare, listen, serve, leave within 5 s, and one line when it can't start."""

import errno
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import CannotListen, DataDirectoryInUse, StartError
from glitchgrid.http.face import Face
from glitchgrid.http.service import STOP_TIMEOUT_S, FaceService
from tests.echo_face import EchoFace, site
from tests.fakes import CaughtLog
from tests.raw_client import RawClient, get


class BrokenEndpoint:
    """An endpoint that can't listen."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def listen(self, factory: object) -> Deferred[Any]:
        return fail(self._error)


class SlowPort:
    """A port that takes its time to close."""

    def __init__(self) -> None:
        self.stopped: Deferred[None] = Deferred()

    def stopListening(self) -> Deferred[None]:
        return self.stopped


class SlowEndpoint:
    def __init__(self, port: SlowPort) -> None:
        self._port = port

    def listen(self, factory: object) -> Deferred[Any]:
        return succeed(self._port)


class HeldPort:
    is_reading = True
    has_stopped = False

    def stopReading(self) -> None:
        self.is_reading = False

    def startReading(self) -> None:
        self.is_reading = True

    def stopListening(self) -> None:
        self.has_stopped = True


class HeldEndpoint:
    """Listens at once, or fails at once."""

    def __init__(self) -> None:
        self.port = HeldPort()
        self.factory: Any = None
        self.error: Exception | None = None

    def listen(self, factory: Any) -> Deferred[HeldPort]:
        self.factory = factory
        return fail(self.error) if self.error is not None else succeed(self.port)


class ServiceTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.echo = EchoFace()
        self.face = site(self.echo, self.reactor)
        self.prepared: Deferred[Face] = succeed(self.face)
        self.finished: Deferred[None] = succeed(None)
        self.finishes = 0
        self.served_with: list[int] = []
        self.fatal: list[StartError] = []
        self.log = CaughtLog(self)

    def serving(self) -> None:
        self.served_with.append(len(self.reactor.tcpServers))

    def finish(self) -> Deferred[None]:
        self.finishes += 1
        return self.finished

    def service(self, endpoint: Any = None, report_every_s: int = 0) -> FaceService:
        """A service that has been started."""
        service = FaceService(
            self.reactor,
            endpoint or TCP4ServerEndpoint(self.reactor, 8000),
            "tcp:8000",
            lambda: self.prepared,
            self.serving,
            self.finish,
            self.fatal.append,
            report_every_s,
        )
        service.startService()
        return service

    def client(self) -> RawClient:
        return RawClient(self.reactor.tcpServers[0][1], self.reactor)

    def settle(self) -> None:
        self.reactor.advance(0)


class StartTests(ServiceTestCase):
    def test_it_listens_once_it_is_prepared(self) -> None:
        self.prepared = Deferred()
        self.service()
        self.assertEqual((self.reactor.tcpServers, self.served_with), ([], []))
        self.prepared.callback(self.face)
        self.assertEqual(self.served_with, [1])
        self.assertEqual(self.reactor.tcpServers[0][:2], (8000, self.face))
        self.assertEqual(self.client().ask(get()).text, "hello")
        self.assertEqual(self.fatal, [])

    def test_a_start_error_is_fatal_and_no_more_than_its_line(self) -> None:
        error = DataDirectoryInUse("/data")
        self.prepared = fail(error)
        self.service()
        self.assertEqual((self.fatal, self.reactor.tcpServers), ([error], []))
        self.assertEqual((self.log.errors, self.flushLoggedErrors()), ([], []))

    def test_a_bug_is_fatal_too_and_logged(self) -> None:
        self.prepared = fail(ZeroDivisionError("division by zero"))
        self.service()
        self.assertEqual([str(error) for error in self.fatal], ["internal error: division by zero; the log has more"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_an_endpoint_that_can_not_be_had_is_named(self) -> None:
        in_use = OSError(errno.EADDRINUSE, "Address already in use")
        for error, reason in (
            (CannotListenError("", 8000, in_use), "Address already in use"),
            (CannotListenError("nowhere", 8000, Exception("no such interface")), "no such interface"),
            (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
            (OSError("odd"), "odd"),
        ):
            self.setUp()
            self.service(BrokenEndpoint(error))
            (told,) = self.fatal
            self.assertIsInstance(told, CannotListen)
            self.assertEqual(str(told), f"cannot listen on tcp:8000: {reason}")
            self.assertEqual((self.served_with, self.flushLoggedErrors()), ([], []))

    def test_a_port_that_no_socket_has_is_named_without_a_traceback(self) -> None:
        """``--listen tcp:99999`` parses, and the socket says no with an OverflowError."""
        self.service(BrokenEndpoint(OverflowError("bind(): port must be 0-65535.")))
        logged = self.flushLoggedErrors()
        self.assertEqual(
            [str(error) for error in self.fatal], ["cannot listen on tcp:8000: bind(): port must be 0-65535."]
        )
        self.assertEqual(logged, [])


class ListensFirstTests(ServiceTestCase):
    """The port is taken while the process may, and stands closed until the server serves."""

    def setUp(self) -> None:
        super().setUp()
        self.endpoint = HeldEndpoint()
        self.prepared: Deferred[Face] = Deferred()

    def privileged(self) -> FaceService:
        service = FaceService(
            self.reactor,
            self.endpoint,  # type: ignore[arg-type]
            "tcp:81",
            lambda: self.prepared,
            self.serving,
            self.finish,
            self.fatal.append,
        )
        service.listens_first = True
        service.privilegedStartService()
        return service

    def test_nobody_is_let_in_before_it_serves(self) -> None:
        service = self.privileged()
        self.assertFalse(self.endpoint.port.is_reading)
        service.startService()
        self.assertFalse(self.endpoint.port.is_reading)
        self.assertNoResult(service.started)
        self.prepared.callback(self.face)
        self.assertTrue(self.endpoint.port.is_reading)
        self.successResultOf(service.started)
        client = RawClient(self.endpoint.factory, self.reactor)
        self.assertEqual(client.ask(get()).text, "hello")

    def test_a_port_that_it_cannot_have_is_told_before_anything_is_begun(self) -> None:
        self.endpoint.error = PermissionError(errno.EACCES, "Permission denied")
        service = self.privileged()
        service.startService()
        self.assertEqual([str(error) for error in self.fatal], ["cannot listen on tcp:81: Permission denied"])
        self.prepared.callback(self.face)
        self.assertEqual(self.served_with, [])

    def test_it_stops_listening(self) -> None:
        service = self.privileged()
        service.startService()
        self.prepared.callback(self.face)
        self.successResultOf(service.stopService())
        self.assertTrue(self.endpoint.port.has_stopped)

    def test_others_listen_when_they_serve(self) -> None:
        self.prepared = Deferred()
        service = self.service()
        self.assertNoResult(service.started)
        self.assertEqual(self.reactor.tcpServers, [])
        self.prepared.callback(self.face)
        self.assertEqual(len(self.reactor.tcpServers), 1)
        self.successResultOf(service.started)


class StopTests(ServiceTestCase):
    def test_the_limit_is_5_s(self) -> None:
        self.assertEqual(STOP_TIMEOUT_S, 5)

    def test_it_stops_listening_and_closes_what_is_idle(self) -> None:
        service = self.service()
        client = self.client()
        stopped = service.stopService()
        self.settle()
        self.successResultOf(stopped)
        self.assertFalse(client.is_open)
        self.assertFalse(client.wire.aborted)
        self.assertEqual((self.finishes, self.log.warnings), (1, []))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_it_answers_what_is_in_progress_and_finishes_then(self) -> None:
        service = self.service()
        client = self.client()
        client.send(get(b"/slow"))
        stopped = service.stopService()
        self.reactor.advance(4.9)
        self.assertNoResult(stopped)
        self.assertEqual(self.finishes, 0)
        self.echo.waiting[0].callback("done")
        self.settle()
        self.assertEqual(client.answer().text, "done")
        self.successResultOf(stopped)
        self.assertEqual((self.finishes, self.log.warnings), (1, []))

    def test_what_takes_longer_than_5_s_is_cut(self) -> None:
        service = self.service()
        client = self.client()
        client.send(get(b"/slow"))
        stopped = service.stopService()
        self.reactor.advance(4.99)
        self.assertNoResult(stopped)
        self.reactor.advance(0.01)
        self.successResultOf(stopped)
        self.settle()
        self.assertTrue(client.wire.aborted)
        self.assertEqual(self.log.warnings, ["not everything ended within 5 s; leaving"])

    def test_the_finish_is_waited_for_within_the_same_5_s(self) -> None:
        self.finished = Deferred()
        stopped = self.service().stopService()
        self.reactor.advance(4.99)
        self.assertNoResult(stopped)
        self.reactor.advance(0.01)
        self.successResultOf(stopped)
        self.assertEqual(len(self.log.warnings), 1)

    def test_the_finish_ends_the_stop(self) -> None:
        self.finished = Deferred()
        stopped = self.service().stopService()
        self.assertNoResult(stopped)
        self.finished.callback(None)
        self.successResultOf(stopped)

    def test_a_port_is_closed_before_connections_are(self) -> None:
        port = SlowPort()
        service = self.service(SlowEndpoint(port))
        client = RawClient(self.face, self.reactor)
        stopped = service.stopService()
        self.settle()
        self.assertTrue(client.is_open)
        port.stopped.callback(None)
        self.settle()
        self.assertFalse(client.is_open)
        self.successResultOf(stopped)

    def test_a_start_in_progress_is_waited_for(self) -> None:
        self.prepared = Deferred()
        stopped = self.service().stopService()
        self.assertNoResult(stopped)
        self.prepared.callback(self.face)
        self.successResultOf(stopped)
        self.assertEqual((self.finishes, self.fatal), (1, []))

    def test_a_start_that_hangs_is_left_after_5_s_and_is_no_internal_error(self) -> None:
        self.prepared = Deferred()
        stopped = self.service().stopService()
        self.reactor.advance(5)
        self.successResultOf(stopped)
        self.assertEqual((self.fatal, self.flushLoggedErrors()), ([], []))
        self.assertEqual(self.finishes, 0)  # a disk that hangs is not waited for a second time

    def test_a_start_that_fails_while_it_is_stopped_is_tidied_up(self) -> None:
        self.prepared = Deferred()
        stopped = self.service().stopService()
        self.prepared.errback(DataDirectoryInUse("/data"))
        self.successResultOf(stopped)
        self.assertEqual((len(self.fatal), self.finishes), (1, 1))

    def test_a_start_that_failed_can_be_stopped(self) -> None:
        self.prepared = fail(DataDirectoryInUse("/data"))
        self.successResultOf(self.service().stopService())
        self.assertEqual(self.finishes, 1)


class ReportTests(ServiceTestCase):
    def test_answers_are_reported_every_so_often(self) -> None:
        service = self.service(report_every_s=10)
        client = self.client()
        for _ in range(3):
            client.ask(get())
        self.reactor.advance(9.9)
        self.assertEqual(self.log.infos, [])
        self.reactor.advance(0.1)
        client.ask(get())
        self.reactor.advance(10)
        self.reactor.advance(10)
        self.assertEqual(self.log.infos, [f"answered {number} requests in 10 s" for number in (3, 1, 0)])
        service.stopService()
        self.reactor.advance(100)
        self.assertEqual(len(self.log.infos), 3)

    def test_nothing_is_reported_unless_asked_for(self) -> None:
        self.service()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
