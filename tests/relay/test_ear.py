"""Messages in the bytes of a connection."""

import pytest

from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.relay.ear import UNREAD_BYTES_MAX, Ear

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\nGlitchgrid-Guard: increase\r\n\r\n17"
ANSWER = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 2\r\n\r\n18"


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ear = Ear(REGISTER.read, self.sent, self.arrived)

    def sent(self, heard: object) -> None:
        self.lines.append(f"sent {heard.number} {heard.message.text}")  # type: ignore[attr-defined]

    def arrived(self, heard: object) -> None:
        self.lines.append(f"arrived {heard.number}")  # type: ignore[attr-defined]


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_however_they_are_cut(piece: int) -> None:
    told, data = Told(), GET + POST + ANSWER
    for start in range(0, len(data), piece):
        part = data[start : start + piece]
        told.ear.goes_in(part)
        told.ear.comes_out(len(part))
    assert [line for line in told.lines if line.startswith("sent")] == ["sent 1 GET", "sent 2 POST 17", "sent 3 412 18"]
    assert [line for line in told.lines if line.startswith("arrived")] == ["arrived 1", "arrived 2", "arrived 3"]
    assert told.ear.on_their_way == []


def test_one_arrives_with_its_last_byte() -> None:
    told = Told()
    told.ear.goes_in(POST + GET)
    told.ear.comes_out(len(POST) - 1)
    assert told.lines == ["sent 1 POST 17", "sent 2 GET"]
    assert [heard.message.text for heard in told.ear.on_their_way] == ["POST 17", "GET"]
    told.ear.comes_out(1)
    assert told.lines[2:] == ["arrived 1"]


def test_what_is_no_message_is_so_many_bytes_in_the_end() -> None:
    told = Told()
    told.ear.goes_in(b"x" * UNREAD_BYTES_MAX)
    assert told.lines == []
    told.ear.goes_in(b"x")
    assert told.lines == [f"sent 1 {UNREAD_BYTES_MAX + 1} bytes"]
    told.ear.comes_out(UNREAD_BYTES_MAX + 1)
    told.ear.goes_in(GET)
    assert told.lines[1:] == ["arrived 1", "sent 2 GET"]
