"""A vault's wire: the spec's table, over a real store on a memory disk."""

import json
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import SynchronousTestCase

import glitchgrid.storage.store
from glitchgrid.errors import DataDirectoryInUse, StartError, StoreDamaged
from glitchgrid.http.face import Face
from glitchgrid.http.timing import REQUEST_TIMEOUT_S
from glitchgrid.storage.pool import Pulse
from glitchgrid.storage.record import Record
from glitchgrid.storage.store import Store
from glitchgrid.storage.valuefile import VALUE_NAME
from glitchgrid.vault import DISK_SILENT_MAX_S, STORE_TIMEOUT_S, VaultFace, vault_service
from tests.fakes import IDENTITY, CaughtLog, ReactorWithThreads, record_in, threads
from tests.memory_disk import MemoryDisk
from tests.raw_client import Answer, RawClient, get, head, parse_answers, post

GUARD = {"Glitchgrid-Guard": "increase"}
NO_VALUES = (
    "", " ", "0", "00", "-1", "+5", "1_000", "1.0", "1e3", "0x5", "5 6", "five", "\N{ARABIC-INDIC DIGIT FIVE}",
    "9223372036854775808", "5\v", "5\f", "\N{NO-BREAK SPACE}5", "value=5", "5\0", "9" * 64,
)  # fmt: skip


