"""The live page of a grid that this process runs: its port, its links, and the show."""

from collections.abc import Mapping
from typing import Any, Self

from glitchgrid.commands.calling import command
from glitchgrid.lab.register.live.show import Show
from glitchgrid.lab.register.live.stage import Links
from glitchgrid.lab.register.live.web import Web
from glitchgrid.lab.register.processes.localgrid import LocalGrid, Member
from glitchgrid.lab.register.processes.watch import Look
from glitchgrid.lab.relay.link import Passing
from glitchgrid.lab.web.door import Listening
from glitchgrid.lab.web.pages import Pages
from glitchgrid.vaults.address import VaultAddress


class LiveWeb:
    """:ivar links: between the grid's members; the grid is to use them."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pages = Pages()
        self._listening: Listening | None = None
        self._web: Web | None = None
        self._show: Show | None = None
        self.links = Links(reactor, self._passing)

    @classmethod
    async def open(cls, reactor: Any, port: int) -> Self:
        """Take the port; any, for 0.

        :raises CannotRun: where it cannot be had.
        """
        made = cls(reactor)
        made._listening = listening = Listening.on(reactor, port)
        made._web = Web(listening.number, made._pages)
        listening.serve(made._web)
        return made

    @property
    def url(self) -> str:
        assert self._web is not None, "it is open"
        return self._web.url

    @property
    def stays_down(self) -> set[Member]:
        """Members that somebody has killed on the page, and that are not to be started again by themselves."""
        return set() if self._show is None else self._show.stage.stays_down

    def begin(self, grid: LocalGrid) -> None:
        """The grid is up."""
        assert self._web is not None, "it is open"
        self._show = self._web.show = Show(
            self._reactor, grid, self.links, self._pages.publish, self._web.command_of, command
        )
        self._show.start()

    @property
    def is_watched(self) -> bool:
        """Has somebody opened the page?"""
        return self._pages.are_open

    def control_of(self, control: Member) -> VaultAddress:
        """Where clients reach a control through the page's link."""
        assert self._show is not None, "the grid is up"
        return self._show.control_addresses[control.name]

    def tell(self, sentence: str) -> None:
        """Put a sentence into the page's log."""
        if self._show is not None:
            self._show.tell(sentence)

    def looked(self, look: Look, restarts: Mapping[str, float]) -> None:
        if self._show is not None:
            self._show.looked(look, restarts)

    async def close(self) -> None:
        """End all pages, links and clients."""
        await self._pages.close(self._reactor)
        if self._listening is not None:
            await self._listening.close()
        if self._show is not None:
            await self._show.stop()
        else:
            await self.links.close()

    def _passing(self, message: Passing) -> None:
        if self._show is not None:
            self._show.passing(message)
