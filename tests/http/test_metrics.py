"""What a face counts, and the forms in which it is told."""

from typing import Any

from klein import Klein
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IRequest

from glitchgrid.http.counting import METHODS, OTHER, FaceCounts
from glitchgrid.http.face import Face, answer_errors, respond, routes
from glitchgrid.http.metrics import Metrics
from tests.raw_client import RawClient, get, head


class Served:
    app = Klein()
    metrics: Metrics

    @app.route("/", methods=["GET"])
    def root(self, request: IRequest) -> bytes:
        return respond(request, "hello")

    @app.route("/metrics", methods=["GET"])
    def told(self, request: IRequest) -> bytes:
        return self.metrics.answer(request)


answer_errors(Served.app)


class MetricsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock: Any = MemoryReactorClock()
        served = Served()
        counts = FaceCounts(routes(served.app), self.clock)
        served.metrics = Metrics(counts)
        self.face = Face(self.clock, served.app, counts=counts, connections_max=2)
        self.client = RawClient(self.face, self.clock)

    def samples(self) -> dict[tuple[str, ...], float]:
        text = self.client.ask(get(b"/metrics")).text
        found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return {(each.name, *each.labels.values()): each.value for each in found}

    def test_clients_make_no_labels(self) -> None:
        for number in range(50):
            self.client.ask(get(b"/none-%d" % number))
            self.client.ask(head(b"VERB%d" % number, b"/"))
        told = {name for name in self.samples() if name[0] == "glitchgrid_http_requests_total"}
        self.assertEqual(len(told), 2)
        self.assertTrue(all(OTHER in name for name in told))
        self.assertNotIn(OTHER, METHODS.values())

    def test_no_accept_field_is_a_bug(self) -> None:
        """What clients ask for is one of two forms, and never comes back as they have sent it."""
        for accept, kind in (
            (b"", "text/plain; version=0.0.4; charset=utf-8"),
            (b"text/plain;version=a", "text/plain; version=0.0.4; charset=utf-8"),
            (b'text/plain; version="1.0.0"', "text/plain; version=0.0.4; charset=utf-8"),
            (b"text/plain; version=\xa01.0.0", "text/plain; version=0.0.4; charset=utf-8"),
            (b"Application/OpenMetrics-Text; version=1.0.0-rc1", "application/openmetrics-text; version=1.0.0"),
            (b"application/openmetrics-text; version=2.<b>x", "application/openmetrics-text; version=1.0.0"),
            (b"application/openmetrics-text; version=2.\xe9", "application/openmetrics-text; version=1.0.0"),
        ):
            answer = self.client.ask(get(b"/metrics", b"Accept: " + accept))
            self.assertEqual(answer.status, 200, accept)
            self.assertTrue(answer.headers["content-type"].startswith(kind), accept)

    def test_connections_and_those_that_were_turned_away(self) -> None:
        others = [RawClient(self.face, self.clock) for _ in range(2)]
        found = self.samples()
        self.assertEqual(found["glitchgrid_http_connections",], 2)
        self.assertEqual(found["glitchgrid_limit_hits_total", "connections"], 1)
        others[0].vanish()
        self.assertEqual(self.samples()["glitchgrid_http_connections",], 1)

    def test_a_client_that_is_refused(self) -> None:
        RawClient(self.face, self.clock).ask(b"no HTTP\r\n\r\n")
        self.assertEqual(self.samples()["glitchgrid_http_refused_total", "400"], 1)

    def test_forms(self) -> None:
        for accept, kind in (
            (b"", "text/plain; version=0.0.4"),
            (b"*/*", "text/plain; version=0.0.4"),
            (b"application/openmetrics-text; version=1.0.0, text/plain;q=0.5", "application/openmetrics-text"),
            (b"\xff;q=x", "text/plain; version=0.0.4"),
        ):
            answer = self.client.ask(head(b"GET", b"/metrics", b"Accept: " + accept))
            self.assertTrue(answer.headers["content-type"].startswith(kind), accept)
            self.assertEqual(answer.text.endswith("# EOF\n"), "openmetrics" in kind)
