"""What the two twistd plugins share: options with one-line errors, and how a process says that it can't start.

twistd prints a usage error as a page, on standard output; has no exit status of its own once the reactor runs;
and reads the wall clock for its waits. All three are mended here.
"""

import gc
import os
import re
import resource
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from twisted.internet import reactor as _global_reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python import usage

from glitchgrid.clock import run_on_monotonic_clock
from glitchgrid.errors import StartError, one_line
from glitchgrid.web import CONNECTIONS_MAX

REPORT_EVERY_MAX_S = 3600
PORT_MAX = 65535
BACKLOG = 1024

_SPARE_DESCRIPTORS = 1000
_TAKES_BACKLOG = re.compile(r"(haproxy:)?(tcp|tcp6|ssl|unix):")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_log = Logger()
_reactor: Any = _global_reactor


class ServerOptions(usage.Options):
    """Where to listen, and usage errors that are one line on standard error."""

    program: str
    default_port: int

    optParameters = [
        ["listen", "l", None, "A Twisted endpoint to listen on, such as tcp:8000:interface=127.0.0.1."],
        ["port", "p", None, "Short for --listen tcp:PORT, which is every interface."],
        ["report-every", None, "0", "Log the number of answers every so many whole seconds; 0 for never."],
    ]

    endpoint: IStreamServerEndpoint
    report_every_s: int

    def parseOptions(self, options: list[str] | None = None) -> None:
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            raise SystemExit(one_line(f"twistd {self.program}: {error}")) from None

    def parseArgs(self, *arguments: str) -> None:
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}")

    def postOptions(self) -> None:
        self.report_every_s = whole_number(self, "report-every", 0, REPORT_EVERY_MAX_S)
        if self["listen"] is None:
            port = self.default_port if self["port"] is None else whole_number(self, "port", 0, PORT_MAX)
            self["listen"] = f"tcp:{port}"
        elif self["port"] is not None:
            raise usage.UsageError("--port and --listen exclude each other")
        try:
            self.endpoint = serverFromString(_reactor, with_backlog(self["listen"]))
        except Exception as error:  # noqa: BLE001 - each kind of endpoint, plugins included, raises what it likes
            raise usage.UsageError(f"bad endpoint {self['listen']!r}: {error or type(error).__name__}") from None


def with_backlog(endpoint: str) -> str:
    """An endpoint string that says how many connections may wait to be accepted, if it could and does not.

    Twisted's default is 50. Where more clients come at one moment the kernel lets them try again a second later,
    and that is as long as control gives a vault.
    """
    if not _TAKES_BACKLOG.match(endpoint) or "backlog=" in endpoint:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"


def number(options: usage.Options, name: str, least: float, most: float) -> float:
    """The option `name` as a number from `least` to `most`; UsageError where it is none."""
    text = str(options[name])
    if not _NUMBER.fullmatch(text) or not least <= float(text) <= most:
        raise usage.UsageError(f"bad --{name} {text!r}: it must be a number from {least:g} to {most:g}")
    return float(text)


def whole_number(options: usage.Options, name: str, least: int, most: int) -> int:
    """The option `name` as a whole number from `least` to `most`; UsageError where it is none."""
    text = str(options[name])
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise usage.UsageError(f"bad --{name} {text!r}: it must be a whole number from {least} to {most}")
    return int(text)


def prepared_reactor() -> Any:
    """The global reactor on the monotonic clock, in a process that may open as many files as a face needs.

    What was imported by the time it runs stays, and the garbage collector need not look at it again and again:
    its pauses are what a crowd of clients waits for.
    """
    run_on_monotonic_clock(_reactor)
    _reactor.callWhenRunning(gc.collect)
    _reactor.callWhenRunning(gc.freeze)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + _SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return _reactor


def end_with(program: str) -> Callable[[StartError], None]:
    """A `glitchgrid.service.Fatal` that prints one line to standard error and ends the process with status 1."""

    def leave() -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        # twistd returns from the reactor to an exit status of 0, whatever happened; nothing is left to do here.
        os._exit(1)

    def fatal(error: StartError) -> None:
        line = one_line(f"twistd {program}: {error}")
        _log.critical("{line}", line=line)
        print(line, file=sys.__stderr__, flush=True)
        _reactor.addSystemEventTrigger("after", "shutdown", leave)
        _reactor.callWhenRunning(_reactor.stop)

    return fatal
