"""Requests in the log, and what names them."""

from typing import Any

from klein import Klein
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IRequest

from glitchgrid.errors import StoreFailed
from glitchgrid.http.doors import Doors
from glitchgrid.http.face import Face, answer_errors, respond
from glitchgrid.http.naming import traceparent
from glitchgrid.http.requestlog import FAILURES_MAX, PATH_SHOWN_MAX
from tests.fakes import CaughtLog
from tests.raw_client import RawClient, get, head

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Served:
    """One path that is well, and one that fails."""

    app = Klein()
    traces: list[bytes | None]

    def __init__(self) -> None:
        self.traces = []

    @app.route("/", methods=["GET"])
    def well(self, request: IRequest) -> bytes:
        self.traces.append(traceparent(request))
        return respond(request, "hello")

    @app.route("/fails", methods=["GET"])
    def fails(self, _request: IRequest) -> bytes:
        raise StoreFailed


answer_errors(Served.app)


class RequestLogTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock: Any = MemoryReactorClock()
        self.served = Served()
        self.log = CaughtLog(self)

    def client(self, *, access_log: bool = False) -> RawClient:
        return RawClient(Face(self.clock, self.served.app, doors=Doors(access_log=access_log)), self.clock)


class NameTests(RequestLogTestCase):
    def test_what_fails_has_an_id_and_what_does_not_has_none(self) -> None:
        client = self.client()
        self.assertNotIn("x-request-id", client.ask(get()).headers)
        ids = [client.ask(get(path)).headers["x-request-id"] for path in (b"/fails", b"/none", b"/x/y")]
        for each in ids:
            self.assertRegex(each, "^[0-9a-f]{16}$")
        self.assertEqual(len(set(ids)), 3)
        self.assertRegex(client.ask(b"no HTTP\r\n\r\n").headers["x-request-id"], "^[0-9a-f]{16}$")

    def test_the_clients_own_id(self) -> None:
        client = self.client()
        for given in (b"a", b"A-1_b.c", b"x" * 64):
            answer = client.ask(head(b"GET", b"/fails", b"X-Request-Id: " + given))
            self.assertEqual(answer.headers["x-request-id"], given.decode())
        for given in (b"", b"x" * 65, b"a b", b"a\xff", b"a;b", b"<a>", b"a\r\nX-Request-Id: b"):
            answer = client.ask(head(b"GET", b"/fails", b"X-Request-Id: " + given))
            self.assertRegex(answer.headers["x-request-id"], "^[0-9a-f]{16}$", given)

    def test_traces(self) -> None:
        client = self.client()
        zeros = (b"00-" + b"0" * 32 + TRACE[35:], TRACE[:36] + b"0" * 16 + TRACE[52:])
        wrong = (b"", TRACE.upper(), TRACE[:-1], TRACE + b"0", b"01" + TRACE[2:], b"ff" + TRACE[2:], *zeros)
        for given in wrong:
            client.ask(head(b"GET", b"/", b"traceparent: " + given))
        self.assertEqual(self.served.traces, [None] * len(wrong))
        client.ask(head(b"GET", b"/", b"Traceparent: " + TRACE))
        client.ask(head(b"GET", b"/", b"traceparent: " + TRACE, b"traceparent: " + TRACE))
        self.assertEqual(self.served.traces[len(wrong) :], [TRACE, None])


class LineTests(RequestLogTestCase):
    def test_no_line_for_what_the_server_does_not_fail(self) -> None:
        client = self.client()
        for path in (b"/", b"/none"):
            client.ask(get(path))
        self.assertEqual((self.log.infos, self.log.warnings), ([], []))

    def test_a_line_for_what_it_fails(self) -> None:
        self.client().ask(head(b"GET", b"/fails", b"X-Request-Id: me", b"traceparent: " + TRACE))
        (line,) = self.log.warnings
        self.assertRegex(line, r"^[0-9.]+ GET /fails: 500, 12 bytes, 0.0 ms, request me$")
        self.assertEqual(self.log.fields("traceparent"), [TRACE.decode()])

    def test_failures_have_only_so_many_lines_a_second(self) -> None:
        client = self.client()
        for _ in range(FAILURES_MAX + 7):
            client.ask(get(b"/fails"))
        self.assertEqual(len(self.log.warnings), FAILURES_MAX)
        self.clock.advance(1)
        client.ask(get(b"/fails"))
        unsaid, last = self.log.warnings[FAILURES_MAX:]
        self.assertEqual(unsaid, "7 more requests have failed, and have no line")
        self.assertIn("500", last)

    def test_a_line_for_each_where_that_is_wanted(self) -> None:
        client = self.client(access_log=True)
        for _ in range(FAILURES_MAX + 1):
            client.ask(get(b"/fails"))
            client.ask(get(b"/"))
        self.assertEqual((len(self.log.warnings), len(self.log.infos)), (FAILURES_MAX + 1, FAILURES_MAX + 1))
        self.assertRegex(self.log.infos[0], r"^[0-9.]+ GET /: 200, 5 bytes, 0.0 ms, request None$")

    def test_and_for_what_is_no_request(self) -> None:
        answer = self.client(access_log=True).ask(b"no HTTP\r\n\r\n")
        (line,) = self.log.infos
        self.assertTrue(line.endswith(f" is refused: 400, request {answer.headers['x-request-id']}"), line)

    def test_no_line_is_long_or_has_what_a_terminal_heeds(self) -> None:
        self.client(access_log=True).ask(get(b"/%1b\xc2\x9b" + b"x" * 1000))
        (line,) = self.log.infos
        self.assertTrue(line.isprintable())
        self.assertLess(len(line), PATH_SHOWN_MAX + 100)
