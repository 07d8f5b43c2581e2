"""Bytes that are nearly HTTP, made by a grammar, sent in pieces: a face answers each in good form, whatever they are.

The answers to a stream do not depend on where it was cut, nothing is logged as a bug, and nothing is left behind.
"""

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from zope.interface import implementer

from glitchgrid.http.face import Face
from tests.echo_face import EchoFace, site
from tests.raw_client import RawClient

STREAMS = 1500
LONG_S = 200

pick = st.sampled_from
odd = st.binary(max_size=6)
ends = pick([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b""])
gaps = pick([b" "] * 10 + [b"  ", b"\t", b""])
methods = pick([b"GET", b"POST"] * 4 + [b"HEAD", b"PUT", b"OPTIONS", b"get", b"", b"G" * 300, b"PRI", b"\x16\x03\x01"])
targets = pick(
    [b"/"] * 6
    + [
        b"/nowhere",
        b"*",
        b"",
        b"//",
        b"/%ff",
        b"/%00",
        b"/\xff",
        b"a",
        b"?",
        b"http://grid/",
        b"http://grid",
        b"HTTP://x?y",
    ]
    + [b"https:///", b"grid:80", b"/" + b"a" * 5000, b"/" + b"b" * 17000, b"/ /", b"/refuses?x#y"]
)
versions = pick([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"HTTP/1", b"", b"HTTP/1.10"])
numbers = pick(
    [b"1", b"42", b"007", b"0", b"-5", b"+5", b" 5 ", b"", b"1_0", b"5" * 64, b"5" * 65, b"\xd9\xa1", b"5\x00"]
)
sizes = pick(
    [b"0", b"00", b"-1", b"+1", b"0x1", b"f" * 16, b"f" * 40, b"", b" 1", b"1 ", b"1;a=b", b"1;" + b"x" * 2000, b"g"]
)
lengths = pick(
    [b"0", b"1", b"2", b"64", b"65", b"1, 1", b"-1", b"+1", b"0x1", b"9" * 19, b"9" * 5000, b"1 ", b"", b"\xb2"]
)
codings = pick([b"chunked"] * 3 + [b"Chunked", b"identity", b"gzip, chunked", b"chunked, chunked", b"", b"\x0bchunked"])
fields = st.one_of(
    st.tuples(pick([b"Host", b"hOST"]), pick([b"grid", b"grid:80", b"", b"a b", b"[::1]", b"[", b"\xff", b"h" * 3000])),
    st.tuples(pick([b"Content-Length", b"content-length"]), lengths),
    st.tuples(pick([b"Transfer-Encoding"]), codings),
    st.tuples(pick([b"Connection"]), pick([b"close", b"keep-alive", b"Close, TE", b"upgrade", b"", b",,,close,,"])),
    st.tuples(pick([b"Expect"]), pick([b"100-continue", b"100-Continue", b"200-ok", b""])),
    st.tuples(pick([b"X", b"A" * 200]), pick([b"y" * 16000, b"y" * 17000, b"a\x00b", b"\x1b[0m", b"1\r\n 2"])),
    st.tuples(odd, odd),
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """The field that says how it is sent, and what is sent."""
    data, is_good = draw(numbers), draw(pick([True, True, False]))
    if draw(st.booleans()):
        return b"Content-Length: " + (b"%d" % len(data) if is_good else draw(lengths)) + b"\r\n", data
    size = b"%x" % len(data) if is_good else draw(sizes)
    last = draw(
        pick(
            [b"0\r\n\r\n"] * 3
            + [b"0\r\n", b"", b"0\r\nX: y\r\n\r\n", b"0\n\n", b"0\r\n" + b"T: x\r\n" * 3000 + b"\r\n"]
        )
    )
    chunk = size + draw(ends) + data + draw(ends) if data else b""
    return b"Transfer-Encoding: chunked\r\n", chunk + last


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    line = draw(methods) + draw(gaps) + draw(targets) + draw(gaps) + draw(versions) + draw(ends)
    head = [name + b": " + value + draw(ends) for name, value in draw(st.lists(fields, max_size=2))]
    if draw(pick([True] * 5 + [False])):
        head.append(b"Host: grid\r\n")
    how, data = draw(bodies()) if line.startswith(b"POST") or draw(pick([True, False, False])) else (b"", b"")
    return line + b"".join(draw(st.permutations([*head, how]))) + b"\r\n" + data


streams = st.lists(requests(), min_size=1, max_size=4).map(b"".join)


@implementer(ILogObserver)
class Heard:
    """What was logged that a sound server does not log."""

    def __init__(self) -> None:
        self.bugs: list[Any] = []

    def __call__(self, event: Any) -> None:
        if event.get("log_level") in {LogLevel.critical, LogLevel.error}:
            self.bugs.append(event)


def answered(stream: bytes, cuts: list[int]) -> tuple[list[Any], Face, Clock]:
    """The statuses and bodies of the answers to a stream that comes in pieces, and then ends."""
    clock = Clock()
    echo = EchoFace()
    face = site(echo, clock)
    client = RawClient(face, clock)
    edges = [0, *sorted(cuts), len(stream)]
    for begin, end in pairwise(edges):
        if begin < end and client.is_open:
            client.send(stream[begin:end])
            clock.advance(0)
    if client.is_open:
        client.protocol.readConnectionLost()
    clock.advance(0)
    data = client.wire.value()
    return _read(data), face, clock


def _read(data: bytes) -> list[Any]:
    """Strictly: each answer has a head, a length, and a body of that length; those to HEAD have none."""
    answers = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, head
        line, *rest = head.split(b"\r\n")
        assert line[:9] in {b"HTTP/1.1 ", b"HTTP/1.0 "}, line
        if line[9:12] == b"100":
            continue
        found = [each.split(b": ", 1) for each in rest]
        (length,) = (int(value) for name, value in found if name.lower() == b"content-length")
        body = data[:length]
        if len(body) == length and not data.startswith(b"HTTP/1."):
            data = data[length:]
        else:
            body = b""  # of a HEAD
        answers.append((int(line[9:12]), body))
    return answers


@settings(
    max_examples=STREAMS,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(streams, st.lists(st.integers(0, 400), max_size=5))
def test_a_face_answers_whatever_comes(stream: bytes, cuts: list[int]) -> None:
    heard = Heard()
    globalLogPublisher.addObserver(heard)
    try:
        whole, _, _ = answered(stream, [])
        in_pieces, face, clock = answered(stream, [each for each in cuts if each < len(stream)])
        assert in_pieces == whole
        clock.advance(LONG_S)
        clock.advance(LONG_S)
        assert face.channels == {}
        assert clock.getDelayedCalls() == []
        assert not heard.bugs
    finally:
        globalLogPublisher.removeObserver(heard)
