"""Programs with a deadline. Each has a process group of its own, and ends with whoever runs it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

COMMAND_S = 120.0
AGAIN_S = 0.5
KILLED_AFTER_S = 10.0


class Failed(Exception):
    """A program has failed, or has said something else than it should have. The text is what it has said."""


def run(
    argv: Sequence[str | Path],
    timeout_s: float = COMMAND_S,
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> str:
    """Run a program to its end; what it prints on both of its outputs.

    :raises Failed: for an exit status that is not 0, and at the deadline.
    """
    with running(argv, environment=environment, directory=directory) as process:
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{argv[0]} had not ended after {timeout_s:g} s") from None
    if process.returncode:
        raise Failed(said or f"{argv[0]} ended with status {process.returncode}")
    return said


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> "Iterator[subprocess.Popen[str]]":
    """A program that runs until the end of the block, at the latest."""
    process = subprocess.Popen(
        [str(each) for each in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        env=None if environment is None else {**os.environ, **environment},
        cwd=directory,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """SIGTERM to all of its group, and kill -9 to those that do not heed it."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=KILLED_AFTER_S)
            return


def until_ok(seconds: float, attempt: Callable[[], object]) -> None:
    """Try again and again, until an attempt goes well or the time is over.

    :raises Failed: what the last attempt failed with.
    """
    deadline_s = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except Failed:
            if time.monotonic() >= deadline_s:
                raise
            time.sleep(AGAIN_S)
        else:
            return
