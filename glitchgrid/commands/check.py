"""``glitchgrid check``: is a recorded history linearizable? Needs no reactor."""

import gc
import json
import time
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from attrs import asdict, frozen

from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION, run_to_its_end
from glitchgrid.commands.files import prepare_file, write_file
from glitchgrid.commands.printing import show
from glitchgrid.commands.reading import read_named
from glitchgrid.errors import GlitchgridError
from glitchgrid.lab.checkers.answer import Limits
from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.models import MODELS, guess
from glitchgrid.lab.checkers.models.etcd import Etcd
from glitchgrid.lab.checkers.models.registers import MaxRegister
from glitchgrid.lab.checkers.rendering import picture_of
from glitchgrid.lab.checkers.result import CannotSay, CheckResult, Linearizable, NotLinearizable
from glitchgrid.lab.checkers.telling import has_answer, named
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.events import APART_NS
from glitchgrid.lab.history.format import READ, RETURN_NAMES, count
from glitchgrid.lab.history.formats.reading import ETCD, OURS
from glitchgrid.lab.history.formats.values import NotAValue, frozen_value, json_value
from glitchgrid.lab.history.operation import UNKNOWN, History, Operation, Outcome
from glitchgrid.lab.picture.page import as_page

_NO_ORDER = "no order was found within --time and --memory"
BRANCHES_SHOWN = 3
ORDER_SHOWN = 6
TEXT_SHOWN = 40
OPERATIONS_SHOWN = 8
_NS_PER_MS = 1_000_000


@frozen
class Settings:
    """:param path: a file; ``-`` for standard input.
    :param acknowledged_min: so many operations have to have returned; for a max-register so many writes and reads each.
        None for what the model asks for.
    :param format_name: which format it has; None to find it out.
    :param model: which model it is of; None to find it out.
    :param initial: what the object holds at the beginning, as JSON; None for what the format or the model says.
    :param memory_mib: what the search may take, about.
    :param time_s: how long it may take.
    :param with_order: show the order that was found.
    :param html: where the picture goes.
    """

    path: str
    acknowledged_min: int | None
    as_json: bool
    format_name: str | None
    model: str | None
    initial: str | None
    memory_mib: int
    time_s: float
    with_order: bool
    html: Path | None


def check(settings: Settings) -> NoReturn:
    """Check a history, and exit with the verdict."""
    run_to_its_end(partial(_check, settings))


def _check(settings: Settings) -> int:
    if settings.html is not None:
        prepare_file(settings.html)
    gc.disable()  # millions of operations, none of them in a cycle: looking for one would take a third of the time
    try:
        return _show(_finding(settings), settings)
    finally:
        gc.enable()


def _show(finding: "Finding", settings: Settings) -> int:
    """:returns: the exit status."""
    if settings.html is not None:
        title = f"{Path(finding.name).name}: {finding.verdict_name}, as {_article(finding.model.name)}"
        picture = picture_of(finding.history, finding.model, finding.verdict, title)
        write_file(settings.html, as_page(picture))
    show([(json.dumps(finding.as_json()), "")] if settings.as_json else finding.as_lines(settings.with_order))
    return finding.exit_status


def _finding(settings: Settings) -> "Finding":
    """:raises CannotRun: naming the file, and the line where that is what is wrong."""
    name, history, format_name = read_named(settings.path, settings.format_name)
    try:
        model = _model(settings, history, format_name)
        return Finding(name, history, format_name, model, _verdict(settings, history, model))
    except GlitchgridError as error:
        raise CannotRun(f"{name}: {error}") from error


_OF_FORMAT: dict[str, type[Model]] = {OURS: MaxRegister, ETCD: Etcd}
"""What only a history of one model has."""


def _model(settings: Settings, history: History, format_name: str) -> Model:
    """:raises CannotRun: where it cannot be found out."""
    chosen = MODELS[settings.model] if settings.model else _OF_FORMAT.get(format_name) or guess(history.operations)
    if chosen is None:
        functions = ", ".join(sorted({each.function for each in history.operations})) or "nothing"
        raise CannotRun(f"its model cannot be told from what was called ({functions}): say --model")
    return chosen(history.initial if settings.initial is None else _value(settings.initial))


