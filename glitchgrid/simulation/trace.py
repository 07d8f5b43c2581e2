"""What happened in a world, line by line, and a digest of all of it.

Two runs with one digest are the same run: every byte that was received and every operation on a disk is in it.
"""

import hashlib

DIGEST_BYTES = 16
HASHED_AT = 500
"""So many lines are taken into the digest together: one call for all of them."""


class Trace:
    """:param keep: whether the lines are kept, or their digest alone."""

    def __init__(self, *, keep: bool) -> None:
        self._lines: list[str] = []
        self.count = 0
        self._keep = keep
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._unhashed: list[str] = []

    def add(self, at_ns: int, who: str, what: str) -> None:
        self._unhashed.append(f"{at_ns} {who} {what}\n")
        self.count += 1
        if len(self._unhashed) >= HASHED_AT:
            self._take_in()

    @property
    def digest(self) -> str:
        """Of the lines so far."""
        self._take_in()
        return self._hash.copy().hexdigest()

    @property
    def lines(self) -> list[str]:
        """All of them so far, or none where they are not kept."""
        self._take_in()
        return self._lines

    def _take_in(self) -> None:
        self._hash.update("".join(self._unhashed).encode("utf-8", "backslashreplace"))
        if self._keep:
            self._lines += self._unhashed
        self._unhashed.clear()


def brief(data: bytes) -> str:
    """Data in a line: its length, and a digest in place of the data."""
    return f"{len(data)} {hashlib.blake2b(data, digest_size=8).hexdigest()}"
