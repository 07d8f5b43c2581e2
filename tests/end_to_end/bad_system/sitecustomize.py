"""On a server's PYTHONPATH: a system whose disk or name servers hang or fail, as the environment has it.

BAD_CALL            the call of `os` or `fcntl` that is bad: fsync, fdatasync, flock
BAD_KIND            "directory" or "file": of what alone; else of both
BAD_SECONDS         how long it hangs
BAD_ERROR           an errno with which it fails then; else it works
BAD_NOTE            a file that is made when the first such call begins to hang
BAD_MOMENT          SIGTERM comes as soon as it is heeded at all
BAD_NAMES           how many seconds names that begin with "slow." take to fail; others under ".test" are this machine
"""

import fcntl
import os
import signal
import socket
import stat
import time
from pathlib import Path
from typing import Any

_call, _kind = os.environ.get("BAD_CALL"), os.environ.get("BAD_KIND")


def _is_meant(descriptor: int) -> bool:
    is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    return _kind is None or (_kind == "directory") == is_directory


def _bad(module: Any, name: str) -> None:
    works = getattr(module, name)

    def call(descriptor: int, *arguments: Any) -> Any:
        if _is_meant(descriptor):
            Path(os.environ["BAD_NOTE"]).touch()
            time.sleep(float(os.environ["BAD_SECONDS"]))
            if "BAD_ERROR" in os.environ:
                number = int(os.environ["BAD_ERROR"])
                raise OSError(number, os.strerror(number))
        return works(descriptor, *arguments)

    setattr(module, name, call)


if _call is not None:
    _bad(fcntl if _call == "flock" else os, _call)

if "BAD_MOMENT" in os.environ:
    _signal = signal.signal

    def heed(number: int, handler: Any) -> Any:
        before = _signal(number, handler)
        if number == signal.SIGTERM and callable(handler):
            signal.signal = _signal
            os.kill(os.getpid(), number)
        return before

    signal.signal = heed  # type: ignore[assignment]

if "BAD_NAMES" in os.environ:
    _getaddrinfo = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode("ascii") if isinstance(host, bytes) else str(host)
        if name.startswith("slow."):
            time.sleep(float(os.environ["BAD_NAMES"]))
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return _getaddrinfo("127.0.0.1" if name.endswith(".test") else host, *arguments, **options)

    socket.getaddrinfo = getaddrinfo
