"""Names and addresses, as `socket` has them: `getaddrinfo` and what is older. Whoever asks waits for the answer."""

import re
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple

from glitchgrid.simulation.kernel.addresses import ANY4, ANY6, INTERFACES, LOOPBACK4, LOOPBACK6, MAPPED, zone_of
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch
from glitchgrid.simulation.names import LOOK_AGAIN_NS, LOOKUP_NS, SILENT_MAX_NS

PROTOCOLS = {socket.SOCK_STREAM: socket.IPPROTO_TCP, socket.SOCK_DGRAM: socket.IPPROTO_UDP, socket.SOCK_RAW: 0}
FAMILIES = (socket.AF_INET, socket.AF_INET6)
PORTS = 1 << 16

Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


class Found(NamedTuple):
    """An address of either family. `zone` is the number of an interface, for IPv6."""

    family: socket.AddressFamily
    address: str
    zone: int = 0

    def with_port(self, port: int) -> tuple[Any, ...]:
        return (self.address, port) if self.family == socket.AF_INET else (self.address, port, 0, self.zone)


class Resolver:
    """:param current: the process whose code runs."""

    def __init__(self, current: Callable[[], Process]) -> None:
        self._current = current

    def patches(self) -> Iterator[Patch]:
        yield Patch(socket, "getaddrinfo", self.getaddrinfo)
        yield Patch(socket, "gethostbyname", self.gethostbyname)
        yield Patch(socket, "gethostbyname_ex", lambda name: (name, [], [self.gethostbyname(name)]))
        yield Patch(socket, "gethostbyaddr", self.gethostbyaddr)
        yield Patch(socket, "getnameinfo", self.getnameinfo)
        yield Patch(socket, "gethostname", lambda: self._current().host.name)
        yield Patch(socket, "getfqdn", lambda name="": name or self._current().host.name)

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - its name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Info]:
        """A name has an address of IPv6 for those who ask for one: whoever does not mind is told of IPv4.

        :raises socket.gaierror: EAI_NONAME for a name that nobody has, EAI_AGAIN where nobody answers, EAI_ADDRFAMILY
            for an address of the other family, EAI_FAMILY for another one than IPv4 and IPv6, EAI_SOCKTYPE for another
            kind of sockets, EAI_SERVICE for the name of a service: there are none.
        """
        if host is None and port is None:
            raise _failed(socket.EAI_NONAME)
        if host is None and flags & socket.AI_CANONNAME:
            raise _failed(socket.EAI_BADFLAGS)
        if family not in {socket.AF_UNSPEC, *FAMILIES}:
            raise _failed(socket.EAI_FAMILY)
        service = _service(port, flags)
        kinds = _kinds(type, proto)
        number = _port(service)
        name = host.decode("ascii") if isinstance(host, bytes) else host
        found = self._unnamed(family, flags) if name is None else [self._address(name, family, flags)]
        canonical = name or "" if flags & socket.AI_CANONNAME else ""
        made = [
            (each.family, kind, PROTOCOLS[kind], canonical, each.with_port(number)) for each in found for kind in kinds
        ]
        return [made[0], *((*each[:3], "", each[4]) for each in made[1:])]

    def gethostbyname(self, name: str) -> str:
        if not name:
            return ANY4
        return self._address(name, socket.AF_INET, 0).address

    def gethostbyaddr(self, address: str) -> tuple[str, list[str], list[str]]:
        """:raises socket.herror: where no machine has it, or silent ones do."""
        found = self._address(address, socket.AF_UNSPEC, 0).address
        name = self._name_of(found)
        if name is None:
            raise socket.herror(1, "Unknown host")
        return name, [], [found]

    def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int, /) -> tuple[str, str]:
        """:raises socket.gaierror: EAI_NONAME where a name is wanted, and there is none; EAI_SERVICE for no port."""
        host, port, *more = sockaddr
        number = _port(_service(port, 0))
        found = self._address(host, socket.AF_UNSPEC, socket.AI_NUMERICHOST)
        name = None if flags & socket.NI_NUMERICHOST else self._name_of(found.address)
        if name is None and flags & socket.NI_NAMEREQD:
            raise _failed(socket.EAI_NONAME)
        zone = more[1] if len(more) > 1 else 0
        return name or _with_zone(found.address, zone), str(number)

    def _name_of(self, address: str) -> str | None:
        if address in {LOOPBACK4, LOOPBACK6}:
            return "localhost"
        return self._current().host.names.name_of(address)

    @staticmethod
    def _unnamed(family: int, flags: int) -> list[Found]:
        """All addresses of this machine, or those by which it calls itself."""
        is_passive = bool(flags & socket.AI_PASSIVE)
        found = [
            Found(socket.AF_INET, ANY4 if is_passive else LOOPBACK4),
            Found(socket.AF_INET6, ANY6 if is_passive else LOOPBACK6),
        ]
        return [each for each in (found if is_passive else reversed(found)) if family in {0, each.family}]

    def _address(self, name: str, family: int, flags: int) -> Found:
        numeric = _numeric(name)
        if numeric is not None:
            found = _of_family(numeric, family, flags)
            return found._replace(zone=_zone(found.address, name.partition("%")[2]))
        if flags & socket.AI_NUMERICHOST or not name:
            raise _failed(socket.EAI_NONAME)
        if name == "localhost":
            return Found(socket.AF_INET6, LOOPBACK6) if family == socket.AF_INET6 else Found(socket.AF_INET, LOOPBACK4)
        return self._looked_up(name, family)

    def _looked_up(self, name: str, family: int) -> Found:
        process = self._current()
        names = process.host.names
        process.sleep(LOOKUP_NS)
        waited_ns = 0
        while (left_ns := names.late_ns.get(name, 0) - waited_ns) > 0:
            process.sleep(min(left_ns, LOOK_AGAIN_NS))
            waited_ns += LOOK_AGAIN_NS
        waited_ns = 0
        while name in names.silent:
            if waited_ns >= SILENT_MAX_NS:
                raise _failed(socket.EAI_AGAIN)
            process.sleep(LOOK_AGAIN_NS)
            waited_ns += LOOK_AGAIN_NS
        machine = names.machine_of(name)
        if machine is None:
            raise _failed(socket.EAI_NONAME)
        if family == socket.AF_INET6:
            return Found(socket.AF_INET6, machine.address6)
        return Found(socket.AF_INET, machine.address)