class VaultTestCase(SynchronousTestCase):
    treq: Any

    def setUp(self) -> None:
        self.reactor, self.pool = threads()
        self.disk = MemoryDisk()
        self.store = Store(self.reactor, self.disk, self.pool, lambda: IDENTITY)
        self.store.open()
        self.pool.finish()
        face = VaultFace(self.store, self.reactor, Pulse(self.reactor, self.pool))
        self.face = Face(self.reactor, face.app, {b"Glitchgrid-Vault": IDENTITY.encode()})
        self.treq = StubTreq(self.face.resource)

    @property
    def durable(self) -> int:
        return record_in(self.disk.durable(VALUE_NAME)).value

    def finished(self, pending: Deferred[Any]) -> tuple[int, str, Any]:
        """Let the disk do all its work: the answer's status, text and headers."""
        self.pool.finish_all()
        self.treq.flush()
        response = self.successResultOf(pending)
        return response.code, self.successResultOf(response.text()), response.headers

    def ask(self, method: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        status, text, _ = self.finished(self.treq.request(method, "http://vault/", data=body, headers=headers or {}))
        return status, text

    def post(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        return self.ask("POST", body, headers)

    def get(self) -> tuple[int, str]:
        return self.ask("GET")


class WireTests(VaultTestCase):
    def test_get_before_the_first_store(self) -> None:
        self.assertEqual(self.get(), (200, "0"))

    def test_a_store_is_echoed_and_read(self) -> None:
        self.assertEqual(self.post(b"5"), (200, "5"))
        self.assertEqual((self.get(), self.durable), ((200, "5"), 5))

    def test_the_largest_value(self) -> None:
        self.assertEqual(self.post(b"9223372036854775807"), (200, "9223372036854775807"))
        self.assertEqual(self.get(), (200, "9223372036854775807"))

    def test_white_space_and_leading_zeros_are_not_echoed(self) -> None:
        for body in (b"5\n", b" \t\r\n5 \t\r\n", b"005", b"0" * 63 + b"5"):
            self.assertEqual(self.post(body), (200, "5"))

    def test_what_is_no_value_is_refused_and_changes_nothing(self) -> None:
        self.post(b"7")
        for body in NO_VALUES:
            self.assertEqual(self.post(body.encode("utf-8")), (400, "Invalid or missing POST body"), repr(body))
        self.assertEqual((self.get(), self.durable), ((200, "7"), 7))

    def test_a_body_of_an_unlikely_type_is_read_as_it_is(self) -> None:
        for kind in ("application/x-www-form-urlencoded", "application/json", "text/html"):
            self.assertEqual(self.post(b"5", {"Content-Type": kind}), (200, "5"))

    def test_other_methods_and_paths(self) -> None:
        for method in ("PUT", "DELETE", "OPTIONS"):
            status, text, headers = self.finished(self.treq.request(method, "http://vault/"))
            self.assertEqual((status, text), (405, "Method not allowed"))
            self.assertEqual(headers.getRawHeaders("Allow"), ["GET, HEAD, POST"])
        for path in ("x", "healthz", "readyz/", "status/", "metrics/", "ui/"):
            status, text, _ = self.finished(self.treq.get("http://vault/" + path))
            self.assertEqual((status, text), (404, "Not found"))

    def test_head(self) -> None:
        self.post(b"42")
        status, text, headers = self.finished(self.treq.head("http://vault/"))
        self.assertEqual((status, text, headers.getRawHeaders("Content-Length")), (200, "", ["2"]))

    def test_a_decrease_is_stored_and_logged_as_an_error(self) -> None:
        log = CaughtLog(self)
        self.post(b"9")
        self.assertEqual(self.post(b"4"), (200, "4"))
        self.assertEqual((self.get(), self.durable), ((200, "4"), 4))
        self.assertEqual(log.errors, ["Value decreases from 9 to 4"])

    def test_answers_come_after_the_sync(self) -> None:
        pending = self.treq.post("http://vault/", data=b"5")
        self.treq.flush()
        self.assertNoResult(pending)
        self.assertEqual(self.get_while_syncing(), "0")
        self.pool.work()
        self.treq.flush()
        self.assertNoResult(pending)
        self.reactor.take_over()
        self.treq.flush()
        self.assertEqual(self.successResultOf(pending).code, 200)

    def get_while_syncing(self) -> str:
        response = self.successResultOf(self.treq.get("http://vault/"))
        text: str = self.successResultOf(response.text())
        return text


class StatusTests(VaultTestCase):
    def status(self) -> dict[str, Any]:
        code, text, headers = self.finished(self.treq.request("GET", "http://vault/status"))
        self.assertEqual((code, headers.getRawHeaders("Content-Type")), (200, ["application/json"]))
        told: dict[str, Any] = json.loads(text)
        return told

    def test_what_it_tells(self) -> None:
        client = RawClient(self.face, self.reactor)
        client.send(post(b"5"))
        self.pool.finish_all()
        self.assertEqual(client.answer().status, 200)
        self.reactor.advance(2.5)
        status = json.loads(client.ask(get(b"/status")).text)
        self.assertEqual(set(status.pop("versions")), {"glitchgrid", "python", "twisted"})
        self.assertEqual(status.pop("limits")["waiting_stores"], 10_000)
        self.assertEqual(status.pop("certificates"), [])
        readyz = [(each["check"], each["ok"]) for each in status.pop("health")["readyz"]]
        self.assertEqual(readyz, [("open", None), ("disk", None), ("disk-thread", None)])
        self.assertEqual(status, {
            "form": 1, "server": "vault", "uptime_s": 2.5, "answered": 1, "identity": IDENTITY,
            "value": {"shown": 5, "durable": 5}, "disk_failed": False, "stores": {"waiting stores": 0, "syncs": 0},
            "roster": None,
        })  # fmt: skip

    def test_while_a_store_is_being_synced_and_another_waits(self) -> None:
        for value in (b"5", b"6"):
            self.treq.post("http://vault/", data=value)
            self.treq.flush()
        pending = self.treq.get("http://vault/status")
        self.treq.flush()
        status = json.loads(self.successResultOf(self.successResultOf(pending).text()))
        self.assertEqual(status["value"], {"shown": 0, "durable": 0})
        self.assertEqual(status["stores"], {"waiting stores": 1, "syncs": 1})

    def test_after_a_failed_sync(self) -> None:
        self.post(b"5")
        self.disk.fail_at = {len(self.disk.steps) + 2}
        self.assertEqual(self.post(b"6")[0], 500)
        status = self.status()
        self.assertEqual((status["value"], status["disk_failed"]), ({"shown": 5, "durable": 5}, True))

    def test_methods(self) -> None:
        self.assertEqual(self.finished(self.treq.head("http://vault/status"))[:2], (200, ""))
        for method in ("POST", "PUT"):
            code, text, headers = self.finished(self.treq.request(method, "http://vault/status", data=b"5"))
            self.assertEqual((code, text, headers.getRawHeaders("Allow")), (405, "Method not allowed", ["GET, HEAD"]))


class HealthTests(VaultTestCase):
    def health(self, endpoint: str) -> tuple[int, list[str]]:
        """While the disk's thread does nothing: it is not waited for."""
        response = self.successResultOf(self.treq.get(f"http://vault/{endpoint}?verbose"))
        return response.code, self.successResultOf(response.text()).splitlines()

    def test_one_that_is_well(self) -> None:
        live = ["[+]process ok", "[+]disk-thread ok", "livez check passed"]
        self.assertEqual(self.health("livez"), (200, live))
        ready = ["[+]open ok", "[+]disk ok", "[+]disk-thread ok", "readyz check passed"]
        self.assertEqual(self.health("readyz"), (200, ready))

    def test_one_whose_sync_has_failed_is_live_and_not_ready(self) -> None:
        self.disk.fail_at = {len(self.disk.steps) + 2}
        self.assertEqual(self.post(b"6")[0], 500)
        status, lines = self.health("readyz")
        self.assertEqual((status, lines[1]), (503, "[-]disk failed: a sync has failed since the start"))
        self.assertEqual(self.health("livez")[0], 200)

    def test_a_disk_that_stalls_is_live_for_30_s(self) -> None:
        self.treq.post("http://vault/", data=b"5")
        self.treq.flush()
        self.assertEqual(self.health("livez")[0], 200)
        self.reactor.advance(DISK_SILENT_MAX_S - 0.1)
        self.assertEqual([self.health(each)[0] for each in ("livez", "readyz")], [200, 200])
        self.reactor.advance(0.1)
        status, lines = self.health("livez")
        self.assertEqual((status, lines[1]), (503, "[-]disk-thread failed: it has not answered for 30 s"))
        self.assertEqual(self.health("readyz")[0], 503)
        self.assertEqual(len(self.pool.waiting), 2, "it is asked once, whoever asks whether it is live")
        self.pool.finish_all()
        self.assertEqual([self.health(each)[0] for each in ("livez", "readyz")], [200, 200])
        self.reactor.advance(DISK_SILENT_MAX_S)
        self.pool.finish_all()
        self.assertEqual(self.health("livez")[0], 200, "each silence counts for itself")


class GuardTests(VaultTestCase):
    def test_a_decrease_is_refused_with_what_the_vault_holds(self) -> None:
        log = CaughtLog(self)
        self.post(b"9")
        self.assertEqual(self.post(b"4", GUARD), (412, "9"))
        self.assertEqual((self.get(), self.durable), ((200, "9"), 9))
        self.assertEqual(log.errors, [])

    def test_an_increase_and_an_equal_value_are_stored(self) -> None:
        self.assertEqual(self.post(b"9", GUARD), (200, "9"))
        self.assertEqual(self.post(b"9", GUARD), (200, "9"))
        self.assertEqual(self.post(b"10", GUARD), (200, "10"))

    def test_it_is_echoed_where_it_was_sent_and_only_there(self) -> None:
        for body in (b"5", b"7", b"4"):
            pending = self.treq.post("http://vault/", data=body, headers=GUARD)
            self.assertEqual(self.finished(pending)[2].getRawHeaders("Glitchgrid-Guard"), ["increase"])
        pending = self.treq.post("http://vault/", data=b"8")
        self.assertFalse(self.finished(pending)[2].hasHeader("Glitchgrid-Guard"))

    def test_its_spelling_is_not_strict(self) -> None:
        self.post(b"9")
        for name, value in (("glitchgrid-guard", "INCREASE"), ("GLITCHGRID-GUARD", " increase ")):
            self.assertEqual(self.post(b"4", {name: value}), (412, "9"))

    def test_an_unknown_guard_is_refused_rather_than_dropped(self) -> None:
        for guard in ("decrease", "", "increase, increase", "increas"):
            self.assertEqual(self.post(b"5", {"Glitchgrid-Guard": guard}), (400, "Unknown Glitchgrid-Guard"))
        self.assertEqual(self.get(), (200, "0"))

    def test_no_value_comes_before_the_guard(self) -> None:
        self.assertEqual(self.post(b"x", GUARD), (400, "Invalid or missing POST body"))

    def test_stores_take_effect_in_the_order_of_their_arrival(self) -> None:
        """One is being synced, the others wait for the next sync: guarded or not makes no difference to that."""
        stores: tuple[tuple[bytes, dict[str, str]], ...] = (
            (b"3", {}), (b"8", GUARD), (b"6", {}), (b"7", GUARD), (b"5", GUARD),
        )  # fmt: skip
        pending = [self.treq.post("http://vault/", data=body, headers=headers) for body, headers in stores]
        self.pool.finish()
        self.treq.flush()
        for waiting in pending[1:]:
            self.assertNoResult(waiting)
        answers = [self.finished(each)[:2] for each in pending]
        self.assertEqual(answers, [(200, "3"), (200, "8"), (200, "6"), (200, "7"), (412, "7")])
        self.assertEqual((self.get(), self.durable), ((200, "7"), 7))


class StoreFailureTests(VaultTestCase):
    def fail_the_next(self) -> None:
        self.disk.fail_at = {len(self.disk.steps) + 2}

    def test_a_failed_store_is_500_and_get_goes_on(self) -> None:
        self.post(b"5")
        self.fail_the_next()
        self.assertEqual(self.post(b"7"), (500, "Store failed"))
        self.assertEqual(self.get(), (200, "5"))
        for headers in ({}, GUARD):
            self.assertEqual(self.post(b"9", headers), (500, "Store failed"))
            self.assertEqual(self.post(b"5", headers), (500, "Store failed"))
            self.assertEqual(self.post(b"1", headers), (500, "Store failed"))
        self.assertEqual((self.get(), self.durable), ((200, "5"), 5))

    def test_all_that_wait_are_told(self) -> None:
        self.fail_the_next()
        pending = [self.treq.post("http://vault/", data=b"%d" % value, headers=GUARD) for value in (5, 7, 6)]
        self.assertEqual([self.finished(each)[:2] for each in pending], [(500, "Store failed")] * 3)

    def test_what_is_no_value_is_still_400(self) -> None:
        self.fail_the_next()
        self.post(b"7")
        self.assertEqual(self.post(b"x"), (400, "Invalid or missing POST body"))

    def test_too_many_waiting_stores_are_503(self) -> None:
        self.patch(glitchgrid.storage.store, "WAITING_STORES_MAX", 1)
        pending = [self.treq.post("http://vault/", data=b"%d" % value) for value in (1, 2)]
        self.assertEqual(
            self.successResultOf(self.treq.post("http://vault/", data=b"3")).code,
            503,
        )
        self.assertEqual([self.finished(each)[:2] for each in pending], [(200, "1"), (200, "2")])

    def test_a_disk_that_hangs_is_503_after_10_s_and_nothing_is_recalled(self) -> None:
        log = CaughtLog(self)
        pending = self.treq.post("http://vault/", data=b"5")
        self.reactor.advance(STORE_TIMEOUT_S - 0.01)
        self.treq.flush()
        self.assertNoResult(pending)
        self.reactor.advance(0.01)
        self.treq.flush()
        response = self.successResultOf(pending)
        self.assertEqual((response.code, self.successResultOf(response.text())), (503, "Store is busy"))
        self.assertEqual(log.errors, ["store of 5 is not on the disk after 10 s"])
        self.pool.finish_all()
        self.assertEqual((self.get(), self.durable), ((200, "5"), 5))

    def test_a_store_in_time_leaves_no_timer(self) -> None:
        self.post(b"5")
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class OnAConnectionTests(VaultTestCase):
    def client(self) -> RawClient:
        return RawClient(self.face, self.reactor)

    def ask_raw(self, request: bytes, *, heads_only: bool = False) -> Answer:
        client = self.client()
        client.send(request)
        self.pool.finish_all()
        return client.answer(heads_only=heads_only)

    def test_every_answer_says_who_it_is_from(self) -> None:
        for request, status in (
            (get(), 200),
            (post(b"5"), 200),
            (post(b"4", b"Glitchgrid-Guard: increase"), 412),
            (post(b"x"), 400),
            (get(b"/x"), 404),
            (head(b"PUT"), 405),
            (post(b"5" * 65), 413),
            (b"hello\r\n", 400),
        ):
            answer = self.ask_raw(request)
            self.assertEqual((answer.status, answer.headers["glitchgrid-vault"]), (status, IDENTITY))
        self.assertEqual(self.ask_raw(head(b"HEAD"), heads_only=True).headers["glitchgrid-vault"], IDENTITY)
        slow = self.client()
        slow.send(b"GET")
        self.reactor.advance(REQUEST_TIMEOUT_S)
        self.assertEqual(slow.answer().headers["glitchgrid-vault"], IDENTITY)

    def test_a_client_that_leaves_in_the_middle_of_a_store_changes_nothing_about_it(self) -> None:
        leaving, waiting, staying = self.client(), self.client(), self.client()
        leaving.send(post(b"5"))
        waiting.send(post(b"7"))
        staying.send(post(b"6", b"Glitchgrid-Guard: increase"))
        leaving.vanish()
        waiting.vanish()
        self.pool.finish_all()
        answer = staying.answer()
        self.assertEqual((answer.status, answer.text), (412, "7"))
        self.assertEqual((self.store.value, self.durable), (7, 7))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_client_that_leaves_cancels_nothing_in_the_store(self) -> None:
        cancelled: list[object] = []
        self.patch(self.store, "submit", lambda request: Deferred(cancelled.append))
        client = self.client()
        client.send(post(b"5"))
        client.vanish()
        self.assertEqual(cancelled, [])

    def test_a_client_that_leaves_before_a_failed_sync_is_no_bug(self) -> None:
        client = self.client()
        self.disk.fail_at = {len(self.disk.steps) + 2}
        client.send(post(b"5"))
        client.vanish()
        self.pool.finish_all()
        self.assertEqual((self.store.value, self.flushLoggedErrors()), (0, []))

    def test_pipelined_stores_are_answered_in_order(self) -> None:
        client = self.client()
        client.send(post(b"3") + post(b"5", b"Glitchgrid-Guard: increase") + get() + post(b"4"))
        self.pool.finish_all()
        answers = client.answers()
        self.assertEqual([(answer.status, answer.text) for answer in answers], [(200, t) for t in ("3", "5", "5", "4")])


class ServiceTests(SynchronousTestCase):
    reactor: Any

    def setUp(self) -> None:
        self.disk = MemoryDisk()
        self.fatal: list[StartError] = []
        other_threads, self.pool = threads()
        self.reactor = ReactorWithThreads(other_threads)
        endpoint = TCP4ServerEndpoint(self.reactor, 8001)
        self.service = vault_service(
            self.reactor, endpoint, "tcp:8001", self.disk, self.pool, lambda: IDENTITY, self.fatal.append
        )

    def test_it_serves_once_its_value_is_recovered(self) -> None:
        log = CaughtLog(self)
        self.disk.put(VALUE_NAME, Record(IDENTITY, 7).encode())
        self.service.startService()
        self.assertEqual((self.pool.started, self.reactor.tcpServers), (1, []))
        self.pool.finish_all()
        face = self.reactor.tcpServers[0][1]
        answer = RawClient(face, self.reactor).ask(get())
        self.assertEqual((answer.text, answer.headers["glitchgrid-vault"]), ("7", IDENTITY))
        alone, serving = log.infos
        self.assertIn("without --peers", alone)
        self.assertEqual(serving, f"vault {IDENTITY} holds 7 in /data; serving at tcp:8001")

    def test_its_connections_have_the_limits(self) -> None:
        self.service.startService()
        self.pool.finish_all()
        client = RawClient(self.reactor.tcpServers[0][1], self.reactor)
        client.send(post(b"5" * 65))
        self.assertEqual(parse_answers(client.wire.value())[0].status, 413)

    def test_a_damaged_file_is_fatal_and_nothing_is_served(self) -> None:
        self.disk.put(VALUE_NAME, b"")
        self.service.startService()
        self.pool.finish_all()
        self.assertEqual([type(error) for error in self.fatal], [StoreDamaged])
        self.assertEqual(str(self.fatal[0]), "/data/value is damaged: it is empty")
        self.assertEqual(self.reactor.tcpServers, [])

    def test_a_directory_in_use_is_fatal(self) -> None:
        self.disk.claim()
        self.service.startService()
        self.pool.finish_all()
        self.assertEqual([type(error) for error in self.fatal], [DataDirectoryInUse])

    def test_a_stop_waits_for_the_store_in_progress_and_answers_it(self) -> None:
        self.service.startService()
        self.pool.finish_all()
        client = RawClient(self.reactor.tcpServers[0][1], self.reactor)
        client.send(post(b"5"))
        stopped = self.service.stopService()
        self.reactor.advance(1)
        self.assertNoResult(stopped)
        self.assertEqual((self.disk.claimed, self.pool.stopped), (True, 0))
        self.pool.finish()
        self.reactor.advance(0)
        self.assertEqual(client.answer().text, "5")
        self.successResultOf(stopped)
        self.assertEqual((self.disk.claimed, self.pool.stopped), (False, 1))

    def test_a_stop_waits_for_a_store_whose_client_has_left(self) -> None:
        self.service.startService()
        self.pool.finish_all()
        client = RawClient(self.reactor.tcpServers[0][1], self.reactor)
        client.send(post(b"5"))
        client.vanish()
        stopped = self.service.stopService()
        self.assertNoResult(stopped)
        self.assertTrue(self.disk.claimed)
        self.pool.finish()
        self.successResultOf(stopped)
        self.assertEqual(record_in(self.disk.durable(VALUE_NAME)), Record(IDENTITY, 5))
        self.assertFalse(self.disk.claimed)

    def test_a_stop_does_not_wait_for_a_hanging_disk_longer_than_5_s(self) -> None:
        log = CaughtLog(self)
        self.service.startService()
        self.pool.finish_all()
        client = RawClient(self.reactor.tcpServers[0][1], self.reactor)
        client.send(post(b"5"))
        stopped = self.service.stopService()
        self.reactor.advance(4.99)
        self.assertNoResult(stopped)
        self.reactor.advance(0.01)
        self.successResultOf(stopped)
        self.reactor.advance(0)
        self.assertFalse(client.is_open)
        self.assertEqual(log.warnings, ["not everything ended within 5 s; leaving"])
