"""What contradicts what: the fewest operations, the sentence, and that it holds whatever the others did."""

from collections.abc import Iterator
from itertools import combinations
from random import Random

import pytest
from attrs import evolve

from glitchgrid.lab.checkers.answer import Found, Limits, Stuck
from glitchgrid.lab.checkers.explanation import contradiction_in
from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State
from glitchgrid.lab.checkers.models.collections import Queue
from glitchgrid.lab.checkers.models.keyvalue import KeyValue
from glitchgrid.lab.checkers.models.locks import FencedLock, Mutex
from glitchgrid.lab.checkers.models.registers import CasRegister, MaxRegister, MultiRegister, Register
from glitchgrid.lab.checkers.replay import explains
from glitchgrid.lab.checkers.result import CannotSay, Linearizable, NotLinearizable
from glitchgrid.lab.checkers.search import search
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.formats.values import Map
from glitchgrid.lab.history.operation import UNKNOWN, History, Operation, Outcome
from tests.any_order import drawn, linearizable
from tests.test_models import CASES


def did(
    function: str, call: int, end: int, argument: State = None, result: State = None, key: State = None
) -> Operation:
    return Operation(0, "c", function, argument, result, call, end, Outcome.OK, key)


def history(*operations: Operation) -> History:
    return History(tuple(each._replace(op=op, client=f"c{op}") for op, each in enumerate(operations)))


def contradiction(model: Model, *operations: Operation) -> tuple[list[int], str]:
    verdict = judge(history(*operations), model)
    assert isinstance(verdict, NotLinearizable), verdict
    assert verdict.is_smallest
    return [each.op for each in verdict.operations], verdict.sentence


def test_a_value_that_was_replaced() -> None:
    noise = [did("read", 30 + place, 40 + place, result=3) for place in range(5)]
    found = contradiction(
        Register(),
        did("write", 1, 2, 5),
        did("read", 3, 4, result=5),
        did("write", 5, 6, 3),
        *noise,
        did("read", 50, 60, result=5),
    )
    said = "read #8 by client c8 returned 5, although read #7 by client c7 had returned 3 before"
    assert found == ([7, 8], f"{said}, and nothing wrote 5 in between")


def test_a_value_that_nobody_wrote() -> None:
    assert contradiction(Register(), did("write", 1, 2, 5), did("read", 3, 4, result=7)) == (
        [1],
        "read #1 by client c1 returned 7, and nothing wrote 7",
    )
    assert contradiction(Register(), did("read", 1, 2, result=7), did("write", 3, 4, 7)) == (
        [0],
        "read #0 by client c0 returned 7 before anything that wrote 7 was called",
    )


def test_a_compare_and_set_that_found_what_was_gone() -> None:
    ops, sentence = contradiction(
        CasRegister(), did("write", 1, 2, 1), did("write", 3, 4, 2), did("cas", 5, 6, (1, 3), (1, 3))
    )
    assert ops == [1, 2]
    assert sentence.startswith(
        "cas #2 of [1 3] by client c2 returned, although write #1 of 2 by client c1 had returned"
    )


def test_two_holders() -> None:
    ops, sentence = contradiction(
        Mutex(), did("acquire", 1, 2), did("release", 3, 4), did("acquire", 5, 6), did("acquire", 7, 8)
    )
    assert ops == [2, 3]
    assert sentence == (
        "acquire #3 by client c3 is the last of 2 that returned, and at most 0 releases can have happened between the"
        " first one's call and its own return"
    )


def test_a_token_that_does_not_grow() -> None:
    ops, sentence = contradiction(
        FencedLock(), did("acquire", 1, 2, result=7), did("release", 3, 4), did("acquire", 5, 6, result=7)
    )  # fmt: skip
    assert ops == [1]
    assert sentence.endswith("nobody holds the lock (last token 0), or client c0 holds the lock (last token 1)")


def test_an_element_out_of_turn() -> None:
    ops, _ = contradiction(
        Queue(), did("enqueue", 1, 2, "a"), did("enqueue", 3, 4, "b"), did("dequeue", 5, 6, result="b")
    )
    assert ops == [0, 2]


