"""``glitchgrid``, and ``python -m glitchgrid``: heeds Ctrl-C while the commands are still being imported.

Importing a command takes up to a second. There is nothing to tidy up by then, and nothing to say but one line.
"""

import os
import signal
from types import FrameType
from typing import NoReturn

CANNOT_SAY = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Run a command. Once it is under way it heeds these signals itself."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from glitchgrid.cli import main as command  # noqa: PLC0415 - that is what takes its time

    command()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"glitchgrid: interrupted\n")
    os._exit(CANNOT_SAY)


if __name__ == "__main__":
    main()
