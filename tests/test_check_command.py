"""`glitchgrid check`: what it prints, and how it exits. (Terminals and pipes are in end_to_end/test_check.py.)"""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from glitchgrid.cli import main
from glitchgrid.commands import check as command

HEADER = '{"history": 1, "initial": 0}'
WRITE_8 = [
    '{"op": 9, "call": "write", "value": 8, "client": "c0", "at_ns": 5000000}',
    '{"op": 9, "return": "ok", "at_ns": 6500000}',
]
READ_8 = [
    '{"op": 10, "call": "read", "client": "c1", "at_ns": 6500000}',
    '{"op": 10, "return": "ok", "value": 8, "at_ns": 7500000}',
]
WRITE_5 = ['{"op": 11, "call": "write", "value": 5, "client": "c2", "at_ns": 6000000}']
READ_5 = [
    '{"op": 12, "call": "read", "client": "c1", "at_ns": 6500001}',
    '{"op": 12, "return": "ok", "value": 5, "at_ns": 1007000000}',
]
REFUSED = [
    '{"op": 13, "call": "write", "value": 7, "client": "c1", "at_ns": 8000000}',
    '{"op": 13, "return": "decreases", "floor": 8, "at_ns": 9000000}',
]
FAILED = [
    '{"op": 14, "call": "write", "value": 7, "client": "c1", "at_ns": 8000000}',
    '{"op": 14, "return": "failed", "at_ns": 9000000}',
]


def in_order(*events: str) -> list[str]:
    """A history of these events, as they happened one after another."""
    return [HEADER, *sorted(events, key=lambda line: int(json.loads(line)["at_ns"]))]


GOOD = in_order(*WRITE_8, *READ_8, *REFUSED, *FAILED)
BAD = in_order(*WRITE_8, *WRITE_5, *READ_5)
SENTENCE = "read #12 by c1 returned 5, although write #9 of 8 by c0 had been answered 200 before it was called"


def text_of(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def check(lines: list[str], *options: str, torn: str = "") -> Result:
    return CliRunner().invoke(main, ["check", "-", *options], input=text_of(lines) + torn)


def object_of(result: Result) -> dict[str, Any]:
    assert result.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_linearizable(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(text_of(GOOD), encoding="utf-8")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "linearizable",
        "4 operations: 1 acknowledged writes, 1 reads, 0 ambiguous, 1 failed, 1 refused as decreases",
    ]


def test_a_violation_shows_its_operations() -> None:
    result = check(BAD)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        f"not linearizable, by rule 2: {SENTENCE}",
        "  #12 c1: read, 1.500001 ms to 1002.000000 ms: returned 5",
        "  #9 c0: write of 8, 0.000000 ms to 1.500000 ms: ok",
        "3 operations: 1 acknowledged writes, 1 reads, 1 ambiguous, 0 failed, 0 refused as decreases",
    ]


def test_a_violation_shows_refusals_and_open_writes() -> None:
    late = ['{"op": 1, "call": "write", "value": 8, "client": "c\\n\\ud8000", "at_ns": 9500000}']
    result = check([HEADER, *REFUSED, *late])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:3] == [
        "  #13 c1: write of 7, 0.000000 ms to 1.000000 ms: refused as a decrease from 8",
        "  #1 c\\n\\ud8000: write of 8, 1.500000 ms to no return: ambiguous",
    ]


def test_too_little_was_acknowledged() -> None:
    result = check(GOOD, "--at-least", "2")
    assert (result.exit_code, result.stderr) == (2, "")
    reason = "1 acknowledged writes and 1 reads prove nothing: it takes 2 of each"
    assert result.stdout.splitlines()[0] == f"cannot say: {reason}"
    assert check(GOOD, "--at-least", "1").exit_code == 0
    assert check(BAD, "--at-least", "2").exit_code == 1
    found = object_of(check(GOOD, "--at-least", "2", "--json"))
    assert (found["verdict"], found["reason"]) == ("cannot say", reason)
    assert check([HEADER]).exit_code == 2


def test_a_torn_line_is_reported() -> None:
    result = check(GOOD, torn='{"op": 15, "ca')
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "line 10 was left out: it is torn, as by a kill of its recorder"
    assert object_of(check(GOOD, "--json", torn="{"))["torn_line"] == 10


def test_json() -> None:
    counts = {"operations": 4, "acknowledged_writes": 1, "reads": 1, "ambiguous": 0, "failed": 1, "refused": 1}
    result = check(GOOD, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert object_of(result) == {"verdict": "linearizable", "counts": counts, "torn_line": None}

    result = check(BAD, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert object_of(result) == {
        "verdict": "not linearizable",
        "rule": 2,
        "sentence": SENTENCE,
        "operations": [
            {
                "op": 12,
                "client": "c1",
                "kind": "read",
                "value": 5,
                "call_ms": 1.500001,
                "return_ms": 1002.0,
                "outcome": "ok",
                "floor": None,
            },
            {
                "op": 9,
                "client": "c0",
                "kind": "write",
                "value": 8,
                "call_ms": 0.0,
                "return_ms": 1.5,
                "outcome": "ok",
                "floor": None,
            },
        ],
        "counts": counts | {"operations": 3, "ambiguous": 1, "failed": 0, "refused": 0},
        "torn_line": None,
    }

    late = ['{"op": 1, "call": "write", "value": 8, "client": "c", "at_ns": 9500000}']
    refusal, open_write = object_of(check([HEADER, *REFUSED, *late], "--json"))["operations"]
    assert (refusal["outcome"], refusal["floor"], open_write["return_ms"]) == ("decreases", 8, None)


def assert_cannot_say(result: Result, said: str) -> None:
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"glitchgrid: {said}\n")


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        for options in ([], ["--json"]):
            assert_cannot_say(CliRunner().invoke(main, ["check", str(path), *options]), f"{path}: {said}")
    assert_cannot_say(CliRunner().invoke(main, ["check", "a\nb"]), "a\\nb: No such file or directory")


def test_what_is_no_history_is_one_line(tmp_path: Path) -> None:
    assert_cannot_say(check([]), "standard input: it is empty")
    untold = (
        "its format cannot be told from its beginning: say --format, glitchgrid or edn or json or jepsen-log or etcd"
    )
    assert_cannot_say(check([*GOOD, "{"]), "standard input: line 10: it is not JSON, or names a field twice")
    path = tmp_path / "history"
    path.write_bytes(b"\xff\x00" * 5000)
    result = CliRunner().invoke(main, ["check", str(path)])
    assert_cannot_say(result, f"{path}: {untold}")
    result = CliRunner().invoke(main, ["check", str(path), "--format", "glitchgrid"])
    assert_cannot_say(result, f"{path}: line 1: it is longer than 4096 bytes")


def test_usage_errors_exit_with_2() -> None:
    for arguments in ([], ["a", "b"], ["-", "--at-least", "0"], ["-", "--at-least", "x"], ["--bogus", "-"]):
        result = CliRunner().invoke(main, ["check", *arguments], input=text_of(BAD))
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "said"), [(ZeroDivisionError("x"), "internal error: "), (KeyboardInterrupt(), "int")]
)
def test_neither_a_bug_nor_ctrl_c_is_a_violation(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, said: str
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "judge", broken)
    result = check(GOOD)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"glitchgrid: {said}")
    assert result.stderr.count("\n") == 1
