"""A machine from outside: it is made, entered by programs, told what to do, and ends."""

import json
import os
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from glitchgrid.machines.cgroups import UNLIMITED, Group, Limits
from glitchgrid.machines.errors import CannotBeMade
from glitchgrid.machines.means import has_time_namespaces, tool

NETWORK = "10.77.0"
PACKET_BYTES_MAX = 1 << 16
MAKE_TIMEOUT_S = 20.0
ASK_TIMEOUT_S = 10.0
NOBODY = 1000
"""Whom programs run as that refuse to be root, within their machine."""

KEEPER = "glitchgrid.machines.keeper"
ANSWERS = frozenset({"answer", "error", "made", "ready", "failed"})
"""What has none of these was not asked for."""

_CREDENTIALS = struct.Struct("3i")


@frozen
class Plot:
    """Where a machine has its place: its number among all, and what lies on the host for it.

    :ivar number: from 1.
    :ivar is_lossy: its disk is one that may lose power, be full, or fail.
    :ivar is_harsh: see `glitchgrid.machines.disk.Platters`.
    :ivar limits: of its programs, all together.
    """

    number: int
    name: str
    directory: Path
    is_lossy: bool
    is_harsh: bool = False
    limits: Limits = UNLIMITED

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.number}"

    @property
    def mac(self) -> str:
        return f"02:00:00:00:00:{self.number:02x}"

    @property
    def disk(self) -> Path:
        """What it has written, as its programs see it."""
        return self.directory / "disk"

    @property
    def temporary(self) -> Path:
        return self.directory / "tmp"


