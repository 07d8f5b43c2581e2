"""What a vault with a membership answers: whether it votes, and whom it names."""

import json
from functools import partial
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.http.face import Face
from glitchgrid.peers.membership import GridMembership
from glitchgrid.protocol.change import ChangeQuestion, Step
from glitchgrid.protocol.member import FenceQuestion
from glitchgrid.storage.pool import Pulse
from glitchgrid.storage.rosterfile import (
    TEXT_BYTES_MAX,
    decode_change_answer,
    decode_fence_answer,
    decode_membership,
    encode_change,
    encode_question,
)
from glitchgrid.vault import VaultFace
from tests.peers.test_membership import ADDRESSES, DIGEST, Grid
from tests.raw_client import RawClient, post

LISTED = {"Glitchgrid-List": DIGEST.decode()}
GUARDED = {**LISTED, "Glitchgrid-Guard": "increase"}
FENCE = b"/roster/fence"


class FaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.grid = Grid().is_born()
        self.vault, self.other, _ = self.grid.at.values()
        self.treq: Any = self.asking(self.vault.membership)

    def asking(self, membership: GridMembership | None) -> StubTreq:
        pulse = Pulse(self.grid.reactor, self.vault.pool)  # type: ignore[arg-type]
        face = VaultFace(self.vault.store, self.grid.reactor, pulse, membership=membership)
        self.face = Face(self.grid.reactor, face.app, large_bodies={FENCE: TEXT_BYTES_MAX})
        return StubTreq(self.face.resource)

    def ask(self, method: str, path: str = "", data: Any = None, headers: Any = None) -> tuple[int, str, Any]:
        pending: Deferred[Any] = self.treq.request(method, f"http://vault/{path}", data=data, headers=headers or {})
        self.vault.pool.finish_all()
        self.treq.flush()
        response = self.successResultOf(pending)
        return response.code, self.successResultOf(response.text()), response.headers

    def fenced_in(self, *request: Any) -> list[str] | None:
        status, _, headers = self.ask(*request)
        self.assertIn(status, (200, 412))
        names: list[str] | None = headers.getRawHeaders("Glitchgrid-Fenced")
        return names

    def replace_other(self) -> str:
        lost = str(self.other.store.identity)
        self.other.lose_disk()
        self.other.serve()
        self.grid.go_on()
        return lost

    def test_every_answer_that_counts_names_those_who_do_not(self) -> None:
        votes = [
            partial(self.fenced_in, "POST", "", b"5", GUARDED),
            partial(self.fenced_in, "POST", "", b"3", GUARDED),
            partial(self.fenced_in, "GET", "", None, LISTED),
            partial(self.fenced_in, "GET"),
        ]
        self.assertEqual([vote() for vote in votes], [None] * 4)
        lost = self.replace_other()
        self.assertEqual([vote() for vote in votes], [[lost]] * 4)

    def test_a_fence_that_comes_while_a_store_is_synced_is_in_its_answer(self) -> None:
        pending = self.treq.post("http://vault/", data=b"5", headers=GUARDED)
        self.treq.flush()
        self.assertNoResult(pending)
        lost = self.other.store.identity
        question = FenceQuestion("f" * 32, "b:1", ADDRESSES, frozenset({lost}))
        self.vault.membership.fence(encode_question(question))
        while not self.vault.membership.fenced:
            self.vault.pool.finish()
        self.treq.flush()
        response = self.successResultOf(pending)
        # The store came first, and was answered before the fence was known. The next answer names it.
        self.assertIsNone(response.headers.getRawHeaders("Glitchgrid-Fenced"))
        self.assertEqual(self.fenced_in("GET"), [lost])

    def test_a_store_that_was_let_in_before_a_promise_is_not_acknowledged_after_it(self) -> None:
        """Whoever changes the list was told a value, and that is the largest that this list acknowledges."""
        promising = self.vault.membership.change(encode_change(ChangeQuestion(Step.PREPARE, 0, 1)))
        pending = self.treq.post("http://vault/", data=b"5", headers=GUARDED)
        self.treq.flush()
        self.assertNoResult(pending)
        self.vault.pool.finish_all()
        self.treq.flush()
        _, value = decode_change_answer(self.successResultOf(promising))
        self.assertEqual((value, self.successResultOf(pending).code, self.vault.store.value), (0, 503, 5))
        self.assertEqual(self.ask("GET")[:2], (503, "Changing"))

    def test_the_list_is_changed(self) -> None:
        identity = self.vault.store.identity
        roster = self.vault.membership.roster
        assert roster is not None
        following = roster.changed(("a:1", "b:1"), {})
        for question, votes in (
            (ChangeQuestion(Step.PREPARE, 0, 1), False),
            (ChangeQuestion(Step.ACCEPT, 0, 1, following), False),
            (ChangeQuestion(Step.INSTALL, 0, 1, following, 7), True),
        ):
            status, text, _ = self.ask("POST", "roster/change", encode_change(question))
            membership, value = decode_change_answer(text.encode())
            self.assertEqual((status, membership.identity, self.ask("GET", "readyz")[0] == 200), (200, identity, votes))
        self.assertEqual((membership.roster, value, self.vault.store.value), (following, 7, 7))
        self.assertEqual(self.ask("GET", "", None, LISTED)[:2], (409, "The vaults of this grid are a:1,b:1"))
        told = json.loads(self.ask("GET", "status")[1])["roster"]
        self.assertEqual((told["epoch"], told["changing"], told["peers"]), (1, False, ["a:1", "b:1"]))

    def test_what_no_change_can_be(self) -> None:
        promise = encode_change(ChangeQuestion(Step.PREPARE, 0, 3))
        self.assertEqual(self.ask("POST", "roster/change", promise)[0], 200)
        status, text, _ = self.ask("POST", "roster/change", promise)
        self.assertEqual((status, text), (409, "Not changed: another change is under way, with number 3: run it again"))
        self.assertEqual(self.ask("POST", "roster/change", b"nonsense")[0], 409)

    def test_another_list_and_none(self) -> None:
        other = {**GUARDED, "Glitchgrid-List": "0" * 64}
        for method, data in (("GET", None), ("POST", b"5")):
            status, text, _ = self.ask(method, "", data, other)
            self.assertEqual((status, text), (409, "The vaults of this grid are a:1,b:1,c:1"))
        self.assertEqual(self.ask("POST", "", b"5")[0], 428)
        self.assertEqual(self.ask("POST", "", b"five", GUARDED)[0], 400)
        self.assertEqual(self.vault.store.value, 0)

    def test_a_vault_that_rejoins_answers_nothing_that_counts(self) -> None:
        self.grid.deaf |= {"b:1", "c:1"}
        self.vault.lose_disk()
        self.vault.serve()
        self.grid.go_on()
        self.treq = self.asking(self.vault.membership)
        for request in (("GET",), ("POST", "", b"5", GUARDED)):
            self.assertEqual(self.ask(*request)[:2], (503, "Rejoining"))
        status, text, _ = self.ask("GET", "readyz")
        self.assertEqual(status, 503)
        self.assertIn("[-]roster failed: its disk was replaced", text)
        self.assertEqual(self.ask("GET", "livez")[0], 200)

    def test_what_it_tells_its_peers(self) -> None:
        status, text, _ = self.ask("GET", "roster")
        self.assertEqual((status, decode_membership(text.encode()).peers), (200, ADDRESSES))

    def test_a_peer_is_let_in(self) -> None:
        self.ask("POST", "", b"5", GUARDED)
        question = FenceQuestion("f" * 32, "b:1", ADDRESSES, frozenset({self.other.store.identity}))
        status, text, _ = self.ask("POST", "roster/fence", encode_question(question))
        answer = decode_fence_answer(text.encode())
        self.assertEqual((status, answer.value, answer.roster.fenced), (200, 5, {self.other.store.identity}))
        self.assertEqual(self.ask("POST", "roster/fence", b"nonsense")[0], 409)

    def test_a_question_may_be_long_and_a_value_may_not(self) -> None:
        names = frozenset(f"{number:032x}" for number in range(1000, 1300))
        question = encode_question(FenceQuestion("f" * 32, "b:1", ADDRESSES, names))
        self.assertGreater(len(question), 10_000)
        client = RawClient(self.face, self.grid.reactor)
        client.send(post(question, target=FENCE))
        self.vault.pool.finish_all()
        self.assertEqual(client.answer().status, 200)
        for target, size in ((b"/", 65), (FENCE, TEXT_BYTES_MAX + 1)):
            client = RawClient(self.face, self.grid.reactor)
            client.send(post(b"5" * size, target=target))
            self.assertEqual(client.answer().status, 413, target)

    def test_a_vault_without_peers_has_no_roster(self) -> None:
        self.treq = self.asking(None)
        asked = (("GET", "roster"), ("POST", "roster/fence", b""), ("POST", "roster/change", b""))
        self.assertEqual([self.ask(*each)[0] for each in asked], [404, 404, 404])
        self.assertEqual(self.ask("POST", "", b"5")[0], 200)
