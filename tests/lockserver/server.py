"""A lock server: one lock, held by one client at a time, remembered on a disk. Nothing in here knows the laboratory.

A client sends lines, ``take NAME NUMBER`` or ``give NAME NUMBER``, and hears ``granted``, ``busy``, ``free``, ``old``
or ``failed``. Its numbers grow; what has come late, over a connection that the client has left, has an old one.
"""

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.threads import deferToThreadPool
from twisted.protocols.basic import LineOnlyReceiver

PORT = 4000
NAME = "holder"
NAME_BYTES_MAX = 64
WAITING_MAX = 50


class Directory:
    """Where the lock server keeps its file. It is there, and the disk has its name."""

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, name: str) -> bytes:
        """:raises FileNotFoundError: where there is no such file."""
        with open(self._inside(name), "rb") as file:
            return file.read(NAME_BYTES_MAX)

    def write(self, name: str, data: bytes) -> None:
        """Returns once the file outlives a loss of power."""
        with open(self._inside(f"{name}.new"), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._inside(f"{name}.new"), self._inside(name))
        directory = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _inside(self, name: str) -> str:
        return os.path.join(self._path, name)


class HolderFile:
    """Who holds the lock, on a disk. To be used in a thread."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def load(self) -> str:
        """The holder; empty for nobody."""
        try:
            return self._directory.read(NAME).decode("ascii")
        except FileNotFoundError:
            return ""

    def save(self, holder: str) -> None:
        """Returns once the holder outlives a loss of power."""
        self._directory.write(NAME, holder.encode("ascii"))


class Lock:
    """The lock, and the order in which requests get at it.

    :param in_thread: does something that waits for a disk.
    """

    def __init__(self, file: HolderFile, in_thread: Callable[..., "Deferred[Any]"]) -> None:
        self._file = file
        self._in_thread = in_thread
        self._turn: DeferredLock = DeferredLock()
        self._newest: dict[str, int] = {}
        self._is_broken = False
        self.holder = ""

    async def recover(self) -> None:
        self.holder = await self._in_thread(self._file.load)

    def answer(self, verb: str, client: str, number: int) -> "Deferred[str]":
        """What a client hears."""
        if number <= self._newest.get(client, 0):
            return succeed("old")
        self._newest[client] = number
        if len(self._turn.waiting) >= WAITING_MAX:
            return succeed("busy")
        answered: Deferred[str] = self._turn.run(lambda: Deferred.fromCoroutine(self._decide(verb, client, number)))
        return answered

    async def _decide(self, verb: str, client: str, number: int) -> str:
        if number < self._newest[client]:
            return "old"
        try:
            return await (self._take(client) if verb == "take" else self._give(client))
        except OSError:
            # What the disk holds now nobody knows: it is read by the next start.
            self._is_broken = True
            return "failed"

    async def _take(self, client: str) -> str:
        if self._is_broken:
            return "failed"
        if self.holder not in {"", client}:
            return "busy"
        if self.holder != client:
            await self._in_thread(self._file.save, client)
            self.holder = client
        return "granted"

    async def _give(self, client: str) -> str:
        if self._is_broken:
            return "failed"
        if self.holder == client:
            await self._in_thread(self._file.save, "")
            self.holder = ""
        return "free"


class _Connection(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 200
    transport: Any

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def lineReceived(self, line: bytes) -> None:
        match line.decode("ascii", "replace").split(" "):
            case [("take" | "give") as verb, client, number] if number.isdecimal():
                self._lock.answer(verb, client, int(number)).addCallback(self._say)
            case _:
                self.transport.loseConnection()

    def _say(self, answer: str) -> None:
        if self.connected:
            self.sendLine(answer.encode("ascii"))


class _Face(Factory):
    noisy = False

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def buildProtocol(self, addr: object) -> _Connection:
        return _Connection(self._lock)


class LockService(Service):
    """The server: reads its file, then listens."""

    def __init__(self, reactor: Any, endpoint: IStreamServerEndpoint, directory: Directory, pool: Any) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self.lock = Lock(HolderFile(directory), lambda *work: deferToThreadPool(reactor, pool, *work))
        self._port: Any = None

    def startService(self) -> None:
        super().startService()
        self._pool.start()
        Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        await self.lock.recover()
        self._port = await self._endpoint.listen(_Face(self.lock))

    def stopService(self) -> Any:
        super().stopService()
        self._pool.stop()
        return None if self._port is None else self._port.stopListening()
