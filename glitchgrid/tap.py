"""What the two twistd plugins share: options whose errors are one line. twistd itself prints a page of help."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from twisted.application.service import IService, MultiService
from twisted.internet import reactor as _global_reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from glitchgrid.errors import BadAddress, BadCertificateFile, BadTokenFile, one_line
from glitchgrid.http.access import Access
from glitchgrid.http.doors import Doors, Place
from glitchgrid.http.service import FaceService
from glitchgrid.logs import FORMATS, LEVELS, LogChoice
from glitchgrid.process import ServerProcess
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.tls.ends import Ends
from glitchgrid.tls.files import OptionFile
from glitchgrid.tls.serving import ServerTLS
from glitchgrid.tokens import first_token
from glitchgrid.vaults.address import VaultAddress

T = TypeVar("T")

REPORT_EVERY_MAX_S = 3600
PORT_MAX = 65535
BACKLOG = 1024

_TAKES_BACKLOG = re.compile(r"(haproxy:)?(tcp|tcp6|ssl|unix):")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_reactor: Any = _global_reactor
_log = Logger()
_OPEN = (
    "whoever reaches {endpoint} can read and store: --token-file lets nobody do so without a token,"
    " --tls-client-ca (with --tls-cert and --tls-key) nobody without a certificate"
)


class ServerOptions(usage.Options):
    """Where to listen, and usage errors that are one line on standard error."""

    program: str
    default_port: int

    optParameters = [
        ["listen", "l", None, "A Twisted endpoint to listen on, such as tcp:8000:interface=127.0.0.1."],
        ["port", "p", None, "Short for --listen tcp:PORT, which is every interface."],
        ["health-listen", None, None, "Another endpoint, where health alone is answered, without TLS or a token."],
        ["token-file", None, None, "Tokens that may read or write, one a line; read again on SIGHUP."],
        ["tls-cert", None, None, "Speak TLS, with this certificate (PEM, its own first); read again on SIGHUP."],
        ["tls-key", None, None, "The key of --tls-cert (PEM); read again on SIGHUP."],
        ["tls-client-ca", None, None, "Let nobody in without a certificate of these authorities (PEM)."],
        ["report-every", None, "0", "Log the number of answers every so many whole seconds; 0 for never."],
        [
            "log-format",
            None,
            None,
            f"How lines of the log are written: {' or '.join(FORMATS)}. The default is {FORMATS[0]}.",
        ],
        ["log-level", None, None, f"What the log has, and what is worse: {', '.join(LEVELS)}. The default is info."],
    ]

    optFlags = [["access-log", None, "Log a line for each request, and not only for those that the server fails."]]

    endpoint: IStreamServerEndpoint
    report_every_s: int
    log: LogChoice | None
    access: Access | None
    tls: ServerTLS | None
    health_at: Place | None

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
        self.log = self._log_choice()
        self.access = None if self["token-file"] is None else tokens_of(self, "token-file", Access)
        self.tls = self._server_tls()
        self.endpoint = _endpoint(self["listen"])
        if self.tls is not None:
            self.endpoint = self.tls.endpoint(self.endpoint, _reactor)
        health = self["health-listen"]
        self.health_at = None if health is None else Place(_endpoint(health), health)

    @property
    def certificates(self) -> list[Any]:
        """What has read certificates."""
        return [] if self.tls is None else [self.tls]

    def doors(self, process: ServerProcess, ends: Ends) -> Doors:
        """How the server is reached, in this process."""
        return Doors(bool(self["access-log"]), self.access, ends, self.health_at, process.connections_max())

    def _server_tls(self) -> ServerTLS | None:
        certificate, key = pair(self, "tls-cert", "tls-key")
        client_ca = file_of(self, "tls-client-ca")
        if certificate is None or key is None:
            if client_ca is not None:
                raise usage.UsageError("--tls-client-ca is for servers with TLS: give --tls-cert and --tls-key, too")
            return None
        return tls_of(lambda: ServerTLS(certificate, key, client_ca))

    def _log_choice(self) -> LogChoice | None:
        """How twistd is to log; None where it was told itself how to."""
        for name, known in (("log-format", FORMATS), ("log-level", LEVELS)):
            if self[name] is not None and self[name] not in known:
                raise usage.UsageError(f"bad --{name} {self[name]!r}: it must be one of {', '.join(known)}")
        twistd = {} if self.parent is None else self.parent
        own = next((name for name in ("logger", "syslog") if twistd.get(name)), None)
        given = [f"--{name}" for name in ("log-format", "log-level") if self[name] is not None]
        if own is not None and given:
            raise usage.UsageError(f"{' and '.join(given)} can't go with twistd's --{own}")
        if own is not None:
            return None
        path, is_in_foreground = twistd.get("logfile"), bool(twistd.get("nodaemon"))
        if path == "-" and not is_in_foreground:
            raise usage.UsageError("a daemon has no standard output to log to: give twistd's --nodaemon or a --logfile")
        return LogChoice(self["log-format"] or FORMATS[0], self["log-level"] or "info", path, is_in_foreground)


class AskingOptions(ServerOptions):
    """Options of a server that asks vaults: what it shows them, and whom it believes."""

    optParameters = [
        ["vault-token-file", None, None, "The token that is presented to the vaults; read again on SIGHUP."],
        ["vault-ca", None, None, "Ask the vaults by TLS, and believe certificates of these authorities alone (PEM)."],
        ["client-cert", None, None, "The certificate that is shown to the vaults (PEM); read again on SIGHUP."],
        ["client-key", None, None, "The key of --client-cert (PEM); read again on SIGHUP."],
    ]

    vault_token: bytes | None
    vault_tls: ClientTLS | None

    def read_vaults(self, name: str, asked: Sequence[VaultAddress]) -> None:
        """Read what is shown to the vaults of the option `name`; UsageError where it can't be used."""
        has_token = self["vault-token-file"] is not None
        self.vault_token = tokens_of(self, "vault-token-file", first_token) if has_token else None
        self.vault_tls = self._vault_tls(name, asked)

    @property
    def certificates(self) -> list[Any]:
        return [*super().certificates, *([] if self.vault_tls is None else [self.vault_tls])]

    def present_again(self, process: ServerProcess, present: Callable[[bytes | None], None]) -> None:
        """Have the token read again when the process is told to."""
        if self["vault-token-file"] is not None:
            process.rereads["the vaults' tokens"] = lambda: present(first_token(self["vault-token-file"]))

    def _vault_tls(self, name: str, asked: Sequence[VaultAddress]) -> ClientTLS | None:
        certificate, key = pair(self, "client-cert", "client-key")
        authority = file_of(self, "vault-ca")
        if authority is None:
            if certificate is not None:
                raise usage.UsageError("--client-cert is for vaults with TLS: give --vault-ca, too")
            return None
        tls = tls_of(lambda: ClientTLS(authority, certificate, key))
        try:
            for vault in asked:
                tls.connections_to(vault.host)
        except BadAddress as error:
            raise usage.UsageError(f"bad --{name} for TLS: {error}") from None
        return tls


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


