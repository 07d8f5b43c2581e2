"""The page of a rehearsal that this process runs: its port, and its show."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.rehearsal.live.show import Playing, RehearsalShow
from glitchgrid.lab.rehearsal.live.web import RehearsalDoor
from glitchgrid.lab.rehearsal.rehearsal import RealTimeline
from glitchgrid.lab.web.door import Listening
from glitchgrid.lab.web.pages import Pages


class RehearsalWeb:
    """:ivar show: is told what happens."""

    def __init__(
        self, reactor: Any, listening: Listening, pages: Pages, door: RehearsalDoor, show: RehearsalShow
    ) -> None:
        self._reactor = reactor
        self._listening = listening
        self._pages = pages
        self._door = door
        self.show = show

    @classmethod
    def open(cls, reactor: Any, port: int, layout: Layout, kinds: Sequence[type[Fault]], seed: int) -> Self:
        """Take the port; any, for 0.

        :param kinds: what can be done by hand.
        :raises CannotRun: where it cannot be had.
        """
        listening, pages = Listening.on(reactor, port), Pages()
        door = RehearsalDoor(listening.number, pages)
        door.show = show = RehearsalShow(reactor, layout, kinds, pages.publish, seed)
        listening.serve(door)
        show.start()
        return cls(reactor, listening, pages, door, show)

    @property
    def url(self) -> str:
        return self._door.url

    def play(self, timeline: RealTimeline, title: str, drivers_s: float, directory: Path) -> None:
        """A timeline begins."""
        self.show.play(Playing(timeline, title, drivers_s, directory))

    async def close(self) -> None:
        """End all pages."""
        self.show.stop()
        await self._pages.close(self._reactor)
        await self._listening.close()
