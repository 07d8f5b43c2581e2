"""Who is answered by a face with tokens."""

import os
import shutil
import tempfile
from typing import Any

from klein import Klein
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IRequest

from glitchgrid.errors import BadTokenFile
from glitchgrid.http.access import Access
from glitchgrid.http.doors import Doors
from glitchgrid.http.face import Face, answer_errors, respond
from tests.raw_client import Answer, RawClient, head, post

WRITER, READER = b"Zk3vN0c5m1J8xQ2b", b"t7Yw4R9p6L0aHs1d"


class Served:
    app = Klein()
    stored = 0

    @app.route("/", methods=["GET", "POST"])
    def root(self, request: IRequest) -> bytes:
        self.stored += request.method == b"POST"
        return respond(request, "hello")

    @app.route("/livez", methods=["GET"])
    def livez(self, request: IRequest) -> bytes:
        return respond(request, "ok")

    @app.route("/status", methods=["GET"])
    def status(self, request: IRequest) -> bytes:
        return respond(request, "secret")


answer_errors(Served.app)


class AccessTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.path = os.path.join(directory, "tokens")
        self.put(b"write " + WRITER + b"\nread " + READER)
        self.clock: Any = MemoryReactorClock()
        self.served = Served()
        self.access = Access(self.path)
        self.client = RawClient(Face(self.clock, self.served.app, doors=Doors(access=self.access)), self.clock)

    def put(self, text: bytes) -> None:
        with open(self.path, "wb") as file:
            file.write(text)
        os.chmod(self.path, 0o600)

    def get(self, path: bytes = b"/", *fields: bytes) -> Answer:
        return self.client.ask(head(b"GET", path, *fields))

    def bearer(self, token: bytes) -> bytes:
        return b"Authorization: Bearer " + token

    def test_a_stranger_reads_nothing_and_stores_nothing(self) -> None:
        for path in (b"/", b"/status", b"/none", b"//", b"/livez/", b"/livez/x", b"/LIVEZ"):
            answer = self.get(path)
            self.assertEqual((answer.status, answer.text), (401, "A token is needed that this server knows"), path)
            self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        self.assertEqual(self.client.ask(post(b"5")).status, 401)
        self.assertEqual(self.client.ask(head(b"BREW", b"/")).status, 401)
        self.assertEqual(self.served.stored, 0)

    def test_health_is_for_everybody(self) -> None:
        self.assertEqual(self.get(b"/livez").text, "ok")
        self.assertEqual(self.get(b"/livez?verbose").text, "ok")

    def test_readers_and_writers(self) -> None:
        for token, reads, stores in ((READER, 200, 403), (WRITER, 200, 200)):
            self.assertEqual(self.get(b"/status", self.bearer(token)).status, reads)
            answer = self.client.ask(post(b"5", self.bearer(token)))
            self.assertEqual(answer.status, stores)
        self.assertEqual(self.served.stored, 1)
        self.assertEqual(self.client.ask(post(b"5", self.bearer(READER))).text, "This token may read, and not write")

    def test_what_is_no_token_of_this_server(self) -> None:
        close = (WRITER[:-1], WRITER + b"x", WRITER.lower(), b"", WRITER + b"," + READER, b"Bearer " + WRITER)
        given = [self.bearer(each) for each in close] + [
            b"Authorization: Basic " + WRITER,
            b"Authorization: " + WRITER,
            b"Authorization: Bearer" + WRITER,
            b"Authentication: Bearer " + WRITER,
            b"Cookie: Authorization=Bearer " + WRITER,
        ]
        for field in given:
            self.assertEqual(self.get(b"/", field).status, 401, field)
        self.assertEqual(self.get(b"/", self.bearer(WRITER), self.bearer(WRITER)).status, 401)

    def test_spellings_that_are_right(self) -> None:
        for field in (b"authorization: bearer " + WRITER, b"Authorization:  BEARER   " + WRITER + b" "):
            self.assertEqual(self.get(b"/", field).status, 200, field)

    def test_they_are_read_again(self) -> None:
        self.put(b"read " + WRITER)
        self.assertEqual(self.client.ask(post(b"5", self.bearer(WRITER))).status, 200)
        self.access.read()
        self.assertEqual(self.client.ask(post(b"5", self.bearer(WRITER))).status, 403)
        self.assertEqual(self.get(b"/", self.bearer(READER)).status, 401)

    def test_a_file_that_has_become_bad_changes_nothing(self) -> None:
        self.put(b"")
        self.assertRaises(BadTokenFile, self.access.read)
        self.assertEqual(self.get(b"/", self.bearer(READER)).status, 200)
