"""From a face to a running service: prepare, listen, and leave within a deadline."""

from collections.abc import Callable
from typing import Any, NoReturn

from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from glitchgrid.errors import CannotListen, StartError
from glitchgrid.http.face import Face
from glitchgrid.http.healthdoor import HealthDoor
from glitchgrid.waiting import shield

STOP_TIMEOUT_S = 5.0
"""How long requests in progress may take to end once the process is told to stop."""

Fatal = Callable[[StartError], None]
"""What a service calls when it can't start: the process says why in one line and ends."""


class _Gate(Factory):
    """Holds the port until the face is ready. Connections are not accepted before that."""

    noisy = False
    face: Face

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return self.face.buildProtocol(addr)


class FaceService(Service):
    """Serves a face at an endpoint.

    :ivar listens_first: take the port before anything else, and before the process gives its privileges up.
        Whoever connects meanwhile waits until it serves. Else they are refused.
    :ivar started: fires once it serves, and not at all if it never does.
    :param endpoint_name: what its user calls the endpoint, for messages.
    :param prepare: makes the face, perhaps after some work; a StartError in its Deferred is fatal.
    :param serving: called when it listens.
    :param finish: called when the last answer is out; its Deferred is waited for within the same deadline.
    :param report_every_s: log the number of answers so often, in seconds; 0 for never.
    :param health_door: is open from then on when it listens, until it ends. `prepare` gives it its health.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        endpoint: IStreamServerEndpoint,
        endpoint_name: str,
        prepare: Callable[[], Deferred[Face]],
        serving: Callable[[], None],
        finish: Callable[[], Deferred[None]],
        fatal: Fatal,
        report_every_s: float = 0.0,
        health_door: HealthDoor | None = None,
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._endpoint_name = endpoint_name
        self._prepare = prepare
        self._serving = serving
        self._finish = finish
        self._fatal = fatal
        self._report_every_s = report_every_s
        self._health_door = health_door
        self._reports = LoopingCall(self._report)
        self._reported = 0
        self._port: Any = None
        self._face: Face | None = None
        self._starting: Deferred[None] = succeed(None)
        self._gate = _Gate()
        self._listening: Deferred[Any] | None = None
        self._is_late = False
        self.listens_first = False
        self.started: Deferred[None] = Deferred()

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        if self.listens_first:
            self._listening = self._listen(self._gate)

    def startService(self) -> None:
        super().startService()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._start_failed)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        if self._listening is not None:
            self._port = await self._listening
        face = await self._prepare()
        if self._port is None:
            self._port = await self._listen(face)
        else:
            self._gate.face = face
            self._port.startReading()
        self._face = face
        face.accepting.listens(self._port)
        if self._health_door is not None:
            await self._health_door.open().addErrback(self._no_port, self._health_door.place.name)
        self._serving()
        if self._report_every_s:
            self._reports.clock = self._reactor
            self._reports.start(self._report_every_s, now=False)
        self.started.callback(None)

    def _listen(self, factory: Any) -> Deferred[Any]:
        """Take the port.

        :raises CannotListen: (in the Deferred) when it cannot be had.
        """
        listening: Deferred[Any] = maybeDeferred(self._endpoint.listen, factory)
        listened = self._hold_back if factory is self._gate else lambda port: port
        return listening.addCallbacks(listened, self._no_port, errbackArgs=(self._endpoint_name,))

    def _hold_back(self, port: Any) -> Any:
        port.stopReading()
        return port

    def _no_port(self, failure: Failure, name: str) -> NoReturn:
        failure.trap(CannotListenError, OSError, OverflowError)  # the last for a port that no socket has
        error = getattr(failure.value, "socketError", failure.value)
        raise CannotListen(name, getattr(error, "strerror", None) or str(error)) from failure.value

    def _start_failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return  # told to stop before it had started
        if isinstance(failure.value, StartError):
            self._fatal(failure.value)
            return
        self._log.failure("bug while starting", failure)
        self._fatal(StartError(f"internal error: {failure.getErrorMessage()}; the log has more"))

    async def _stop(self) -> None:
        leaving = Deferred.fromCoroutine(self._leave())
        leaving.addErrback(lambda bug: self._log.failure("bug while stopping", bug))
        try:
            # Not cancelled when its time is up: what that fails with is up to whatever it waits for.
            await shield(leaving).addTimeout(STOP_TIMEOUT_S, self._reactor)
        except defer.TimeoutError:
            self._log.warn("not everything ended within {timeout_s:g} s; leaving", timeout_s=STOP_TIMEOUT_S)
            self._is_late = True
            self._starting.cancel()
        if self._face is not None:
            self._face.abort_all()

    async def _leave(self) -> None:
        await self._starting
        if self._is_late:
            return  # whatever still works on the start is left as it is
        if self._reports.running:
            self._reports.stop()
        if self._face is not None:
            self._face.accepting.listens(None)
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        if self._face is not None:
            await self._face.drain()
        await self._finish()
        if self._health_door is not None:
            await self._health_door.close()

    def _report(self) -> None:
        assert self._face is not None
        answered = self._face.requests_answered - self._reported
        self._reported = self._face.requests_answered
        self._log.info("answered {answered} requests in {every_s:g} s", answered=answered, every_s=self._report_every_s)
