r"""What all commands of one timeline share: a directory, and in it

=================  ===================================================================================================
begin.json         the register's value before anybody wrote, the weights, and since which boot times can be compared
history/\*.jsonl   the history, a file for each turn of a command; `glitchgrid.lab.history.merging` makes one of them
largest.json       the largest value that was seen of what must not go back
lock               is held while one of the above is made
=================  ===================================================================================================

Each turn writes a file of its own, so that one that is killed in the middle of a line spoils nobody else's.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from attrs import frozen

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.merging import HISTORY, read_merged
from glitchgrid.lab.history.operation import History
from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.lab.weights import Weights

BEGIN = "begin.json"
LARGEST = "largest.json"
LOCK = "lock"

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Differs after each boot: the monotonic clock begins anew then."""


@frozen
class Beginning:
    initial: int
    weights: Weights


class SharedDirectory:
    """The shared directory of one timeline. Its locks are held for as long as it takes to write a small file."""

    def __init__(self, directory: Path) -> None:
        """:raises CannotRun: when the directory cannot be used."""
        self.directory = directory
        try:
            (directory / HISTORY).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRun(f"{directory} cannot be used: {error.strerror}") from error

    def beginning(self) -> Beginning | None:
        """How it began; None where it has not.

        :raises CannotRun: when that was before this machine was booted: times from then say nothing today.
        """
        begun = self._read(BEGIN)
        if begun is None:
            return None
        if begun["boot"] != _boot():
            raise CannotRun(
                f"{self.directory} has a history from before the last boot; a timeline needs a new directory"
            )
        return Beginning(begun["initial"], begun["weights"])

    def begin(self, beginning: Beginning) -> Beginning:
        """Begin it so, unless somebody has begun it meanwhile: the first one's is what holds for all."""
        with self._locked():
            begun = self.beginning()
            if begun is not None:
                return begun
            # Before the beginning was known nobody could write, so nobody's reading of it was too late.
            self._write(BEGIN, {"boot": _boot(), "initial": beginning.initial, "weights": beginning.weights})
        return beginning

    @contextmanager
    def recorder(self, name: str, initial: int) -> Iterator[Recorder]:
        """Of one turn, in a file of its own."""
        path = self.directory / HISTORY / f"{time.monotonic_ns()}-{os.getpid()}-{name}.jsonl"
        stream: TextIO
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            yield Recorder(stream, time.monotonic_ns, initial)

    def history(self) -> History:
        """What all turns have recorded so far, also those that go on meanwhile.

        :raises HistoryInvalid: when a file is none.
        """
        return read_merged(self.directory / HISTORY)

    def largest(self, key: str) -> int:
        """The largest value that was seen of `key`."""
        seen = self._read(LARGEST) or {}
        return int(seen.get(key, 0))

    def saw(self, key: str, value: int) -> None:
        with self._locked():
            seen = self._read(LARGEST) or {}
            if value > seen.get(key, 0):
                self._write(LARGEST, seen | {key: value})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.directory / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.directory / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise CannotRun(f"{self.directory / name} is not what it was written as: {error}") from error

    def _write(self, name: str, content: Any) -> None:
        """As a whole or not at all: whoever writes it may be killed."""
        new = self.directory / f"{name}.{os.getpid()}"
        new.write_text(json.dumps(content), encoding="utf-8")
        new.replace(self.directory / name)


def _boot() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()
