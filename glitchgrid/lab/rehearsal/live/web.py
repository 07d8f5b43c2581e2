"""The server of the page of a rehearsal."""

from collections.abc import Callable
from functools import partial

from glitchgrid.lab.rehearsal.live.show import RehearsalShow
from glitchgrid.lab.web.door import Door, static
from glitchgrid.lab.web.pages import Pages

OWN = ("index.html", "rehearsal.js")


class RehearsalDoor(Door[RehearsalShow]):
    """See `Door`."""

    def __init__(self, port: int, pages: Pages) -> None:
        own: dict[str, Callable[[], str]] = {name: partial(static, __package__, name) for name in OWN}
        super().__init__(port, pages, own)
