"""Clocks of machines: what programs there are told of the time of day, by a small library that is preloaded into them.

libfaketime does this, too, and was tried first. Its rates count from each program's start, and the version of Debian 12
(0.9.10) makes `time.sleep` of Python fail: where monotonic clocks are left alone, a sleep until a monotonic time is
EINVAL.
"""

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path

LIBRARY = Path(__file__).with_name("glitchgrid_clock.so")
VARIABLE = "GLITCHGRID_CLOCK"
_PAGE = struct.Struct("=4q")


def missing() -> str:
    """What keeps clocks from being set, with the cure; empty for nothing."""
    if not LIBRARY.is_file():
        return "clocks need the C part: apt-get install gcc libc6-dev (Debian), then install Glitch Grid again"
    if {" ", ":"} & set(str(LIBRARY)):
        return f"clocks cannot be set from {LIBRARY}: a path with a space or a colon cannot be preloaded"
    return ""


def environment(file: Path, given: Mapping[str, str]) -> Mapping[str, str]:
    """What a program needs in its environment to have the clock of that file.

    :param given: what it has otherwise: libraries that it preloads are kept.

    Where it does not load the library, as a statically linked one, its clock is the real one.
    """
    preloaded = ":".join(filter(None, [str(LIBRARY), given.get("LD_PRELOAD", "")]))
    return {"LD_PRELOAD": preloaded, VARIABLE: str(file)}


class ClockFile:
    """The file of a machine's clock, which programs map. It is made here, and the clock is right at first."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(_PAGE.size)
            self._page = mmap.mmap(file.fileno(), _PAGE.size)

    def write(self, off_ns: int, since_ns: int, ppm: int) -> None:
        """Have the clock show so much more than the real time.

        :param since_ns: from then on it drifts, in real time since 1970.
        :param ppm: by so many millionths.
        """
        self._page[:] = _PAGE.pack(off_ns, since_ns, ppm, off_ns ^ since_ns ^ ppm)  # in one go, and never all zero

    def close(self) -> None:
        self._page.close()