def tokens_of(options: usage.Options, name: str, read: Callable[[str], T]) -> T:
    """What is read from the file that the option `name` names; UsageError where it can't be used."""
    options[name] = os.path.abspath(options[name])  # a daemon may move to another directory
    try:
        return read(options[name])
    except BadTokenFile as error:
        raise usage.UsageError(f"bad --{name} {error}") from None


def file_of(options: usage.Options, name: str) -> OptionFile | None:
    """The file that the option `name` names, by a path that stays true when a daemon moves to another directory."""
    return None if options[name] is None else OptionFile(name, os.path.abspath(options[name]))


def pair(options: usage.Options, first: str, second: str) -> tuple[OptionFile | None, OptionFile | None]:
    """The files of two options that go together; UsageError where one is missing."""
    for given, missing in ((first, second), (second, first)):
        if options[given] is not None and options[missing] is None:
            raise usage.UsageError(f"--{given} needs --{missing}, too")
    return file_of(options, first), file_of(options, second)


def tls_of(make: Callable[[], T]) -> T:
    """What `make` reads from files; UsageError where one can't be used."""
    try:
        return make()
    except BadCertificateFile as error:
        raise usage.UsageError(str(error)) from None


def _endpoint(text: str) -> IStreamServerEndpoint:
    try:
        endpoint: IStreamServerEndpoint = serverFromString(_reactor, with_backlog(text))
    except Exception as error:  # noqa: BLE001 - each kind of endpoint, plugins included, raises what it likes
        raise usage.UsageError(f"bad endpoint {text!r}: {error or type(error).__name__}") from None
    return endpoint


_LOOPBACK = re.compile(r"(?:^|:)interface=(127\.[0-9.]+|localhost|\\:\\:1)(?::|$)")


def reaches_others(endpoint: str) -> bool:
    """Can other machines connect to an endpoint? Yes, where that is not known."""
    return not (endpoint.startswith("unix:") or _LOOPBACK.search(endpoint))


def server_process(options: ServerOptions) -> ServerProcess:
    """The process that twistd runs a server in, with these options of the server's."""
    return ServerProcess(_reactor, options.program, options.parent)


class _InItsProcess(MultiService):
    """A server and the settings of its process, which twistd makes a part of its application."""

    def __init__(self, log: LogChoice | None) -> None:
        super().__init__()
        self._log = log

    def setServiceParent(self, parent: Any) -> None:
        if self._log is not None and isinstance(parent, Componentized):
            try:
                observer = self._log.observer()
            except OSError as error:
                line = f"twistd: bad --logfile {self._log.path!r}: {error.strerror or error}"
                raise SystemExit(one_line(line)) from None
            parent.setComponent(ILogObserver, observer)  # twistd asks for it when it begins to log
        super().setServiceParent(parent)


def _read_certificates(certificates: Any, ends: Ends) -> None:
    certificates.read()
    ends.look()


def ends_of(options: ServerOptions) -> Ends:
    """Watches the ends of all the certificates that the server uses."""
    return Ends(_reactor, *options.certificates)


def in_its_process(process: ServerProcess, server: FaceService, ends: Ends, options: ServerOptions) -> IService:
    """A service that starts and stops the process's settings with the server."""
    server.listens_first = process.gives_up_privileges
    server.started.addCallback(lambda _: process.has_started())
    if options.access is not None:
        process.rereads["tokens"] = options.access.read
    elif reaches_others(options["listen"]) and not (options.tls and options.tls.asks_for_certificates):
        server.started.addCallback(lambda _: _log.warn(_OPEN, endpoint=options["listen"]))
    for each in options.certificates:
        process.rereads[each.what] = partial(_read_certificates, each, ends)
    together = _InItsProcess(options.log)
    process.setServiceParent(together)
    ends.setServiceParent(together)
    server.setServiceParent(together)
    return together
