"""etcd's key-value store, as its robustness tests record it: revisions, transactions and leases.

What etcd promises of them is in its documentation, "etcd API" and "KV API guarantees": each transaction that changes
something makes the revision larger by one, and every key has the revision of its last change.
"""

import math
from collections.abc import Iterable, Sequence

from attrs import evolve, field, frozen

from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State
from glitchgrid.lab.checkers.telling import named
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.formats.values import Map, frozen_value
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome

FIRST_REVISION = 1
"""Of a store into which nothing was ever written."""

RANGE, PUT, DELETE = "range-operation", "put-operation", "delete-operation"
_NOTHING = Map(KVs=(), Count=0, Deleted=0)


@frozen(cache_hash=True)
class Held:
    """:ivar value: as the request had it.
    :ivar version: how many puts there were since the key was created.
    :ivar lease: 0 for none.
    """

    value: State
    revision: int
    version: int
    lease: int


@frozen(cache_hash=True)
class Store:
    """:ivar keys: a `Held` for each key.
    :ivar leases: those that were granted, and not revoked.
    """

    revision: int
    keys: Map = field(factory=Map)
    leases: frozenset[int] = frozenset()


@frozen
class Seen:
    """What a history says of revisions. It tells which operation, of those that may have happened, was which.

    :ivar taken: those that belong to an operation whose result is known.
    :ivar changes: what somebody has seen to have changed with them: keys and their values, by revision.
    :ivar last: the latest that anybody can have seen: infinite where somebody has not told.
    """

    taken: frozenset[int]
    changes: dict[int, dict[State, State]]
    last: float

    def allows(self, operation: Operation, before: Store, after: Store) -> bool:
        """Whether an operation whose result is not known can have done this. Nobody needs what nobody can have seen."""
        revision = after.revision
        if operation.result is not UNKNOWN or revision == before.revision:
            return True
        if revision in self.taken or revision > self.last:
            return False
        changed = self.changes.get(revision, {})
        return all(key in after.keys and _is(_held(after.keys[key]), revision, value) for key, value in changed.items())


class Etcd(Model):
    """The whole store.

    ``range`` returns pairs of keys and values, ``txn`` carries out one list of puts, deletes and ranges or another, by
    its conditions; ``leaseGrant`` and ``leaseRevoke`` are of leases; ``compact`` and ``defragment`` change nothing that
    a client sees of the present. Of a range of an older revision the store's own revision is looked at, and not what it
    returned.
    """

    name = "etcd"
    observers = frozenset({"range", "compact", "defragment"})

    def __init__(self, initial: State = None, seen: "Seen | None" = None) -> None:
        """
        :param initial: the revision of an empty store at the beginning; None for `FIRST_REVISION`.
        :param seen: what operations have returned; None where that is not known.
        """
        super().__init__(FIRST_REVISION if initial is None else initial)
        self._seen = seen

    def begun(self, initial: State) -> State:
        if type(initial) is int:
            return Store(initial)
        raise ModelMismatch(0, f"{self.name} begins with a revision, a whole number, and not with {named(initial)}")

    def knowing(self, operations: Sequence[Operation]) -> "Etcd":
        return Etcd(_store(self.initial).revision, _seen(operations))

    def tell(self, state: State) -> str:
        return f"the store is at revision {_store(state).revision}"

    def range(self, state: State, operation: Operation) -> State:
        store = _store(state)
        options = _map(operation, operation.argument)
        expected = Map(_found(store, options) if options.get("Revision") in (0, None, store.revision) else {})
        return store if _returned(operation, store, expected) else IMPOSSIBLE

    def txn(self, state: State, operation: Operation) -> State:
        store = before = _store(state)
        request = _map(operation, operation.argument)
        is_met = all(_holds(store, _map(operation, each)) for each in _list(operation, request.get("Conditions")))
        changing = evolve(store, revision=store.revision + 1)
        results = []
        for each in _list(operation, request.get("OperationsOnSuccess" if is_met else "OperationsOnFailure")):
            changing, result = _carried_out(changing, operation, _map(operation, each))
            results.append(result)
        store = before if changing.keys is before.keys else changing
        return self._if_seen(operation, before, store, Map(Failure=frozen_value(not is_met), Results=tuple(results)))

    def leaseGrant(self, state: State, operation: Operation) -> State:
        store = _store(state)
        after = evolve(store, leases=store.leases | {_lease(operation, _map(operation, operation.argument))})
        return after if _returned(operation, after, Map()) else IMPOSSIBLE

    def leaseRevoke(self, state: State, operation: Operation) -> State:
        store = _store(state)
        lease = _lease(operation, _map(operation, operation.argument))
        keys = Map({key: held for key, held in store.keys.items() if _held(held).lease != lease})
        revision = store.revision + (len(keys) < len(store.keys))
        return self._if_seen(operation, store, Store(revision, keys, store.leases - {lease}), Map())

    def _if_seen(self, operation: Operation, before: Store, after: Store, expected: Map) -> State:
        """The store after an operation that may have made a revision, if that can have returned what it did."""
        if self._seen is not None and not self._seen.allows(operation, before, after):
            return IMPOSSIBLE
        return after if _returned(operation, after, expected) else IMPOSSIBLE

    def compact(self, state: State, _operation: Operation) -> State:
        return state

    def defragment(self, state: State, _operation: Operation) -> State:
        return state


def _is(held: Held, revision: int, value: State) -> bool:
    return held.revision == revision and held.value == value


