"""What the test commands are made of."""

import random
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.operation import UNKNOWN, Outcome
from glitchgrid.lab.register.testkit.actions import ACTIONS
from glitchgrid.lab.register.testkit.client import RecordedClient, read_value
from glitchgrid.lab.register.testkit.environment import CommandEnvironment
from glitchgrid.lab.register.testkit.fault import RealFault
from glitchgrid.lab.register.testkit.http import Answer, NoAnswer, NotSent
from glitchgrid.lab.register.testkit.shared import Beginning, SharedDirectory
from glitchgrid.lab.weights import WEIGHTS, draw, pick
from glitchgrid.vaults.address import VaultAddress

CONTROL = VaultAddress("127.0.0.1", 1)


class StubHttp:
    """Answers as it is told to."""

    def __init__(self, answer: Answer | Exception) -> None:
        self._answer = answer

    async def ask(self, *_: Any, **__: Any) -> Answer:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def result_of(coroutine: Any) -> Any:
    """What a coroutine that waits for nothing returns, or raises."""
    results: list[Any] = []
    done: Deferred[Any] = Deferred.fromCoroutine(coroutine)
    done.addBoth(results.append)
    (result,) = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


@pytest.fixture
def shared(tmp_path: Path) -> SharedDirectory:
    return SharedDirectory(tmp_path / "timeline")


@pytest.mark.parametrize(
    ("answer", "outcome", "floor"),
    [
        (Answer(200, b"Sent updates to 2/3 vaults"), Outcome.OK, None),
        (Answer(400, b"Client would make value decrease from 9 to 5"), Outcome.REFUSED, 9),
        (Answer(500, b"Sent updates to 1/3 vaults"), Outcome.AMBIGUOUS, None),
        (Answer(503, b"Too many connections"), Outcome.AMBIGUOUS, None),
        (NoAnswer("late"), Outcome.AMBIGUOUS, None),
        (NotSent("refused"), Outcome.FAILED, None),
    ],
)
def test_how_a_write_returns(
    shared: SharedDirectory, answer: Answer | Exception, outcome: Outcome, floor: int | None
) -> None:
    """A write that failed is ambiguous, unless nobody can have heard of it."""
    with shared.recorder("test", 0) as recorder:
        client: Any = RecordedClient("c", StubHttp(answer), recorder)  # type: ignore[arg-type]
        written = result_of(client.write(CONTROL, 5))
    (operation,) = shared.history().operations
    result = None if outcome is Outcome.OK else floor or UNKNOWN
    assert (written.outcome, operation.outcome, operation.result) == (outcome, outcome, result)


@pytest.mark.parametrize(
    "answer", [Answer(200, b"yes"), Answer(404, b""), Answer(400, b"Invalid or missing POST body")]
)
def test_an_answer_that_no_write_has_is_a_real_fault(shared: SharedDirectory, answer: Answer) -> None:
    with shared.recorder("test", 0) as recorder, pytest.raises(RealFault, match="a write of 5 was answered"):
        result_of(RecordedClient("c", StubHttp(answer), recorder).write(CONTROL, 5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "value"),
    [(Answer(200, b"7"), 7), (Answer(500, b"-1"), None), (NoAnswer("late"), None), (NotSent("refused"), None)],
)
def test_what_a_read_returns(answer: Answer | Exception, value: int | None) -> None:
    assert result_of(read_value(StubHttp(answer), CONTROL)) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [Answer(200, b"seven"), Answer(200, b""), Answer(302, b"")])
def test_an_answer_that_no_read_has_is_a_real_fault(answer: Answer) -> None:
    with pytest.raises(RealFault, match="answered a read with"):
        result_of(read_value(StubHttp(answer), CONTROL))  # type: ignore[arg-type]


def test_weights_are_drawn_with_zeros_among_them() -> None:
    drawn = [draw(ACTIONS, random.Random(seed)) for seed in range(50)]
    assert {weight for weights in drawn for weight in weights.values()} == set(WEIGHTS)
    assert len({tuple(weights.values()) for weights in drawn}) > 40


def test_what_has_no_weight_is_not_picked() -> None:
    source = random.Random(1)
    assert {pick({"a": 0, "b": 1, "c": 2}, ("a", "b", "c"), source) for _ in range(100)} == {"b", "c"}
    assert pick({"a": 0}, ("a",), source) is None


def test_a_timeline_begins_once(shared: SharedDirectory) -> None:
    assert shared.beginning() is None
    first = shared.begin(Beginning(3, {"read": 1}))
    assert shared.begin(Beginning(9, {"read": 0})) == first == shared.beginning()


def test_what_was_seen_never_shrinks(shared: SharedDirectory) -> None:
    for value in (5, 3, 8):
        shared.saw("vault1", value)
    assert shared.largest("vault1") == 8
    assert shared.largest("vault2") == 0


def test_a_beginning_that_was_damaged_is_one_clear_line(shared: SharedDirectory) -> None:
    (shared.directory / "begin.json").write_text("{")
    with pytest.raises(CannotRun, match=r"begin\.json is not what it was written as"):
        shared.beginning()


def test_the_environment_of_a_command() -> None:
    environment = {"GLITCHGRID_CONTROLS": "a:1, b:2", "GLITCHGRID_VAULTS": "c:3", "GLITCHGRID_TIMELINE": "/t"}
    here = CommandEnvironment.of(environment)
    assert [str(each) for each in (*here.controls, *here.vaults)] == ["a:1", "b:2", "c:3"]
    assert (here.directory, here.seed) == (Path("/t"), None)
    assert CommandEnvironment.of(environment | {"GLITCHGRID_SEED": "5"}).seed == "5"
