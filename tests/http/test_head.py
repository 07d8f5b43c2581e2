"""What the head of a request may say, and what it says of the connection."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import BadRequest, BodyTooLarge
from glitchgrid.http.head import Head, may_begin_a_request


class FieldTests(SynchronousTestCase):
    def test_hosts(self) -> None:
        for host in (b"grid", b"grid:8000", b"[::1]:8000", b"10.0.0.1", b"", b"a_b.c-d"):
            self.assertIsNone(Head().heed(b"host", host), host)
        for host in (b"a b", b"grid/", b"grid:x", b"[::1", b"a,b:1:2", b"user@grid"):
            self.assertIsInstance(Head().heed(b"host", host), BadRequest, host)

    def test_lengths(self) -> None:
        self.assertIsNone(Head().heed(b"content-length", b"9" * 19))
        self.assertIsInstance(Head().heed(b"content-length", b"9" * 20), BodyTooLarge)
        self.assertIsInstance(Head().heed(b"content-length", b"x" * 20), BadRequest)

    def test_transfer_encodings(self) -> None:
        self.assertIsNone(Head().heed(b"transfer-encoding", b"Chunked"))
        for other in (b"identity", b"gzip, chunked", b"chunked, chunked", b""):
            self.assertIsInstance(Head().heed(b"transfer-encoding", other), BadRequest, other)

    def test_closing_is_said_among_other_things_and_of_one_request(self) -> None:
        head = Head()
        head.heed(b"host", b"grid")
        head.heed(b"connection", b"Keep-Alive, Close")
        head.heed(b"connection", b"TE")
        head.end(b"HTTP/1.1")
        self.assertEqual((head.closes, head.persists), (True, False))
        head.heed(b"host", b"grid")
        head.end(b"HTTP/1.1")
        self.assertEqual((head.closes, head.persists), (False, True))

    def test_an_expectation_is_for_those_of_http_1_1(self) -> None:
        for version, is_told in ((b"HTTP/1.1", True), (b"HTTP/1.0", False)):
            head = Head()
            head.heed(b"host", b"grid")
            head.heed(b"expect", b"100-Continue")
            self.assertIsNone(head.end(version))
            self.assertIs(head.expects, is_told)
            head.heed(b"host", b"grid")
            head.end(version)
            self.assertFalse(head.expects)

    def test_other_expectations_are_none(self) -> None:
        head = Head()
        head.heed(b"expect", b"200-ok")
        head.end(b"HTTP/1.1")
        self.assertFalse(head.expects)


class WholeTests(SynchronousTestCase):
    def test_one_host_in_http_1_1_and_at_most_one_before(self) -> None:
        for version, hosts, is_well in (
            (b"HTTP/1.1", 0, False),
            (b"HTTP/1.1", 1, True),
            (b"HTTP/1.1", 2, False),
            (b"HTTP/1.0", 0, True),
            (b"HTTP/1.0", 2, False),
        ):
            head = Head()
            for _ in range(hosts):
                head.heed(b"host", b"grid")
            self.assertEqual(head.end(version) is None, is_well, (version, hosts))
            self.assertEqual(head.persists, version == b"HTTP/1.1")

    def test_hosts_are_counted_anew_for_the_next_head(self) -> None:
        head = Head()
        for _ in range(2):
            head.heed(b"host", b"grid")
            self.assertIsNone(head.end(b"HTTP/1.1"))


class BeginningTests(SynchronousTestCase):
    def test_what_may_become_a_request(self) -> None:
        for line in (b"", b"\r\n", b"G", b"GET", b"GET /", b"GET / HTTP/1.1\r", b"M-SEARCH *"):
            self.assertTrue(may_begin_a_request(line), line)
        for line in (b"\x16\x03\x01", b"GET\t/", b" GET /", b"(GET) /", b"\r\n\r\nGET"):
            self.assertFalse(may_begin_a_request(line), line)
