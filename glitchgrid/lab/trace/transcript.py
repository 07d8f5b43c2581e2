"""What went over a connection, as people would tell it: messages in place of bytes.

A system says how its messages are read (`Reader`); `glitchgrid.lab.trace.http` reads HTTP. Bytes that are no message
(hostile clients send all sorts of things) are told as so many bytes, in the pieces in which they were sent.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from attrs import frozen

from glitchgrid.lab.picture.model import Tone
from glitchgrid.simulation.capture import CapturedFlow

TEXT_CHARACTERS_MAX = 80


@frozen
class Message:
    """:ivar end: where it ends, in the bytes of its flow.
    :ivar text: what it says, in a few words.
    :ivar detail: what else there is to say of it.
    """

    end: int
    text: str
    detail: str = ""
    tone: Tone = Tone.PLAIN


Reader = Callable[[bytes, int], Message | None]
"""Reads the message that begins at an index of some bytes; None where there is none, or not the whole of one."""


@frozen
class Told:
    """One message on its way. `arrived_ns` is None where some of it never got there."""

    sent_ns: int
    arrived_ns: int | None
    text: str
    detail: str
    tone: Tone = Tone.PLAIN


def told_on(flow: CapturedFlow, read: Reader) -> Iterator[Told]:
    """The messages of one direction of a connection, in their order."""
    data = b"".join(piece.data for piece in flow.sent)
    sent_until = list(accumulate(len(piece.data) for piece in flow.sent))
    arrived_until = list(accumulate(len(piece.data) for piece in flow.arrived))

    def told(start: int, end: int, text: str, detail: str, tone: Tone) -> Told:
        sent_ns = flow.sent[bisect_right(sent_until, start)].at_ns
        last = bisect_left(arrived_until, end)
        return Told(sent_ns, flow.arrived[last].at_ns if last < len(flow.arrived) else None, text, detail, tone)

    start = 0
    while start < len(data) and (message := read(data, start)) is not None:
        yield told(start, message.end, message.text, message.detail, message.tone)
        start = message.end
    for piece, end in zip(flow.sent, sent_until, strict=True):
        if end > start:
            text = f"{len(piece.data)} bytes"
            yield told(max(start, end - len(piece.data)), end, text, shortened(piece.data), Tone.PLAIN)


def heard_in(flows: Iterable[CapturedFlow], read: Reader) -> dict[tuple[str, int], str]:
    """What each machine heard, by the time at which the last of it came."""
    return {
        (flow.target[0], told.arrived_ns): told.text
        for flow in flows
        for told in told_on(flow, read)
        if told.arrived_ns is not None
    }


def shortened(data: bytes) -> str:
    """Bytes as a text of one line that is not too long."""
    text = data.decode("utf-8", "backslashreplace").strip()
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[:TEXT_CHARACTERS_MAX] + " ..."
