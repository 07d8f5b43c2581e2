"""Histories that several clients have recorded, each its own, as one."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import NotLinearizable
from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.merging import largest_answered, largest_attempted, read_merged
from glitchgrid.lab.history.operation import Outcome
from glitchgrid.lab.history.recorder import Recorder

Record = Callable[[Recorder], None]


def parts(directory: Path, *clients: Record, initial: int = 0) -> Path:
    """What these clients record, one after another, by one clock."""
    clock = itertools.count(1).__next__
    for number, client in enumerate(clients):
        with (directory / f"{number}.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
            client(Recorder(stream, clock, initial))
    return directory


def test_operations_are_in_the_order_of_their_calls_whoever_recorded_them(tmp_path: Path) -> None:
    first = Recorder((tmp_path / "a.jsonl").open("w", encoding="utf-8", newline="\n"), itertools.count(1, 10).__next__)
    second = Recorder((tmp_path / "b.jsonl").open("w", encoding="utf-8", newline="\n"), itertools.count(5, 10).__next__)
    for recorder, value in ((first, 1), (second, 2), (first, 3), (second, 4)):
        recorder.write_ok(recorder.call_write("c", value))
    merged = read_merged(tmp_path)
    assert [(each.op, each.argument, each.call_ns) for each in merged.operations] == [
        (0, 1, 1),
        (1, 2, 5),
        (2, 3, 21),
        (3, 4, 25),
    ]


def test_what_goes_wrong_between_clients_is_seen(tmp_path: Path) -> None:
    def writes(recorder: Recorder) -> None:
        recorder.write_ok(recorder.call_write("w", 5))

    def reads(recorder: Recorder) -> None:
        recorder.read_ok(recorder.call_read("r"), 0)

    assert isinstance(check(read_merged(parts(tmp_path, writes, reads))), NotLinearizable)


def test_a_client_that_was_killed_spoils_nobody_elses_part(tmp_path: Path) -> None:
    def writes(recorder: Recorder) -> None:
        recorder.write_ok(recorder.call_write("w", 5))

    parts(tmp_path, writes, writes)
    torn = tmp_path / "1.jsonl"
    torn.write_bytes(torn.read_bytes()[:-5])
    for name, content in (("2.jsonl", b""), ("3.jsonl", b'{"history": 1, "ini')):
        (tmp_path / name).write_bytes(content)
    merged = read_merged(tmp_path)
    assert len(merged.operations) == 2
    assert merged.operations[1].return_ns is None
    assert merged.torn_line == 3


def test_parts_that_begin_with_different_values_are_of_different_runs(tmp_path: Path) -> None:
    parts(tmp_path, lambda _: None, initial=1)
    with (tmp_path / "more.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
        Recorder(stream, lambda: 1, 2)
    with pytest.raises(HistoryInvalid, match=r"different values: \[1, 2\]"):
        read_merged(tmp_path)


def test_bounds(tmp_path: Path) -> None:
    def client(recorder: Recorder) -> None:
        recorder.write_ok(recorder.call_write("c", 3))
        recorder.decreases(recorder.call_write("c", 2), 4)
        recorder.ambiguous(recorder.call_write("c", 8))
        recorder.call_write("c", 9)
        recorder.read_ok(recorder.call_read("c"), 1)

    merged = read_merged(parts(tmp_path, client))
    assert (largest_answered(merged), largest_attempted(merged)) == (4, 9)


def test_bounds_of_nothing_are_the_initial_value(tmp_path: Path) -> None:
    merged = read_merged(parts(tmp_path, lambda _: None, initial=7))
    assert (largest_answered(merged), largest_attempted(merged)) == (7, 7)


def test_parts_in_the_form_of_jepsens_histories(tmp_path: Path) -> None:
    """Process 0 of one is not process 0 of the other; a last line may be torn; an operation may be open."""
    first = [
        '{"process": 0, "type": "invoke", "f": "write", "value": 3, "time": 10}',
        '{"process": 0, "type": "ok", "f": "write", "value": 3, "time": 20}',
    ]
    second = [
        '{"process": 0, "type": "invoke", "f": "read", "value": null, "time": 15}',
        '{"process": 0, "type": "ok", "f": "read", "value": 3, "time": 25}',
        '{"process": 0, "type": "invoke", "f": "write", "value": 4, "time": 30}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join([*first, '{"process": 0, "ty']), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join([*second, ""]), encoding="utf-8")
    history = read_merged(tmp_path)
    told = [(each.client, each.function, each.call_ns, each.outcome) for each in history.operations]
    assert told == [
        ("a-0", "write", 10, Outcome.OK), ("b-0", "read", 15, Outcome.OK), ("b-0", "write", 30, Outcome.AMBIGUOUS)
    ]  # fmt: skip
    assert history.initial is None
    (tmp_path / "c.jsonl").write_text('{"process": 0, "type": "invoke", "f": "read"}\n', encoding="utf-8")
    with pytest.raises(HistoryInvalid, match="c has no times"):
        read_merged(tmp_path)
