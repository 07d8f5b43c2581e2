"""One history of many: each client of a run may have recorded its own part, by one and the same clock."""

import io
from pathlib import Path

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.format import (
    LINE_BYTES_MAX,
    NOTHING_WRITTEN,
    WRITE,
    initial_value,
    lines_of,
    read_history,
    returned_value,
    written_value,
)
from glitchgrid.lab.history.formats.reading import LOOK_BYTES, is_of_others, read_any
from glitchgrid.lab.history.operation import History, Operation, Outcome

HISTORY = "history"
"""The directory of the parts: a file each, whose name ends in ``.jsonl``."""


def read_merged(directory: Path) -> History:
    """The parts as one history. Operations are numbered anew, in the order of their calls.

    Several parts may have a torn line, and all may be incomplete; `torn_line` is that of the first. Parts in another
    form than ours have a time in each line, and processes of their own: number 3 of one is not number 3 of another.

    :raises HistoryInvalid: when one of them is no history, or they do not begin alike.
    """
    operations: list[Operation] = []
    initials: set[int] = set()
    torn_line: int | None = None
    for path in sorted(directory.glob("*.jsonl")):
        with path.open("rb") as file:
            if not file.readline(LINE_BYTES_MAX).endswith(b"\n"):
                continue  # its header is not whole: its client has begun nothing yet, or was killed before it could
            file.seek(0)
            if is_of_others(file.read(LOOK_BYTES)):
                file.seek(0)
                operations += _of_others(path.stem, file.read())
                continue
            file.seek(0)
            part = read_history(lines_of(file))
        initials.add(initial_value(part))
        operations += part.operations
        torn_line = torn_line or part.torn_line
    if len(initials) > 1:
        raise HistoryInvalid(1, f"the parts begin with different values: {sorted(initials)}")
    initial = initials.pop() if initials else None if operations else NOTHING_WRITTEN
    operations.sort(key=lambda operation: operation.call_ns)
    return History(tuple(each._replace(op=op) for op, each in enumerate(operations)), initial, torn_line)


def _of_others(name: str, recorded: bytes) -> tuple[Operation, ...]:
    """Of a part in another form, without a last line that its recorder was killed in."""
    whole = recorded[: recorded.rfind(b"\n") + 1]
    part, _ = read_any(io.BytesIO(whole))
    if not part.has_times:
        raise HistoryInvalid(1, f"{name} has no times: a history in several files needs a time in each line")
    return tuple(each._replace(client=f"{name}-{each.client}") for each in part.operations)


def largest_answered(history: History) -> int:
    """The largest value that an answer has named: the register has held it."""
    answered = (each for each in history.operations if each.outcome in {Outcome.OK, Outcome.REFUSED})
    return max(map(returned_value, answered), default=initial_value(history))


def largest_attempted(history: History) -> int:
    """The largest value that anybody has begun to write."""
    written = (written_value(each) for each in history.operations if each.function == WRITE)
    return max(written, default=initial_value(history))
