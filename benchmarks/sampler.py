"""Runs twistd, and notes a thousand times a second of processor time where its reactor's thread is.

    python -P benchmarks/sampler.py SAMPLES.json TWISTD-ARGUMENTS...

SIGUSR1 begins anew, SIGUSR2 writes the file. cProfile makes every call dearer, so that small functions look worse
than they are, and halves the throughput; this took a fifth at most. The price: it counts no calls, and a signal
that comes while C code runs is seen when that returns, so that C's time is that of the function which called it.
"""

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from twisted.scripts.twistd import run

EVERY_CPU_S = 0.001
DEPTH_MAX = 120

Stack = tuple[tuple[str, str, int], ...]
"""(file, function, first line), the innermost first."""


def stack_of(frame: FrameType | None) -> Stack:
    """Where a thread is."""
    stack: list[tuple[str, str, int]] = []
    while frame is not None and len(stack) < DEPTH_MAX:
        code = frame.f_code
        stack.append((code.co_filename, code.co_qualname, code.co_firstlineno))
        frame = frame.f_back
    return tuple(stack)


def main(samples_path: Path, arguments: list[str]) -> None:
    seen: Counter[Stack] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        seen[stack_of(frame)] += 1

    def begin(*_: Any) -> None:
        seen.clear()
        signal.setitimer(signal.ITIMER_PROF, EVERY_CPU_S, EVERY_CPU_S)

    def write(*_: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        partial = samples_path.with_suffix(".partial")
        partial.write_text(json.dumps(list(seen.items())), encoding="utf-8")
        partial.replace(samples_path)

    for number, handler in ((signal.SIGPROF, look), (signal.SIGUSR1, begin), (signal.SIGUSR2, write)):
        signal.signal(number, handler)
        signal.siginterrupt(number, False)
    sys.argv = ["twistd", *arguments]
    run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
