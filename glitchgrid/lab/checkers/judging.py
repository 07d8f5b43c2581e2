"""The verdict on a history, by any model: each object by itself, and the contradiction if there is one."""

from collections.abc import Hashable, Sequence

from attrs import evolve

from glitchgrid.lab.checkers import max_register
from glitchgrid.lab.checkers.answer import GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.explanation import Contradiction, contradiction_in
from glitchgrid.lab.checkers.model import Model, method_name
from glitchgrid.lab.checkers.models.registers import MaxRegister
from glitchgrid.lab.checkers.replay import explains
from glitchgrid.lab.checkers.result import CannotSay, CheckResult, Linearizable, NotLinearizable
from glitchgrid.lab.checkers.search import search
from glitchgrid.lab.checkers.telling import did, name, named
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.format import READ
from glitchgrid.lab.history.operation import History, Operation, Outcome

OTHERS_TOLD = 4
"""So many operations a sentence names."""


def judge(
    history: History,
    model: Model,
    limits: Limits | None = None,
    returned_min: int | None = None,
    *,
    with_order: bool = False,
) -> CheckResult:
    """The verdict on a history.

    :param returned_min: with fewer operations that returned, a history proves nothing; a max-register takes so many
        acknowledged writes, and as many reads. None is one of each for a max-register, and else none.
    :param with_order: look for an order, too, where the verdict does not need one, and replay it.
    :raises ModelMismatch: for the first operation that the model does not know.
    """
    limits = limits or Limits()
    require_known(history.operations, model)
    if isinstance(model, MaxRegister):
        acknowledged_min = max_register.ACKNOWLEDGED_MIN if returned_min is None else returned_min
        verdict = _by_rules(evolve(history, initial=model.first), model, acknowledged_min)
        if not with_order or not isinstance(verdict, Linearizable):
            return verdict
        found = _orders(history.operations, model, limits, with_order=True)
        return found if isinstance(found, Linearizable | NotLinearizable) else verdict
    returned = sum(each.outcome in {Outcome.OK, Outcome.REFUSED} for each in history.operations)
    found = _orders(history.operations, model, limits, with_order=with_order)
    if returned_min is not None and returned < returned_min and isinstance(found, Linearizable):
        return CannotSay(f"{returned} operations that returned prove nothing: it takes {returned_min}")
    return found


def _orders(
    operations: Sequence[Operation], model: Model, limits: Limits, *, with_order: bool
) -> Linearizable | NotLinearizable | CannotSay:
    """The verdict by searching for an order of each object's operations."""
    orders: list[tuple[Hashable, tuple[Operation, ...]]] = []
    gave_up: list[str] = []
    for key, part in model.parts(operations).items():
        found = search(part, model.knowing(part), limits)
        if isinstance(found, Stuck):
            return _contradiction(key, part, model, found, limits)
        if isinstance(found, GaveUp):
            gave_up.append(f"{found.reason}; an order of the first {found.returned} returns{_of(key)} is known")
        elif with_order and not explains(found.order, part, model):
            gave_up.append(f"the order that was found{_of(key)} does not explain it: a bug in the checker")
        else:
            orders.append((key, found.order))
    return CannotSay("; ".join(gave_up)) if gave_up else Linearizable(tuple(orders))


def _by_rules(history: History, model: MaxRegister, acknowledged_min: int) -> CheckResult:
    """The verdict on max-registers: each key's by itself, and whether there was enough of them all."""
    _require_numbers(history.operations)
    for key, operations in model.parts(history.operations).items():
        for violation in max_register.violations(evolve(history, operations=tuple(operations))):
            return evolve(violation, key=key)
    return max_register.enough(history, acknowledged_min)


def _of(key: Hashable) -> str:
    return "" if key is None else f" of {named(key)}"


def require_known(operations: Sequence[Operation], model: Model) -> None:
    """:raises ModelMismatch: for the first operation that the model does not know."""
    known = model.functions()
    unknown = {function for function in {each.function for each in operations} if method_name(function) not in known}
    if unknown:
        first = next(each for each in operations if each.function in unknown)
        there = ", ".join(sorted(known))
        raise ModelMismatch(first.line, f"{model.name} has no function {first.function}; it has {there}")


def _require_numbers(operations: Sequence[Operation]) -> None:
    """:raises ModelMismatch: where the operations are not those of a max-register."""
    for each in operations:
        value = each.argument if each.function != READ else each.result if each.outcome is Outcome.OK else 0
        floor = each.result if each.outcome is Outcome.REFUSED else 0
        if type(value) is not int or type(floor) is not int:
            wrong = value if type(value) is not int else floor
            raise ModelMismatch(each.line, f"a {MaxRegister.name} holds whole numbers, and not {named(wrong)}")


def _contradiction(
    key: Hashable, operations: Sequence[Operation], model: Model, stuck: Stuck, limits: Limits
) -> NotLinearizable:
    found = contradiction_in(operations, model, stuck, limits)
    prefix = max((branch.order for branch in stuck.branches), key=len, default=())
    return NotLinearizable(
        None,
        found.operations,
        _sentence(found, operations, model),
        found.is_smallest,
        key,
        found.branches,
        prefix,
    )


def _sentence(found: Contradiction, operations: Sequence[Operation], model: Model) -> str:
    happened = [each for each in operations if each.outcome is not Outcome.FAILED]
    others = [each for each in found.operations if each.op != found.last.op]
    said = model.reason(found.last, others, happened)
    if said:
        return said
    states = list(dict.fromkeys(model.tell(branch.state) for branch in found.branches))
    before = ", ".join(map(name, others[:OTHERS_TOLD]))
    before += f" and {len(others) - OTHERS_TOLD} others" if len(others) > OTHERS_TOLD else ""
    after = f" after {before}" if before else ""
    return f"{did(found.last)}, but{after} {', or '.join(states)}"
