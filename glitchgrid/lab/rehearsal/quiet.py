"""``$ANTITHESIS_STOP_FAULTS SECONDS``: a program for test commands, which asks for a quiet period.

As on the platform it is an executable; it returns once the period has begun, when every server serves.
"""

import os
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver

from glitchgrid.lab.errors import CannotRun

SECONDS_MAX = 600.0
SOCKET_PATH_BYTES_MAX = 107
_PROGRAM = """\
#!/bin/sh
# A quiet period of so many seconds: it begins when this returns.
exec python3 - "$1" <<'END'
import socket, sys
try:
    seconds = float(sys.argv[1])
except ValueError:
    sys.exit("stop_faults: SECONDS is needed, a number")
with socket.socket(socket.AF_UNIX) as door:
    door.connect({path!r})
    door.sendall(f"{{seconds}}\\n".encode())
    answer = door.makefile().readline().strip()
sys.exit(0 if answer == "quiet" else f"stop_faults: {{answer or 'nobody answers'}}")
END
"""

Quiet = Callable[[float], Coroutine[Any, Any, None]]


class QuietDoor:
    """:ivar program: what test commands call."""

    def __init__(self, reactor: Any, directory: Path) -> None:
        self._reactor = reactor
        self._path = directory / "quiet"
        self.program = directory / "stop_faults"
        self._port: Any = None

    def open(self, quiet: Quiet) -> None:
        """:raises CannotRun: where its path is longer than those of sockets may be."""
        if len(os.fsencode(self._path)) > SOCKET_PATH_BYTES_MAX:
            raise CannotRun(f"{self._path} is too long for a socket: name a directory that is nearer to the root")
        factory = Factory.forProtocol(_Asked)
        factory.quiet = quiet  # type: ignore[attr-defined]
        factory.noisy = False
        self._port = self._reactor.listenUNIX(str(self._path), factory)
        self.program.write_text(_PROGRAM.format(path=str(self._path)), encoding="utf-8")
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def close(self) -> "Deferred[object]":
        return maybeDeferred(self._port.stopListening) if self._port is not None else maybeDeferred(lambda: None)


class _Asked(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 100

    def lineReceived(self, line: bytes) -> None:
        try:
            seconds = float(line)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= SECONDS_MAX:
            self._answer(f"from 0 to {SECONDS_MAX:g} seconds, and not {line.decode('ascii', 'replace')}")
            return
        quiet: Quiet = self.factory.quiet
        asked = ensureDeferred(quiet(seconds))
        asked.addCallbacks(lambda _: self._answer("quiet"), lambda failure: self._answer(failure.getErrorMessage()))

    def _answer(self, text: str) -> None:
        self.transport.write(text.encode() + b"\n")  # type: ignore[union-attr]
        self.transport.loseConnection()  # type: ignore[union-attr]
