"""When certificates end: the log once a day, the metric, and the status."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.tls.ends import WARN_EVERY_S, Ends
from glitchgrid.tls.files import Ending
from tests.fakes import CaughtLog


class Has:
    def __init__(self, *endings: Ending) -> None:
        self.endings: Sequence[Ending] = endings


def ending(days: float, *names: str) -> Ending:
    return Ending("tls-cert", "/own.pem", names or ("grid",), datetime.now(UTC) + timedelta(days=days))


class EndsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def started(self, *endings: Ending) -> Ends:
        ends = Ends(self.clock, Has(*endings))
        ends.startService()
        self.addCleanup(ends.stopService)
        return ends

    def test_it_warns_two_weeks_before_and_each_day(self) -> None:
        log = CaughtLog(self)
        self.started(ending(14.01, "later"), ending(13.4, "soon"), ending(-0.5, "over"))
        soon, over = log.warnings
        self.assertRegex(soon, r"^the certificate of soon ends in 13 days, on 20[0-9T:-]+Z: --tls-cert /own.pem$")
        self.assertRegex(over, r"^the certificate of over has ended on 20[0-9T:-]+Z: --tls-cert /own.pem$")
        self.clock.advance(WARN_EVERY_S)
        self.assertEqual(len(log.warnings), 4)

    def test_servers_without_certificates_look_at_nothing(self) -> None:
        ends = Ends(self.clock)
        ends.startService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        ends.stopService()
        self.assertEqual((ends.told(), next(ends.collect()).samples), ([], []))

    def test_the_metric_is_of_the_one_that_ends_first(self) -> None:
        first, last = ending(20), ending(30)
        [metric] = Ends(self.clock, Has(last), Has(first)).collect()
        [sample] = metric.samples
        self.assertEqual(sample.value, first.ends.timestamp())
        self.assertEqual(sample.labels, {"option": "tls-cert", "names": "grid"})
