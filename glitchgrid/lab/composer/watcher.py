"""Whoever looks on at a timeline of real programs: what they are told, as it happens."""

from collections.abc import Sequence

from glitchgrid.lab.composer.calls import Call
from glitchgrid.lab.composer.servers import Lived, Said, Sent
from glitchgrid.lab.faults.fault import Fault


class Watcher:
    """Is told everything, and heeds what it wants to."""

    def called(self, call: Call) -> None:
        """A test command has ended."""

    def struck(self, fault: Fault, whom: Sequence[str]) -> None:
        """A fault has begun."""

    def healed(self, fault: Fault, whom: Sequence[str]) -> None:
        """It is over."""

    def trouble(self, what: str) -> None:
        """Something that nobody planned: a program has ended by itself."""

    def started(self, server: str) -> None:
        """Its program was started."""

    def lived(self, lived: Lived) -> None:
        """Its program has ended."""

    def said(self, said: Said) -> None:
        """Its program has said something."""

    def sent(self, sent: Sent) -> None:
        """Something went over the network, or was lost there."""


class Watchers(Watcher):
    """Several, each of which is told."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def called(self, call: Call) -> None:
        for each in self._watchers:
            each.called(call)

    def struck(self, fault: Fault, whom: Sequence[str]) -> None:
        for each in self._watchers:
            each.struck(fault, whom)

    def healed(self, fault: Fault, whom: Sequence[str]) -> None:
        for each in self._watchers:
            each.healed(fault, whom)

    def trouble(self, what: str) -> None:
        for each in self._watchers:
            each.trouble(what)

    def started(self, server: str) -> None:
        for each in self._watchers:
            each.started(server)

    def lived(self, lived: Lived) -> None:
        for each in self._watchers:
            each.lived(lived)

    def said(self, said: Said) -> None:
        for each in self._watchers:
            each.said(said)

    def sent(self, sent: Sent) -> None:
        for each in self._watchers:
            each.sent(sent)
