"""What a recorder writes is what the reader reads, and nothing else is a history."""

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count as counting
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history import format as history_module
from glitchgrid.lab.history import recorder as recorder_module
from glitchgrid.lab.history.format import (
    CLIENT_CHARACTERS_MAX,
    LINE_BYTES_MAX,
    Counts,
    count,
    lines_of,
    read_history,
)
from glitchgrid.lab.history.operation import UNKNOWN, History, Operation, Outcome
from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.value import VALUE_MAX

HEADER = '{"history": 1, "initial": 0}'
READ = '{"op": 1, "call": "read", "client": "c1", "at_ns": 10}'
WRITE = '{"op": 2, "call": "write", "value": 7, "client": "c2", "at_ns": 10}'


def read_text(text: str) -> History:
    return read_history(lines_of(io.BytesIO(text.encode())))


def read_lines(*lines: str) -> History:
    return read_text("".join(f"{line}\n" for line in lines))


class ReaderTests(SynchronousTestCase):
    def assert_invalid(self, problem: str, *lines: str) -> None:
        """The last of these lines is not as it should be."""
        error = self.assertRaises(HistoryInvalid, read_lines, *lines)
        self.assertEqual(str(error), f"line {len(lines)}: {problem}")
        self.assertEqual(error.line_number, len(lines))

    def test_every_call_and_every_return(self) -> None:
        def write(op: int, value: int, outcome: Outcome, end_ns: int | None, floor: int | None = None) -> Operation:
            result = None if outcome is Outcome.OK else floor or UNKNOWN
            return Operation(op, "c2", "write", value, result, 10, end_ns, outcome)

        found = read_lines(
            '{"history": 1, "initial": 3, "made_by": "hand"}',
            READ,
            *(WRITE.replace('"op": 2', f'"op": {op}') for op in (2, 3, 4, 5, 6)),
            '{"op": 1, "return": "ok", "value": 0, "at_ns": 10, "status": 200}',
            '{"op": 3, "return": "decreases", "floor": 9, "at_ns": 12}',
            '{"op": 4, "return": "failed", "at_ns": 13}',
            '{"at_ns": 14, "return": "ambiguous", "op": 5}',
            '{"op": 2, "return": "ok", "at_ns": 15, "control": {"port": 8000}}\r',
            READ.replace("1", "8"),
            READ.replace("1", "9"),
            '{"op": 9, "return": "failed", "value": 4, "at_ns": 999}',
        )
        self.assertEqual(
            found,
            History(
                (
                    Operation(1, "c1", "read", None, 0, 10, 10, Outcome.OK),
                    write(2, 7, Outcome.OK, 15),
                    write(3, 7, Outcome.REFUSED, 12, floor=9),
                    write(4, 7, Outcome.FAILED, 13),
                    write(5, 7, Outcome.AMBIGUOUS, 14),
                    write(6, 7, Outcome.AMBIGUOUS, None),
                    Operation(8, "c8", "read", None, UNKNOWN, 80, None, Outcome.FAILED),
                    Operation(9, "c9", "read", None, UNKNOWN, 90, 999, Outcome.FAILED),
                ),
                3,
            ),
        )
        self.assertEqual(
            count(found), Counts(operations=8, acknowledged_writes=1, reads=1, ambiguous=2, failed=3, refused=1)
        )

    def test_a_header_alone_is_a_history(self) -> None:
        self.assertEqual(read_lines(HEADER), History((), 0))

    def test_the_header(self) -> None:
        self.assert_invalid("the header is missing", READ)
        self.assertEqual(str(self.assertRaises(HistoryInvalid, read_text, "")), "line 1: the header is missing")
        self.assertEqual(str(self.assertRaises(HistoryInvalid, read_text, HEADER)), "line 1: the header is torn")
        self.assert_invalid("it is a history of version 2, and version 1 is read here", '{"history": 2, "initial": 0}')
        for version in ('"1"', "true", "1.0"):
            problem = "its 'history' is not an integer from 0 to 9223372036854775807"
            self.assert_invalid(problem, f'{{"history": {version}, "initial": 0}}')
        self.assert_invalid("it has no 'initial'", '{"history": 1}')
        for initial in ("-1", "null", "true", "9223372036854775808"):
            problem = "its 'initial' is not an integer from 0 to 9223372036854775807"
            self.assert_invalid(problem, f'{{"history": 1, "initial": {initial}}}')
        self.assert_invalid("it is not a call or a return", HEADER, HEADER)

    def test_what_is_not_json(self) -> None:
        broken = ["", "{", "nonsense", READ + READ, '{"op": NaN}', '{"op": 1, "op": 1}', "[" * 4000, "\ufeff" + READ]
        for line in broken:
            self.assert_invalid("it is not JSON, or names a field twice", HEADER, line)
        for line in ("[]", "7", "null", '"op"'):
            self.assert_invalid("it is not a JSON object", HEADER, line)
        error = self.assertRaises(HistoryInvalid, read_history, [HEADER.encode() + b"\n", b'{"op": "\xff"}\n'])
        self.assertEqual(str(error), "line 2: it is not JSON, or names a field twice")

    def test_numbers_are_integers_in_their_range(self) -> None:
        for field, least, line in (
            ("op", 0, READ),
            ("at_ns", 0, READ),
            ("value", 1, WRITE),
            ("value", 0, '{"op": 1, "return": "ok", "value": 5, "at_ns": 20}'),
            ("floor", 1, '{"op": 2, "return": "decreases", "floor": 5, "at_ns": 20}'),
        ):
            before = [HEADER] if "call" in line else [HEADER, READ, WRITE]
            fields = json.loads(line)
            for good in (least if field != "at_ns" or "call" in line else 20, VALUE_MAX):
                if field != "op" or "call" in line:
                    read_lines(*before, json.dumps(fields | {field: good}))
            problem = f"its '{field}' is not an integer from {least} to 9223372036854775807"
            wrong: list[object] = [least - 1, VALUE_MAX + 1, 10**30, 1.0, True, "1", None, [1], {}]
            for bad in wrong:
                self.assert_invalid(problem, *before, json.dumps(fields | {field: bad}))
            del fields[field]
            self.assert_invalid(f"it has no '{field}'", *before, json.dumps(fields))

    def test_names_are_texts(self) -> None:
        problem = "its 'client' is not a text of 1 to 64 characters"
        for bad in ('""', "7", "null", "true", f'"{"x" * (CLIENT_CHARACTERS_MAX + 1)}"'):
            self.assert_invalid(problem, HEADER, READ.replace('"c1"', bad))
        read_lines(HEADER, READ.replace("c1", "x" * CLIENT_CHARACTERS_MAX))
        self.assert_invalid("its 'call' is not a text of 1 to 64 characters", HEADER, READ.replace('"read"', "7"))
        self.assert_invalid("it has no 'client'", HEADER, '{"op": 1, "call": "read", "at_ns": 10}')

    def test_calls_and_returns_that_do_not_exist(self) -> None:
        self.assert_invalid("its call is 'erase', and not 'read' or 'write'", HEADER, READ.replace("read", "erase"))
        self.assert_invalid("it is not a call or a return", HEADER, '{"op": 1, "at_ns": 10}')
        both = '{"op": 1, "call": "read", "return": "ok", "value": 0, "client": "c", "at_ns": 10}'
        self.assert_invalid("it is not a call or a return", HEADER, both)
        for op, kind, bad in ((1, "read", "ambiguous"), (1, "read", "decreases"), (2, "write", "OK")):
            problem = f"its return is '{bad}', and a {kind} has no such return"
            line = f'{{"op": {op}, "return": "{bad}", "floor": 9, "value": 9, "at_ns": 11}}'
            self.assert_invalid(problem, HEADER, READ, WRITE, line)

    def test_lines_are_in_the_order_of_their_times(self) -> None:
        """Else it is for the reader to choose which of both to believe."""
        late = READ.replace('"op": 1', '"op": 3').replace("10", "9")
        problem = "it is at 9 ns, before the 10 ns of the line above it"
        self.assert_invalid(problem, HEADER, WRITE, late)
        self.assert_invalid(problem, HEADER, late, WRITE, '{"op": 3, "return": "ok", "value": 0, "at_ns": 9}')
        self.assertEqual(len(read_lines(HEADER, late, READ, WRITE).operations), 3)

    def test_an_operation_is_called_once_and_then_returns_once(self) -> None:
        end = '{"op": 1, "return": "failed", "at_ns": 10}'
        self.assert_invalid("op 1 is called a second time", HEADER, READ, READ)
        self.assert_invalid("op 1 is called a second time", HEADER, READ, end, READ)
        self.assert_invalid("op 1 returns without a call", HEADER, end)
        self.assert_invalid("op 1 returns a second time", HEADER, READ, end, end)
        early = end.replace("10", "9")
        self.assert_invalid("it is at 9 ns, before the 10 ns of the line above it", HEADER, READ, early)

    def test_a_torn_last_line_counts_as_not_there(self) -> None:
        for torn in ("{", READ, "\x00"):
            found = read_text(f"{HEADER}\n{WRITE}\n{torn}")
            self.assertEqual((len(found.operations), found.torn_line), (1, 3))
        self.assertIsNone(read_lines(HEADER, WRITE).torn_line)

    def test_no_other_line_is_torn(self) -> None:
        lines = [HEADER.encode() + b"\n", READ.encode(), WRITE.encode() + b"\n"]
        error = self.assertRaises(HistoryInvalid, read_history, lines)
        self.assertEqual(str(error), "line 2: it has no line feed at its end, and is not the last")

    def test_a_line_has_a_limit(self) -> None:
        longest = READ + " " * (LINE_BYTES_MAX - len(READ) - 1)
        self.assertEqual(len(read_lines(HEADER, longest).operations), 1)
        self.assert_invalid("it is longer than 4096 bytes", HEADER, longest + " ")
        for endless in (longest + "  ", " " * 10_000_000):
            error = self.assertRaises(HistoryInvalid, read_text, f"{HEADER}\n{endless}")
            self.assertEqual(str(error), "line 2: it is longer than 4096 bytes")

    def test_no_more_of_a_line_is_taken_into_memory(self) -> None:
        lines = list(lines_of(io.BytesIO(b"x" * 10_000 + b"\n")))
        self.assertEqual([len(line) for line in lines], [LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 1, 10_001 - 8194])

    def test_a_history_has_a_limit(self) -> None:
        self.patch(history_module, "OPERATIONS_MAX", 2)
        end = '{"op": 2, "return": "ok", "at_ns": 11}'
        self.assertEqual(len(read_lines(HEADER, READ, WRITE, end).operations), 2)
        self.assert_invalid("it is operation 3, and 2 is the most", HEADER, READ, WRITE, end, READ.replace("1", "3"))


