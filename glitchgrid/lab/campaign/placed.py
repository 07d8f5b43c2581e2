"""Runs for whoever is in another real process: a process in which the seam is, as this one cannot put it in any more.

It imports a system once, runs seed after seed of it, and ends with the process that has started it. `serving` is what
it does.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.pool import Pool
from glitchgrid.lab.campaign.request import Bug, Request
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.place.environment import environment, own_hash_seed
from glitchgrid.lab.place.talk import Talk

if TYPE_CHECKING:
    from glitchgrid.lab.campaign.result import Result

PROGRAM = "from glitchgrid.lab.campaign.serving import main; main()"
LOOK_EVERY_S = 0.2
DEATHS_MAX = 3
"""A run whose process dies so often is what kills it."""


class Placed:
    """Such a process.

    :param hash_seed: of Python's hashes there.
    """

    def __init__(self, hash_seed: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment(hash_seed),
                start_new_session=True,  # Ctrl-C is for whoever waits for it
            )
        descriptor = ours.detach()
        self._talk = Talk(descriptor, descriptor)

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, request: Request) -> None:
        """Have it run something."""
        with suppress(BrokenPipeError, ConnectionResetError):  # `result` will tell
            self._talk.say(request)

    def result(self) -> "Result":
        """What came of that.

        :raises EOFError: where the process has ended.
        :raises KeyboardInterrupt: where somebody has asked this process to end.
        :raises CancelledError: where it was given up.
        """
        try:
            while not self._talk.has_come(LOOK_EVERY_S):
                interruption.check()
            answer: Any = self._talk.hear()
        except ConnectionResetError as error:
            raise EOFError from error
        if isinstance(answer, Bug):
            raise AssertionError(answer.told)  # noqa: TRY004 - that is what it stands for
        result: Result = answer
        return result

    def close(self) -> None:
        """End it, and wait for that."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its fork, too: it leads a group of its own
        self._process.wait()
        self._talk.close()


PROCESSES: Pool[int, Placed] = Pool(Placed)


def ask(request: Request, hash_seed: int | None = None) -> "Result":
    """Have something run in another process.

    :param hash_seed: of Python's hashes there; None for this process's.
    :raises CannotRun: where that process dies, whatever it is asked for.
    """
    hash_seed = own_hash_seed() if hash_seed is None else hash_seed
    for _ in range(DEATHS_MAX):
        placed = PROCESSES.take(hash_seed)
        try:
            placed.begin(request)
            result = placed.result()
        except EOFError:
            placed.close()
            continue
        except AssertionError:
            PROCESSES.give(hash_seed, placed)
            raise
        except BaseException:
            placed.close()
            raise
        PROCESSES.give(hash_seed, placed)
        return result
    raise CannotRun(f"the process that runs seed {request.plan.seed if request.plan else request.seed} dies")
