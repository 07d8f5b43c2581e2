"""A grid of real ``twistd`` processes on 127.0.0.1.

``glitchgrid up`` shows one, ``glitchgrid demo`` breaks one. A member is started, killed and started again on
the same port and the same data directory; all of them end when the grid is stopped, or its process dies.
"""

import os
import random
import re
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import Any, TextIO

from twisted.internet import defer
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater

from glitchgrid.errors import BadTokenFile
from glitchgrid.lab.child import Child
from glitchgrid.lab.errors import CannotRun
from glitchgrid.sight.asking import Asker
from glitchgrid.storage.record import RecordDamaged
from glitchgrid.storage.rosterfile import ROSTER_NAME, decode_membership
from glitchgrid.tokens import read_tokens
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.waiting import settled

HOST = "127.0.0.1"
LAUNCHER = "glitchgrid.lab.register.processes.launcher"
START_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 2.0
"""A server that has not ended so long after SIGTERM is killed: whoever presses Ctrl-C waits for it."""

POLL_S = 0.1
REPORT_EVERY_S = 1.0

Lived = Callable[[str, int, int], object]

_ANSWERED = re.compile(r"answered (\d+) requests in ")
_FREE_PORT_TRIES = 200
_LEAST_FREE_PORT = 10_000


class Member:
    """One server of a grid: its address, its process if it runs, and what its process says of itself.

    :ivar glitch: the name of what is switched on in it; empty for none. It counts from its next start on.
    :ivar environment: what is added to its own, from its next start on.
    :ivar lived: is called when a process of it has ended, with its name, and from when to when it lived, in nanoseconds
        of the monotonic clock.
    """

    def __init__(
        self,
        reactor: Any,
        glitch: str,
        kind: str,
        name: str,
        port: int,
        arguments: list[str],
        log_path: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.environment = dict(environment)
        self._reactor = reactor
        self.glitch = glitch
        self._arguments = arguments
        self._log_path = log_path
        self.kind = kind
        self.name = name
        self.port = port
        self._reported_per_s = 0
        self.child: Child | None = None
        self.lived: Lived = lambda _name, _from_ns, _to_ns: None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}/"

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def start(self) -> None:
        """Run the server. Its log goes to a file, less what it reports each second.

        :raises CannotRun: when the file can't be written, or a program is missing.
        """
        try:
            log = self._log_path.open("a", encoding="utf-8")
        except OSError as error:
            raise CannotRun(f"{self.name} cannot be started: {self._log_path}: {error.strerror}") from error
        began_ns = monotonic_ns()
        self.child = Child.start(self._reactor, self._command, partial(self._said, log), **self.environment)

        def over(_: object) -> None:
            log.close()
            self.lived(self.name, began_ns, monotonic_ns())

        self.child.when_ended().addCallback(over)

    @property
    def _command(self) -> list[str]:
        twistd = [sys.executable, "-m", LAUNCHER, self.glitch, "--nodaemon", "--pidfile=", self.kind]
        listen = ["--listen", f"tcp:{self.port}:interface={HOST}", "--report-every", f"{REPORT_EVERY_S:g}"]
        return [*twistd, *listen, *self._arguments]

    @property
    def command(self) -> str:
        """What starts it, for a shell."""
        return shlex.join(self._command)

    def kill(self) -> None:
        """kill -9, by its own pid."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, by its own pid, if it runs."""
        if self.child is not None:
            self.child.signal(number)

    def when_ended(self) -> Deferred[int]:
        """Fires with its exit status once it runs no more; at once where it was never started."""
        return succeed(0) if self.child is None else self.child.when_ended()

    def last_words(self) -> str:
        """Why the process ended: its last line on standard error, else how it ended."""
        if self.child is None:
            return "never started"
        return self.child.errors[-1] if self.child.errors else self.child.how_it_ended

    @property
    def requests_per_s(self) -> int:
        return self._reported_per_s if self.running else 0

    def _said(self, log: TextIO, line: str) -> None:
        answered = _ANSWERED.search(line)
        if answered:
            self._reported_per_s = round(int(answered[1]) / REPORT_EVERY_S)
        else:
            print(line, file=log, flush=True)


Route = Callable[[str, Member], str]