def _kinds(kind: int, proto: int) -> list[socket.SocketKind]:
    """Those kinds of sockets that were asked for; 0 stands for any.

    :raises socket.gaierror: where there are none.
    """
    if kind == socket.SOCK_RAW or (not kind and proto not in {0, *PROTOCOLS.values()}):
        raise _failed(socket.EAI_SERVICE)  # a raw socket has no port
    found = [each for each, number in PROTOCOLS.items() if kind in {0, each} and proto in {0, number}]
    if not found:
        raise _failed(socket.EAI_SOCKTYPE)
    return found


def _service(port: str | bytes | int | None, flags: int) -> str:
    """:raises socket.gaierror: for a name where only a number was wanted."""
    text = (port.decode("ascii") if isinstance(port, bytes) else str(port or "")) or "0"
    if flags & socket.AI_NUMERICSERV and not _NUMBER.fullmatch(text):
        raise _failed(socket.EAI_NONAME)
    return text


def _port(service: str) -> int:
    """As C has it: what does not fit into sixteen bits is cut off.

    :raises socket.gaierror: for what is no number, and for one below 0.
    """
    if not _NUMBER.fullmatch(service) or int(service) < 0:
        raise _failed(socket.EAI_SERVICE)
    return int(service) % PORTS


_NUMBER = re.compile(r"\s*[+-]?[0-9]+")


def _numeric(name: str) -> Found | None:
    """An address that is written in numbers; None for a name."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, name.partition("%")[0])
    except OSError:
        pass
    else:
        return Found(socket.AF_INET6, socket.inet_ntop(socket.AF_INET6, packed))
    try:
        return Found(socket.AF_INET, socket.inet_ntoa(socket.inet_aton(name)))  # which knows short forms, too: 127.1
    except OSError:
        return None


def _zone(address: str, text: str) -> int:
    """The number of the interface: by its name it is known for link-local addresses (RFC 4007, 11).

    :raises socket.gaierror: for the name of an interface that there is not.
    """
    if text and not text.isdecimal() and not ip_address(address).is_link_local:
        raise _failed(socket.EAI_NONAME)
    return zone_of(text or "0")


def _with_zone(address: str, zone: int) -> str:
    if not zone:
        return address
    has_name = ip_address(address).is_link_local and zone <= len(INTERFACES)
    return f"{address}%{INTERFACES[zone - 1] if has_name else zone}"


def _of_family(found: Found, family: int, flags: int) -> Found:
    """:raises socket.gaierror: EAI_ADDRFAMILY where it is of another one."""
    if family in {socket.AF_UNSPEC, found.family}:
        return found
    if family == socket.AF_INET6 and flags & socket.AI_V4MAPPED:
        return Found(socket.AF_INET6, MAPPED + found.address)
    if found.address.startswith(MAPPED) and "." in found.address:
        return Found(socket.AF_INET, found.address.removeprefix(MAPPED))
    raise _failed(socket.EAI_ADDRFAMILY)


_SAYS = {
    socket.EAI_ADDRFAMILY: "Address family for hostname not supported",
    socket.EAI_AGAIN: "Temporary failure in name resolution",
    socket.EAI_BADFLAGS: "Bad value for ai_flags",
    socket.EAI_FAMILY: "ai_family not supported",
    socket.EAI_NONAME: "Name or service not known",
    socket.EAI_SERVICE: "Servname not supported for ai_socktype",
    socket.EAI_SOCKTYPE: "ai_socktype not supported",
}
"""As gai_strerror(3) has it."""


def _failed(number: int) -> socket.gaierror:
    return socket.gaierror(number, _SAYS[number])
