"""What is not modelled, and would reach the real machine: an error that names it, at once."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from glitchgrid.simulation.kernel.seam import Patch

_NAMES: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        os,
        (
            *("eventfd", "nice", "pidfd_open", "pidfd_getfd", "posix_openpt", "ptsname"),
            *(
                "sched_setaffinity",
                "sched_setparam",
                "sched_setscheduler",
                "setns",
                "setpriority",
                "tcsetpgrp",
                "unshare",
            ),
        ),
    ),
    (signal, ("pidfd_send_signal", "sigpending", "sigtimedwait", "sigwait", "sigwaitinfo")),
)


def patches() -> Iterator[Patch]:
    for owner, names in _NAMES:
        for name in names:
            if hasattr(owner, name):
                yield Patch(owner, name, _refuse(f"{owner.__name__}.{name}"))


def _refuse(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{name} is not modelled in a simulated world")

    return refuse
