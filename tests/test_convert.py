"""`glitchgrid history convert`: what is written is what was read, in each form that can say it."""

import io
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from glitchgrid.cli import main
from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.result import Linearizable
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.formats.reading import read_any
from glitchgrid.lab.history.formats.values import Keyword, Map, Truth, edn_text
from glitchgrid.lab.history.formats.writing import written
from glitchgrid.lab.history.operation import History, Operation, Outcome, Strike
from tests.any_order import drawn
from tests.test_formats import EDN_LINES, JSON_LINES, LOG
from tests.test_models import CASES


def again(history: History, name: str) -> History:
    text = "".join(written(history, name))
    return read_any(io.BytesIO(text.encode()), name)[0]


def essence(history: History) -> list[tuple[object, ...]]:
    """What matters: everything but how operations and clients are called, and times that only order."""
    found: list[tuple[object, ...]] = []
    for each in history.operations:
        result = None if each.result == each.argument else each.result
        found.append((each.function, each.argument, result, each.outcome, each.key, each.return_ns is None))
    return found


def in_their_order(operations: list[Operation]) -> History:
    """In the order of their calls, and with a client for each, who has one operation at a time."""
    ordered = sorted(operations, key=lambda each: each.call_ns)
    return History(tuple(each._replace(op=op) for op, each in enumerate(ordered)))


@pytest.mark.parametrize("name", ["edn", "json"])
@pytest.mark.parametrize("model", ["cas-register", "set", "kv-append", "fenced-lock"])
def test_what_is_written_is_what_was_read(name: str, model: str) -> None:
    case = CASES[model]
    random = Random(7)
    for _ in range(300):
        history = in_their_order(drawn(random, case.model(), case.draw, case.results))
        back = again(history, name)
        assert essence(back) == essence(history)
        assert [each.call_ns for each in back.operations] == [each.call_ns for each in history.operations]
        if not case.model().knows_clients:  # who has crashed is somebody else there
            verdicts = [isinstance(judge(each, case.model()), Linearizable) for each in (history, back)]
            assert verdicts[0] == verdicts[1]


def test_the_forms_of_one_history() -> None:
    history = read_any(io.BytesIO(EDN_LINES.encode()))[0]
    assert "".join(written(history, "jepsen-log")).splitlines()[:3] == LOG.splitlines()[1:4]
    first = "".join(written(history, "edn")).splitlines()[0]
    assert first == "{:process 0, :type :invoke, :f :write, :value 3, :index 0}"
    assert '"process": 0, "type": "invoke", "f": "write", "value": 3' in "".join(written(history, "json"))


def test_a_crashed_client_goes_on_as_another_process() -> None:
    lost = Operation(1, "a", "write", 1, None, 1, 2, Outcome.AMBIGUOUS)
    later = Operation(2, "a", "write", 2, None, 3, 4, Outcome.OK)
    history = History((lost, later), strikes=(Strike("kill", 2, None),))
    back = again(history, "edn")
    assert [each.client for each in back.operations] == ["0", "1"]
    assert [each.name for each in back.strikes] == ["kill"]
    assert len("".join(written(history, "jepsen-log")).splitlines()) == 4


def test_a_client_that_calls_when_it_returns() -> None:
    """It stays the same process where there are times: they say that this overlaps with what others do then."""
    operations = (
        Operation(0, "5", "write", 1, None, 1, 2, Outcome.OK),
        Operation(1, "5", "read", None, 1, 2, 9, Outcome.OK),
        Operation(2, "5", "write", 2, None, 3, 4, Outcome.OK),
    )
    assert [each.client for each in again(History(operations), "edn").operations] == ["5", "5", "6"]
    without_times = again(History(operations, has_times=False), "edn")
    assert [each.client for each in without_times.operations] == ["5", "6", "5"]


def test_what_returned_nothing_returns_nothing() -> None:
    history = History((Operation(0, "0", "read", 5, None, 1, 2, Outcome.OK),))
    assert again(history, "json").operations[0].result is None


def test_names_that_are_no_keywords() -> None:
    strikes = (Strike("kill node", 1, None),)
    history = History(
        (Operation(0, "0", "compare and set", (True, Truth.TRUE), None, 1, 2, Outcome.OK),), strikes=strikes
    )
    back = again(history, "edn")
    assert (back.operations[0].function, back.strikes[0].name) == ("compare and set", "kill node")
    with pytest.raises(CannotRun, match="has no function 'compare and set'"):
        list(written(history, "jepsen-log"))


def test_maps_that_json_has_not() -> None:
    history = History((Operation(0, "0", "write", (Map({1: 2}),), None, 1, 2, Outcome.OK),))
    with pytest.raises(CannotRun, match=r"JSON has no map with keys that are no texts, such as \{1 2\}"):
        list(written(history, "json"))
    sets = History((Operation(0, "0", "write", frozenset({1, "a"}), None, 1, 2, Outcome.OK),))
    assert '"value": ["a", 1]' in "".join(written(sets, "json"))


def test_values_in_edn() -> None:
    value = (None, True, False, -7, 1.5, 'a"\n', Keyword("k"), Map({"a": (1,)}), frozenset({2, 1}))
    assert edn_text(value) == r'[nil true false -7 1.5 "a\"\n" :k {"a" [1]} #{1 2}]'


def convert(*arguments: str, text: str = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["history", "convert", *arguments], input=text)
    return done.exit_code, done.stdout, done.stderr


def test_the_command(tmp_path: Path) -> None:
    status, said, _ = convert("-", "--to", "edn", text=JSON_LINES)
    assert status == 0
    out = tmp_path / "history.json"
    assert convert("-", "--to", "json", "--out", str(out), text=said) == (0, "", "")
    assert convert(str(out), "--to", "edn") == (0, said, "")


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (
            ("-", "--to", "glitchgrid"),
            EDN_LINES,
            "standard input: cas #2 is no read, nor a write of a whole number from 1 on",
        ),
        (
            ("-", "--to", "glitchgrid"),
            '{"process": 0, "type": "invoke", "f": "write", "value": 0}',
            "write #0 is no read, nor a write of a whole number from 1 on",
        ),
        (("-", "--to", "edn"), "hello", "standard input: its format cannot be told"),
        (("nowhere", "--to", "edn"), "", "nowhere: No such file or directory"),
        (("-", "--to", "etcd"), EDN_LINES, "Invalid value for '--to'"),
    ],
)
def test_what_cannot_be_converted(arguments: tuple[str, ...], text: str, said: str) -> None:
    status, output, errors = convert(*arguments, text=text)
    assert (status, output) == (2, "")
    assert said in errors
    assert "Traceback" not in errors
