"""``glitchgrid check``: is a recorded history linearizable? Needs no reactor."""

import json
import sys
from functools import partial
from typing import NoReturn

from attrs import asdict, frozen

from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION, run_to_its_end
from glitchgrid.commands.printing import show
from glitchgrid.errors import GlitchgridError
from glitchgrid.lab.checkers.max_register import CannotSay, CheckResult, Linearizable, NotLinearizable
from glitchgrid.lab.checkers.max_register import check as check_history
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.format import (
    Counts,
    History,
    Operation,
    OperationKind,
    Outcome,
    count,
    lines_of,
    read_history,
)

STANDARD_INPUT = "-"
_NS_PER_MS = 1_000_000


def check(path: str, acknowledged_min: int, as_json: bool) -> NoReturn:
    """Check a file, or with ``-`` what comes on standard input, and exit with the verdict."""
    run_to_its_end(partial(_check, path, acknowledged_min, as_json))


def _check(path: str, acknowledged_min: int, as_json: bool) -> int:
    finding = Finding.of(_read(path), acknowledged_min)
    show([(json.dumps(finding.as_json()), "")] if as_json else finding.as_lines())
    return finding.exit_status


@frozen
class Finding:
    """The verdict on a history, to be shown. Times count from the history's first call."""

    verdict: CheckResult
    counts: Counts
    torn_line: int | None
    begin_ns: int

    @classmethod
    def of(cls, history: History, acknowledged_min: int) -> "Finding":
        begin_ns = min((each.call_ns for each in history.operations), default=0)
        return cls(check_history(history, acknowledged_min), count(history), history.torn_line, begin_ns)

    @property
    def exit_status(self) -> int:
        match self.verdict:
            case Linearizable():
                return GOOD
            case NotLinearizable():
                return VIOLATION
            case CannotSay():
                return CANNOT_SAY

    def as_lines(self) -> list[tuple[str, str]]:
        """The lines to show, each with its style on a terminal."""
        lines: list[tuple[str, str]] = []
        match self.verdict:
            case Linearizable():
                lines.append(("linearizable", "green"))
            case NotLinearizable(rule, operations, sentence):
                lines.append((f"not linearizable, by rule {rule:d}: {sentence}", "red"))
                lines += [(f"  {self._line(each)}", "") for each in operations]
            case CannotSay(reason):
                lines.append((f"cannot say: {reason}", "yellow"))
        lines.append((_sum(self.counts), ""))
        if self.torn_line is not None:
            lines.append((f"line {self.torn_line} was left out: it is torn, as by a kill of its recorder", "yellow"))
        return lines

    def as_json(self) -> dict[str, object]:
        """The same for programs: `rule`, `sentence` and `operations` are there for a violation alone."""
        more: dict[str, object] = {}
        match self.verdict:
            case Linearizable():
                name = "linearizable"
            case NotLinearizable(rule, operations, sentence):
                name = "not linearizable"
                more = {
                    "rule": int(rule),
                    "sentence": sentence,
                    "operations": [self._fields(each) for each in operations],
                }
            case CannotSay(reason):
                name = "cannot say"
                more = {"reason": reason}
        return {"verdict": name, **more, "counts": asdict(self.counts), "torn_line": self.torn_line}

    def _line(self, operation: Operation) -> str:
        what = "read" if operation.kind is OperationKind.READ else f"write of {operation.value}"
        until = "no return" if operation.return_ns is None else f"{self._ms(operation.return_ns)} ms"
        span = f"{self._ms(operation.call_ns)} ms to {until}"
        return f"#{operation.op} {operation.client}: {what}, {span}: {_outcome(operation)}"

    def _fields(self, operation: Operation) -> dict[str, object]:
        return {
            "op": operation.op,
            "client": operation.client,
            "kind": operation.kind.value,
            "value": operation.value,
            "call_ms": float(self._ms(operation.call_ns)),
            "return_ms": None if operation.return_ns is None else float(self._ms(operation.return_ns)),
            "outcome": operation.outcome.value,
            "floor": operation.floor,
        }

    def _ms(self, at_ns: int) -> str:
        """Milliseconds with all digits: two operations may be one nanosecond apart."""
        whole, rest = divmod(at_ns - self.begin_ns, _NS_PER_MS)
        return f"{whole}.{rest:06d}"


def _sum(counts: Counts) -> str:
    return (
        f"{counts.operations} operations: {counts.acknowledged_writes} acknowledged writes, {counts.reads} reads,"
        f" {counts.ambiguous} ambiguous, {counts.failed} failed, {counts.refused} refused as decreases"
    )


def _outcome(operation: Operation) -> str:
    if operation.outcome is Outcome.DECREASES:
        return f"refused as a decrease from {operation.floor}"
    if operation.kind is OperationKind.READ and operation.outcome is Outcome.OK:
        return f"returned {operation.value}"
    return str(operation.outcome.value)


def _read(path: str) -> History:
    """:raises CannotRun: naming the file, and the line where that is what is wrong."""
    if path == STANDARD_INPUT and sys.stdin is None:
        raise CannotRun("standard input is closed")
    name = "standard input" if path == STANDARD_INPUT else path
    try:
        if path == STANDARD_INPUT:
            return read_history(lines_of(sys.stdin.buffer))
        with open(path, "rb") as file:
            return read_history(lines_of(file))
    except OSError as error:
        raise CannotRun(f"{name}: {error.strerror}") from error
    except GlitchgridError as error:
        raise CannotRun(f"{name}: {error}") from error
