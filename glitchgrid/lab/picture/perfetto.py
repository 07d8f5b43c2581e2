"""A picture as Trace Event JSON, for Perfetto and other viewers that many know.

Source: "Trace Event Format" (the Chromium project). Times there are microseconds, with a fraction. A lane is a process
with two threads: what it does, and what is done to it. Messages are flows from a short slice to another; what vaults
hold are counters; findings are instants of everybody.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from glitchgrid.lab.picture.model import Fault, Message, Picture, Stair, Tone

NS_PER_US = 1000
ACTS, FAULTS = 1, 2
"""The threads of a lane."""

TOUCH_NS = 1000
"""How long the slices are to which an arrow is tied: a moment has no length, and no flow can begin there."""

Event = dict[str, Any]


def as_trace_events(picture: Picture) -> str:
    """The picture as JSON."""
    pids = {lane.name: number for number, lane in enumerate(picture.lanes, start=1)}
    events = [
        *_names(picture, pids),
        *_lives(picture, pids),
        *_operations(picture, pids),
        *_messages(picture.messages, pids),
        *itertools.chain.from_iterable(_fault(fault, pids) for fault in picture.faults),
        *itertools.chain.from_iterable(_counters(stair, pids[stair.lane]) for stair in picture.stairs),
        *_marks(picture),
    ]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"title": picture.title}})


def _us(ns: int) -> float:
    return ns / NS_PER_US


def _names(picture: Picture, pids: dict[str, int]) -> Iterator[Event]:
    for lane in picture.lanes:
        pid = pids[lane.name]
        yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": lane.name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
        for tid, name in ((ACTS, "does"), (FAULTS, "faults")):
            yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}


def _lives(picture: Picture, pids: dict[str, int]) -> Iterator[Event]:
    for number, life in enumerate(picture.lives):
        common = {"name": "runs", "cat": "life", "pid": pids[life.lane], "tid": ACTS, "id": f"life {number}"}
        yield {**common, "ph": "b", "ts": _us(life.from_ns)}
        yield {**common, "ph": "e", "ts": _us(picture.duration_ns if life.to_ns is None else life.to_ns)}


def _operations(picture: Picture, pids: dict[str, int]) -> Iterator[Event]:
    for each in picture.operations:
        until_ns = picture.duration_ns if each.returned_ns is None else each.returned_ns
        yield {
            "ph": "X",
            "name": each.text,
            "cat": f"operation,{each.kind},{each.outcome}",
            "pid": pids[each.lane],
            "tid": ACTS,
            "ts": _us(each.called_ns),
            "dur": _us(until_ns - each.called_ns),
            "args": {"op": each.op, "outcome": each.outcome, "detail": each.detail, "wrong": each.is_wrong},
        }


def _messages(messages: Iterator[Message] | Any, pids: dict[str, int]) -> Iterator[Event]:
    for number, message in enumerate(messages):
        arguments = {"detail": message.detail, "from": message.source, "to": message.target}
        category = "message" if message.tone is Tone.PLAIN else f"message,{message.tone}"
        common = {"cat": category, "args": arguments, "tid": ACTS}
        flow = {"name": message.text, "cat": "message", "id": number, "tid": ACTS}
        sent = {"pid": pids[message.source], "ts": _us(message.sent_ns)}
        lost = " (never arrives)" if message.arrived_ns is None else ""
        yield {**common, **sent, "ph": "X", "name": f"sends {message.text}{lost}", "dur": _us(TOUCH_NS)}
        if message.arrived_ns is None:
            continue
        arrived = {"pid": pids[message.target], "ts": _us(message.arrived_ns)}
        yield {**common, **arrived, "ph": "X", "name": f"gets {message.text}", "dur": _us(TOUCH_NS)}
        yield {**flow, **sent, "ph": "s"}
        yield {**flow, **arrived, "ph": "f", "bp": "e"}


def _fault(fault: Fault, pids: dict[str, int]) -> Iterator[Event]:
    for lane in fault.lanes:
        identity = f"{fault.begin_ns} {fault.text} {lane}"
        common = {"name": fault.kind, "cat": "fault", "pid": pids[lane], "tid": FAULTS, "id": identity}
        arguments = {"what": fault.text, "found nothing to do": fault.was_idle}
        yield {**common, "ph": "b", "ts": _us(fault.begin_ns), "args": arguments}
        yield {**common, "ph": "e", "ts": _us(fault.end_ns)}


def _counters(stair: Stair, pid: int) -> Iterator[Event]:
    for at_ns, value in stair.steps:
        yield {"ph": "C", "name": stair.name, "pid": pid, "tid": 0, "ts": _us(at_ns), "args": {"value": value}}


def _marks(picture: Picture) -> Iterator[Event]:
    for mark in picture.marks:
        arguments = {"what": mark.text}
        place = {"pid": 1, "tid": ACTS, "ts": _us(mark.at_ns)}
        yield {**place, "ph": "i", "s": "g", "name": f"violation: {mark.oracle}", "cat": "violation", "args": arguments}
