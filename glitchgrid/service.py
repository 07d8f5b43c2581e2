"""From a face to a running service: prepare, listen, and leave within a deadline."""

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime, IStreamServerEndpoint
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from glitchgrid.errors import CannotListen, StartError
from glitchgrid.shield import shield
from glitchgrid.web import Face

STOP_TIMEOUT_S = 5.0
"""How long requests in progress may take to end once the process is told to stop."""

Fatal = Callable[[StartError], None]
"""What a service calls when it can't start: the process says why in one line and ends."""


class FaceService(Service):
    """Serves a face at an endpoint.

    :param endpoint_name: what its user calls the endpoint, for messages.
    :param prepare: makes the face, perhaps after some work; a StartError in its Deferred is fatal.
    :param serving: called when it listens.
    :param finish: called when the last answer is out; its Deferred is waited for within the same deadline.
    :param report_every_s: log the number of answers so often, in seconds; 0 for never.
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
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._endpoint_name = endpoint_name
        self._prepare = prepare
        self._serving = serving
        self._finish = finish
        self._fatal = fatal
        self._report_every_s = report_every_s
        self._reports = LoopingCall(self._report)
        self._reported = 0
        self._port: IListeningPort | None = None
        self._face: Face | None = None
        self._starting: Deferred[None] = succeed(None)

    def startService(self) -> None:
        super().startService()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._start_failed)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        face = await self._prepare()
        try:
            self._port = await self._endpoint.listen(face)
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
            raise CannotListen(self._endpoint_name, reason) from error
        except (OSError, OverflowError) as error:  # the latter for a port that no socket has
            raise CannotListen(self._endpoint_name, getattr(error, "strerror", None) or str(error)) from error
        self._face = face
        self._serving()
        if self._report_every_s:
            self._reports.clock = self._reactor
            self._reports.start(self._report_every_s, now=False)

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
            self._starting.cancel()
        if self._face is not None:
            self._face.abort_all()

    async def _leave(self) -> None:
        await self._starting
        if self._reports.running:
            self._reports.stop()
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        if self._face is not None:
            await self._face.drain()
        await self._finish()

    def _report(self) -> None:
        assert self._face is not None
        answered = self._face.requests_answered - self._reported
        self._reported = self._face.requests_answered
        self._log.info("answered {answered} requests in {every_s:g} s", answered=answered, every_s=self._report_every_s)
