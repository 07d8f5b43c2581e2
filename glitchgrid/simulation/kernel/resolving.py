"""Names and addresses, as `socket` has them: `getaddrinfo` and what is older. Whoever asks waits for the answer."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch
from glitchgrid.simulation.names import LOOK_AGAIN_NS, LOOKUP_NS, SILENT_MAX_NS

LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"  # noqa: S104 - an answer, and not bound
PROTOCOLS = {socket.SOCK_STREAM: socket.IPPROTO_TCP, socket.SOCK_DGRAM: socket.IPPROTO_UDP}

Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]


class Resolver:
    """:param current: the process whose code runs."""

    def __init__(self, current: Callable[[], Process]) -> None:
        self._current = current

    def patches(self) -> Iterator[Patch]:
        yield Patch(socket, "getaddrinfo", self.getaddrinfo)
        yield Patch(socket, "gethostbyname", self.gethostbyname)
        yield Patch(socket, "gethostbyname_ex", lambda name: (name, [], [self.gethostbyname(name)]))
        yield Patch(socket, "gethostname", lambda: self._current().host.name)
        yield Patch(socket, "getfqdn", lambda name="": name or self._current().host.name)

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - its name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Info]:
        """:raises socket.gaierror: EAI_NONAME for a name that nobody has, EAI_AGAIN where nobody answers, EAI_FAMILY
        for any other than IPv4, EAI_SERVICE for the name of a service.
        """
        if family not in {socket.AF_UNSPEC, socket.AF_INET}:
            raise _failed(socket.EAI_FAMILY, "ai_family not supported")
        if isinstance(port, str) and not port.isdecimal():
            raise _failed(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
        kinds = [kind for kind, number in PROTOCOLS.items() if type in {0, kind} and proto in {0, number}]
        address = self._address(host, flags)
        canonical = address if flags & socket.AI_CANONNAME else ""
        return [(socket.AF_INET, kind, PROTOCOLS[kind], canonical, (address, int(port or 0))) for kind in kinds]

    def gethostbyname(self, name: str) -> str:
        return self._address(name, 0)

    def _address(self, host: Any, flags: int) -> str:
        name = host.decode("ascii") if isinstance(host, bytes) else host
        if not name:
            return ANY if flags & socket.AI_PASSIVE else LOOPBACK
        if name == "localhost":
            return LOOPBACK
        try:
            socket.inet_pton(socket.AF_INET, name)
        except OSError:
            if flags & socket.AI_NUMERICHOST:
                raise _failed(socket.EAI_NONAME, "Name or service not known") from None
            return self._looked_up(name)
        return str(name)

    def _looked_up(self, name: str) -> str:
        process = self._current()
        names = process.host.names
        process.sleep(LOOKUP_NS)
        process.sleep(names.late_ns.get(name, 0))
        waited_ns = 0
        while name in names.silent:
            if waited_ns >= SILENT_MAX_NS:
                raise _failed(socket.EAI_AGAIN, "Temporary failure in name resolution")
            process.sleep(LOOK_AGAIN_NS)
            waited_ns += LOOK_AGAIN_NS
        address = names.address_of(name)
        if address is None:
            raise _failed(socket.EAI_NONAME, "Name or service not known")
        return address


def _failed(number: int, text: str) -> socket.gaierror:
    return socket.gaierror(number, text)