def test_one_key_of_many() -> None:
    verdict = judge(
        history(
            did("put", 1, 2, "x", key="a"),
            did("put", 1, 2, "y", key="b"),
            did("get", 3, 4, result="x", key="a"),
            did("get", 3, 4, result="z", key="b"),
        ),
        KeyValue(),
    )
    assert isinstance(verdict, NotLinearizable)
    assert (verdict.key, [each.op for each in verdict.operations]) == ("b", [3])


def test_what_a_text_lacks() -> None:
    appended = (did("append", 1, 2, "a"), did("append", 3, 4, "b"), did("append", 5, 6, "c"))
    ops, sentence = contradiction(KeyValue(), *appended, did("get", 7, 8, result="abc"), did("get", 9, 10, result="ab"))
    assert (ops, sentence) == (
        [3, 4],
        "get #4 by client c4 lacks c at its end, which get #3 by client c3 had returned before",
    )
    assert contradiction(KeyValue(), *appended, did("get", 7, 8, result="ac"))[1] == (
        "get #3 by client c3 returned ac, which lacks what append #1 of b by client c1 had appended before"
    )
    either = (did("append", 1, 4, "a"), did("append", 1, 4, "b"))
    assert contradiction(KeyValue(), *either, did("get", 5, 6, result="ab"), did("get", 7, 8, result="ba"))[1] == (
        "get #3 by client c3 returned ba where get #2 by client c2 had already returned ab (from character 1 on)"
    )


def test_several_registers_at_once() -> None:
    write = did("txn", 1, 2, (("w", "x", 1), ("w", "y", 1)), (("w", "x", 1), ("w", "y", 1)))
    torn = did("txn", 3, 4, (("r", "x", None), ("r", "y", None)), (("r", "x", 1), ("r", "y", None)))
    assert contradiction(MultiRegister(), write, torn)[0] == [1]
    whole = torn._replace(result=(("r", "x", 1), ("r", "y", 1)))
    assert isinstance(judge(history(write, whole), MultiRegister()), Linearizable)
    reading = did("read", 5, 6, result=Map({"x": 1}))
    writing = did("write", 5, 6, Map({"x": 2}))
    assert isinstance(judge(history(write, reading, writing), MultiRegister()), Linearizable)


@pytest.mark.parametrize("name", CASES)
def test_the_fewest_contradict_each_other_whatever_the_others_did(name: str) -> None:
    """Held against the definition: what is left out is a read, or may have happened or not, as it likes."""
    case = CASES[name]
    random = Random(5)
    seen = 0
    while seen < 500:
        operations = drawn(random, case.model(), case.draw, case.results)
        model = case.model()
        found = search(operations, model)
        if not isinstance(found, Stuck):
            continue
        seen += 1
        told = contradiction_in(operations, model, found, Limits())
        assert told.is_smallest
        for chosen in whatever_the_others_did(operations, told.operations, model):
            assert not linearizable(chosen, model), operations
        assert told.last in told.operations
        for branch in told.branches:
            assert explains(branch.order, (), model), operations  # as far as it goes, the model goes along


def whatever_the_others_did(
    operations: list[Operation], kept: tuple[Operation, ...], model: Model
) -> Iterator[list[Operation]]:
    """These operations with any of the others that change something, whose results nobody looks at."""
    numbers = {each.op for each in kept}
    changing = [each for each in operations if each.op not in numbers and each.function not in model.observers]
    open_ones = [each for each in changing if each.outcome is Outcome.AMBIGUOUS]
    others = [each._replace(result=UNKNOWN) for each in changing if each.outcome is Outcome.OK]
    for count in range(len(others) + 1):
        for some in combinations(others, count):
            chosen = [*(each for each in operations if each.op in numbers), *open_ones, *some]
            yield sorted(chosen, key=lambda each: each.call_ns)


def test_the_longest_order_is_one() -> None:
    verdict = judge(
        history(did("write", 1, 2, 1), did("read", 3, 4, result=1), did("write", 5, 6, 2), did("read", 7, 8, result=1)),
        Register(),
    )
    assert isinstance(verdict, NotLinearizable)
    assert [each.op for each in verdict.prefix] == [0, 1, 2]
    assert explains(verdict.prefix, verdict.prefix, Register())