class LocalGrid:
    """Vaults and controls, all on this machine. The vaults know each other: a disk that is replaced is taken in again.

    :param directory: the data directories and logs go there, a name a member.
    :param control_ports: one control each.
    :param vault_ports: one vault each.
    :param glitch: the name of what is switched on in all of them.
    :param environment: what is added to theirs.
    :param route: the address by which a control, by its name, is to reach a vault; else the vault's own.
    :param token_file: the tokens that all of its servers take; None where they take everybody. Its first token is what
        control presents to the vaults.
    :ivar token: what is to be presented to its servers.
    :raises CannotRun: for a file that can't be used, and a directory that has vaults of other addresses.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        control_ports: list[int],
        vault_ports: list[int],
        protocol: str,
        glitch: str | None = None,
        environment: Mapping[str, str] | None = None,
        route: "Route | None" = None,
        token_file: str | None = None,
    ) -> None:
        self._reactor = reactor
        self.protocol = protocol
        self.directory = directory
        self.token = None if token_file is None else _writers_token(token_file)
        taken = [] if token_file is None else ["--token-file", os.path.abspath(token_file)]
        if taken:
            taken += ["--vault-token-file", taken[1]]
        added = environment or {}
        switched_on = glitch or ""
        self._peers = ",".join(f"{HOST}:{port}" for port in vault_ports)
        self._require_these_vaults()
        self.vaults = [
            Member(
                reactor,
                switched_on,
                "vault",
                f"vault{number}",
                port,
                ["--data-dir", str(directory / f"vault{number}"), "--peers", self._peers, *taken],
                directory / f"vault{number}.log",
                added,
            )
            for number, port in enumerate(vault_ports, start=1)
        ]
        self.controls = []
        for number, port in enumerate(control_ports, start=1):
            name = "control" if len(control_ports) == 1 else f"control{number}"
            listed = ",".join(vault.address if route is None else route(name, vault) for vault in self.vaults)
            arguments = ["--vaults", listed, "--listed-as", self._peers, "--protocol", protocol, *taken]
            log = directory / f"control{number}.log"
            self.controls.append(Member(reactor, switched_on, "control", name, port, arguments, log, added))

    def _require_these_vaults(self) -> None:
        """Vaults keep the addresses of their grid, and would not start with others."""
        for path in sorted(self.directory.glob(f"vault*/{ROSTER_NAME}")):
            try:
                roster = decode_membership(path.read_bytes()).roster
            except (OSError, RecordDamaged):
                continue  # the vault says what is wrong with it
            addresses = () if roster is None else roster.addresses
            if addresses and set(addresses) != set(self._peers.split(",")):
                first = min(VaultAddress.parse(each).port for each in addresses)
                raise CannotRun(
                    f"{self.directory} has the vaults {','.join(addresses)}, which keep their addresses: give"
                    f" --port {first - 1} --vaults {len(addresses)}, or another directory"
                )

    def data_directory(self, vault: Member) -> Path:
        """Where a vault keeps its value."""
        return self.directory / vault.name

    @property
    def members(self) -> list[Member]:
        return self.controls + self.vaults

    async def start(self) -> None:
        """Start every member, and wait until each listens, and each vault votes.

        :raises CannotRun: when one ends instead, in its own words, or does not come so far in time.
        """
        for member in self.members:
            member.start()
        await self.until_all_listen()
        for vault in self.vaults:
            await self.until_it_is_ready(vault)

    async def until_it_is_ready(self, member: Member) -> None:
        """Wait until a member that was just started says that it is ready: of a vault, that its votes count.

        :raises CannotRun: when it ends instead, or is not ready in time.
        """
        asker = Asker(self._reactor, READY_TIMEOUT_S, self.token)
        end_s = self._reactor.seconds() + START_TIMEOUT_S
        while not (answer := await asker.ask(VaultAddress(HOST, member.port), "/readyz")).is_ok:
            if not member.running:
                raise CannotRun(f"{member.name} ended: {member.last_words()}")
            if self._reactor.seconds() > end_s:
                why = answer.problem or f"{answer.code} {answer.text}"
                raise CannotRun(f"{member.name} is not ready after {START_TIMEOUT_S:g} s: {why}")
            await deferLater(self._reactor, POLL_S)

    async def until_it_listens(self, member: Member) -> None:
        """Wait until a member that was just started takes connections.

        :raises CannotRun: when it ends instead, or does not listen in time.
        """
        end_s = self._reactor.seconds() + START_TIMEOUT_S
        while not _listens(member.port):
            if not member.running:
                raise CannotRun(f"{member.name} ended: {member.last_words()}")
            if self._reactor.seconds() > end_s:
                raise CannotRun(f"{member.name} does not listen after {START_TIMEOUT_S:g} s")
            await deferLater(self._reactor, POLL_S)

    async def until_all_listen(self) -> None:
        """:raises CannotRun: where one of them does not, in time."""
        for member in self.members:
            await self.until_it_listens(member)

    async def stop(self) -> None:
        """End every member: by SIGTERM, and after a while by SIGKILL. Returns when all have ended."""
        children = [member.child for member in self.members if member.child is not None and member.child.running]
        if not children:
            return
        for child in children:
            child.signal(signal.SIGTERM)
            child.signal(signal.SIGCONT)  # one that was stopped would not see the other
        try:
            await settled(child.when_ended() for child in children).addTimeout(STOP_TIMEOUT_S, self._reactor)
        except defer.TimeoutError:
            for child in children:
                child.kill_group()
            await settled(child.when_ended() for child in children)


def _writers_token(path: str) -> bytes:
    """The first token of a file."""
    try:
        first = read_tokens(path)[0]
    except BadTokenFile as error:
        raise CannotRun(f"bad --token-file {error}") from error
    if not first.may_write:
        raise CannotRun(
            f"bad --token-file {path}: its first token, which control presents, has to be one that may write"
        )
    return first.text


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses, below those that the kernel hands out to outgoing connections.

    :raises CannotRun: when so many can't be found.
    """
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    most = max(int(ephemeral[0]), _LEAST_FREE_PORT + _FREE_PORT_TRIES)
    tries = random.sample(range(_LEAST_FREE_PORT, most), _FREE_PORT_TRIES)
    ports = [port for port in tries if not port_in_use(port)]
    if len(ports) < count:
        raise CannotRun(f"no {count} free ports on {HOST}")
    return ports[:count]


def port_in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(POLL_S)
        return probe.connect_ex((HOST, port)) == 0
