"""What others record: EDN, JSON, Jepsen's log, etcd's records. The same history in each of them is the same."""

import io
import json
from pathlib import Path

import pytest

from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.models.registers import Register
from glitchgrid.lab.checkers.result import Linearizable
from glitchgrid.lab.errors import CannotRun, HistoryInvalid
from glitchgrid.lab.history.formats.edn import read_forms
from glitchgrid.lab.history.formats.reading import FORMATS, read_any
from glitchgrid.lab.history.formats.values import Keyword, Map, Truth
from glitchgrid.lab.history.operation import UNKNOWN, History, Operation, Outcome

MS = 1_000_000

EDN_LINES = """{:process 0, :type :invoke, :f :write, :value 3}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :write, :value 3}
{:process 1, :type :ok, :f :read, :value 3}
{:process 2, :type :invoke, :f :cas, :value [3 4]}
{:process 2, :type :fail, :f :cas, :value [3 4]}
{:process 3, :type :invoke, :f :write, :value 5}
{:process 3, :type :info, :f :write, :value 5, :error :timed-out}
"""
EDN_VECTOR = f"; what a register was asked\n[{EDN_LINES}]\n"
JSON_LINES = """{"process": 0, "type": "invoke", "f": "write", "value": 3}
{"process": 1, "type": "invoke", "f": "read", "value": null}
{"process": 0, "type": "ok", "f": "write", "value": 3}
{"process": 1, "type": "ok", "f": "read", "value": 3}
{"process": 2, "type": "invoke", "f": "cas", "value": [3, 4]}
{"process": 2, "type": "fail", "f": "cas", "value": [3, 4]}
{"process": 3, "type": "invoke", "f": "write", "value": 5}
{"process": 3, "type": "info", "f": "write", "value": 5, "error": "timed-out"}
"""
JSON_ARRAY = "[" + ",".join(JSON_LINES.splitlines()) + "]"
LOG = """INFO  jepsen.core - Worker 0 starting
INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 0\t:ok\t:write\t3
INFO  jepsen.util - 1\t:ok\t:read\t3
INFO  jepsen.util - 2\t:invoke\t:cas\t[3 4]
INFO  jepsen.util - 2\t:fail\t:cas\t[3 4]
INFO  jepsen.util - 3\t:invoke\t:write\t5
INFO  jepsen.util - 3\t:info\t:write\t:timed-out
"""


def read(text: str | bytes, format_name: str | None = None) -> History:
    data = text.encode() if isinstance(text, str) else text
    return read_any(io.BytesIO(data), format_name)[0]


def format_of(text: str) -> str:
    return read_any(io.BytesIO(text.encode()))[1]


def without_lines(history: History) -> list[tuple[object, ...]]:
    return [
        (each.op, each.client, each.function, each.argument, each.result, each.outcome, each.call_ns, each.return_ns)
        for each in history.operations
    ]


EXPECTED = [
    (0, "0", "write", 3, 3, Outcome.OK, 1 * MS, 3 * MS),
    (1, "1", "read", None, 3, Outcome.OK, 2 * MS, 4 * MS),
    (2, "2", "cas", (3, 4), UNKNOWN, Outcome.FAILED, 5 * MS, 6 * MS),
    (3, "3", "write", 5, UNKNOWN, Outcome.AMBIGUOUS, 7 * MS, 8 * MS),
]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (EDN_LINES, "edn"),
        (EDN_VECTOR, "edn"),
        (JSON_LINES, "json"),
        (JSON_ARRAY, "json"),
        (LOG, "jepsen-log"),
    ],
)
def test_one_history_in_many_forms(text: str, name: str) -> None:
    history = read(text)
    assert without_lines(history) == EXPECTED
    assert not history.has_times
    assert format_of(text) == name
    assert without_lines(read(text, name)) == EXPECTED


def test_times_say_what_was_first() -> None:
    """The files of two clients, one behind the other: what touches overlaps."""
    history = read(
        "{:process 0 :type :invoke :f :write :value 1 :time 100}"
        "{:process 0 :type :ok :f :write :value 1 :time 200}"
        "{:process 0 :type :invoke :f :write :value 2 :time 500}"
        "{:process 0 :type :ok :f :write :value 2 :time 600}"
        "{:process 1 :type :invoke :f :read :value nil :time 200}"
        "{:process 1 :type :ok :f :read :value nil :time 400}"
    )
    assert history.has_times
    assert [(each.client, each.call_ns, each.return_ns) for each in history.operations] == [
        ("0", 100, 200),
        ("1", 200, 400),
        ("0", 500, 600),
    ]
    assert isinstance(judge(history, Register()), Linearizable)


def test_clients_may_have_names() -> None:
    events = [("invoke", "null"), ("ok", "7")]
    history = read("".join(f'{{"process": "c1", "type": "{kind}", "f": "read", "value": {v}}}\n' for kind, v in events))
    assert [(each.client, each.result) for each in history.operations] == [("c1", 7)]
    assert not history.strikes


