"""Reads HTTP/1.1 messages for a transcript: requests with GET, HEAD and POST, and their answers."""

import re
from collections.abc import Mapping

from glitchgrid.lab.picture.model import Tone
from glitchgrid.lab.trace.transcript import Message, Reader, shortened

_REQUEST = re.compile(rb"(GET|HEAD|POST) ([^ \r\n]*) HTTP/1\.1\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]{1,9})\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"
CLIENT_ERRORS, SERVER_ERRORS = 400, 500


def http_reader(marks: Mapping[bytes, str]) -> Reader:
    """:param marks: header fields of requests that a transcript should mention, and in which words."""
    fields = [(re.compile(rb"\r\n%b:" % re.escape(field), re.IGNORECASE), words) for field, words in marks.items()]

    def read(data: bytes, start: int) -> Message | None:
        head_end = data.find(_END, start)
        request, status = _REQUEST.match(data, start), _STATUS.match(data, start)
        if head_end < 0 or not (request or status):
            return None
        head_end += len(_END)
        length = _LENGTH.search(data, start, head_end)
        end = head_end + (int(length[1]) if length else 0)
        if end > len(data):
            return None
        body = shortened(data[head_end:end])
        first_line = data[start : data.index(b"\r\n", start)].decode("latin-1")
        if request:
            said = [words for field, words in fields if field.search(data, start, head_end)]
            return Message(end, f"{request[1].decode('ascii')} {body}".rstrip(), " ".join([first_line, *said]))
        assert status, "what is no request is an answer"
        number = int(status[1])
        tone = Tone.FAILURE if number >= SERVER_ERRORS else Tone.REFUSAL if number >= CLIENT_ERRORS else Tone.PLAIN
        return Message(end, f"{number} {body}".rstrip(), first_line, tone)

    return read
