"""A machine's first process: ``python -m glitchgrid.machines.keeper DESCRIPTOR``.

It is started in namespaces of its own, and makes of them a machine: a name, an interface, its own /etc/hosts and /tmp,
its disk. Then it does what it is told through the socket that it was given, one request at a time, and ends when that
is closed: with it, as the first of its PID namespace, ends everything that runs on the machine. It imports no Twisted:
there is one for each machine.

Requests and answers are JSON, one a packet (unix(7), SOCK_SEQPACKET). The first one says what to make.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from glitchgrid.machines import interface

PACKET_BYTES_MAX = 1 << 16
ASK_TIMEOUT_S = 2.0
NS_PER_MS = 1_000_000
SUCCESSES = range(200, 300)

_MS_BIND, _MS_REC = 0x1000, 0x4000


def mount(source: str, target: str, kind: str = "", flags: int = _MS_BIND) -> None:
    """mount(2).

    :raises OSError: as that does.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


class Keeper:
    """:ivar disk: what is mounted, where something is."""

    def __init__(self, conversation: socket.socket) -> None:
        self._conversation = conversation
        self.disk: Any = None
        self._verbs: Mapping[str, Callable[..., object]] = {
            "signal": self._signal,
            "listens": self._listens,
            "answers": self._answers,
            "programs without": self._programs_without,
            "set": self._set,
            "watch syncs": self._watch_syncs,
            "kill": self._kill,
            "lose power": self._lose_power,
        }

    def make(self) -> None:
        """Be the machine that the first packet asks for, and serve its disk, or requests."""
        asked = json.loads(self._conversation.recv(PACKET_BYTES_MAX))
        socket.sethostname(asked["name"])
        taps = [] if asked["shares_network"] else [interface.open_tap()]
        if taps:
            interface.set_up(asked["address"], asked["mac"], asked["neighbours"])
        mount(asked["hosts"], "/etc/hosts")
        _own_temporary(asked["tmp"], asked["keeps"])
        self._tell({"made": True}, taps)
        for tap in taps:
            os.close(tap)
        if not asked["is_lossy"]:
            self._is_ready()
            self.serve()
            return
        from glitchgrid.machines import disk  # noqa: PLC0415 - half the memory of a machine that has none

        platters = disk.Platters(asked["seed"], asked["name"], self._has_refused, is_harsh=asked["is_harsh"])
        self.disk = disk.Mounted(platters, self._start_serving, lambda: self._tell({"syncing": True}))
        disk.mount(self.disk, asked["disk"])

    def _start_serving(self) -> None:
        """What waits for requests is another thread: this one belongs to libfuse."""
        self._is_ready()
        threading.Thread(target=self._serve_to_the_end, daemon=True).start()

    def _serve_to_the_end(self) -> None:
        try:
            self.serve()
        finally:
            os._exit(0)

    def serve(self) -> None:
        while packet := self._conversation.recv(PACKET_BYTES_MAX):
            asked = json.loads(packet)
            try:
                answer = self._verbs[asked.pop("do")](**asked)
            except OSError as error:
                self._tell({"error": error.strerror or str(error)})
            else:
                self._tell({"answer": answer})

    def _is_ready(self) -> None:
        self._tell({"ready": True})

    def _has_refused(self, refusals: int, syncs_to_fail: int) -> None:
        self._tell({"refusals": refusals, "syncs_to_fail": syncs_to_fail})

    def _tell(self, what: Mapping[str, object], descriptors: list[int] | None = None) -> None:
        socket.send_fds(self._conversation, [json.dumps(what).encode()], descriptors or [])

    # What it is asked for.

    def _signal(self, number: int) -> bool:
        """To all that runs here, and not to this process: kill(2) of -1. Returns whether anything does."""
        try:
            os.kill(-1, number)
        except ProcessLookupError:
            return False
        return True

    def _listens(self, address: str, port: int) -> bool:
        """Does something take connections there?"""
        try:
            socket.create_connection((address, port), ASK_TIMEOUT_S).close()
        except OSError:
            return False
        return True

    def _answers(self, address: str, port: int, path: str) -> bool:
        """Does something answer a GET with a success?"""
        connection = HTTPConnection(address, port, timeout=ASK_TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status in SUCCESSES
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _programs_without(self, library: str) -> list[str]:
        """The names of the programs here that have not loaded a library."""
        found = set()
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid():
                with suppress(OSError):  # it has ended
                    maps = (process / "maps").read_text(encoding="utf-8", errors="replace")
                    if maps and library not in maps:
                        found.add((process / "comm").read_text(encoding="utf-8", errors="replace").strip())
        return sorted(found)

    def _set(self, **attributes: Any) -> None:
        """Have a disk with these faults, by the names of the simulator's `Drive`.

        ``stall_ms`` begins now; ``fails_to`` is a list.
        """
        platters = self.disk.platters
        with self.disk.changed:
            stall_ms = attributes.pop("stall_ms", None)
            if stall_ms is not None:
                platters.stalled_until_ns = time.monotonic_ns() + stall_ms * NS_PER_MS
            for name, value in attributes.items():
                setattr(platters, name, set(value) if isinstance(value, list) else value)
            self.disk.changed.notify_all()

    def _watch_syncs(self, is_watched: bool) -> None:
        """Have the next sync say so, and wait for the power to go."""
        with self.disk.changed:
            self.disk.watches_syncs = is_watched
            self.disk.changed.notify_all()

    def _kill(self) -> bool:
        """Everything dies. Returns whether anything ran, when it is gone."""
        ran = self._signal(signal.SIGKILL)
        _require_gone(is_alone=_until_alone())
        return ran

    def _lose_power(self) -> bool:
        """Everything dies, and of what was not synced any part is on the disk."""
        ran = self._signal(signal.SIGKILL)
        if self.disk is not None:
            with self.disk.changed:
                self.disk.watches_syncs, self.disk.loses_power = False, True
                self.disk.changed.notify_all()
        is_alone = _until_alone()
        if self.disk is not None:
            with self.disk.changed:
                self.disk.platters.lose_power()
                self.disk.loses_power = False
        _require_gone(is_alone=is_alone)
        return ran


def _until_alone() -> bool:
    """What was killed still has its files open until it is gone. Returns whether it was in time."""
    end_s = time.monotonic() + ASK_TIMEOUT_S
    while len([name for name in os.listdir("/proc") if name.isdecimal()]) > 1:
        if time.monotonic() > end_s:
            return False
        time.sleep(0.001)
    return True


def _require_gone(*, is_alone: bool) -> None:
    if not is_alone:
        raise OSError(errno.ETIMEDOUT, f"what was killed has not ended within {ASK_TIMEOUT_S:g} s")


def _own_temporary(own: str, keeps: list[str]) -> None:
    """A directory of its own as /tmp. What the machine needs and lies in the host's /tmp is to be seen still."""
    opened = {path: os.open(path, os.O_PATH) for path in keeps if Path(path).is_relative_to("/tmp")}  # noqa: S108
    mount(own, "/tmp")  # noqa: S108
    for path, descriptor in opened.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", path, flags=_MS_BIND | _MS_REC)
        os.close(descriptor)


def main() -> None:
    """Exits with 1, and says why, where a machine can't be made."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what was left here by its parent is gone when it has ended
    conversation = socket.socket(fileno=int(sys.argv[1]))
    try:
        Keeper(conversation).make()
    except OSError as error:
        reason = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        socket.send_fds(conversation, [json.dumps({"failed": reason}).encode()], [])
        sys.exit(1)
    except (ImportError, RuntimeError) as error:
        socket.send_fds(conversation, [json.dumps({"failed": f"the disk: {error}"}).encode()], [])
        sys.exit(1)


if __name__ == "__main__":
    main()
