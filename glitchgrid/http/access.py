"""Who may do what: tokens that requests present as `Authorization: Bearer` (RFC 6750).

A server with tokens answers nobody without one, but for its health. `POST` needs one that may write. Each token of the
file is compared, by digests and in constant time, whatever the others were.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from glitchgrid.errors import Forbidden, RequestError, Unauthorized
from glitchgrid.tokens import Token, read_tokens

OPEN = frozenset({b"/livez", b"/readyz"})
"""Whoever restarts servers, or sends them requests, has no token."""

_SCHEME = b"bearer "
_NO_RIGHT, _MAY_READ, _MAY_WRITE = 0, 1, 2


class Access:
    """:param path: a file of tokens; `read` reads it again.

    :raises BadTokenFile: where it can't be used.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._rights: Sequence[tuple[bytes, int]] = ()
        self.read()

    def read(self) -> None:
        """Take the file's tokens, in the place of those before.

        :raises BadTokenFile: where it can't be used: then those before still hold.
        """
        self._rights = [(_digest(each.text), _right(each)) for each in read_tokens(self._path)]

    def problem(self, request: Any) -> RequestError | None:
        """Why a request is not to be answered; None where it is."""
        if request.path in OPEN:
            return None
        right = self._right_of(request)
        if right == _NO_RIGHT:
            return Unauthorized()
        return Forbidden() if request.method == b"POST" and right != _MAY_WRITE else None

    def _right_of(self, request: Any) -> int:
        given = request.requestHeaders.getRawHeaders(b"Authorization")
        if given is None or len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
            return _NO_RIGHT
        presented = _digest(given[0][len(_SCHEME) :].strip())
        found = _NO_RIGHT
        for digest, right in self._rights:
            if hmac.compare_digest(digest, presented):
                found = max(found, right)
        return found


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def _right(token: Token) -> int:
    return _MAY_WRITE if token.may_write else _MAY_READ
