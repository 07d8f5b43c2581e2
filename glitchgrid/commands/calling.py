"""How this program was called. Command lines that are printed for people begin the same way, so that they run."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "glitchgrid"


def own_name() -> str:
    """The beginning of a command line that calls this program again, as a shell takes it.

    The name alone, where the shell finds this very program by it; else the path by which it was called.
    """
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == NAME:
        return shlex.join([sys.executable, "-m", NAME])
    if called.name != NAME:
        return NAME
    found = shutil.which(NAME)
    if found is not None and called.exists() and Path(found).samefile(called):
        return NAME
    return shlex.quote(sys.argv[0])


def command(*arguments: str) -> str:
    """A command line of this program's, to be shown to people."""
    return f"{own_name()} {shlex.join(arguments)}"
