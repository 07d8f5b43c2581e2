"""What happened in a world, line by line, and a digest of all of it.

Two runs with one digest are the same run: every byte that was received and every operation on a disk is in it.
"""

import hashlib

DIGEST_BYTES = 16


class Trace:
    """:param keep: whether the lines are kept, or their digest alone."""

    def __init__(self, *, keep: bool) -> None:
        self.lines: list[str] = []
        self.count = 0
        self._keep = keep
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)

    def add(self, at_ns: int, who: str, what: str) -> None:
        line = f"{at_ns} {who} {what}\n"
        self._hash.update(line.encode("utf-8", "backslashreplace"))
        self.count += 1
        if self._keep:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """Of the lines so far."""
        return self._hash.copy().hexdigest()


def brief(data: bytes) -> str:
    """Data in a line: its length, and a digest in place of the data."""
    return f"{len(data)} {hashlib.blake2b(data, digest_size=8).hexdigest()}"
