"""What both faces share: one form of answers, errors in one place, the limit of connections, the shield."""

import time
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import StoreFailed, TooManyConnections
from glitchgrid.http.face import CONNECTIONS_MAX, TURNED_AWAY_MAX, Face
from glitchgrid.http.refusal import LINGER_S
from glitchgrid.waiting import shield
from tests.echo_face import EchoFace, site
from tests.fakes import CaughtLog
from tests.raw_client import PEER, Answer, RawClient, get, head, post


class WebTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock: Any = Clock()
        self.echo = EchoFace()
        self.face = site(self.echo, self.clock)

    def client(self) -> RawClient:
        return RawClient(self.face, self.clock)

    def ask(self, request: bytes) -> Answer:
        client = self.client()
        answer = client.ask(request)
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(answer.headers["glitchgrid-vault"], "me")
        return answer

    def assert_error(self, request: bytes, status: int, text: str) -> Answer:
        answer = self.ask(request)
        self.assertEqual((answer.status, answer.text), (status, text))
        return answer


class AnswerTests(WebTestCase):
    def test_get(self) -> None:
        answer = self.ask(get())
        self.assertEqual((answer.status, answer.text), (200, "hello"))

    def test_head_is_get_without_the_body(self) -> None:
        client = self.client()
        whole = client.ask(get())
        for request in (head(b"HEAD"), head(b"HEAD", b"/?x=1")):
            bare = client.ask(request, heads_only=True)
            self.assertEqual((bare.status, bare.headers["content-length"]), (whole.status, "5"))
            self.assertEqual(bare.headers["content-type"], whole.headers["content-type"])
        self.assertEqual(client.ask(get()).text, "hello")

    def test_the_date_is_that_of_the_answer(self) -> None:
        for now_s, date in ((1e9, "46:40"), (1e9 + 0.9, "46:40"), (1e9 + 1, "46:41"), (1e9 - 0.1, "46:39")):
            self.patch(time, "time", lambda now_s=now_s: now_s)
            self.assertEqual(self.ask(get()).headers["date"], f"Sun, 09 Sep 2001 01:{date} GMT")

    def test_a_query_changes_nothing(self) -> None:
        self.assertEqual(self.ask(get(b"/?x=1&y=%ff")).text, "hello")

    def test_keep_alive(self) -> None:
        client = self.client()
        for _ in range(3):
            self.assertEqual(client.ask(get()).text, "hello")
            self.assertEqual(client.ask(post(b"5")).text, "5")
        self.assertTrue(client.is_open)

    def test_answers_are_counted(self) -> None:
        client = self.client()
        for request in (get(), post(b"5"), get(b"/nowhere")):
            client.ask(request)
        self.assertEqual(self.face.requests_answered, 3)

    def test_nothing_is_logged_for_a_request(self) -> None:
        log = CaughtLog(self)
        self.face.doStart()
        self.ask(get())
        self.ask(get(b"/nowhere"))
        self.assertEqual((log.infos, log.warnings, log.errors), ([], [], []))

    def test_the_host_is_ignored(self) -> None:
        for host in (b"", b":", b"example.com:99999", b"[::1]", b"[::1]:80", b"%00", b"my_grid", b"GRID."):
            client = self.client()
            answer = client.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            self.assertEqual((answer.status, answer.text), (200, "hello"), host)
            answer = client.ask(b"GET /none HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            self.assertEqual(answer.status, 404, host)

    def test_a_host_that_can_be_none_is_refused(self) -> None:
        hosts = (
            b"[",
            b"[::1",
            b"a:b:c",
            b"grid:x",
            b"[::1]x",
            b"a b",
            b"xn--\xff",
            b"a/b",
            b"a@b",
            b'"',
            b"a\tb",
            b"<a>",
        )
        for version in (b"HTTP/1.0", b"HTTP/1.1"):
            for host in hosts:
                client = self.client()
                answer = client.ask(b"GET / " + version + b"\r\nHost: " + host + b"\r\n\r\n")
                self.assertEqual(answer.status, 400, host)
                self.assertTrue(client.closing)

    def test_no_host_is_needed_by_http_1_0(self) -> None:
        self.assertEqual(self.ask(b"GET / HTTP/1.0\r\n\r\n").text, "hello")
        self.assertEqual(self.ask(b"GET /none HTTP/1.0\r\n\r\n").status, 404)


class ErrorTests(WebTestCase):
    def test_every_other_path_is_404(self) -> None:
        for path in (
            b"/x",
            b"/healthz",
            b"/readyz",
            b"/status",
            b"/metrics",
            b"/ui/",
            b"/ui",
            b"/slow/",
            b"/;",
            b"/index",
        ):
            self.assert_error(get(path), 404, "Not found")
            self.assert_error(head(b"POST", path), 404, "Not found")

    def test_paths_that_trip_a_router_are_404(self) -> None:
        for path in (b"//", b"///", b"/%ff", b"/%C3%28", b"//slow", b"/slow//", b"/..", b"/.", b"/%"):
            self.assertEqual(self.ask(get(path)).status, 404, path)

    def test_a_target_in_absolute_form_is_its_path(self) -> None:
        for target in (b"http://grid:8000/", b"http://grid", b"HTTP://[::1]:8000/?x=1"):
            self.assertEqual(self.ask(get(target)).text, "hello", target)
        self.assert_error(get(b"http://grid/nowhere"), 404, "Not found")

    def test_an_encoded_slash_is_part_of_another_path(self) -> None:
        for path in (b"/%2f", b"/%2F%2f"):
            self.assertEqual(self.ask(get(path)).status, 404, path)

    def test_other_methods_are_405_and_say_what_is_allowed(self) -> None:
        for method in (b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"BREW"):
            answer = self.assert_error(head(method), 405, "Method not allowed")
            self.assertEqual(answer.headers["allow"], "GET, HEAD, POST")

    def test_methods_are_case_sensitive(self) -> None:
        for method in (b"get", b"head", b"Post"):
            self.assert_error(head(method), 405, "Method not allowed")

    def test_a_wrong_method_with_a_body_does_not_break_the_connection(self) -> None:
        client = self.client()
        client.send(head(b"PUT", b"/", b"Content-Length: 2") + b"55" + get())
        self.assertEqual([answer.status for answer in client.answers()], [405, 200])

    def test_head_of_an_error_has_no_body(self) -> None:
        bare = self.client().ask(head(b"HEAD", b"/nowhere"), heads_only=True)
        self.assertEqual((bare.status, bare.headers["content-length"]), (404, "9"))

    def test_a_refusal_is_answered_with_its_status_and_text(self) -> None:
        self.assert_error(get(b"/refuses"), 500, "Store failed")

    def test_a_bug_is_logged_and_told_to_nobody(self) -> None:
        for path in (b"/bug", b"/async-bug"):
            log = CaughtLog(self)
            self.assert_error(get(path), 500, "Internal error")
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            self.assertEqual(log.errors, [f"bug while answering b'GET' {path!r}"])

    def test_whoever_knows_of_a_bug_does_not_fill_the_log(self) -> None:
        client, log = self.client(), CaughtLog(self)
        for _ in range(50):
            self.assertEqual(client.ask(get(b"/bug")).status, 500)
        self.assertLessEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 10)
        self.assertLessEqual(len(log.errors) + len(log.warnings), 11)

    def test_a_refusal_is_no_error_in_the_log(self) -> None:
        log = CaughtLog(self)
        answer = self.ask(get(b"/refuses"))
        self.ask(get(b"/nowhere"))
        self.ask(head(b"PUT"))
        (line,) = log.warnings
        self.assertIn(f"GET /refuses: {answer.status}", line)
        self.assertEqual(log.errors, [])


class ConnectionLimitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock: Any = Clock()
        self.face = site(EchoFace(), self.clock, connections_max=2)

    def client(self) -> RawClient:
        return RawClient(self.face, self.clock)

    def test_the_limit_is_10_000(self) -> None:
        self.assertEqual(CONNECTIONS_MAX, 10_000)
        self.assertEqual(Face(self.clock, EchoFace().app)._connections_max, CONNECTIONS_MAX)

    def test_one_more_is_answered_503_and_closed(self) -> None:
        within = [self.client(), self.client()]
        beyond = self.client()
        answer = beyond.answer()
        self.assertEqual((answer.status, answer.text), (503, TooManyConnections.message))
        self.assertEqual((answer.headers["connection"], answer.headers["glitchgrid-vault"]), ("close", "me"))
        self.assertTrue(beyond.closing)
        beyond.send(get())
        self.assertEqual(beyond.answers(), [])
        self.clock.pump([LINGER_S, 0])
        self.assertFalse(beyond.is_open)
        self.assertEqual([client.ask(get()).status for client in within], [200, 200])

    def test_those_who_are_being_told_so_have_a_limit_too(self) -> None:
        within = [self.client(), self.client()]
        told = [self.client() for _ in range(TURNED_AWAY_MAX)]
        self.assertIsNone(self.face.buildProtocol(PEER))
        self.assertEqual({client.answer().status for client in told}, {503})
        self.clock.pump([LINGER_S, 0])
        self.assertEqual(self.client().answer().status, 503)
        self.assertEqual([client.ask(get()).status for client in within], [200, 200])

    def test_one_beyond_that_leaves_by_itself_leaves_nothing(self) -> None:
        self.client().vanish()
        within = [self.client(), self.client()]
        self.client().vanish()
        for client in within:
            client.vanish()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_there_is_room_again_when_one_leaves(self) -> None:
        first, _second = self.client(), self.client()
        first.vanish()
        self.assertEqual(self.client().ask(get()).status, 200)

    def test_one_beyond_takes_no_room(self) -> None:
        first, _second, _beyond = self.client(), self.client(), self.client()
        first.vanish()
        self.assertEqual(self.client().ask(get()).status, 200)


