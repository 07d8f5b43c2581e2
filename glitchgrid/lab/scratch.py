"""A temporary directory that is gone when this process is, however it ends."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

CLOSE_TIMEOUT_S = 1.0
_TAKE_AWAY = 'read -r _; for _ in $(seq 100); do rm -rf -- "$1" && exit; sleep 0.1; done'
"""It waits for the end of a pipe, whoever closes it; what still writes there is about to be killed."""


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Of this block: after ``kill -9``, too, nothing is left of it a moment later."""
    with ExitStack() as held:
        directory = TemporaryDirectory(prefix="glitchgrid-")
        remover = subprocess.Popen(
            ["sh", "-c", _TAKE_AWAY, "sh", directory.name],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for whoever uses the directory
        )
        held.callback(_let_end, remover)
        yield Path(held.enter_context(directory))


def _let_end(remover: "subprocess.Popen[bytes]") -> None:
    assert remover.stdin is not None, "it was opened with one"
    remover.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        remover.wait(CLOSE_TIMEOUT_S)