def test_the_nemesis_is_no_client() -> None:
    history = read(
        "{:process :nemesis :type :info :f :start :time 5}"
        "{:process :nemesis :type :info :f :start :value [:isolated] :time 7}"
        "{:process 0 :type :invoke :f :write :value 1 :time 10}"
        "{:process 0 :type :ok :f :write :value 1 :time 20}"
        "{:process :nemesis :type :info :f :stop :time 30}"
        "{:process :nemesis :type :info :f :kill :time 40}"
    )
    assert len(history.operations) == 1
    assert [(each.name, each.begin_ns, each.end_ns) for each in history.strikes] == [
        ("start", 5, 30),
        ("stop", 30, 40),
        ("kill", 40, None),
    ]


def test_keys() -> None:
    (operation,) = read(
        '{:process 0 :type :invoke :f :get :key "a" :value nil}{:process 0 :type :ok :f :get :key "a" :value "x"}'
    ).operations
    assert (operation.key, operation.result, operation.line) == ("a", "x", 1)


def test_values_of_edn() -> None:
    text = r"""
      nil true false 7 -7 7N 1.5 2e3 1M "a\n\"b\u0041\ud83d\ude00" :word :a/b sym
      \a \newline [1 (2 3)] {:a 1, "b" [2]} #{1 2}
      #inst #_ 7 "2026" #_ 9 #_ [1 2] #_ #_ 3 4 8 ; and that is all
    """
    values = [value for _, value in read_forms(text)]
    assert values == [
        None, Truth.TRUE, Truth.FALSE, 7, -7, 7, 1.5, 2000.0, 1.0, 'a\n"bA😀', "word", "a/b", "sym",
        "a", "\n", (1, (2, 3)),
        Map({"a": 1, "b": (2,)}), frozenset({1, 2}), "2026", 8,
    ]  # fmt: skip
    assert isinstance(values[10], Keyword)
    assert not isinstance(values[12], Keyword)
    assert len({hash(value) for value in values}) > 10
    assert [value for _, value in read_forms("[]")] == []


CALLS_AT_8 = "{:process 0 :type :invoke :f :a :time 8}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{:process 0 :type :invoke :f :read", "line 1, offset 0: the { here is never closed: the file is cut off"),
        ("[{:process 0}\n {:type :ok", "line 1, offset 1: it has no type"),
        (
            "[{:process 0 :type :ok :f :read}\n",
            "line 1, offset 1: process 0 returns from read without having called it",
        ),
        (
            "{:process 0 :type :what :f :read}",
            "line 1, offset 0: its type is 'what', and not one of invoke, ok, fail, info",
        ),
        ("{:process 0 :type :invoke :f :read}\n)", "line 2, offset 36: a ) closes nothing"),
        (
            "{:process 0 :type :invoke :f :write :value 99999999999999999999}",
            "line 1, offset 43: 99999999999999999999 is beyond 64 bits",
        ),
        ("{:process 0 :type :invoke :f}", "line 1, offset 0: a map has a key without a value"),
        ('{:process 0 :type :invoke :f "read}', "line 1, offset 29: it is not EDN here, or is cut off"),
        ("{:process " + "[" * 40, "line 1, offset 41: it is nested more than 32 deep"),
        (
            "{:process 0 :type :invoke :f :read :time -1}",
            "line 1, offset 0: its time is -1, and no number of nanoseconds",
        ),
        (
            "{:process 0 :type :invoke :f :read}\n{:process 0 :type :invoke :f :read}",
            "line 2, offset 36: process 0 calls read while its call of line 1 has not returned",
        ),
        (
            "{:process 0 :type :invoke :f :read}\n{:process 0 :type :ok :f :write}",
            "line 2, offset 36: process 0 returns from write, and had called read in line 1",
        ),
        (
            "{:process 0 :type :invoke :f :a}{:process 0 :type :info :f :a}{:process 0 :type :invoke :f :a}",
            "line 1, offset 62: process 0 calls a, and had crashed before",
        ),
        (
            '[{"process": 0, "type": "invoke", "f": "read"}',
            "line 1, offset 46: the array is never closed: the file is cut off",
        ),
        ('[{"process": 0, "type": "inv', "line 1, offset 1: it is not JSON here, or is cut off"),
        (
            '{"process": 0, "type": "invoke", "f": "read", "value": 99999999999999999999}',
            "line 1, offset 0: 99999999999999999999 is beyond 64 bits",
        ),
        (
            '[{"process": 0, "type": "invoke", "f": "write", "value": NaN}]',
            "line 1, offset 1: it is not JSON here, or is cut off",
        ),
        ('{"process": 1, "type": "invoke", "f": "read"}\n[1]', "line 2, offset 46: it is no object: an event is one"),
        (
            "INFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - 0\t:ok\t:write",
            "line 2, offset 39: it has no line feed at its end: the file is cut off",
        ),
        (
            "{:process 0 :type :invoke :f :write :value 1 :time 5}{:process 0 :type :ok :f :write :value 1 :time 4}",
            "line 1, offset 53: its time is before that of its call, in line 1",
        ),
        (
            f"{{:process 0 :type :invoke :f :a :time 5}}{{:process 0 :type :ok :f :a :time 9}}\n{CALLS_AT_8}",
            "line 2, offset 77: process 0 calls a before its last return",
        ),
        (
            "{:process 0 :type :invoke :f :a :time 5}{:process 1 :type :invoke :f :a}",
            "line 1, offset 40: it has no time, and those before it have",
        ),
        ('{:process 0 :type :invoke :f "\\ud800"}', "line 1, offset 29: a text has half of a surrogate pair"),
        ('{"process": 0, "type": "\\ud800"}', "line 1, offset 0: a text has half of a surrogate pair"),
        ("{:process 0 :type :invoke :f :a :value ##NaN}", "line 1, offset 39: ##NaN is no number that can be compared"),
        ("{:process 0 :type :invoke :f :a :value 1e999}", "line 1, offset 39: a number is beyond 64 bits"),
        ('{"process": 0, "type": "invoke", "f": "a", "value": 1e999}', "line 1, offset 0: a number is beyond 64 bits"),
        (f"{{:process 0 :x {'#a ' * 40}1}}", "line 1, offset 108: it is nested more than 32 deep"),
        (f'{{"process": 0, "x": {"[" * 40}{"]" * 40}}}', "line 1, offset 0: it is nested more than 32 deep"),
        (
            "INFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - 1\t:invoke\t:write\t[3\n",
            "line 2, offset 76: the [ here is never closed: the file is cut off",
        ),
        (
            "INFO  jepsen.util - hello\n",
            "line 1: no line of it is an event, such as: INFO  jepsen.util - 3 :invoke :write 4",
        ),
        ('{"ClientId": 1, "Input": 5}', "line 1: it is no record of etcd's: it has no Call, or one that is not known"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(HistoryInvalid) as raised:
        read(text)
    assert str(raised.value) == said


def test_what_is_not_utf_8() -> None:
    with pytest.raises(HistoryInvalid, match="line 2, offset 39: it is not UTF-8"):
        read(b'{"process": 1, "type": "invoke", "f": \n\xff')


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{:process 0 :type :invoke :f :a :error "jepsen.client"}', "edn"),
        ("#jepsen.history.Op{:process 0 :type :invoke :f :a}", "edn"),
        ("; " + ";" * 60 + "\n{:process 0 :type :invoke :f :a}", "edn"),
        ('\ufeff{"process": 0, "type": "invoke", "f": "jepsen.a"}', "json"),
        ("2026-01-01 INFO jepsen.core - hi\n2026-01-01 INFO [worker 0] jepsen.util: 0 :invoke :read\n", "jepsen-log"),
    ],
)
def test_what_looks_like_something_else(text: str, name: str) -> None:
    assert format_of(text) == name
    assert len(read(text).operations) == 1


