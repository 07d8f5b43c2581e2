"""A run from its plan: start what it needs, measure cell after cell, clear away."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.contenders import Contender
from benchmarks.plan import Plan
from benchmarks.results import Measurement
from benchmarks.session import Session

Sessions = Mapping[tuple[str, str], Session]
"""By contender and world."""


def measure(
    plan: Plan,
    contenders: Mapping[str, Contender],
    scratch: Path,
    measured: Callable[[Measurement], None],
    turns: int = 1,
) -> None:
    """Run `plan`, and hand over each measurement when it is made.

    In a round every contender is up in every world, so that the cells can be interleaved; those that are not being
    measured are idle. Each round starts with new processes and empty data. With several `turns`, all its cells are
    measured so often before that, and each turn counts as a round.

    :raises CannotMeasure: when a contender does not come up.
    """
    for round_number in range(plan.rounds):
        with _scratch(scratch) as directory, _started(plan, contenders, directory) as sessions:
            for turn in range(round_number * turns, (round_number + 1) * turns):
                for cell in plan.cells(turn):
                    session = sessions[cell.contender, cell.world]
                    measured(session.measure(cell, turn, plan.seconds))


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="glitchgrid-bench-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _started(plan: Plan, contenders: Mapping[str, Contender], directory: Path) -> Iterator[Sessions]:
    sessions: dict[tuple[str, str], Session] = {}
    with ExitStack() as ended:
        for world, names in plan.worlds.items():
            for name in names:
                session = Session(contenders[name], world, directory / world / name)
                ended.callback(session.close)
                session.start()
                sessions[name, world] = session
        yield sessions
