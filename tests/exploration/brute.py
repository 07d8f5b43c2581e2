"""Linearizability by trying all orders, for histories of a few operations: what the quick rules are held against."""

from attrs import frozen

from tests.exploration.history import Operation
from tests.exploration.world import Action, State, World

NEVER = 1 << 30


@frozen
class Attempt:
    """One operation with its times. `value` is what it wrote or read; a write may be `uncertain`."""

    is_write: bool
    value: int
    called: int
    returned: int = NEVER

    @property
    def uncertain(self) -> bool:
        return self.is_write and self.returned == NEVER


def is_linearizable(attempts: list[Attempt], value: int = 0) -> bool:
    """Is there an order of the attempts that respects time, in which a max-register answers so?"""
    if all(each.uncertain for each in attempts):
        return True
    first_return = min(each.returned for each in attempts)
    for each in attempts:
        if each.called > first_return:
            continue
        others = [other for other in attempts if other is not each]
        if each.uncertain and is_linearizable(others, value):
            return True
        if each.is_write or each.value == value:
            after = max(value, each.value) if each.is_write else value
            if is_linearizable(others, after):
                return True
    return False


def attempts_of(world: World, path: list[tuple[State, Action]]) -> list[Attempt]:
    """The history of a path: calls and returns with the numbers of their steps as times."""
    operations = world.instance.operations
    calls: dict[int, int] = {}
    attempts: dict[int, Attempt] = {}
    for number, (before, action) in enumerate(path):
        history = world.histories[before.history].before
        after = world.histories[action.state.history].before
        for each, (was, now) in enumerate(zip(history, after, strict=True)):
            if was is None and now is not None:
                calls[each] = 2 * number
                if operations[each].value is not None:
                    attempts[each] = Attempt(True, operations[each].value or 0, calls[each])
        for each, ending, value in action.returns:
            returned = _returned(operations[each], calls[each], 2 * number + 1, ending, value)
            if returned is not None:
                attempts[each] = returned
            elif ending == "declined" or operations[each].value is None:
                attempts.pop(each, None)
    return list(attempts.values())


def _returned(operation: Operation, called: int, now: int, ending: str, value: int) -> Attempt | None:
    if ending == "holds":
        return Attempt(False, value, called, now)
    if ending == "committed":
        return Attempt(True, operation.value or 0, called, now)
    if ending == "declined":  # it names what is committed: as good as a read at that moment
        return Attempt(False, value, now, now)
    return None
