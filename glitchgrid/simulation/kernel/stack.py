"""The network stack of a machine: its ports, what listens there, and the way to the other machines."""

import errno
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from glitchgrid.simulation.host import FIRST_PORT, Host
from glitchgrid.simulation.kernel.addresses import LOOPBACK4, LOOPBACK6, Where, is_any, is_loopback, plain, same_family
from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.network import Arrive, Flow, Link

if TYPE_CHECKING:
    from glitchgrid.simulation.kernel.socket_file import InternetFile
    from glitchgrid.simulation.kernel.tcp import Tcp
    from glitchgrid.simulation.kernel.udp import Udp
    from glitchgrid.simulation.kernel.unix import UnixFile

_REUSE_ADDRESS = (socket.SOL_SOCKET, socket.SO_REUSEADDR)
_REUSE_PORT = (socket.SOL_SOCKET, socket.SO_REUSEPORT)


F = TypeVar("F", bound="InternetFile")


class Ports(Generic[F]):
    """The ports of one machine for TCP, or for UDP: who has them."""

    def __init__(self) -> None:
        self._taken: dict[int, list[F]] = {}
        self._next = FIRST_PORT

    def take(self, where: Where, by: F) -> int:
        """The port, or for 0 one that nobody has.

        :raises OSError: EADDRINUSE where it clashes with another's (socket(7), SO_REUSEADDR and SO_REUSEPORT).
        """
        port = where.port
        if not port:
            while self._next in self._taken:
                self._next += 1
            port, self._next = self._next, self._next + 1
        elif any(_clash(where.address, by, other) for other in self._taken.get(port, ())):
            raise error(errno.EADDRINUSE)
        self._taken.setdefault(port, []).append(by)
        return port

    def free(self, port: int, by: F) -> None:
        holders = self._taken.get(port, [])
        if by in holders:
            holders.remove(by)
            if not holders:
                del self._taken[port]

    def at(self, where: Where) -> list[F]:
        """Who has that port and takes what is sent to that address: those that name the address first."""
        found = [each for each in self._taken.get(where.port, ()) if _takes(each, where.plain)]
        return sorted(found, key=lambda each: is_any(each.local.address))

    def having(self, port: int) -> list[F]:
        return list(self._taken.get(port, ()))

    def clear(self) -> None:
        self._taken.clear()


def _clash(address: str, by: "InternetFile", other: "InternetFile") -> bool:
    if not _overlap(address, by, other):
        return False
    if by.options.get(_REUSE_PORT) and other.options.get(_REUSE_PORT):
        return False
    both = by.options.get(_REUSE_ADDRESS) and other.options.get(_REUSE_ADDRESS)
    return not (both and (by.kind == socket.SOCK_DGRAM or not other.is_listening))


def _overlap(address: str, by: "InternetFile", other: "InternetFile") -> bool:
    """Whether two sockets could be meant by one packet.

    To all addresses of IPv4, who comes second, any of IPv6 is in the way that is not for IPv6 alone: so Linux has it
    (`inet_rcv_saddr_equal`).
    """
    theirs = other.local.address
    if same_family(address, theirs):
        return is_any(address) or is_any(theirs) or plain(address) == plain(theirs)
    if by.family == socket.AF_INET6:
        return by.is_dual and is_any(address)
    return other.is_dual and (is_any(address) or is_any(theirs))


def _takes(file: "InternetFile", address: str) -> bool:
    bound = file.local.address
    if is_any(bound):
        return same_family(bound, address) or file.is_dual
    return plain(bound) == address


class Loopback:
    """A flow from a machine to itself: all is there at once, as Linux has it."""

    is_cut = False

    def send(self, arrive: Arrive) -> None:
        arrive()


class Stack:
    """:param others: every stack of the world, this one too, by its machine's name."""

    def __init__(self, host: Host, others: "Mapping[str, Stack]", resolve: Callable[[Host, str], str | None]) -> None:
        self.host = host
        self.tcp: Ports[Tcp] = Ports()
        self.udp: Ports[Udp] = Ports()
        self.abstract: dict[tuple[int, bytes], UnixFile] = {}
        """The UNIX sockets whose names are in no directory, for each kind its own."""
        self.groups: Counter[str] = Counter()
        """How many sockets have joined each."""
        self._others = others
        self._resolve = resolve
        self._at: dict[str, Stack] = {}
        """What was found by addresses, which machines keep."""

    def resolve(self, name: str, family: int) -> str:
        """The address of a name, as C's functions of sockets have it: at once.

        :raises socket.gaierror: where nobody has that name.
        """
        if name == "localhost":
            return LOOPBACK6 if family == socket.AF_INET6 else LOOPBACK4
        address = self._resolve(self.host, name)
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = self.at(address)
        return found.address(family) if found is not None else address

    def at(self, address: str) -> "Stack | None":
        """The stack of the machine with that address, as seen from here."""
        found = self._at.get(address)
        if found is None:
            found = self._find(address)
            if found is not None:
                self._at[address] = found
        return found

    def _find(self, address: str) -> "Stack | None":
        if is_loopback(address):
            return self
        short = plain(address)
        return next((each for each in self._others.values() if short in {each.host.address, each.host.address6}), None)

    def others(self) -> "list[Stack]":
        return [each for each in self._others.values() if each is not self]

    def address(self, family: int) -> str:
        return self.host.address6 if family == socket.AF_INET6 else self.host.address

    def source_for(self, address: str, family: int) -> str:
        """The address of its own that a packet to `address` comes from."""
        if self.at(address) is not self:
            return self.address(family)
        if is_any(address):
            return LOOPBACK6 if family == socket.AF_INET6 else LOOPBACK4
        return address

    def link_to(self, target: "Stack") -> Link:
        return self.host.network.link(self.host.name, target.host.name)

    def flow_to(self, target: "Stack") -> Flow | Loopback:
        if target is self:
            return Loopback()
        return Flow(self.host.world, self.link_to(target))

    def clear(self) -> None:
        """The machine has lost its power."""
        self.tcp.clear()
        self.udp.clear()
        self.abstract.clear()
        self.groups.clear()