class ShieldTests(SynchronousTestCase):
    def test_a_result_passes(self) -> None:
        self.assertEqual(self.successResultOf(shield(succeed(5))), 5)

    def test_a_failure_passes(self) -> None:
        self.failureResultOf(shield(fail(StoreFailed())), StoreFailed)

    def test_cancelling_does_not_reach_the_work(self) -> None:
        cancelled: list[object] = []
        work: Deferred[int] = Deferred(cancelled.append)
        shielded = shield(work)
        shielded.cancel()
        self.failureResultOf(shielded, CancelledError)
        self.assertEqual(cancelled, [])
        work.callback(5)

    def test_a_late_failure_of_cancelled_work_is_swallowed(self) -> None:
        work: Deferred[int] = Deferred()
        shielded = shield(work)
        shielded.addErrback(lambda _: None)
        shielded.cancel()
        work.errback(StoreFailed())
        self.assertIsNone(self.successResultOf(work))


class DisconnectTests(WebTestCase):
    def test_a_client_that_leaves_does_not_cancel_shielded_work(self) -> None:
        client = self.client()
        client.send(get(b"/shielded"))
        client.vanish()
        work = self.echo.waiting[0]
        self.assertNoResult(work)
        work.callback("done")
        self.assertEqual(self.client().ask(get()).status, 200)

    def test_without_the_shield_it_would(self) -> None:
        client = self.client()
        client.send(get(b"/slow"))
        client.vanish()
        self.assertTrue(self.echo.waiting[0].called)

    def test_a_late_failure_of_shielded_work_is_no_bug(self) -> None:
        client = self.client()
        client.send(get(b"/shielded"))
        client.vanish()
        self.echo.waiting[0].errback(StoreFailed())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_bug_that_shows_after_the_client_has_left_is_logged(self) -> None:
        client = self.client()
        client.send(get(b"/bug-on-leaving"))
        client.vanish()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
