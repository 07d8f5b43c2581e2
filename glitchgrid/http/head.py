"""The head of a request: what its fields may say, and what they say of the connection (RFC 9112)."""

import re
from functools import lru_cache

from glitchgrid.errors import BadRequest, BodyTooLarge, RequestError

HEEDED = frozenset({b"host", b"connection", b"expect", b"transfer-encoding", b"content-length"})
"""The fields that count, in lower case."""

_HOST = re.compile(rb"(\[[.:0-9A-Za-z]*\]|[!$%&'()*+,.;=~_0-9A-Za-z-]*)(:[0-9]*)?")
_CONTENT_LENGTH_DIGITS_MAX = 19
_BEGINNING = re.compile(rb"\r?\n?([!#$%&'*+.^_`|~0-9A-Za-z-]+( [^\x00-\x1f\x7f]*)?)?\r?")
"""What a request line may begin with (RFC 9112, section 3). A TLS handshake does not."""


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def may_begin_a_request(half_a_line: bytes) -> bool:
    """Can these bytes be the beginning of a request line?"""
    return _BEGINNING.fullmatch(half_a_line) is not None


class Head:
    """One connection's heads, one after another: `heed` each field, and `end`.

    :ivar expects: the client (of HTTP/1.1) waits for "100 Continue" before it sends the body, and has not got it yet.
    :ivar closes: the latest complete head asks for the connection to be closed behind the answer.
    :ivar persists: by the latest complete head, the connection stays open behind the answer.
    """

    __slots__ = ("_closes", "_expects", "_hosts", "closes", "expects", "persists")

    def __init__(self) -> None:
        self.expects = self.closes = self.persists = False
        self._expects = self._closes = False
        self._hosts = 0

    def heed(self, name: bytes, value: bytes) -> RequestError | None:
        """Note what one of the `HEEDED` says, or what is wrong with it."""
        if name == b"host":
            self._hosts += 1
            return None if _is_host(value) else BadRequest()  # RFC 9112, section 3.2
        if name == b"content-length":
            if len(value) <= _CONTENT_LENGTH_DIGITS_MAX:
                return None
            # Beyond 4,300 digits int() raises, and Twisted would log a traceback.
            return BodyTooLarge() if value.isdigit() else BadRequest()
        if name == b"connection":
            self._closes = self._closes or b"close" in [token.strip() for token in value.lower().split(b",")]
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"
        elif value.lower() != b"chunked":  # a transfer encoding
            # Twisted takes "identity" for no body, and the body for the next request.
            return BadRequest()
        return None

    def end(self, version: bytes) -> RequestError | None:
        """The head is complete. Returns what is wrong with it as a whole; the next field belongs to another head."""
        speaks_1_1 = version == b"HTTP/1.1"
        hosts, self._hosts = self._hosts, 0
        self.closes, self._closes = self._closes, False
        self.expects, self._expects = self._expects and speaks_1_1, False
        self.persists = speaks_1_1 and not self.closes
        return BadRequest() if hosts > 1 or (speaks_1_1 and not hosts) else None