class Recording(io.StringIO):
    """A file that knows what of it was flushed."""

    flushed = ""

    def flush(self) -> None:
        self.flushed = self.getvalue()


CALLS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, VALUE_MAX)),
    st.tuples(st.just("read"), st.just(0)),
)
CLIENTS = st.text(min_size=1, max_size=CLIENT_CHARACTERS_MAX)
RETURNS = st.sampled_from([*Outcome, None])
NOTES = st.dictionaries(st.sampled_from(["control", "status"]), st.text(max_size=9) | st.integers())
DRAWN = st.lists(st.tuples(CALLS, CLIENTS, RETURNS, st.integers(0, VALUE_MAX), NOTES), max_size=12)
DrawnOperation = tuple[tuple[str, int], str, Outcome | None, int, dict[str, object]]


def recorded(recorder: Recorder, drawn: DrawnOperation) -> tuple[int, Callable[[], None], Operation]:
    """Record a call; returns its op, what records its return, and the operation without times."""
    (kind, value), client, outcome, answer, notes = drawn
    if kind == "read":
        op = recorder.call_read(client, **notes)
        if outcome is Outcome.OK:
            read = Operation(op, client, "read", None, answer, 0, 0, Outcome.OK)
            return op, lambda: recorder.read_ok(op, answer, **notes), read
        if outcome is None:
            return op, lambda: None, Operation(op, client, "read", None, UNKNOWN, 0, None, Outcome.FAILED)
        return op, lambda: recorder.failed(op), Operation(op, client, "read", None, UNKNOWN, 0, 0, Outcome.FAILED)
    op = recorder.call_write(client, value, **notes)
    floor = max(answer, 1) if outcome is Outcome.REFUSED else None
    ends: dict[Outcome | None, Callable[[], None]] = {
        None: lambda: None,
        Outcome.OK: lambda: recorder.write_ok(op, **notes),
        Outcome.REFUSED: lambda: recorder.decreases(op, floor or 0, **notes),
        Outcome.FAILED: lambda: recorder.failed(op, **notes),
        Outcome.AMBIGUOUS: lambda: recorder.ambiguous(op, **notes),
    }
    end_ns = None if outcome is None else 0
    result = None if outcome is Outcome.OK else floor or UNKNOWN
    return (
        op,
        ends[outcome],
        Operation(op, client, "write", value, result, 0, end_ns, outcome or Outcome.AMBIGUOUS),
    )


class RecorderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.file = Recording()
        self.now_ns = 5
        self.recorder = Recorder(self.file, lambda: self.now_ns)

    def test_its_lines(self) -> None:
        first = self.recorder.call_write("c3", 7, control="10.0.0.1:8000")
        self.now_ns = 6
        self.recorder.write_ok(first, status=200)
        self.assertEqual(
            [json.loads(line) for line in self.file.getvalue().splitlines()],
            [
                {"history": 1, "initial": 0},
                {"op": 0, "call": "write", "value": 7, "client": "c3", "at_ns": 5, "control": "10.0.0.1:8000"},
                {"op": 0, "return": "ok", "at_ns": 6, "status": 200},
            ],
        )

    @given(DRAWN, st.integers(0, VALUE_MAX), st.randoms(use_true_random=False))
    def test_round_trip(self, drawn: list[DrawnOperation], initial: int, random: Random) -> None:
        file, clock = Recording(), counting()
        recorder = Recorder(file, lambda: next(clock), initial)
        calls = [recorded(recorder, each) for each in drawn]
        random.shuffle(calls)
        for _, end, _ in calls:
            end()
        found = read_text(file.flushed)
        self.assertEqual((found.initial, found.torn_line), (initial, None))
        expected = {op: operation for op, _, operation in calls}
        self.assertEqual(len(found.operations), len(expected))
        times = []
        for each in found.operations:
            known = expected[each.op]
            self.assertEqual(
                (each.client, each.function, each.argument, each.result, each.outcome),
                (known.client, known.function, known.argument, known.result, known.outcome),
            )
            self.assertEqual(each.return_ns is None, known.return_ns is None)
            times += [each.call_ns] if each.return_ns is None else [each.call_ns, each.return_ns]
        self.assertEqual(sorted(times), list(range(len(times))))

    def test_a_kill_at_any_byte_leaves_a_history(self) -> None:
        for value in (1, 2):
            self.recorder.write_ok(self.recorder.call_write("c", value))
        text = self.file.flushed
        for length in range(len(HEADER) + 1, len(text) + 1):
            found = read_text(text[:length])
            whole_lines = text[:length].count("\n")
            self.assertEqual(len(found.operations), whole_lines // 2)
            self.assertEqual(found.torn_line, None if text[:length].endswith("\n") else whole_lines + 1)

    def test_threads(self) -> None:
        file, clock = Recording(), counting()

        def now_ns() -> int:
            now = next(clock)
            time.sleep(0.0001)  # lets another thread in, where nothing keeps it out
            return now

        recorder = Recorder(file, now_ns)

        def client(name: int) -> None:
            for value in range(1, 21):
                recorder.write_ok(recorder.call_write(f"c{name}", value))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(client, range(8)))
        _, *events = [json.loads(line) for line in file.flushed.splitlines()]
        self.assertEqual([event["at_ns"] for event in events], list(range(320)))
        calls = [event["op"] for event in events if "call" in event]
        self.assertEqual(calls, list(range(160)))

    def test_it_refuses_what_the_reader_would(self) -> None:
        open_read, open_write = self.recorder.call_read("c"), self.recorder.call_write("c", 7)
        before = self.file.getvalue()
        recorder = self.recorder
        for wrong in (
            lambda: recorder.call_write("c", 0),
            lambda: recorder.call_write("c", VALUE_MAX + 1),
            lambda: recorder.call_write("", 1),
            lambda: recorder.call_read("x" * (CLIENT_CHARACTERS_MAX + 1)),
            lambda: recorder.call_read("c", at_ns=7),
            lambda: recorder.call_read("c", note="x" * LINE_BYTES_MAX),
            lambda: recorder.call_read("c", note=float("nan")),
            lambda: recorder.write_ok(open_read),
            lambda: recorder.ambiguous(open_read),
            lambda: recorder.decreases(open_read, 9),
            lambda: recorder.read_ok(open_write, 9),
            lambda: recorder.read_ok(open_read, -1),
            lambda: recorder.read_ok(open_read, VALUE_MAX + 1),
            lambda: recorder.decreases(open_write, 0),
            lambda: recorder.decreases(open_write, VALUE_MAX + 1),
            lambda: recorder.failed(99),
            lambda: Recorder(self.file, lambda: 0, initial=-1),
        ):
            self.assertRaises(ValueError, wrong)
        for no_time in (-1, 2**63):
            self.now_ns = no_time
            self.assertRaises(ValueError, recorder.failed, open_read)
        self.now_ns = 5
        self.assertEqual(self.file.getvalue(), before)
        recorder.failed(open_read)
        recorder.ambiguous(open_write)
        self.assertRaises(ValueError, recorder.failed, open_read)
        self.assertEqual(recorder.call_read("c"), 2)
        self.patch(recorder_module, "OPERATIONS_MAX", 3)
        self.assertRaises(ValueError, recorder.call_read, "c")
        self.assertEqual(len(read_text(self.file.flushed).operations), 3)
