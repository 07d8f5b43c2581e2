"""Locks: a mutex that knows no holder, and a lock with a holder and fencing tokens."""

from collections.abc import Sequence

from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State
from glitchgrid.lab.checkers.telling import name, named
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.formats.values import Truth
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome


class Mutex(Model):
    """Held or not. Nobody asks who releases it, as in Knossos's model of this name."""

    name = "mutex"
    initial: State = False

    def begun(self, initial: State) -> State:
        if isinstance(initial, bool | Truth):
            return bool(initial)
        raise ModelMismatch(0, f"a {self.name} begins with true, held, or false, and not with {named(initial)}")

    def acquire(self, state: State, _operation: Operation) -> State:
        return IMPOSSIBLE if state else True

    def release(self, state: State, _operation: Operation) -> State:
        return False if state else IMPOSSIBLE

    def tell(self, state: State) -> str:
        return f"the mutex is {'held' if state else 'free'}"

    def reason(self, last: Operation, others: Sequence[Operation], everything: Sequence[Operation]) -> str:
        """Too many have it: in the time of the others it was acquired more often than it can have been released."""
        if last.function != "acquire" or any(each.function != "acquire" for each in others):
            return ""
        begin_ns = min(each.call_ns for each in (last, *others))
        releases = [each for each in everything if each.function == "release" and _touches(each, begin_ns, last)]
        return (
            f"{name(last)} is the last of {len(others) + 1} that returned, and at most {len(releases)} releases can"
            f" have happened between the first one's call and its own return"
        )


def _touches(operation: Operation, begin_ns: int, last: Operation) -> bool:
    """Whether an operation can have happened between a moment and the return of another one."""
    is_open = operation.return_ns is None or operation.outcome is Outcome.AMBIGUOUS
    ends_in_time = is_open or operation.return_ns is None or operation.return_ns >= begin_ns
    return ends_in_time and (last.return_ns is None or operation.call_ns <= last.return_ns)


class FencedLock(Model):
    """A lock that one client holds at a time, and whose every ``acquire`` returns a larger token than all before.

    The token is a whole number, which the client hands on with all that it does under the lock: whoever sees a smaller
    token than one before knows that its sender does not hold the lock any more (Kleppmann, "How to do distributed
    locking", 2016). Only the holder can ``release``.
    """

    name = "fenced-lock"
    initial: State = (None, 0)
    knows_clients = True

    def begun(self, initial: State) -> State:
        if type(initial) is int:
            return None, initial
        raise ModelMismatch(0, f"a {self.name} begins with its last token, and not with {named(initial)}")

    def acquire(self, state: State, operation: Operation) -> State:
        holder, token = _held(state)
        if operation.result is UNKNOWN:
            # Which token it was is not known: the smallest that it can be excludes the least.
            return (operation.client, token + 1) if holder is None else IMPOSSIBLE
        if isinstance(operation.result, bool) or not isinstance(operation.result, int):
            raise ModelMismatch(
                operation.line, f"acquire returns a whole number, its token, and not {named(operation.result)}"
            )
        return (operation.client, operation.result) if holder is None and operation.result > token else IMPOSSIBLE

    def release(self, state: State, operation: Operation) -> State:
        holder, token = _held(state)
        return (None, token) if holder == operation.client else IMPOSSIBLE

    def tell(self, state: State) -> str:
        holder, token = _held(state)
        held = "nobody holds the lock" if holder is None else f"client {holder} holds the lock"
        return f"{held} (last token {token})"


def _held(state: State) -> tuple[str | None, int]:
    """The holder, and the last token."""
    assert isinstance(state, tuple)
    holder, token = state
    return holder, token
