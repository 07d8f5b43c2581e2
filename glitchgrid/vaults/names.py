"""Where a vault's name leads.

Twisted's resolver shares ten threads among all names. One name whose lookups take long fills them, and then no name
can be looked up any more: a vault that cannot be found takes the others with it, and the process waits for those
threads at its end. Here every lookup has a thread of its own, a name has one lookup at a time, and nobody waits for
a lookup longer than he has to: a name leads to where it led before, until something better is known.
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from zope.interface import implementer

PATIENCE_S = 0.1
"""How long a lookup is waited for where the name has led somewhere before."""

ATTEMPT_DELAY_S = 0.02
"""Between the addresses of one name. Twisted's own 0.3 s is also what it takes to see a single one refuse."""

_ADDRESS_OF = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}


@implementer(IHostResolution)
class _Lookup:
    """Never cancelled: nothing ends a thread that waits for a name server."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """It ends by itself, and by then nobody listens."""


InThread = Callable[[str, Callable[[], None]], object]


def _in_new_thread(name: str, work: Callable[[], None]) -> None:
    Thread(target=work, name=name, daemon=True).start()


@implementer(IHostnameResolver)
class ThreadResolver:
    """Asks the system, each time in a new thread, which does not keep the process from ending.

    :param in_thread: does that: it takes a name for the thread, and what is to be done in it.
    :param look_up: `socket.getaddrinfo`, or what takes its place.
    """

    def __init__(
        self,
        reactor: Any,
        in_thread: "InThread | None" = None,
        look_up: Callable[..., Sequence[tuple[Any, ...]]] | None = None,
    ) -> None:
        self._reactor = reactor
        self._in_thread = in_thread or _in_new_thread
        self._getaddrinfo = look_up or socket.getaddrinfo

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        lookup = _Lookup(hostName)
        resolutionReceiver.resolutionBegan(lookup)
        asking = partial(self._look_up, resolutionReceiver, hostName, portNumber)
        self._in_thread(f"lookup of {hostName}", asking)
        return lookup

    def _look_up(self, receiver: IResolutionReceiver, name: str, port: int) -> None:
        try:
            found = self._getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # there is no such name, or nobody says
            found = []
        addresses = [_ADDRESS_OF[family]("TCP", *where[:2]) for family, *_, where in found if family in _ADDRESS_OF]
        self._reactor.callFromThread(_tell, receiver, addresses)


def _tell(receiver: IResolutionReceiver, addresses: Sequence[IAddress]) -> None:
    for address in addresses:
        receiver.addressResolved(address)
    receiver.resolutionComplete()


@implementer(IResolutionReceiver)
class Name:
    """A host's name, and the addresses that it has.

    :param reactor: its `nameResolver` is asked.
    """

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._known: Sequence[IAddress] = ()
        self._found: list[IAddress] = []
        self._is_asking = False
        self._waiting: dict[Deferred[Sequence[IAddress]], IDelayedCall | None] = {}

    def addresses(self) -> Deferred[Sequence[IAddress]]:
        """One or more. If the lookup takes longer than `PATIENCE_S`, fires with the addresses known from before.

        :raises DNSLookupError: (in the Deferred) when none is known.
        """
        waiting: Deferred[Sequence[IAddress]] = Deferred(self._leave)
        self._waiting[waiting] = self._reactor.callLater(PATIENCE_S, self._answer, waiting) if self._known else None
        if not self._is_asking:
            self._is_asking = True
            self._reactor.nameResolver.resolveHostName(self, self._host, self._port)
        return waiting

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._found = []

    def addressResolved(self, address: IAddress) -> None:
        if address not in self._found:
            self._found.append(address)

    def resolutionComplete(self) -> None:
        self._is_asking = False
        self._known = self._found or self._known
        for waiting in list(self._waiting):
            self._answer(waiting)

    def _answer(self, waiting: Deferred[Sequence[IAddress]]) -> None:
        self._leave(waiting)
        if self._known:
            waiting.callback(self._known)
        else:
            waiting.errback(DNSLookupError(f"no address is known for {self._host}"))

    def _leave(self, waiting: Deferred[Sequence[IAddress]]) -> None:
        timer = self._waiting.pop(waiting)
        if timer is not None and timer.active():
            timer.cancel()


@implementer(IStreamClientEndpoint)
class NameEndpoint:
    """Connects to a name: to whichever of its addresses answers first.

    :param timeout_s: for one address.
    """

    def __init__(self, reactor: Any, host: str, port: int, timeout_s: float) -> None:
        self._reactor = reactor
        self._port = port
        self._timeout_s = timeout_s
        self._name = Name(reactor, host, port)

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        return self._name.addresses().addCallback(self._connect_to_one, factory)

    def _connect_to_one(self, addresses: Sequence[IAddress], factory: Any) -> Deferred[IProtocol]:
        knowing: Any = _Knowing(self._reactor, addresses)
        # It asks `knowing`, whatever the name. The real name will not do: Twisted refuses some that resolvers take.
        endpoint = HostnameEndpoint(knowing, "vault", self._port, timeout=self._timeout_s, attemptDelay=ATTEMPT_DELAY_S)
        return endpoint.connect(factory)


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class _Knowing:
    """A reactor for which every name has the same addresses, already."""

    def __init__(self, reactor: Any, addresses: Sequence[IAddress]) -> None:
        self._reactor = reactor
        self._addresses = addresses
        self.nameResolver = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        raise NotImplementedError

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, hostName: str, *_arguments: Any, **_options: Any
    ) -> IHostResolution:
        lookup = _Lookup(hostName)
        resolutionReceiver.resolutionBegan(lookup)
        _tell(resolutionReceiver, self._addresses)
        return lookup
