"""The local output of Antithesis's SDK: one JSON object a line, by any number of processes.

Each process writes a property down once when it holds, and once when it does not: lines are no counts.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import field, frozen

from glitchgrid.errors import one_line
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.properties import Seen

SDK_OUTPUT = "sdk.jsonl"
LINE_CHARACTERS_MAX = 1_000_000
"""A longer line is none of the SDK's."""


@frozen
class Evidence:
    """:ivar seen: what processes have made of each property.
    :ivar failures: for each text the details of its first line that did not hold.
    :ivar ready: how often a process has said that the setup is complete.
    """

    seen: Seen = field(factory=Counter)
    failures: dict[str, dict[str, Any]] = field(factory=dict)
    ready: int = 0

    def and_also(self, other: "Evidence") -> "Evidence":
        return Evidence(self.seen + other.seen, {**other.failures, **self.failures}, self.ready + other.ready)


def read_evidence(path: Path) -> Evidence:
    """What such a file says. A torn last line counts as not there; what is none of ours is left out.

    :raises CannotRun: for a line that is no JSON object.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _evidence(path, iter(lambda: file.readline(LINE_CHARACTERS_MAX), ""))
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error


def _evidence(path: Path, lines: Iterable[str]) -> Evidence:
    seen: Seen = Counter()
    failures: dict[str, dict[str, Any]] = {}
    ready = 0
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n") and len(line) < LINE_CHARACTERS_MAX:
            break
        try:
            event = json.loads(line)
            evaluated = event.get("antithesis_assert", {"hit": False})
            ready += event.get("antithesis_setup", {}).get("status") == "complete"
            if not evaluated["hit"]:
                continue
            text, holds = str(evaluated["message"]), bool(evaluated["condition"])
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise CannotRun(f"{path}: line {number} is no output of the SDK: {one_line(error)}") from error
        seen[text, holds] += 1
        if not holds:
            failures.setdefault(text, evaluated.get("details") or {})
    return Evidence(seen, failures, ready)


def is_ready(directory: Path) -> bool:
    """Has somebody said by the SDK that all is set up?

    :raises CannotRun: as `read_evidence`.
    """
    output = directory / SDK_OUTPUT
    return output.exists() and read_evidence(output).ready > 0
