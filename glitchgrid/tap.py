"""What the two twistd plugins share: options whose errors are one line. twistd itself prints a page of help."""

import re
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet import reactor as _global_reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.python import usage

from glitchgrid.errors import one_line
from glitchgrid.http.service import FaceService
from glitchgrid.process import ServerProcess

REPORT_EVERY_MAX_S = 3600
PORT_MAX = 65535
BACKLOG = 1024

_TAKES_BACKLOG = re.compile(r"(haproxy:)?(tcp|tcp6|ssl|unix):")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
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
    """Add the length of the queue of connections to an endpoint string that could say it and does not.

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


def server_process(options: ServerOptions) -> ServerProcess:
    """The process that twistd runs a server in, with these options of the server's."""
    return ServerProcess(_reactor, options.program, options.parent)


def in_its_process(process: ServerProcess, server: FaceService) -> IService:
    """A service that starts and stops the process's settings with the server."""
    server.listens_first = process.gives_up_privileges
    server.started.addCallback(lambda _: process.has_started())
    both = MultiService()
    process.setServiceParent(both)
    server.setServiceParent(both)
    return both
