"""What names a request in logs: its id, and the trace that it belongs to."""

import re
import secrets
from typing import Any, Final

from twisted.web.http_headers import Headers

from glitchgrid.wire import TRACEPARENT_HEADER

REQUEST_ID_HEADER: Final = b"X-Request-Id"
"""A client may name its request. The answer to a request that fails has the name, or one that is made up."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""Of version 00, the only one so far. What a later one may look like is not known: it is not handed on."""

_ID_BYTES = 8


def new_request_id() -> bytes:
    return secrets.token_hex(_ID_BYTES).encode("ascii")


def given_request_id(request: Any) -> bytes | None:
    """The client's, where it is 1 to 64 letters, digits, dots, hyphens and underscores."""
    return _given(request.requestHeaders, REQUEST_ID_HEADER, _REQUEST_ID)


def traceparent(request: Any) -> bytes | None:
    """The trace of a request; None where it has none, or none that is well-formed."""
    return _given(request.requestHeaders, TRACEPARENT_HEADER, _TRACEPARENT)


def _given(headers: Headers, name: bytes, form: re.Pattern[bytes]) -> bytes | None:
    given = headers.getRawHeaders(name)
    return given[0] if given is not None and len(given) == 1 and form.fullmatch(given[0]) else None
