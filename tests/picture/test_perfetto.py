"""A picture as Trace Event JSON: what the format asks for, and all of the picture."""

import json
from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.picture.perfetto import as_trace_events
from tests.picture.sample import SAMPLE

NEEDS = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
    "b": {"name", "cat", "pid", "tid", "ts", "id"},
    "e": {"name", "cat", "pid", "tid", "ts", "id"},
    "s": {"name", "cat", "pid", "tid", "ts", "id"},
    "f": {"name", "cat", "pid", "tid", "ts", "id", "bp"},
    "C": {"name", "pid", "tid", "ts", "args"},
    "i": {"name", "cat", "pid", "tid", "ts", "s", "args"},
}
"""The fields of each kind of event, by its `ph`."""


class TraceEventTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.whole = json.loads(as_trace_events(SAMPLE))
        self.events: list[dict[str, Any]] = self.whole["traceEvents"]

    def of(self, phase: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["ph"] == phase]

    def test_each_event_has_the_fields_of_its_kind(self) -> None:
        for event in self.events:
            fields = set(event) - {"ph"}
            self.assertLessEqual(NEEDS[event["ph"]], fields, event)
            self.assertLessEqual(fields - NEEDS[event["ph"]], {"args"}, event)
            self.assertGreaterEqual(event.get("ts", 0), 0)
            self.assertGreaterEqual(event.get("dur", 0), 0)

    def test_lanes_are_processes_in_their_order(self) -> None:
        names = {event["pid"]: event["args"]["name"] for event in self.of("M") if event["name"] == "process_name"}
        self.assertEqual([names[pid] for pid in sorted(names)], ["c1", "control1", "majority", "vault1"])

    def test_times_are_microseconds(self) -> None:
        write = next(event for event in self.of("X") if event["name"] == "write 7")
        self.assertEqual((write["ts"], write["dur"]), (10_000.0, 4000.0))
        never = next(event for event in self.of("X") if event["name"] == "read")
        self.assertEqual(never["ts"] + never["dur"], SAMPLE.duration_ns / 1000)

    def test_flows_are_tied_to_slices_at_both_ends(self) -> None:
        slices = {(event["pid"], event["tid"], event["ts"]) for event in self.of("X")}
        starts, ends = self.of("s"), self.of("f")
        self.assertEqual([event["id"] for event in starts], [event["id"] for event in ends])
        self.assertEqual(len(starts), 3, "what never arrives is no flow")
        for event in (*starts, *ends):
            self.assertIn((event["pid"], event["tid"], event["ts"]), slices)
        self.assertIn("sends GET (never arrives)", [event["name"] for event in self.of("X")])

    def test_spans_end(self) -> None:
        begun = Counter((event["id"], event["cat"], event["pid"]) for event in self.of("b"))
        self.assertEqual(begun, Counter((event["id"], event["cat"], event["pid"]) for event in self.of("e")))
        self.assertEqual(set(begun.values()), {1})
        self.assertEqual(sum(event["cat"] == "fault" for event in self.of("b")), 3, "one for each lane")

    def test_counters_and_findings(self) -> None:
        self.assertEqual(len(self.of("C")), sum(len(stair.steps) for stair in SAMPLE.stairs))
        (finding,) = self.of("i")
        self.assertEqual((finding["name"], finding["s"], finding["ts"]), ("violation: invariant", "g", 14_000.0))