def _seen(operations: Iterable[Operation]) -> Seen:
    taken: set[int] = set()
    changes: dict[int, dict[State, State]] = {}
    last: float = 0
    for each in operations:
        if each.outcome is not Outcome.OK or not isinstance(each.result, Map):
            continue
        revision = each.result.get("Revision")
        if each.function not in {"compact", "defragment"}:
            last = max(last, revision) if isinstance(revision, int) and revision > 0 else math.inf
        if isinstance(revision, int) and _changes_something(each):
            taken.add(revision)
        for result in (each.result, *_list(each, each.result.get("Results"))):
            for pair in _list(each, _map(each, result).get("KVs")):
                fields = _map(each, pair)
                changed = fields.get("ModRevision")
                if isinstance(changed, int):
                    last = max(last, changed)
                    changes.setdefault(changed, {})[fields.get("Key")] = fields.get("Value")
    return Seen(frozenset(taken), changes, last)


def _changes_something(txn: Operation) -> bool:
    """Whether a transaction that returned has certainly made a revision: it has put something, without a lease."""
    if txn.function != "txn":
        return False
    request, result = _map(txn, txn.argument), _map(txn, txn.result)
    steps = request.get("OperationsOnFailure" if result.get("Failure") else "OperationsOnSuccess")
    return "Failure" in result and any(
        step.get("Type") == PUT and not _lease(txn, _map(txn, step.get("Put")))
        for step in (_map(txn, each) for each in _list(txn, steps))
    )


def _store(state: State) -> Store:
    assert isinstance(state, Store)
    return state


def _held(value: State) -> Held:
    assert isinstance(value, Held)
    return value


def _holds(store: Store, condition: Map) -> bool:
    """Whether a condition holds: a key has a version or a revision, each 0 for one that is not there."""
    held = store.keys.get(condition.get("Key"))
    if condition.get("ExpectedVersion"):
        return condition["ExpectedVersion"] == (_held(held).version if held is not None else 0)
    return (condition.get("ExpectedRevision") or 0) == (_held(held).revision if held is not None else 0)


def _carried_out(store: Store, operation: Operation, step: Map) -> tuple[Store, Map]:
    """A step of a transaction in a store that has the transaction's own revision already, and what it returns."""
    match step.get("Type"):
        case "range-operation":
            return store, Map(_NOTHING | _found(store, _map(operation, step.get("Range"))))
        case "put-operation":
            return _put(store, operation, _map(operation, step.get("Put"))), _NOTHING
        case "delete-operation":
            key = _map(operation, step.get("Delete")).get("Key")
            if key not in store.keys:
                return store, _NOTHING
            keys = Map({other: held for other, held in store.keys.items() if other != key})
            return evolve(store, keys=keys), Map(_NOTHING | {"Deleted": 1})
    kind = named(step.get("Type"))
    raise ModelMismatch(operation.line, f"txn has a step of type {kind}, which is not known")


def _put(store: Store, operation: Operation, put: Map) -> Store:
    """A put; one with a lease that is not there does nothing."""
    key, lease = put.get("Key"), _lease(operation, put)
    if lease and lease not in store.leases:
        return store
    before = store.keys.get(key)
    version = 1 if before is None else _held(before).version + 1
    return evolve(store, keys=Map(store.keys | {key: Held(put.get("Value"), store.revision, version, lease)}))


def _found(store: Store, options: Map) -> dict[State, State]:
    """What a range finds: one key, or those from a start to before an end, and no more than a limit."""
    start, end, limit = (options.get(name) for name in ("Start", "End", "Limit"))
    keys = [start] if start in store.keys else []
    if end:
        keys = [key for key in sorted(store.keys, key=str) if str(start) <= str(key) < str(end)]
    shown = keys[:limit] if isinstance(limit, int) and limit else keys
    return {"KVs": tuple(_pair(key, _held(store.keys[key])) for key in shown), "Count": len(keys)}


def _pair(key: State, held: Held) -> Map:
    return Map(Key=key, Value=held.value, ModRevision=held.revision, Version=held.version)


def _returned(operation: Operation, store: Store, expected: Map) -> bool:
    """Whether an operation can have returned this, in what its record says of it."""
    if operation.result is UNKNOWN:
        return True
    returned = _map(operation, operation.result)
    revision = returned.get("Revision")
    return (not revision or revision in (store.revision, _NO_REVISION)) and _agrees(returned, expected)


_NO_REVISION = -1
"""What etcd's tests record where a request does not tell the revision."""


def _agrees(returned: State, expected: State) -> bool:
    """Whether what was recorded is as expected: records of different age have different fields."""
    if isinstance(expected, Map) and isinstance(returned, Map):
        return all(_agrees(returned[name], value) for name, value in expected.items() if name in returned)
    if isinstance(expected, tuple):
        some = returned or ()
        return isinstance(some, tuple) and len(some) == len(expected) and all(map(_agrees, some, expected))
    return returned == expected


def _map(operation: Operation, value: State) -> Map:
    """:raises ModelMismatch: for anything but a map."""
    if not isinstance(value, Map):
        raise ModelMismatch(operation.line, f"{operation.function} has {named(value)} where etcd has fields")
    return value


def _list(operation: Operation, value: State) -> Iterable[State]:
    """:raises ModelMismatch: for anything but a list."""
    if value is None or isinstance(value, tuple):
        return value or ()
    raise ModelMismatch(operation.line, f"{operation.function} has {named(value)} where etcd has a list")


def _lease(operation: Operation, fields: Map) -> int:
    lease = fields.get("LeaseID") or 0
    if not isinstance(lease, int):
        raise ModelMismatch(operation.line, f"{operation.function} has {named(lease)} for a lease")
    return lease
