"""Twisted's own reactor for Linux, over a kernel that is simulated.

What is replaced are the system calls: `epoll` and `socket`, the clock, the resolver and the threads. The loop itself is
the process's: it gives the reactor one turn whenever something is ready or due.
"""

from typing import Any, Protocol

from twisted.internet import tcp
from twisted.internet.address import IPv4Address
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.internet.posixbase import PosixReactorBase
from zope.interface import implementer

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.epoll import Epoll
from glitchgrid.simulation.pool import Pool
from glitchgrid.simulation.sockets import Socket

REACTOR_THREADS_MAX = 10


class Kernel(Protocol):
    """What a reactor asks of the process that it runs in."""

    @property
    def epoll(self) -> Epoll: ...

    def wall_ns(self) -> int: ...

    def wake_up(self) -> None: ...

    def pool(self, threads_max: int) -> Pool: ...

    def socket(self) -> Socket: ...

    def look_up(self, name: str) -> str | None:
        """The address of a name, for threads."""


class SimulatedReactor(EPollReactor):
    """The reactor of one process."""

    _registerAsIOThread = False

    def __init__(self, process: Kernel) -> None:
        # EPollReactor's own beginning opens a real epoll; the rest of it is as it is there.
        self.process = process
        self._poller: Any = process.epoll
        self._reads: set[int] = set()
        self._writes: set[int] = set()
        self._selectables: dict[int, Any] = {}
        self._continuousPolling: Any = _NoContinuousPolling()
        self._pool: Pool | None = None
        PosixReactorBase.__init__(self)

    @property
    def has_stopped(self) -> bool:
        return not self._started

    def removeAll(self) -> list[Any]:
        """What is disconnected at the end: Twisted keeps a set of it, in the order of addresses in memory."""
        removed: list[Any] = super().removeAll()  # type: ignore[no-untyped-call]
        return sorted(removed, key=lambda selectable: selectable.fileno())

    # The clock: the time of day, as on the real reactor. A program that wants the other clock sets `seconds`.

    def seconds(self) -> float:
        return self.process.wall_ns() / SECOND_NS

    # Threads.

    def installWaker(self) -> None:
        """Waking is the process's business."""

    def wakeUp(self) -> None:
        self.process.wake_up()

    def _initThreads(self) -> None:
        self.installNameResolver(_PooledLookups(self))
        self.usingThreads = True

    def getThreadPool(self) -> Pool:  # type: ignore[override]
        if self._pool is None:
            self._pool = self.process.pool(REACTOR_THREADS_MAX)
            self.callWhenRunning(self._pool.start)
            self.addSystemEventTrigger("during", "shutdown", self._pool.stop)
        return self._pool

    def suggestThreadPoolSize(self, size: int) -> None:
        self.getThreadPool().adjustPoolsize(maxthreads=size)

    # TCP.

    def listenTCP(self, port: Any, factory: Any, backlog: int = 50, interface: str = "") -> tcp.Port:
        listening = _Port(port, factory, backlog, interface, self)
        listening.startListening()
        return listening

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None
    ) -> tcp.Connector:
        connector = _Connector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector


class _Port(tcp.Port):
    reactor: SimulatedReactor

    def createInternetSocket(self) -> Any:
        return self.reactor.process.socket()


class _Client(tcp.Client):
    connector: "_Connector"

    def createInternetSocket(self) -> Any:
        return self.connector.reactor.process.socket()


class _Connector(tcp.Connector):
    reactor: SimulatedReactor

    def _makeTransport(self) -> tcp.Client:
        client: Any = _Client
        made: tcp.Client = client(self.host, self.port, self.bindAddress, self, self.reactor)
        return made


class _NoContinuousPolling:
    """EPollReactor polls files by the clock. There are none here."""

    def isReading(self, reader: object) -> bool:
        return False

    isWriting = isReading

    def removeAll(self) -> list[object]:
        return []

    getReaders = getWriters = removeAll


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Nothing ends a thread that waits for a name server."""


@implementer(IHostnameResolver)
class _PooledLookups:
    """As Twisted's own: in the threads of the reactor's pool, which all lookups share."""

    def __init__(self, reactor: SimulatedReactor) -> None:
        self._reactor = reactor

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)

        def tell(address: str | None) -> None:
            if address is not None:
                resolutionReceiver.addressResolved(IPv4Address("TCP", address, portNumber))
            resolutionReceiver.resolutionComplete()

        def look_up() -> None:
            self._reactor.callFromThread(tell, self._reactor.process.look_up(hostName))

        self._reactor.getThreadPool().callInThread(look_up)
        return resolution
