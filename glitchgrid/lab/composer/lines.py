"""Files of JSON lines that are written while things happen: a writer that is killed tears the last one at most."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from glitchgrid.lab.errors import CannotRun

T = TypeVar("T")


def append(path: Path, content: Any) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(content) + "\n")


def read(path: Path, make: Callable[[dict[str, Any]], T]) -> tuple[T, ...]:
    """Each line as `make` makes it; nothing where there is no file. A torn last line counts as not there.

    :raises CannotRun: for a line that is not what it should be.
    """
    try:
        *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"{path}: {error}") from error
    made = []
    for number, line in enumerate(lines, start=1):
        try:
            made.append(make(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CannotRun(f"{path}: line {number} is not what it should be: {error}") from error
    return tuple(made)