@pytest.mark.parametrize(
    ("text", "said"), [("", "it is empty"), (" \n", "it is empty"), ("hello", "its format cannot be told")]
)
def test_what_is_no_format(text: str, said: str) -> None:
    with pytest.raises(CannotRun, match=said):
        read(text)


def test_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glitchgrid.lab.history.formats.reading.TEXT_BYTES_MAX", 100)
    with pytest.raises(CannotRun, match="it has more than"):
        read(EDN_LINES)


def record(client: int, request: dict[str, object], call: int, response: dict[str, object], returned: int) -> str:
    fields = {"ClientId": client, "Input": request, "Call": call, "Output": response, "Return": returned}
    return json.dumps(fields) + "\n"


def test_records_of_etcd() -> None:
    put = {"Type": "put-operation", "Put": {"Key": "a", "Value": {"Value": "1"}}}
    write: dict[str, object] = {"Type": "txn", "Txn": {"Conditions": None, "OperationsOnSuccess": [put]}}
    look: dict[str, object] = {"Type": "range", "Range": {"Start": "a", "End": "", "Limit": 0}}
    text = record(2, look, 20, {"Range": {"KVs": None, "Count": 0}, "Revision": 2}, 30)
    text += record(1, write, 10, {"Txn": {"Failure": False, "Results": []}, "Revision": 2, "Error": ""}, 20)
    text += record(3, write, 25, {"Error": "timed out"}, 40)
    history = read(text)
    assert format_of(text) == "etcd"
    assert [
        (each.client, each.function, each.call_ns, each.return_ns, each.outcome) for each in history.operations
    ] == [
        ("1", "txn", 10, 20, Outcome.OK),
        ("2", "range", 20, 30, Outcome.OK),
        ("3", "txn", 25, None, Outcome.AMBIGUOUS),
    ]
    assert history.operations[1].result == Map({"Revision": 2, "KVs": None, "Count": 0})


def test_ours_is_found_out_too(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"history": 1, "initial": 0}\n{"op": 1, "call": "read", "client": "c", "at_ns": 5}\n')
    with path.open("rb") as file:
        history, name = read_any(file)
    assert (name, history.initial) == ("glitchgrid", 0)
    assert history.operations == (Operation(1, "c", "read", None, UNKNOWN, 5, None, Outcome.FAILED),)
    assert name in FORMATS
