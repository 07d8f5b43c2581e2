"""How many operations clients have recorded, while they do."""

from pathlib import Path

from glitchgrid.lab.history.merging import HISTORY

LINES_OF_AN_OPERATION = 2
"""It begins, and it ends."""


class Operations:
    """From the lines that clients have added.

    :param directory: of a timeline.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / HISTORY
        self._read: dict[Path, int] = {}
        self._lines = 0
        self._before = (0.0, 0)

    @property
    def count(self) -> int:
        """Until now: as many as have ended, more or less."""
        for path in self._directory.glob("*.jsonl"):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                added = file.read()
            self._read[path] = self._read.get(path, 0) + len(added)
            self._lines += added.count(b"\n")
        return self._lines // LINES_OF_AN_OPERATION

    def per_s(self, now_s: float) -> float:
        """Since it was asked last."""
        then_s, before = self._before
        count = self.count
        self._before = now_s, count
        return (count - before) / (now_s - then_s) if now_s > then_s else 0.0
