"""The live page of a grid that this process runs: its port, its links, and the show."""

from collections.abc import Mapping
from typing import Any, Self

from twisted.internet.error import CannotListenError
from twisted.web.resource import NoResource
from twisted.web.server import Site

from glitchgrid.commands.calling import command
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.live.show import Show
from glitchgrid.lab.register.live.stage import Links
from glitchgrid.lab.register.live.web import HOST, BoundedRequest, Pages, Web
from glitchgrid.lab.register.processes.localgrid import LocalGrid, Member
from glitchgrid.lab.register.processes.watch import Look
from glitchgrid.lab.relay.link import Passing
from glitchgrid.vaults.address import VaultAddress


class LiveWeb:
    """:ivar links: between the grid's members; the grid is to use them."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pages = Pages()
        self._port: Any = None
        self._web: Web | None = None
        self._show: Show | None = None
        self.links = Links(reactor, self._passing)

    @classmethod
    async def open(cls, reactor: Any, port: int) -> Self:
        """Take the port; any, for 0.

        :raises CannotRun: where it cannot be had.
        """
        made = cls(reactor)
        site = Site(NoResource(), requestFactory=BoundedRequest)
        site.noisy = False
        site.displayTracebacks = False
        try:
            made._port = reactor.listenTCP(port, site, interface=HOST)
        except CannotListenError as error:
            raise CannotRun(f"port {port} is in use: choose another --web-port") from error
        made._web = Web(made._port.getHost().port, made._pages)
        site.resource = made._web.app.resource()
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
        self._pages.close()
        if self._port is not None:
            await self._port.stopListening()
        if self._show is not None:
            await self._show.stop()
        else:
            await self.links.close()

    def _passing(self, message: Passing) -> None:
        if self._show is not None:
            self._show.passing(message)
