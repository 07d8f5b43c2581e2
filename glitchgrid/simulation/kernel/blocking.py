"""Calls that wait: what fails with EAGAIN is asked again when its file is ready for it."""

import errno
from collections.abc import Callable
from typing import TypeVar

from glitchgrid.simulation.kernel.descriptors import ERR, HUP, OpenFile
from glitchgrid.simulation.kernel.process import Process

T = TypeVar("T")


def blocking(process: Process, file: OpenFile, call: Callable[[], T], mask: int, timeout_ns: int | None = None) -> T:
    """What a call returns in the end.

    :param mask: what the file has to be ready for, as epoll has it.
    :param timeout_ns: None to wait for any time, 0 for none.
    :raises TimeoutError: where the call could not go on in that time.
    :raises OSError: whatever else the call says; EAGAIN where nothing is waited for.
    """
    end_ns = None if timeout_ns is None else process.world.now_ns + process.clock.until(timeout_ns)
    while True:
        try:
            return call()
        except BlockingIOError as error:
            if error.errno != errno.EAGAIN or timeout_ns == 0:
                raise
        left_ns = None if end_ns is None else end_ns - process.world.now_ns
        is_late = left_ns is not None and left_ns <= 0
        if is_late or not process.wait_for([file], lambda: file.events & (mask | ERR | HUP), left_ns):
            raise TimeoutError("timed out")