def _value(text: str) -> Hashable:
    """:raises CannotRun: for what is no JSON."""
    try:
        return frozen_value(json.loads(text))
    except NotAValue as error:
        raise CannotRun(f"--initial: {error}") from None
    except (ValueError, RecursionError):
        raise CannotRun(f"--initial {text[:TEXT_SHOWN]!r} is not JSON: a text stands in quotes") from None


def _verdict(settings: Settings, history: History, model: Model) -> CheckResult:
    limits = Limits(settings.memory_mib * 2**20, time.monotonic() + settings.time_s)
    return judge(history, model, limits, settings.acknowledged_min, with_order=settings.with_order)


@frozen
class Finding:
    """The verdict on a history, to be shown. Times count from the history's first call."""

    name: str
    history: History
    format_name: str
    model: Model
    verdict: CheckResult

    @property
    def verdict_name(self) -> str:
        match self.verdict:
            case Linearizable():
                return "linearizable"
            case NotLinearizable():
                return "not linearizable"
            case CannotSay():
                return "cannot say"

    @property
    def exit_status(self) -> int:
        return {"linearizable": GOOD, "not linearizable": VIOLATION, "cannot say": CANNOT_SAY}[self.verdict_name]

    def as_lines(self, with_order: bool) -> list[tuple[str, str]]:
        """The lines to show, each with its style on a terminal."""
        lines: list[tuple[str, str]] = []
        match self.verdict:
            case Linearizable(orders):
                lines.append(("linearizable", "green"))
                lines += self._order_lines(orders) if with_order else []
                is_missing = with_order and not orders and self.history.operations
                lines += [(_NO_ORDER, "yellow")] if is_missing else []
            case NotLinearizable(rule=rule, operations=operations, sentence=sentence):
                by = "" if rule is None else f", by rule {rule:d}"
                lines.append((f"not linearizable{by}: {sentence}", "red"))
                lines += self._operation_lines(operations)
                lines += [] if rule is not None else self._more_lines(self.verdict)
            case CannotSay(reason):
                lines.append((f"cannot say: {reason}", "yellow"))
        lines.append((self._sum(), ""))
        if self.history.torn_line is not None:
            torn = f"line {self.history.torn_line} was left out: it is torn, as by a kill of its recorder"
            lines.append((torn, "yellow"))
        return lines

    def as_json(self) -> dict[str, object]:
        """The same for programs: `sentence`, `operations` and what belongs to them are there for a violation alone."""
        more: dict[str, object] = {}
        match self.verdict:
            case NotLinearizable(rule=rule, operations=operations, sentence=sentence) as found:
                more = {} if rule is None else {"rule": int(rule)}
                more |= {"sentence": sentence, "operations": [self._fields(each) for each in operations]}
                more |= {} if rule is not None else self._more_fields(found)
            case Linearizable(orders) if orders:
                more = {
                    "orders": [{"key": json_value(key), "order": [each.op for each in order]} for key, order in orders]
                }
            case CannotSay(reason):
                more = {"reason": reason}
        about = {} if self._is_ours else {"format": self.format_name, "model": self.model.name}
        counts = {"counts": self._counts(), "torn_line": self.history.torn_line}
        return {"verdict": self.verdict_name, **about, **more, **counts}

    @property
    def _is_ours(self) -> bool:
        return isinstance(self.model, MaxRegister) and self.format_name == OURS

    def _order_lines(self, orders: tuple[tuple[Hashable, tuple[Operation, ...]], ...]) -> Iterator[tuple[str, str]]:
        for key, order in orders:
            yield ("in this order:" if key is None else f"{named(key)}, in this order:"), ""
            for each in order:
                yield f"  {self._line(each)}", ""

    def _operation_lines(self, operations: Sequence[Operation]) -> Iterator[tuple[str, str]]:
        left_out = len(operations) - OPERATIONS_SHOWN
        if left_out > 0:
            yield f"  {left_out} earlier operations (--json and --html show them), and:", ""
        for each in operations[-OPERATIONS_SHOWN:]:
            yield f"  {self._line(each)}", ""

    def _more_lines(self, found: NotLinearizable) -> Iterator[tuple[str, str]]:
        number = len(found.operations)
        if found.is_smallest and number > 1:
            yield f"these {number} contradict each other; without any one of them the others can be explained", ""
        elif not found.is_smallest:
            yield f"these {number} contradict each other; fewer may do: the search for the fewest was cut off", ""
        for branch in found.branches[:BRANCHES_SHOWN]:
            steps = ", ".join(f"{each.function} #{each.op}" for each in branch.order[-ORDER_SHOWN:])
            dots = "... " if len(branch.order) > ORDER_SHOWN else ""
            yield f"  tried: {dots}{steps or 'nothing before it'}; then {self.model.tell(branch.state)}", ""
        if len(found.branches) > BRANCHES_SHOWN:
            yield f"  and {len(found.branches) - BRANCHES_SHOWN} more orders, none of which goes on", ""
        of = "" if found.key is None else f"on {named(found.key)}, "
        number = len(found.prefix)
        yield f"{of}an order explains the history up to there: {number} operation{'' if number == 1 else 's'}", ""

    def _more_fields(self, found: NotLinearizable) -> dict[str, object]:
        return {
            "key": json_value(found.key),
            "smallest": found.is_smallest,
            "tried": [
                {"order": [each.op for each in branch.order], "then": self.model.tell(branch.state)}
                for branch in found.branches
            ],
            "longest_order": [each.op for each in found.prefix],
        }

    def _line(self, operation: Operation) -> str:
        of = "" if operation.argument is None else f" of {named(operation.argument)}"
        called = f"#{operation.op} {operation.client}: {operation.function}{of}"
        return f"{called}, {self._span(operation)}: {_outcome(operation)}"

    def _span(self, operation: Operation) -> str:
        if not self.history.has_times:
            until = "no return" if operation.return_ns is None else f"event {operation.return_ns // APART_NS}"
            return f"event {operation.call_ns // APART_NS} to {until}"
        until = "no return" if operation.return_ns is None else f"{self._ms(operation.return_ns)} ms"
        return f"{self._ms(operation.call_ns)} ms to {until}"

    def _fields(self, operation: Operation) -> dict[str, object]:
        times = {
            "call_ms": float(self._ms(operation.call_ns)),
            "return_ms": None if operation.return_ns is None else float(self._ms(operation.return_ns)),
        }
        if self._is_ours:
            is_refused = operation.outcome is Outcome.REFUSED
            return {
                "op": operation.op,
                "client": operation.client,
                "kind": operation.function,
                "value": json_value(operation.result if operation.function == READ else operation.argument),
                **times,
                "outcome": RETURN_NAMES[operation.function, operation.outcome],
                "floor": operation.result if is_refused else None,
            }
        return {
            "op": operation.op,
            "client": operation.client,
            "function": operation.function,
            "argument": json_value(operation.argument),
            "result": None if operation.result is UNKNOWN else json_value(operation.result),
            **times,
            "outcome": operation.outcome.value,
        }

    def _ms(self, at_ns: int) -> str:
        """Milliseconds with all digits: two operations may be one nanosecond apart."""
        begin_ns = self.history.operations[0].call_ns if self.history.operations else 0
        whole, rest = divmod(at_ns - begin_ns, _NS_PER_MS)
        return f"{whole}.{rest:06d}"

    def _counts(self) -> dict[str, int]:
        if self._is_ours:
            return asdict(count(self.history))
        outcomes = [each.outcome for each in self.history.operations]
        return {"operations": len(outcomes)} | {each.value: outcomes.count(each) for each in Outcome}

    def _sum(self) -> str:
        counts = self._counts()
        if self._is_ours:
            return (
                f"{counts['operations']} operations: {counts['acknowledged_writes']} acknowledged writes,"
                f" {counts['reads']} reads, {counts['ambiguous']} ambiguous, {counts['failed']} failed,"
                f" {counts['refused']} refused as decreases"
            )
        return (
            f"{counts['operations']} operations on {_article(self.model.name)} ({self.format_name}):"
            f" {counts['ok']} returned, {counts['failed']} failed, {counts['ambiguous']} ambiguous"
        )


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _outcome(operation: Operation) -> str:
    if operation.outcome is Outcome.REFUSED:
        return f"refused as a decrease from {operation.result}"
    if operation.outcome is Outcome.OK:
        return f"returned {named(operation.result)}" if has_answer(operation) or operation.function == READ else "ok"
    return str(operation.outcome.value)
