"""The form of health: Kubernetes's and etcd's."""

from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import TooManyOperations
from glitchgrid.http.face import Face, answer_errors
from glitchgrid.http.health import LIVEZ, PROCESS, READYZ, Check, Fault, Health
from tests.raw_client import Answer, RawClient, get, head


class HealthTestCase(SynchronousTestCase):
    """A server whose first check ends at once, and whose second one when it is told to."""

    def setUp(self) -> None:
        self.clock: Any = MemoryReactorClock()
        self.first: Fault = None
        self.asked: list[Deferred[Fault]] = []
        self.cancelled: list[Deferred[Fault]] = []
        ready = (Check("first", lambda: self.first), Check("second", self.second))
        health = self.health = Health(self.clock, (PROCESS,), ready)

        class Served:
            app = Klein()

            @app.route("/livez", methods=["GET"])
            def livez(self, request: Any) -> Deferred[bytes]:
                return health.answer(request, LIVEZ)

            @app.route("/readyz", methods=["GET"])
            def readyz(self, request: Any) -> Deferred[bytes]:
                return health.answer(request, READYZ)

        answer_errors(Served.app)
        self.client = RawClient(Face(self.clock, Served().app), self.clock)

    def second(self) -> "Deferred[Fault]":
        self.asked.append(Deferred(self.cancelled.append))
        return self.asked[-1]

    def ready(self, query: bytes = b"", second: Fault = None) -> Answer:
        self.client.send(get(b"/readyz" + query))
        if self.asked:
            self.asked.pop().callback(second)
        return self.client.answer()


class AnswerTests(HealthTestCase):
    def test_one_that_is_well(self) -> None:
        answer = self.ready()
        self.assertEqual((answer.status, answer.text), (200, "ok"))
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(self.client.ask(get(b"/livez")).text, "ok")

    def test_verbose(self) -> None:
        for query in (b"?verbose", b"?verbose=true", b"?x=1&verbose"):
            self.assertEqual(self.ready(query).text, "[+]first ok\n[+]second ok\nreadyz check passed\n")
        self.assertEqual(self.client.ask(get(b"/livez?verbose")).text, "[+]process ok\nlivez check passed\n")

    def test_one_that_is_not_says_what_is_wrong_unasked(self) -> None:
        self.first = "it rains"
        answer = self.ready(second="it pours")
        said = "[-]first failed: it rains\n[-]second failed: it pours\nreadyz check failed\n"
        self.assertEqual((answer.status, answer.text), (503, said))
        self.first = None
        answer = self.ready(second="it pours")
        self.assertEqual((answer.status, answer.text.splitlines()[0]), (503, "[+]first ok"))

    def test_what_is_excluded_is_not_looked_at(self) -> None:
        self.first = "it rains"
        self.client.send(get(b"/readyz?verbose&exclude=first&exclude=second"))
        self.assertEqual(self.asked, [])
        answer = self.client.answer()
        said = "[+]first excluded: ok\n[+]second excluded: ok\nreadyz check passed\n"
        self.assertEqual((answer.status, answer.text), (200, said))
        self.assertEqual(self.ready(b"?exclude=second").status, 503)

    def test_a_check_to_exclude_that_there_is_not(self) -> None:
        answer = self.ready(b"?verbose&exclude=third&exclude=%ff")
        lines = ["[+]first ok", "[+]second ok", "warning: 2 of the checks to exclude are not among these"]
        self.assertEqual((answer.status, answer.text.splitlines()[:-1]), (200, lines))

    def test_a_check_that_is_refused_has_failed(self) -> None:
        self.client.send(get(b"/readyz"))
        self.asked.pop().errback(TooManyOperations())
        answer = self.client.answer()
        self.assertEqual((answer.status, answer.text.splitlines()[1]), (503, "[-]second failed: Too many operations"))

    def test_a_bug_in_a_check_is_500_and_logged(self) -> None:
        self.client.send(get(b"/readyz"))
        self.asked.pop().errback(ZeroDivisionError("secret"))
        self.assertEqual(self.client.answer().status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_methods(self) -> None:
        self.client.send(head(b"HEAD", b"/livez"))
        self.assertEqual(self.client.answer(heads_only=True).status, 200)
        self.assertEqual(self.client.ask(head(b"POST", b"/livez")).status, 405)

    def test_a_client_that_leaves_ends_the_check(self) -> None:
        self.client.send(get(b"/readyz"))
        self.client.vanish()
        self.assertEqual(self.cancelled, self.asked)


class ToldTests(HealthTestCase):
    def test_what_was_found_last(self) -> None:
        nothing = {"ok": None, "fault": None, "age_s": None}
        self.assertEqual(self.health.told(), {
            "livez": [{"check": "process"} | nothing],
            "readyz": [{"check": "first"} | nothing, {"check": "second"} | nothing],
        })  # fmt: skip
        self.ready(second="it pours")
        self.clock.advance(1.5)
        self.assertEqual(self.health.told()["readyz"], [
            {"check": "first", "ok": True, "fault": None, "age_s": 1.5},
            {"check": "second", "ok": False, "fault": "it pours", "age_s": 1.5},
        ])  # fmt: skip
