"""A server's process: what twistd leaves undone.

twistd has no exit status of its own once the reactor runs; tells whoever starts a daemon that all is well before the
server has tried; reads the wall clock for its waits; takes a second SIGTERM for an error; and ends at the SIGHUP with
which logs are rotated. All of that is mended here.
"""

import atexit
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.logfile import BaseLogFile

from glitchgrid.clock import run_on_monotonic_clock
from glitchgrid.errors import GlitchgridError, StartError, one_line
from glitchgrid.http.face import CONNECTIONS_MAX
from glitchgrid.notify import ALIVE, READY, STOPPING, Notifier
from glitchgrid.vaults.names import ThreadResolver

STATUS = b"it could not start, as said above"
"""twistd's starter prints this behind our own line. It shows 98 bytes at most, which may be too few for that line."""

_SPARE_DESCRIPTORS = 1000
_USUAL_DESCRIPTORS = 16
_STATUS_PIPE = "statusPipe"


class ServerProcess(Service):
    """This process, for as long as a server of ours runs in it. It is started before the server.

    :param program: what its user calls it, for messages.
    :param twistd: twistd's own options; none where something else has started the server.
    :ivar rereads: are called at SIGHUP, and raise a GlitchgridError where that fails; by the names of what they read.
    """

    _log = Logger()

    def __init__(self, reactor: Any, program: str, twistd: Mapping[str, Any] | None) -> None:
        self._reactor = reactor
        self._program = program
        self._twistd: Any = {} if twistd is None else twistd
        self._status_pipe: int | None = None
        self._terminal: int | None = None
        self._log_files: list[BaseLogFile] = []
        self.rereads: dict[str, Callable[[], object]] = {}
        self._is_ending = False
        self._notifier = Notifier(os.environ, os.getpid())
        self._alive = LoopingCall(self._notifier.tell, ALIVE)

    @property
    def gives_up_privileges(self) -> bool:
        """Does twistd change to another user before the server starts?"""
        return any(self._twistd.get(which) is not None for which in ("uid", "gid"))

    def prepare(self) -> Any:
        """The reactor, on the monotonic clock, in a process that may open as many files as a face needs.

        What was imported before the reactor runs stays for good, so it is hidden from the garbage collector: to look at
        it again and again would cause pauses, and a crowd of clients would have to wait for them.
        """
        run_on_monotonic_clock(self._reactor)
        self._reactor.installNameResolver(ThreadResolver(self._reactor))
        self._heed_signals()
        self._reactor.callWhenRunning(self._heed_hanging_up)
        self._reactor.callWhenRunning(gc.collect)
        self._reactor.callWhenRunning(gc.freeze)
        if self._twistd.get("nodaemon") == 0:
            # A daemon's standard error leads nowhere. Until it has started its starter still waits at this one.
            self._terminal = os.dup(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # else a line that it cannot encode is not there
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS_MAX + _SPARE_DESCRIPTORS
        if soft != resource.RLIM_INFINITY and soft < wanted:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return self._reactor

    def connections_max(self) -> int | None:
        """For how many connections of clients there are descriptors; None where there are for all of them.

        The others are for what is open already, for questions to vaults, for files, and for clients that are taken
        before it is seen that there is no room: half of them, where there are few.
        """
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit == resource.RLIM_INFINITY or limit >= CONNECTIONS_MAX + _SPARE_DESCRIPTORS:
            return None
        left = max(2, limit - _open_descriptors())
        return left - min(_SPARE_DESCRIPTORS, left // 2)

    def startService(self) -> None:
        super().startService()
        # twistd would say that all is well as soon as this has returned. It is said when it is so.
        self._status_pipe = self._twistd.pop(_STATUS_PIPE, None)

    def stopService(self) -> None:
        self._notifier.tell(STOPPING)
        if self._alive.running:
            self._alive.stop()
        super().stopService()

    def has_started(self) -> None:
        """The server serves: tell whoever has started the daemon, and waits for that."""
        self._tell_starter(b"0")
        self._notifier.tell(READY)
        if self._notifier.alive_every_s:
            self._alive.clock = self._reactor
            self._alive.start(self._notifier.alive_every_s)

    def cannot_start(self, error: StartError) -> None:
        """A `glitchgrid.http.service.Fatal`: prints one line to standard error, and ends the process with status 1."""
        line = one_line(f"twistd {self._program}: {error}")
        self._log.critical("{line}", line=line)
        if self._terminal is None:
            print(line, file=sys.__stderr__, flush=True)
        else:
            with contextlib.suppress(OSError):  # a terminal that has been closed meanwhile; the log has the line
                os.write(self._terminal, f"{line}\n".encode("utf-8", "backslashreplace"))
        self._tell_starter(b"1 " + STATUS)
        # twistd returns from the reactor, takes its pid file away, and leaves with 0, whatever happened.
        atexit.register(_leave_with_1)
        self._reactor.callWhenRunning(self._stop)

    def _tell_starter(self, status: bytes) -> None:
        pipe, self._status_pipe = self._status_pipe, None
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # the starter was interrupted, and waits no more
                os.write(pipe, status)
            os.close(pipe)
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            os.close(terminal)

    def _heed_signals(self) -> None:
        """The first signal to end is what counts. Another one while it ends changes nothing.

        These two methods are what Twisted makes the signals' handlers when the reactor starts, unless it was told to
        leave signals alone. Handlers that were set after it would miss what comes in between.
        """
        for name in ("sigInt", "sigTerm"):
            setattr(self._reactor, name, partial(self._end, getattr(self._reactor, name)))

    def _heed_hanging_up(self) -> None:
        # The garbage collector knows them all; twistd tells nobody.
        self._log_files = [each for each in gc.get_objects() if isinstance(each, BaseLogFile)]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._hang_up)

    def _end(self, as_twisted_does: Callable[[int, Any], None], number: int, frame: Any = None) -> None:
        if not self._is_ending:
            self._is_ending = True
            as_twisted_does(number, frame)  # twistd ends with the status of this signal

    def _hang_up(self, number: int, frame: Any) -> None:
        """SIGHUP: reopen the log file, and read other files again. Where there are none, the terminal is lost: end."""
        if self._log_files or self.rereads or self._notifier.is_there:
            self._reactor.callFromThread(self._read_again)
        else:
            self._reactor.sigTerm(number, frame)

    def _read_again(self) -> None:
        if self._log_files:
            self._reopen_logs()
        for what, read in self.rereads.items():
            try:
                read()
            except GlitchgridError as error:
                self._log.error("{reason}; what was read before still holds", reason=one_line(error))
            else:
                self._log.info("{what} were read again", what=what)

    def _reopen_logs(self) -> None:
        are_open = True
        for each in self._log_files:
            try:
                with open(each.path, "ab"):  # what cannot be opened is not closed
                    pass
            except OSError as error:
                are_open = False
                self._log.error("{path} cannot be opened: {reason}", path=one_line(each.path), reason=error.strerror)
            else:
                each.reopen()
        if are_open:
            self._log.info("the log was opened anew")

    def _stop(self) -> None:
        with contextlib.suppress(ReactorNotRunning):  # it is being stopped already
            self._reactor.stop()


def _open_descriptors() -> int:
    """How many this process has open; as many as a server has, where there is no /proc."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return _USUAL_DESCRIPTORS


def _leave_with_1() -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
