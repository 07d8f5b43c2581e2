"""The server of the live page of a grid."""

import json
from collections.abc import Callable
from functools import partial

from twisted.web.http import NOT_FOUND

from glitchgrid.lab.picture.model import Picture
from glitchgrid.lab.picture.page import as_data, as_page
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.live.show import Show
from glitchgrid.lab.web.door import Door, static
from glitchgrid.lab.web.pages import Pages, Refused

OWN = ("index.html", "live.js", "round.js", "scenes.js")
SAVED = ("timeline.html", "simulation.html")


class Web(Door[Show]):
    """See `Door`."""

    def __init__(self, port: int, pages: Pages) -> None:
        own: dict[str, Callable[[], str]] = {
            "timeline.html": lambda: as_page(self.there.picture()),
            "simulation.html": lambda: as_page(self._simulated),
            "simulation.json": lambda: json.dumps(as_data(self._simulated)),
            "glitches.json": lambda: json.dumps({each.name: each.what for each in GLITCHES.values()}),
        }
        super().__init__(port, pages, own | {name: partial(static, __package__, name) for name in OWN}, SAVED)

    @property
    def _simulated(self) -> Picture:
        picture = self.there.in_simulation.picture
        if picture is None:
            raise Refused(NOT_FOUND, "Nothing was simulated yet")
        return picture
