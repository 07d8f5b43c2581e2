"""What metrics cost: a grid whose servers count, beside one whose servers don't.

Run as a program it is twistd, with or without: ``python -m benchmarks.counted with|without ARGUMENTS...``
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender, start_grid, twistd
from benchmarks.dialects import GridDialect
from benchmarks.plan import Load, Plan

WITH, WITHOUT = "with", "without"
KINDS = ("get", "post")
LEAST = 0.98


def _program(which: str, program: str, port: int, vaults: Sequence[int], directory: Path) -> list[str]:
    command = twistd("atomic")(program, port, vaults, directory)
    return [sys.executable, "-m", "benchmarks.counted", which, *command[1:]]


def contenders() -> dict[str, Contender]:
    return {
        name: Contender(
            name,
            f"grid, {name} metrics",
            GridDialect(),
            True,
            functools.partial(start_grid, functools.partial(_program, name)),
        )
        for name in (WITH, WITHOUT)
    }


def plan(connections: Sequence[int], seconds: int, rounds: int) -> Plan:
    loads = (Load("healthy", kind, count, (WITH, WITHOUT)) for kind in KINDS for count in connections)
    return Plan(tuple(loads), seconds, rounds)


def _count_nothing() -> None:
    """Neither requests nor what the register and the store do."""
    from glitchgrid import control, vault  # noqa: PLC0415 - only the servers' processes have a use for them
    from glitchgrid.http.counting import FaceCounts  # noqa: PLC0415

    def nothing(_counts: FaceCounts, _what: Any) -> None:
        pass

    def only_the_second(_counting: Any, other: Any) -> Any:
        return other

    for name in ("answered", "refused"):
        setattr(FaceCounts, name, nothing)
    for module in (control, vault):
        module.both = only_the_second  # type: ignore[attr-defined]


def main() -> None:
    if sys.argv.pop(1) == WITHOUT:
        _count_nothing()
    from twisted.scripts.twistd import run  # noqa: PLC0415 - it takes the reactor

    sys.argv[0] = "twistd"
    run()


if __name__ == "__main__":
    main()
