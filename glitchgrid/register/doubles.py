"""What both protocols say when two addresses lead to one vault."""

from twisted.logger import Logger


class Doubles:
    """Logs each pair of addresses once: nothing changes until somebody mends the configuration."""

    _log = Logger()

    def __init__(self) -> None:
        self._reported: set[tuple[str, str]] = set()

    def report(self, one: str, other: str, identity: str | None) -> None:
        first, second = sorted((one, other))
        if (first, second) in self._reported:
            return
        self._reported.add((first, second))
        self._log.error(
            "{first} and {second} are one vault ({identity}): it counts once",
            first=first,
            second=second,
            identity=identity,
        )
