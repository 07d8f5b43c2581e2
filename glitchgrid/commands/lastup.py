"""Where the grid of the last ``up`` is, for commands that are not told which grid is meant."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from glitchgrid.commands.calling import command
from glitchgrid.lab.errors import CannotRun

_NAME = "up.json"


def _path() -> Path:
    """In the user's directory for state, by the XDG Base Directory Specification."""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return home / "glitchgrid" / _NAME


@contextmanager
def noted(controls: Sequence[str]) -> Iterator[None]:
    """Until the end of the block, this is the last grid. Where that can't be written down, nobody is told."""
    path, own = _path(), os.getpid()
    with suppress(OSError, RuntimeError):  # the latter where there is no home
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            json.dump({"pid": own, "controls": list(controls)}, file)
        os.replace(file.name, path)
    try:
        yield
    finally:
        with suppress(OSError, ValueError, RuntimeError, KeyError, TypeError):
            if json.loads(path.read_text(encoding="utf-8"))["pid"] == own:
                path.unlink()


def last_controls() -> list[str]:
    """The addresses of its controls.

    :raises CannotRun: where no ``up`` goes on, and says how to name a grid.
    """
    cure = f"name one by --control HOST:PORT, or start one: {command('up')}"
    try:
        noted_down = json.loads(_path().read_text(encoding="utf-8"))
        pid, controls = int(noted_down["pid"]), [str(each) for each in noted_down["controls"]]
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise CannotRun(f"there is no grid of 'up' on this machine: {cure}") from error
    if not Path(f"/proc/{pid}").exists():
        raise CannotRun(f"the grid of the last 'up' has ended: {cure}")
    return controls
