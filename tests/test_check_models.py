"""`glitchgrid check` on what others recorded: which model it is, what it prints, and what it draws."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from glitchgrid.cli import main
from glitchgrid.lab.checkers.models import MODELS, guess
from glitchgrid.lab.checkers.rendering import picture_of
from glitchgrid.lab.checkers.result import CannotSay
from glitchgrid.lab.history.formats.values import Map
from glitchgrid.lab.history.operation import History, Operation, Outcome, Strike


def edn(*events: str) -> str:
    return "".join("{" + event + "}\n" for event in events)


STALE = edn(
    ":process 0 :type :invoke :f :write :value 1 :time 1000000",
    ":process 0 :type :ok :f :write :value 1 :time 2000000",
    ":process 1 :type :invoke :f :write :value 2 :time 3000000",
    ":process 1 :type :ok :f :write :value 2 :time 4500000",
    ":process 2 :type :invoke :f :read :value nil :time 6000000",
    ":process 2 :type :ok :f :read :value 1 :time 7000000",
    ":process 3 :type :invoke :f :write :value 9 :time 8000000",
)
FINE = STALE.replace(":f :read :value 1", ":f :read :value 2")


SHOWN = "read #2 by client 2 returned 1, although write #1 of 2 by client 1 had returned"
SENTENCE = f"{SHOWN} before, and nothing wrote 1 in between"


def check(text: str, *options: str) -> tuple[int, list[str], str]:
    done = CliRunner().invoke(main, ["check", "-", *options], input=text)
    return done.exit_code, done.stdout.splitlines(), done.stderr


def test_a_contradiction_is_told() -> None:
    assert check(STALE) == (
        1,
        [
            f"not linearizable: {SENTENCE}",
            "  #1 1: write of 2, 2.000000 ms to 3.500000 ms: ok",
            "  #2 2: read, 5.000000 ms to 6.000000 ms: returned 1",
            "these 2 contradict each other; without any one of them the others can be explained",
            "  tried: write #1; then the register holds 2",
            "an order explains the history up to there: 2 operations",
            "4 operations on a register (edn): 3 returned, 0 failed, 1 ambiguous",
        ],
        "",
    )


def test_what_is_linearizable() -> None:
    counts = "4 operations on a register (edn): 3 returned, 0 failed, 1 ambiguous"
    assert check(FINE) == (0, ["linearizable", counts], "")
    assert check(FINE, "--order")[1] == [
        "linearizable",
        "in this order:",
        "  #0 0: write of 1, 0.000000 ms to 1.000000 ms: ok",
        "  #1 1: write of 2, 2.000000 ms to 3.500000 ms: ok",
        "  #2 2: read, 5.000000 ms to 6.000000 ms: returned 2",
        counts,
    ]
    assert check(FINE, "--at-least", "4") == (
        2,
        ["cannot say: 3 operations that returned prove nothing: it takes 4", counts],
        "",
    )


def test_as_json() -> None:
    status, (line,), _ = check(STALE, "--json")
    found = json.loads(line)
    assert (status, found["verdict"], found["model"], found["format"]) == (1, "not linearizable", "register", "edn")
    assert [each["op"] for each in found["operations"]] == [1, 2]
    assert found["operations"][1] == {
        "op": 2, "client": "2", "function": "read", "argument": None, "result": 1, "call_ms": 5.0, "return_ms": 6.0,
        "outcome": "ok",
    }  # fmt: skip
    assert (found["smallest"], found["longest_order"]) == (True, [0, 1])
    assert found["tried"] == [{"order": [1], "then": "the register holds 2"}]
    assert found["counts"] == {"operations": 4, "ok": 3, "refused": 0, "failed": 0, "ambiguous": 1}
    assert json.loads(check(FINE, "--json", "--order")[1][0])["orders"] == [{"key": None, "order": [0, 1, 2]}]


def test_the_initial_value() -> None:
    read = edn(":process 0 :type :invoke :f :read", ":process 0 :type :ok :f :read :value 5")
    assert check(read)[0] == 1
    assert check(read, "--initial", "5")[0] == 0
    assert check(read, "--initial", "five") == (
        2,
        [],
        "glitchgrid: standard input: --initial 'five' is not JSON: a text stands in quotes\n",
    )


@pytest.mark.parametrize(
    ("calls", "result", "model"),
    [
        (("read", "write"), 1, "register"),
        (("read", "write"), Map({"x": 1}), "multi-register"),
        (("read", "write", "cas"), 1, "cas-register"),
        (("acquire", "release"), None, "mutex"),
        (("acquire", "release"), 7, "fenced-lock"),
        (("get", "append"), "a", "kv-append"),
        (("enqueue", "dequeue"), 1, "fifo-queue"),
        (("add", "read"), (1, 2), "set"),
        (("add", "read"), 3, "counter"),
        (("inc", "read"), 3, "counter"),
        (("txn",), (), "multi-register"),
        (("push", "pop"), 3, None),
        (("add",), None, None),
        ((), None, None),
    ],
)
def test_which_model_it_is(calls: tuple[str, ...], result: object, model: str | None) -> None:
    operations = [
        Operation(op, str(op), function, None, result, op, op + 1, Outcome.OK) for op, function in enumerate(calls)
    ]
    assert guess(operations) is (MODELS[model] if model else None)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (
            edn(":process 0 :type :invoke :f :push"),
            (),
            "standard input: its model cannot be told from what was called (push): say --model",
        ),
        (STALE, ("--model", "mutex"), "standard input: line 1: mutex has no function write; it has acquire, release"),
        (
            STALE.replace(":value 2", ":value [2]"),
            ("--model", "max-register"),
            "standard input: line 3: a max-register holds whole numbers, and not [2]",
        ),
        (
            STALE,
            ("--model", "counter", "--initial", '"x"'),
            "standard input: a counter begins with a whole number, and not with x",
        ),
        (
            STALE,
            ("--model", "multi-register", "--initial", "5"),
            "standard input: a multi-register begins with a map of keys and values, and not with 5",
        ),
        (STALE, ("--initial", "NaN"), "standard input: --initial: a number is beyond 64 bits"),
        (STALE, ("--initial", "x"), "standard input: --initial 'x' is not JSON: a text stands in quotes"),
        (
            STALE,
            ("--initial", "[" * 50 + "]" * 50),
            "standard input: --initial: it is nested more than 32 deep",
        ),
        (
            STALE,
            ("--html", "/nowhere/x.html"),
            "/nowhere/x.html: there is no directory /nowhere; make it, or name another file",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(text: str, options: tuple[str, ...], said: str) -> None:
    assert check(text, *options) == (2, [], f"glitchgrid: {said}\n")


def test_as_a_max_register() -> None:
    status, lines, _ = check(STALE, "--model", "max-register")
    assert status == 1
    assert lines[0].startswith("not linearizable, by rule 2: read #2 by 2 returned 1, although write #1 of 2")


def test_a_limit() -> None:
    calls = [f":process {number} :type :invoke :f :enqueue :value {number}" for number in range(9)]
    ends = [f":process {number} :type :ok :f :enqueue :value {number}" for number in range(9)]
    late = (":process 9 :type :invoke :f :dequeue", ":process 9 :type :ok :f :dequeue :value 99")
    status, lines, _ = check(edn(*calls, *late, *ends), "--time", "0.1", "--memory", "1")
    assert status == 2
    assert lines[0].startswith("cannot say: it would take more than 1 MiB; an order of the first 0 returns is known")


def test_the_picture(tmp_path: Path) -> None:
    page = tmp_path / "history.html"
    assert check(STALE, "--html", str(page))[0] == 1
    text = page.read_text(encoding="utf-8")
    assert "standard input: not linearizable, as a register" in text
    data = json.loads(text.partition('<script type="application/json" id="run">')[2].partition("</script>")[0])
    operations = {each["op"]: each for each in data["operations"]}
    assert [operations[op]["is_wrong"] for op in range(4)] == [False, True, True, False]
    assert [operations[op]["is_outside"] for op in range(4)] == [False, False, True, False]
    assert operations[1]["detail"] == "write #1 of 2 by client 1 returned; number 2 in the order that was found"
    assert data["marks"][0]["text"].startswith("read #2 by client 2 returned 1, although")
    assert [lane["name"] for lane in data["lanes"]] == ["client 1"]


def test_what_the_nemesis_did_is_drawn() -> None:
    history = History((Operation(0, "0", "write", 1, None, 10, 30, Outcome.OK),), strikes=(Strike("kill", 20, None),))
    picture = picture_of(history, MODELS["register"](), CannotSay("x"), "title")
    (fault,) = picture.faults
    assert (fault.kind, fault.begin_ns, fault.end_ns, fault.lanes) == ("kill", 10, 20, ["client 1"])


def lines_of(*events: tuple[int, str, str, object]) -> str:
    return "".join(
        json.dumps({"process": p, "f": f, "type": kind, "value": value}) + "\n" for p, f, kind, value in events
    )


def called(process: int, function: str, argument: object, result: object) -> list[tuple[int, str, str, object]]:
    return [(process, function, "invoke", argument), (process, function, "ok", result)]


def test_a_function_with_underscores() -> None:
    for name in ("cas", "compare-and-set", "compare_and_set"):
        text = lines_of(
            *called(0, "write", 1, 1),
            (1, name, "invoke", [1, 2]),
            (1, name, "info", None),
            *called(2, "read", None, 2),
        )
        assert check(text, "--model", "cas-register")[1][0] == "linearizable"


def test_max_registers_have_keys() -> None:
    events = [
        *called(0, "write", 5, 5),
        *called(1, "read", None, 0),
        *called(2, "read", None, 5),
        *called(3, "write", 1, 1),
    ]
    keyed = [
        json.dumps({"process": p, "f": f, "type": kind, "value": value, "key": "b" if p in (1, 3) else "a"})
        for p, f, kind, value in events
    ]
    assert check("\n".join(keyed), "--model", "max-register")[1][0] == "linearizable"
    status, lines, _ = check("\n".join(keyed).replace('"b"', '"a"'), "--model", "max-register")
    assert (status, lines[0].partition(":")[0]) == (1, "not linearizable, by rule 2")


def test_an_order_of_nothing() -> None:
    """Whoever did nothing but break things has a history, in which nothing has to be put in order."""
    status, lines, _ = check(edn(":process :nemesis :type :info :f :kill"), "--model", "register", "--order")
    assert (status, lines[0], len(lines)) == (0, "linearizable", 2)


def test_what_has_no_event_is_no_history() -> None:
    assert check("[]", "--model", "register") == (2, [], "glitchgrid: standard input: it has no event\n")
    assert check("", "--model", "register", "--format", "edn")[0] == 2


def test_true_is_not_one() -> None:
    assert check(lines_of(*called(0, "write", 1, 1), *called(1, "read", None, True)))[0] == 1


@pytest.mark.parametrize(("result", "model"), [(True, "mutex"), (0, "mutex"), (7, "fenced-lock")])
def test_a_token_is_a_number_that_was_not_given(result: object, model: str) -> None:
    status, lines, _ = check(lines_of(*called(0, "acquire", 0, result)))
    assert (status, f"a {model}" in lines[-1]) == (0, True)


def test_an_order_of_what_nobody_refuses(tmp_path: Path) -> None:
    """A refusal says something to a max-register alone."""
    path = tmp_path / "history.jsonl"
    lines = [
        {"history": 1, "initial": 0},
        {"op": 1, "call": "write", "value": 7, "client": "a", "at_ns": 1},
        {"op": 1, "return": "ok", "at_ns": 2},
        {"op": 2, "call": "write", "value": 6, "client": "a", "at_ns": 3},
        {"op": 2, "return": "decreases", "floor": 7, "at_ns": 4},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    done = CliRunner().invoke(main, ["check", str(path), "--model", "register", "--order"])
    assert done.stdout.splitlines()[:2] == ["linearizable", "in this order:"]


def test_an_order_that_is_not_found_changes_no_verdict() -> None:
    many = [(number, "write", "invoke", number + 1) for number in range(18)]
    ends = [(number, "write", "ok", number + 1) for number in range(18)]
    text = lines_of(*many, *called(30, "read", None, 18), *ends)
    status, lines, _ = check(text, "--model", "max-register", "--order", "--memory", "1")
    assert (status, lines[:2]) == (0, ["linearizable", "no order was found within --time and --memory"])


def test_what_json_has_not_is_shown() -> None:
    sets = edn(
        ":process 0 :type :invoke :f :add :value {[1 2] 3}",
        ":process 0 :type :ok :f :add :value {[1 2] 3}",
        ":process 1 :type :invoke :f :read",
        ':process 1 :type :ok :f :read :value #{"d" "c" "a"}',
    )
    status, (line,), _ = check(sets, "--model", "set", "--json")
    assert status == 1
    told = json.loads(line)
    assert told["operations"][-1]["result"] == ["a", "c", "d"]
    assert told["sentence"].startswith("read #1 by client 1 lacks {[1 2] 3}, which add #0")
    assert check(sets.replace(":f", ":key #{1} :f"), "--model", "set", "--json")[0] == 1


def test_what_returned_nothing_is_told() -> None:
    status, lines, _ = check(lines_of(*called(0, "enqueue", 1, 1), *called(1, "dequeue", None, None)))
    assert status == 1
    returned = "dequeue #1 by client 1 returned nil"
    assert lines[0] == f"not linearizable: {returned}, but after enqueue #0 of 1 by client 0 the state is [1]"
    assert "returned nil" in lines[2]


def test_values_are_told_as_they_are() -> None:
    text = lines_of(
        *called(0, "write", "he returned home", "he returned home"),
        *called(0, "write", "x", "x"),
        *called(1, "read", None, "x"),
        *called(1, "read", None, "he returned home"),
    )
    assert "returned he returned home, although read #2 by client 1 had returned x before" in check(text)[1][0]


def test_what_came_after_is_shown() -> None:
    """Two dequeues of one element: the first to be called returns last, and is not shown as open."""
    text = lines_of(
        (0, "dequeue", "invoke", None),
        *called(1, "enqueue", 1, 1),
        *called(2, "enqueue", 2, 2),
        *called(3, "dequeue", None, 2),
        (0, "dequeue", "ok", 2),
    )
    status, lines, _ = check(text)
    assert status == 1
    assert lines[1:4] == [
        "  #0 0: dequeue, event 1 to event 8: returned 2",
        "  #3 3: dequeue, event 6 to event 7: returned 2",
        "these 2 contradict each other; without any one of them the others can be explained",
    ]


def test_a_strike_outside_the_operations() -> None:
    operation = Operation(0, "0", "write", 1, None, 10, 30, Outcome.OK)
    history = History((operation,), strikes=(Strike("kill", 5, 8), Strike("pause", 50, None)))
    picture = picture_of(history, MODELS["register"](), CannotSay("x"), "title")
    assert [(each.begin_ns, each.end_ns) for each in picture.faults] == [(0, 3), (45, 45)]
    assert (picture.duration_ns, picture.operations[0].called_ns) == (45, 5)
