"""The search, with every model, against the definition: 20,000 random histories each, with ambiguity."""

from collections import Counter as Tally
from collections.abc import Callable, Hashable, Sequence
from itertools import count
from random import Random
from typing import NamedTuple

import pytest

from glitchgrid.lab.checkers.answer import Found, GaveUp
from glitchgrid.lab.checkers.model import Model, State
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.checkers.models.collections import Counter, ElementSet, Queue
from glitchgrid.lab.checkers.models.etcd import PUT, Etcd, Held, Store
from glitchgrid.lab.checkers.models.keyvalue import KeyValue
from glitchgrid.lab.checkers.models.locks import FencedLock, Mutex
from glitchgrid.lab.checkers.models.registers import CasRegister, MaxRegister, MultiRegister, Register
from glitchgrid.lab.checkers.replay import explains
from glitchgrid.lab.checkers.search import search
from glitchgrid.lab.history.formats.values import Map
from tests.any_order import drawn, linearizable

HISTORIES = 8_000
SEED = 20_261_128


class Case(NamedTuple):
    model: Callable[[], Model]
    draw: Callable[[Random], tuple[str, Hashable]]
    results: Callable[[State, str, Hashable], Sequence[Hashable]]


def _register(random: Random) -> tuple[str, Hashable]:
    return random.choice([("read", None), ("read", None), ("write", random.randint(1, 3))])


def _cas_register(random: Random) -> tuple[str, Hashable]:
    pair = (random.choice([None, 1, 2, 3]), random.randint(1, 3))
    return random.choice([("read", None), ("read", None), ("write", random.randint(1, 3)), ("cas", pair)])


_NUMBERS = count(1)


def _unique_register(random: Random) -> tuple[str, Hashable]:
    return random.choice([("read", None), ("read", None), ("write", next(_NUMBERS))])


def _recent(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    latest = state if isinstance(state, int) else 0
    return (state, latest - 1, latest - 2, latest + 1, None) if function == "read" else (None,)


def _value(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    return (state, 1, 2, 3, None) if function == "read" else (None,)


def _largest(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, tuple)
    return (state[0], 1, 2, 3) if function == "read" else (None,)


def _multi_register(random: Random) -> tuple[str, Hashable]:
    steps = tuple((random.choice("rw"), random.choice("xy"), random.randint(1, 2)) for _ in range(2))
    return random.choice([("read", None), ("write", Map(x=random.randint(1, 2), y=1)), ("txn", steps), ("txn", steps)])


def _held(state: State, function: str, argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, Map)
    if function == "read":
        return state, Map(x=1), Map(x=1, y=2)
    if function == "write":
        return (None,)
    assert isinstance(argument, tuple)
    held, returned = dict(state), []
    for kind, key, value in argument:
        if kind == "w":
            held[key] = value
        returned.append((kind, key, held.get(key)))
    lie = tuple((kind, key, 2 if kind == "r" else value) for kind, key, value in returned)
    return tuple(returned), lie


def _lock(random: Random) -> tuple[str, Hashable]:
    return random.choice(["acquire", "release"]), None


def _nothing(_state: State, _function: str, _argument: Hashable) -> Sequence[Hashable]:
    return (None,)


def _token(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, tuple)
    token = state[1]
    return (token + 1, token, token + 2, 1) if function == "acquire" else (None,)


def _counter(random: Random) -> tuple[str, Hashable]:
    return random.choice([("read", None), ("read", None), ("inc", None), ("dec", 2), ("add", random.randint(1, 2))])


def _sum(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, int)
    return (state, state + 1, state - 1) if function == "read" else (None,)


def _set(random: Random) -> tuple[str, Hashable]:
    element = random.randint(1, 3)
    return random.choice([("read", None), ("read", None), ("add", element), ("add", element), ("remove", element)])


def _elements(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, frozenset)
    return (tuple(sorted(state)), (1,), (1, 2), ()) if function == "read" else (None,)


def _growing_set(random: Random) -> tuple[str, Hashable]:
    return random.choice([("read", None), ("read", None), ("add", next(_NUMBERS)), ("add", next(_NUMBERS))])


def _nearly(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, frozenset)
    if function != "read":
        return (None,)
    elements = tuple(sorted(state))
    return elements, elements[1:], elements[:-1], (*elements, *elements[:1])


def _queue(random: Random) -> tuple[str, Hashable]:
    return random.choice([("enqueue", random.randint(1, 3)), ("dequeue", None)])


def _oldest(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, tuple)
    return (state[0] if state else None, 1, 2, 3, None) if function == "dequeue" else (None,)


def _keyvalue(random: Random) -> tuple[str, Hashable]:
    letter = random.choice("abc")
    return random.choice([("get", None), ("get", None), ("append", letter), ("append", letter), ("put", letter)])


def _text(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, str)
    return (state, "a", "ab", state[:-1], state[::-1]) if function == "get" else (None,)


def _etcd(random: Random) -> tuple[str, Hashable]:
    put = Map(Type=PUT, Put=Map(Key=random.choice("ab"), Value=random.randint(1, 2)))
    return random.choice([("range", Map(Start="a", End="c")), ("txn", Map(OperationsOnSuccess=(put,)))])


def _revision(state: State, function: str, _argument: Hashable) -> Sequence[Hashable]:
    assert isinstance(state, Store)
    if function == "txn":
        return tuple(Map(Revision=state.revision + step, Failure=False) for step in (1, 0, 2))
    pairs = tuple(
        Map(Key=key, Value=held.value, ModRevision=held.revision)
        for key, held in sorted(state.keys.items())
        if isinstance(held, Held)
    )
    return tuple(Map(Revision=state.revision + step, KVs=pairs) for step in (0, -1, 1))


CASES = {
    "register": Case(Register, _register, _value),
    "register of unique values": Case(Register, _unique_register, _recent),
    "cas-register": Case(CasRegister, _cas_register, _value),
    "max-register": Case(MaxRegister, _register, _largest),
    "multi-register": Case(MultiRegister, _multi_register, _held),
    "mutex": Case(Mutex, _lock, _nothing),
    "fenced-lock": Case(FencedLock, _lock, _token),
    "counter": Case(Counter, _counter, _sum),
    "set": Case(ElementSet, _set, _elements),
    "set that only grows": Case(ElementSet, _growing_set, _nearly),
    "fifo-queue": Case(Queue, _queue, _oldest),
    "etcd": Case(Etcd, _etcd, _revision),
    "kv-append": Case(KeyValue, _keyvalue, _text),
}


def test_every_model_has_a_case() -> None:
    assert {case.model().name for case in CASES.values()} == set(MODELS)


@pytest.mark.parametrize("name", CASES)
def test_no_disagreement(name: str) -> None:
    case = CASES[name]
    random = Random(SEED)
    verdicts: Tally[bool] = Tally()
    for _ in range(HISTORIES):
        operations = drawn(random, case.model(), case.draw, case.results)
        found = search(operations, case.model().knowing(operations))
        assert not isinstance(found, GaveUp)
        assert isinstance(found, Found) == linearizable(operations, case.model()), operations
        if isinstance(found, Found):
            assert explains(found.order, operations, case.model()), operations
        verdicts[isinstance(found, Found)] += 1
    assert min(verdicts[True], verdicts[False]) > HISTORIES // 15, verdicts
