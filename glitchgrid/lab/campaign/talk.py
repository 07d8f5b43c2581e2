"""What went over a connection, as people would tell it: HTTP messages in place of bytes.

What is no HTTP (hostile clients send all sorts of things) is told as so many bytes, as it was sent.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

from attrs import frozen

from glitchgrid.lab.picture.model import Tone
from glitchgrid.simulation.tape import Way
from glitchgrid.wire import GUARD_HEADER

_REQUEST = re.compile(rb"(GET|HEAD|POST) ([^ \r\n]*) HTTP/1\.1\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]{1,9})\r\n", re.IGNORECASE)
_GUARD = re.compile(rb"\r\n%b:" % re.escape(GUARD_HEADER), re.IGNORECASE)
_END = b"\r\n\r\n"
BODY_CHARACTERS_MAX = 80
CLIENT_ERRORS, SERVER_ERRORS = 400, 500


@frozen
class Said:
    """One message on its way. `arrived_ns` is None where some of it never got there."""

    sent_ns: int
    arrived_ns: int | None
    text: str
    detail: str
    tone: Tone = Tone.PLAIN


def said_on(way: Way) -> Iterator[Said]:
    """The messages of one direction of a connection, in their order."""
    data = b"".join(piece.data for piece in way.sent)
    sent_until = list(accumulate(len(piece.data) for piece in way.sent))
    arrived_until = list(accumulate(len(piece.data) for piece in way.arrived))

    def said(start: int, end: int, text: str, detail: str, tone: Tone) -> Said:
        sent_ns = way.sent[bisect_right(sent_until, start)].at_ns
        last = bisect_left(arrived_until, end)
        return Said(sent_ns, way.arrived[last].at_ns if last < len(way.arrived) else None, text, detail, tone)

    start = 0
    while start < len(data):
        end = _end_of(data, start)
        if end is None:
            break
        yield said(start, end, *_told(data[start:end]))
        start = end
    for piece, end in zip(way.sent, sent_until, strict=True):
        if end > start:
            text = f"{len(piece.data)} bytes"
            yield said(max(start, end - len(piece.data)), end, text, _shown(piece.data), Tone.PLAIN)


def heard_in(ways: Iterable[Way]) -> dict[tuple[str, int], str]:
    """What each machine heard, by the time at which the last of it came."""
    return {
        (way.target[0], said.arrived_ns): said.text
        for way in ways
        for said in said_on(way)
        if said.arrived_ns is not None
    }


def _end_of(data: bytes, start: int) -> int | None:
    """Where the message ends that begins at `start`; None where that is none, or not the whole of one."""
    head_end = data.find(_END, start)
    if head_end < 0 or not (_REQUEST.match(data, start) or _STATUS.match(data, start)):
        return None
    head_end += len(_END)
    length = _LENGTH.search(data, start, head_end)
    end = head_end + (int(length[1]) if length else 0)
    return end if end <= len(data) else None


def _told(message: bytes) -> tuple[str, str, Tone]:
    head, _, body = message.partition(_END)
    first_line = head.partition(b"\r\n")[0].decode("latin-1")
    shown = _shown(body)
    request = _REQUEST.match(message)
    if request is not None:
        guard = " with the guard" if _GUARD.search(message) else ""
        text = f"{request[1].decode('ascii')} {shown}".rstrip()
        return text, f"{first_line}{guard}", Tone.PLAIN
    status = _STATUS.match(message)
    assert status is not None, "what is no request is an answer"
    number = int(status[1])
    tone = Tone.FAILURE if number >= SERVER_ERRORS else Tone.REFUSAL if number >= CLIENT_ERRORS else Tone.PLAIN
    return f"{number} {shown}".rstrip(), first_line, tone


def _shown(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace").strip()
    return text if len(text) <= BODY_CHARACTERS_MAX else text[:BODY_CHARACTERS_MAX] + " ..."
