"""Addresses of IPv4 and IPv6: as programs write them, and as the world has them."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

ANY4, ANY6 = "0.0.0.0", "::"  # noqa: S104 - compared, and bound on simulated machines
LOOPBACK4, LOOPBACK6 = "127.0.0.1", "::1"
BROADCAST = "255.255.255.255"
MAPPED = "::ffff:"
PORT_MAX = 65_535
INTERFACES = ("lo", "eth0")
"""Of every machine, by their numbers from 1 on."""

Resolve = Callable[[str, int], str]
"""The address of a name, in a family."""


class Where(NamedTuple):
    """An address and a port. An address of IPv6 keeps the number of its zone behind a percent sign."""

    address: str
    port: int

    @property
    def plain(self) -> str:
        """The address without its zone, and without what maps one of IPv4 into IPv6."""
        return plain(self.address)


def plain(address: str) -> str:
    without = address.partition("%")[0]
    return without.removeprefix(MAPPED) if "." in without else without


def parse(family: int, given: Any, call: str, resolve: Resolve) -> Where:
    """What a program has given to `bind`, `connect` or `sendto`.

    :raises TypeError: for what is not a tuple of a host and a port.
    :raises OverflowError: for a port that is none.
    :raises OSError: for a name that nobody has.
    """
    if not isinstance(given, tuple):
        name = "AF_INET6" if family == socket.AF_INET6 else "AF_INET"
        raise TypeError(f"{call}(): {name} address must be tuple, not {type(given).__name__}")
    host, port = given[:2]
    if not isinstance(port, int):
        raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
    if not 0 <= port <= PORT_MAX:
        raise OverflowError(f"{call}(): port must be 0-65535.")
    address = _address(family, host.decode("ascii") if isinstance(host, bytes | bytearray) else host, resolve)
    zone = next(iter(given[3:]), 0)  # behind the flow's number, which means nothing here
    if zone and "%" not in address:
        address += f"%{zone}"
    return Where(address, port)


def _address(family: int, host: str, resolve: Resolve) -> str:
    if not host:
        return anywhere(family)
    if host == "<broadcast>":
        return BROADCAST
    address, _, zone = host.partition("%")
    try:
        socket.inet_pton(family, address)
    except OSError:
        return resolve(host, family)
    return f"{address}%{zone_of(zone)}" if zone else host


def zone_of(text: str) -> int:
    """The number of an interface that is given by its name, or by its number.

    :raises socket.gaierror: for one that there is not.
    """
    if text.isdecimal():
        return int(text)
    if text not in INTERFACES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return INTERFACES.index(text) + 1


def told(family: int, where: Where) -> tuple[Any, ...]:
    """As a program is told of it."""
    if family != socket.AF_INET6:
        return tuple(where)
    address, _, zone = where.address.partition("%")
    if "." in address and not address.startswith(MAPPED):
        address = MAPPED + address
    return address, where.port, 0, int(zone) if zone.isdigit() else 0


def anywhere(family: int) -> str:
    return ANY6 if family == socket.AF_INET6 else ANY4


def is_any(address: str) -> bool:
    return address in {ANY4, ANY6}


def is_loopback(address: str) -> bool:
    """Whether it is a machine's name for itself, whichever machine that is: link-local addresses are taken so, too."""
    short = plain(address)
    return is_any(short) or short.startswith("127.") or short == LOOPBACK6 or short.lower().startswith("fe80:")


def is_multicast(address: str) -> bool:
    try:
        found: IPv4Address | IPv6Address = ip_address(plain(address))
    except ValueError:
        return False
    return found.is_multicast


def same_family(one: str, other: str) -> bool:
    return (":" in one) == (":" in other)