class Machine:
    """:param neighbours: all machines of its network, itself among them.
    :param shared: the process in whose network and user namespace it is made; 0 for its own, with a tap.
    :param keeps: directories of the host that it must see, though it has a /tmp of its own.
    :ivar pid: of its first process, as the host counts; 0 while there is none.
    :ivar said: is told what the machine says without being asked.
    """

    def __init__(
        self,
        reactor: Any,
        plot: Plot,
        neighbours: Sequence[Plot],
        keeps: Sequence[Path],
        seed: str,
        shared: int = 0,
    ) -> None:
        self._shared = shared
        self.plot = plot
        self.pid = 0
        self._reactor = reactor
        self._neighbours = neighbours
        self._keeps = keeps
        self._seed = seed
        self.said: Callable[[dict[str, Any]], object] = lambda _: None
        self._process: _Enclosed | None = None
        self._conversation: _Conversation | None = None
        self._group: Group | None = None

    @property
    def name(self) -> str:
        return self.plot.name

    async def make(self) -> int | None:
        """Make it. Returns the descriptor of its tap, which is the caller's to close; None where it has none.

        :raises CannotBeMade: when the system does not allow it; the text says what to do.
        """
        for directory in (self.plot.disk, self.plot.temporary):
            directory.mkdir(parents=True, exist_ok=True)
        hosts = self.plot.directory / "hosts"
        lines = [f"{each.address} {each.name}" for each in self._neighbours]
        hosts.write_text("\n".join(("127.0.0.1 localhost", *lines, "")), encoding="utf-8")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with theirs:
            self._process = _Enclosed(self.name)
            self._spawn(self._process, theirs.fileno())
        self._conversation = conversation = _Conversation(self._reactor, ours)
        self._process.conversation = conversation
        conversation.said = self.said
        conversation.tell(self._asked(hosts))
        made, descriptors = await conversation.next(MAKE_TIMEOUT_S)
        if "failed" in made:
            raise CannotBeMade(f"{self.name} cannot be made: {made['failed']}")
        self.pid = made["pid"]
        ready, _ = await conversation.next(MAKE_TIMEOUT_S)
        if "failed" in ready:
            for descriptor in descriptors:
                os.close(descriptor)
            raise CannotBeMade(f"{self.name} cannot be made: {ready['failed']}")
        if self.plot.limits.controllers:
            self._group = Group(self.name, self.plot.limits)
        return int(descriptors[0]) if descriptors else None

    def _spawn(self, process: "_Enclosed", descriptor: int) -> None:
        """In namespaces of its own, which end with this process."""
        own = ["--mount", "--uts", "--ipc", "--pid"]
        argv = [tool("setpriv"), "--pdeathsig", "KILL", "--"]
        if not self._shared:
            own = ["--user", "--map-root-user", "--net", *own]
        else:
            argv += [tool("nsenter"), f"--target={self._shared}", "--user", "--preserve-credentials", "--net", "--"]
        argv += [tool("unshare"), *own, "--fork", "--kill-child", "--mount-proc", "--"]
        argv += [sys.executable, "-P", "-m", KEEPER, str(descriptor)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        descriptors: Any = {0: "w", 1: "r", 2: "r", descriptor: descriptor}
        self._reactor.spawnProcess(process, argv[0], argv, env=environment, childFDs=descriptors)

    def _asked(self, hosts: Path) -> Mapping[str, object]:
        plot = self.plot
        return {
            "name": plot.name,
            "address": plot.address,
            "mac": plot.mac,
            "shares_network": self._shared > 0,
            "neighbours": {each.address: each.mac for each in self._neighbours if each is not plot},
            "hosts": str(hosts),
            "tmp": str(plot.temporary),
            "keeps": [str(each) for each in (plot.directory, *self._keeps)],
            "disk": str(plot.disk),
            "is_lossy": plot.is_lossy,
            "is_harsh": plot.is_harsh,
            "seed": self._seed,
        }

    def entering(
        self, argv: Sequence[str], directory: Path, *, as_root: bool = True, up_since_s: float | None = None
    ) -> list[str]:
        """What runs a program on it.

        :param directory: where it begins, as the machine has it.
        :param as_root: it is root there, which is nobody but this user outside; else it is some other user there.
        :param up_since_s: its monotonic clocks began then, to the second, by the host's (time_namespaces(7)); where the
            kernel has no such namespaces, or with None, they are the host's.
        """
        kinds = ["--user", "--preserve-credentials", "--net", "--mount", "--uts", "--ipc", "--pid"]
        command = [tool("nsenter"), f"--target={self.pid}", *kinds, "--"]
        if up_since_s is not None and has_time_namespaces():
            back = f"-{int(up_since_s)}"
            begun = ["--time", f"--monotonic={back}", f"--boottime={back}"]
            command += [tool("unshare"), *begun, "--fork", "--kill-child", "--"]
        if not as_root:
            command += [tool("unshare"), "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"]
        command += [tool("env"), f"--chdir={directory}", *argv]
        return command if self._group is None else self._group.entering(command)

    def ask(self, do: str, **fields: object) -> "Deferred[Any]":
        """Have the machine's first process do something.

        It fails with `CannotBeMade` where that is gone, does not answer, or was refused.
        """
        if self._conversation is None:
            return fail(CannotBeMade(f"{self.name} is not there"))
        self._conversation.tell({"do": do, **fields})

        def answered(came: tuple[dict[str, Any], list[int]]) -> Any:
            answer, _ = came
            if "error" in answer:
                raise CannotBeMade(f"{self.name}: {answer['error']}")
            return answer["answer"]

        return self._conversation.next(ASK_TIMEOUT_S).addCallback(answered)

    def signal_all(self, number: signal.Signals) -> "Deferred[bool]":
        """Send all that runs on it a signal. Fires with whether anything did."""
        return self.ask("signal", number=int(number))

    def end(self) -> "Deferred[None]":
        """End all that runs there, and the machine. Fires when it is gone."""
        if self._conversation is not None:
            self._conversation.close()
        self.pid = 0
        if self._process is None:
            gone: Deferred[None] = Deferred()
            gone.callback(None)
            return gone
        return self._process.kill().addCallback(self._is_gone)

    def _is_gone(self, _: object) -> None:
        if self._group is not None:
            self._group.close()
            self._group = None


class _Enclosed(ProcessProtocol):
    """The program that makes the namespaces, from its start to its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said = b""
        self._gone: Deferred[None] = Deferred()
        self.has_ended = False
        self.conversation: _Conversation | None = None

    def kill(self) -> "Deferred[None]":
        if not self.has_ended and self.transport is not None:
            self.transport.signalProcess("KILL")
        return self._gone

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._said = (self._said + data)[-PACKET_BYTES_MAX:]

    def processEnded(self, reason: Failure) -> None:
        self.has_ended = True
        if self.conversation is not None:
            self.conversation.ended(self.last_words(reason))
        self._gone.callback(None)

    def last_words(self, reason: Failure) -> str:
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        status = reason.value.exitCode if isinstance(reason.value, ProcessTerminated) else 0
        return f"{self._name} has ended: {lines[-1] if lines else f'exit status {status}'}"


@implementer(IReadDescriptor)
class _Conversation:
    """Packets of JSON, with descriptors beside them. Answers come in the order of what was asked."""

    def __init__(self, reactor: Any, channel: socket.socket) -> None:
        channel.setblocking(False)
        self._reactor = reactor
        self._channel = channel
        self._waiting: deque[Deferred[tuple[dict[str, Any], list[int]]]] = deque()
        self._come: deque[tuple[dict[str, Any], list[int]]] = deque()
        self._why = ""
        self.said: Callable[[dict[str, Any]], object] | None = None
        reactor.addReader(self)

    def tell(self, what: Mapping[str, object]) -> None:
        if not self._why:
            try:
                self._channel.send(json.dumps(what).encode())
            except OSError as error:
                self.ended(str(error.strerror))

    def next(self, timeout_s: float) -> "Deferred[tuple[dict[str, Any], list[int]]]":
        """What comes next."""
        waiting: Deferred[tuple[dict[str, Any], list[int]]] = Deferred()
        if self._come:
            waiting.callback(self._come.popleft())
        elif self._why:
            waiting.errback(CannotBeMade(self._why))
        else:
            self._waiting.append(waiting)
            waiting.addTimeout(timeout_s, self._reactor, lambda _result, _s: _too_late(timeout_s))
        return waiting

    def ended(self, why: str) -> None:
        """Nothing more will come."""
        self._why = self._why or why
        self.close()
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if not each.called:
                each.errback(CannotBeMade(self._why))

    def close(self) -> None:
        self._why = self._why or "it was ended"
        if self._channel.fileno() >= 0:
            self._reactor.removeReader(self)
            self._channel.close()

    def fileno(self) -> int:
        return self._channel.fileno()

    def logPrefix(self) -> str:
        return "a machine"

    def doRead(self) -> None:
        room = socket.CMSG_SPACE(4) + socket.CMSG_SPACE(_CREDENTIALS.size)
        try:
            packet, besides, _, _ = self._channel.recvmsg(PACKET_BYTES_MAX, room)
        except BlockingIOError:
            return
        except OSError:
            packet, besides = b"", []
        if not packet:
            self._reactor.removeReader(self)
            return  # its process ends, and says why
        found: dict[str, Any] = json.loads(packet)
        descriptors = _taken_from(besides, found)
        if self.said is not None and not ANSWERS & found.keys():
            self.said(found)
        elif self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.called:  # nobody waited so long
                waiting.callback((found, descriptors))
        else:
            self._come.append((found, descriptors))

    def connectionLost(self, reason: object) -> None:
        """The reactor stops."""


def _taken_from(besides: Sequence[tuple[int, int, bytes]], found: dict[str, Any]) -> list[int]:
    """The descriptors beside a packet; who has sent it becomes a part of it."""
    descriptors: list[int] = []
    for level, kind, data in besides:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors += struct.unpack(f"{len(data) // 4}i", data)
        elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            found["pid"] = _CREDENTIALS.unpack(data)[0]
    return descriptors


def _too_late(timeout_s: float) -> Any:
    raise CannotBeMade(f"a machine has not answered within {timeout_s:g} s")
