"""When certificates end: for the status, for the metrics, and in the log from 14 days before on."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from prometheus_client.core import Metric
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from glitchgrid.errors import one_line
from glitchgrid.measures import gauges
from glitchgrid.tls.files import Ending

WARNED_BEFORE_S = 14 * 86400
WARN_EVERY_S = 86400
_DAY_S = 86400
_LABELS = ("option", "names")


class HasEndings(Protocol):
    """What certificates were read by."""

    @property
    def endings(self) -> Sequence[Ending]: ...


class Ends(Service):
    """Watches the ends of all certificates that a server uses, once a day.

    :param sources: what has read them; they may read others at any time.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, *sources: HasEndings) -> None:
        self._sources = sources
        self._looking = LoopingCall(self.look)
        self._looking.clock = clock

    def startService(self) -> None:
        super().startService()
        if self._sources:
            self._looking.start(WARN_EVERY_S)

    def stopService(self) -> None:
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def look(self) -> None:
        """Warn of those that end soon."""
        now_s = time.time()
        for each in self._endings():
            left_s = each.ends.timestamp() - now_s
            if left_s < WARNED_BEFORE_S:
                self._log.warn(
                    "the certificate of {names} {ends} {when}: --{option} {path}",
                    names=one_line(", ".join(each.names) or "nobody"),
                    ends="has ended on" if left_s < 0 else f"ends in {left_s / _DAY_S:.0f} days, on",
                    when=_written(each),
                    option=each.option,
                    path=one_line(each.path),
                )

    def told(self) -> list[dict[str, Any]]:
        """For the status."""
        return [
            {"option": each.option, "names": list(each.names), "not_after": _written(each)} for each in self._endings()
        ]

    def collect(self) -> Iterator[Metric]:
        """For the metrics. Where several certificates would have the same labels, it is the one that ends first."""
        ends: dict[tuple[str, str], float] = {}
        for each in self._endings():
            labels = (each.option, ",".join(each.names))
            ends[labels] = min(each.ends.timestamp(), ends.get(labels, float("inf")))
        text = "When a certificate ends, in seconds since 1970."
        yield gauges("glitchgrid_certificate_not_after_timestamp_seconds", text, _LABELS, sorted(ends.items()))

    def _endings(self) -> Iterator[Ending]:
        for source in self._sources:
            yield from source.endings


def _written(each: Ending) -> str:
    """RFC 3339, in UTC."""
    return each.ends.strftime("%Y-%m-%dT%H:%M:%SZ")
