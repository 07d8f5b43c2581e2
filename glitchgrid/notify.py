"""What a service tells the service manager that has started it (sd_notify(3)): that it serves, stops, lives.

systemd gives the address of a datagram socket in ``NOTIFY_SOCKET``, and with ``WatchdogSec=`` in ``WATCHDOG_USEC`` how
often it wants to hear. That is one datagram, and not worth a dependency.
"""

import contextlib
import socket
from collections.abc import Mapping

READY, STOPPING, ALIVE = b"READY=1", b"STOPPING=1", b"WATCHDOG=1"

US_PER_S = 1_000_000


class Notifier:
    """:param environment: of this process.
    :param pid: its number, for which a watchdog may be meant.
    """

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        interval_us = environment.get("WATCHDOG_USEC", "")
        is_meant = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        self._interval_us = int(interval_us) if is_meant and interval_us.isascii() and interval_us.isdigit() else 0

    @property
    def is_there(self) -> bool:
        """Has a service manager started this process?"""
        return self._address[:1] in {"/", "@"}

    @property
    def alive_every_s(self) -> float:
        """How often `ALIVE` is to be told: twice as often as it is waited for. 0 for never."""
        return self._interval_us / US_PER_S / 2 if self.is_there else 0.0

    def tell(self, state: bytes) -> None:
        """Tell it, if somebody wants to know. It is no fault of a server's if nobody listens."""
        if not self.is_there:
            return
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as told,
        ):
            told.sendto(state, address)
