"""A machine's interface: a tap device in the network namespace of whoever calls this, with its address and neighbours.

By ioctls (netdevice(7), arp(7), the kernel's tuntap.rst), so that no program is needed. Run as a program, it tries
whether there can be one. Neighbours are fixed: whether
an address is found is not to depend on what was cut a while ago.
"""

import fcntl
import os
import socket
import struct
import sys
from collections.abc import Mapping

TUN = "/dev/net/tun"
NAME = "eth0"
NETMASK = "255.255.255.0"
NO_MASK = "0.0.0.0"  # noqa: S104 - it is no address that anything listens at

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFHWADDR, _SIOCSARP = 0x8914, 0x8916, 0x891C, 0x8924, 0x8955
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_ARPHRD_ETHER, _ATF_COM, _ATF_PERM = 1, 0x02, 0x04
_IFREQ_BYTES = 40
_SHARED = "lo:1"


def open_tap() -> int:
    """A new tap device; it is there for as long as its descriptor is open.

    :raises OSError: where that is not allowed.
    """
    descriptor = os.open(TUN, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", NAME.encode(), _IFF_TAP | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def set_up(address: str, mac: str, neighbours: Mapping[str, str]) -> None:
    """Bring loopback and the tap up.

    :param neighbours: the other machines' addresses and their MACs.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        _bring_up(asking, "lo")
        _ask(asking, _SIOCSIFHWADDR, NAME, struct.pack("H6s", _ARPHRD_ETHER, octets(mac)))
        _ask(asking, _SIOCSIFADDR, NAME, _inet(address))
        _ask(asking, _SIOCSIFNETMASK, NAME, _inet(NETMASK))
        _bring_up(asking, NAME)
        for other, their_mac in neighbours.items():
            hardware = struct.pack("H14s", _ARPHRD_ETHER, octets(their_mac))
            request = _inet(other) + hardware + struct.pack("i", _ATF_COM | _ATF_PERM) + _inet(NO_MASK)
            fcntl.ioctl(asking, _SIOCSARP, request + struct.pack("16s", NAME.encode()))


def set_up_shared(address: str) -> None:
    """Bring loopback up with one more address. All of that address's ``/24`` are this namespace's own then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        _bring_up(asking, "lo")
        _ask(asking, _SIOCSIFADDR, _SHARED, _inet(address))
        _ask(asking, _SIOCSIFNETMASK, _SHARED, _inet(NETMASK))


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _bring_up(asking: socket.socket, name: str) -> None:
    _ask(asking, _SIOCSIFFLAGS, name, struct.pack("H", _IFF_UP | _IFF_RUNNING))


def _ask(asking: socket.socket, what: int, name: str, value: bytes) -> None:
    fcntl.ioctl(asking, what, struct.pack("16s", name.encode()) + value.ljust(_IFREQ_BYTES - 16, b"\0"))


def _inet(address: str) -> bytes:
    """A sockaddr_in."""
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))


def main() -> None:
    """Exits with 1, and says why, where no tap can be made."""
    try:
        os.close(open_tap())
    except OSError as error:
        sys.exit(error.strerror or str(error))


if __name__ == "__main__":
    main()
