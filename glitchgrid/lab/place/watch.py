"""A real thread beside a run: it finds out that the run hangs, and that nobody waits for it any more."""

import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

LOOKS_EVERY_S = 0.2
STILL_S = 20
"""In real time: an event of the world takes thousandths of a second."""

FRAMES_TOLD = 8


class Watch:
    """Ends this process where its parent has ended, and where a run hangs.

    To be made in the thread that runs things.

    :param asks: a socket; whoever asks for runs has its other end.
    :param still_s: a run in which nothing has happened for so long hangs.
    """

    def __init__(self, asks: int, still_s: float = STILL_S) -> None:
        self._asks = select.poll()
        self._asks.register(asks, 0)  # which tells of nothing but its end
        self._still_s = still_s
        self._parent = os.getppid()
        self._watched = threading.get_ident()
        self._run: tuple[Callable[[], Any], Callable[[str], object]] | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    @contextmanager
    def over(self, progress: Callable[[], Any], hangs: Callable[[str], object]) -> Iterator[None]:
        """Watch what the block does.

        :param progress: says something else whenever there was some.
        :param hangs: is told where it is if there was none, in another thread. This process ends then.
        """
        self._run = progress, hangs
        try:
            yield
        finally:
            self._run = None

    def _watch(self) -> None:
        seen: Any = None
        seen_s = time.monotonic()
        while True:
            has_ended = self._asks.poll(LOOKS_EVERY_S * 1000)  # it returns at once when that has
            if has_ended or os.getppid() != self._parent:
                os._exit(1)
            run = self._run
            found = None if run is None else (id(run), run[0]())
            if run is None or found != seen:
                seen, seen_s = found, time.monotonic()
            elif time.monotonic() > seen_s + self._still_s:
                run[1](where(self._watched))
                os._exit(1)


def where(thread: int) -> str:
    """Where a thread of this process is, its innermost frame first."""
    frames = traceback.extract_stack(sys._current_frames()[thread])  # noqa: SLF001 - there is no other way
    return listed(f'File "{each.filename}", line {each.lineno} in {each.name}' for each in reversed(frames))


def listed(frames: Iterable[str]) -> str:
    """The first of them, one a line."""
    return "\n".join(f"  {each}" for each in list(frames)[:FRAMES_TOLD]) or "  (it does not say where)"