def test_what_a_model_does_not_know() -> None:
    with pytest.raises(ModelMismatch, match="register has no function pop; it has read, write"):
        judge(history(did("pop", 1, 2)), Register())
    with pytest.raises(ModelMismatch, match="line 4: cas takes a pair"):
        judge(history(did("cas", 1, 2, 5, 5)._replace(line=4)), CasRegister())
    with pytest.raises(ModelMismatch, match="a max-register holds whole numbers, and not x"):
        judge(history(did("write", 1, 2, "x")), MaxRegister())


def test_limits() -> None:
    many = history(*(did("enqueue", 1, 100 + place, place) for place in range(8)), did("dequeue", 1, 200, result=7))
    assert isinstance(judge(many, Queue()), Linearizable)
    verdict = judge(many, Queue(), Limits(memory_bytes=100_000))
    assert isinstance(verdict, CannotSay)
    assert "it would take more than" in verdict.reason
    late = judge(many, Queue(), Limits(deadline_s=0.0))
    assert isinstance(late, CannotSay)
    assert "the time limit was reached" in late.reason


class Stack(Model):
    """The one of the documentation."""

    name = "stack"
    initial: State = ()

    def push(self, state: State, operation: Operation) -> State:
        assert isinstance(state, tuple)
        return (*state, operation.argument)

    def pop(self, state: State, operation: Operation) -> State:
        assert isinstance(state, tuple)
        return state[:-1] if state and operation.returns(state[-1]) else IMPOSSIBLE


def test_a_model_of_ones_own() -> None:
    pushes = (did("push", 1, 2, "a"), did("push", 3, 4, "b"))
    assert isinstance(judge(history(*pushes, did("pop", 5, 6, result="b")), Stack()), Linearizable)
    assert contradiction(Stack(), *pushes, did("pop", 5, 6, result="a"))[0] == [1, 2]
    lost = did("pop", 5, 6)._replace(outcome=Outcome.AMBIGUOUS, result=UNKNOWN, return_ns=None)
    assert isinstance(search(history(*pushes, lost, did("pop", 7, 8, result="a")).operations, Stack()), Found)


def test_an_order_on_request() -> None:
    recorded = history(did("write", 1, 2, 3), did("read", 3, 4, result=3))
    found = judge(evolve(recorded, initial=0), MaxRegister(), with_order=True)
    assert isinstance(found, Linearizable)
    assert [[each.op for each in order] for _, order in found.orders] == [[0, 1]]


def test_an_order_that_explains_nothing_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = history(did("write", 1, 2, 3), did("read", 3, 4, result=3))
    backwards = Found(tuple(reversed(recorded.operations)))
    monkeypatch.setattr("glitchgrid.lab.checkers.judging.search", lambda *_: backwards)
    found = judge(recorded, Register(), with_order=True)
    assert isinstance(found, CannotSay)
    assert "does not explain it" in found.reason


def test_the_fewest_are_not_claimed_where_memory_was_short() -> None:
    """Whether some of these contradict each other by themselves was not found out."""
    moments = iter(range(0, 1000, 2))

    def then(function: str, argument: State, result: State = None) -> Operation:
        at_ns = next(moments)
        return did(function, at_ns, at_ns + 1, argument, result)

    everything = [then("enqueue", number) for number in range(12)]
    everything += [then("dequeue", None, number) for number in range(12)]
    everything += [then("enqueue", 99), then("dequeue", None, 99), then("dequeue", None, 99)]
    found = judge(history(*everything), Queue(), Limits(memory_bytes=100_000))
    assert isinstance(found, NotLinearizable)
    assert len(found.operations) > 2
    assert not found.is_smallest


def test_times_may_be_negative() -> None:
    operations = history(did("write", -9, -8, 3), did("read", -7, -6, result=3)).operations
    assert explains(operations, operations, Register())
    assert not explains(operations[::-1], operations, Register())
