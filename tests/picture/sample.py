"""A small picture, made by hand: one of everything."""

from attrs import evolve

from glitchgrid.lab.picture.model import (
    DURABLE,
    SHOWN,
    Fault,
    Lane,
    LaneKind,
    Life,
    Mark,
    Message,
    Operation,
    Picture,
    Stair,
    Tone,
    TraceLine,
)

MS = 1_000_000
VALUE_MAX = 2**63 - 1

SAMPLE = Picture(
    title="A </script><b>sample</b>",
    notes=["Again: glitchgrid simulate --seed 1 & more"],
    duration_ns=60_000 * MS,
    lanes=[
        Lane("c1", LaneKind.CLIENT),
        Lane("control1", LaneKind.SERVER),
        Lane("majority", LaneKind.SUMMARY),
        Lane("vault1", LaneKind.KEEPER),
    ],
    lives=[Life("control1", 0, None), Life("vault1", 0, 30_000 * MS), Life("vault1", 40_000 * MS, None)],
    operations=[
        Operation("c1", 0, "write", "write 7", "operation 0, at control1", 10 * MS, 14 * MS, "ok"),
        Operation("c1", 1, "read", "read", "operation 1, at control1", 30_000 * MS, None, "open", is_wrong=True),
    ],
    messages=[
        Message("c1", "control1", 10 * MS, 11 * MS, 11 * MS, "POST 7", "POST / HTTP/1.1"),
        Message("control1", "vault1", 11 * MS, 12 * MS, 12 * MS, "POST 7", "POST / HTTP/1.1 with the guard"),
        Message("vault1", "control1", 12 * MS, 13 * MS, 13 * MS, "412 9", "HTTP/1.1 412", Tone.REFUSAL),
        Message("control1", "vault1", 31_000 * MS, None, 31_001 * MS, "GET", "GET / HTTP/1.1"),
    ],
    faults=[
        Fault(["vault1"], "kill", "Kill(machine='vault1')", 30_000 * MS, 40_000 * MS),
        Fault(["control1", "vault1"], "cut", "Cut(...)", 31_000 * MS, 32_000 * MS, was_idle=True),
    ],
    stairs=[
        Stair("vault1", DURABLE, [(0, 0), (12 * MS, 7), (50_000 * MS, VALUE_MAX)]),
        Stair("vault1", SHOWN, [(0, 0), (13 * MS, 7)]),
        Stair("majority", DURABLE, [(0, 0), (12 * MS, 7)]),
    ],
    marks=[Mark(14 * MS, "invariant", "a <write> was acknowledged")],
    trace=[
        TraceLine(0, "vault1", "start 1"),
        TraceLine(12 * MS, "vault1", "received 4 111 aabb", "POST 7"),
        TraceLine(14 * MS, "clients", "received 3 60 ccdd"),
        TraceLine(30_000 * MS, "vault1", "exit -9"),
    ],
)


def crowded(messages: int) -> Picture:
    """With so many messages, one every millisecond."""
    first = SAMPLE.messages[0]
    times = [number * MS for number in range(messages)]
    return evolve(
        SAMPLE, messages=[evolve(first, sent_ns=at, arrived_ns=at + MS, lost_ns=at + MS) for at in times], faults=[]
    )
