"""Bytes on a connection, told as HTTP messages."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.picture.model import Tone
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.trace.transcript import Told, told_on
from glitchgrid.simulation.capture import CapturedFlow, Piece

GET = b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n"
STORE = b"POST / HTTP/1.1\r\nGlitchgrid-Guard: increase\r\nContent-Length: 2\r\n\r\n12"
REFUSAL = b"HTTP/1.1 412 Precondition Failed\r\ncontent-length: 2\r\n\r\n15"
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n-1"


def flow(sent: list[tuple[int, bytes]], arrived: list[tuple[int, bytes]]) -> CapturedFlow:
    return CapturedFlow(("a", 1), ("b", 2), [Piece(*each) for each in sent], [Piece(*each) for each in arrived])


class TranscriptTests(SynchronousTestCase):
    def said(self, sent: list[tuple[int, bytes]], arrived: list[tuple[int, bytes]]) -> list[Told]:
        return list(told_on(flow(sent, arrived), REGISTER.read))

    def test_requests_and_answers(self) -> None:
        self.assertEqual(
            self.said([(1, GET), (5, STORE)], [(3, GET), (9, STORE)]),
            [
                Told(1, 3, "GET", "GET / HTTP/1.1"),
                Told(5, 9, "POST 12", "POST / HTTP/1.1 with the guard"),
            ],
        )
        self.assertEqual(
            [(said.text, said.tone) for said in self.said([(1, REFUSAL), (2, FAILURE)], [])],
            [("412 15", Tone.REFUSAL), ("500 -1", Tone.FAILURE)],
        )

    def test_a_message_begins_with_its_first_byte_and_arrives_with_its_last(self) -> None:
        cut = [STORE[:1], STORE[1:30], STORE[30:-1], STORE[-1:]]
        sent = [(at, piece) for at, piece in enumerate(cut)]
        arrived = [(10 * at + 10, piece) for at, piece in enumerate(cut)]
        self.assertEqual([(said.sent_ns, said.arrived_ns) for said in self.said(sent, arrived)], [(0, 40)])
        self.assertEqual([said.arrived_ns for said in self.said(sent, arrived[:-1])], [None])

    def test_two_messages_in_one_piece(self) -> None:
        self.assertEqual(
            [(said.text, said.sent_ns, said.arrived_ns) for said in self.said([(1, GET + STORE)], [(2, GET + STORE)])],
            [("GET", 1, 2), ("POST 12", 1, 2)],
        )

    def test_what_is_no_http_is_so_many_bytes(self) -> None:
        said = self.said([(1, GET), (2, b"\x00\xff<script>"), (3, b"more")], [(4, GET), (5, b"\x00\xff<script>")])
        self.assertEqual(
            [(each.text, each.arrived_ns) for each in said], [("GET", 4), ("10 bytes", 5), ("4 bytes", None)]
        )
        self.assertIn("<script>", said[1].detail)

    def test_half_a_message_is_so_many_bytes(self) -> None:
        said = self.said([(1, STORE[:-1])], [])
        self.assertEqual([each.text for each in said], [f"{len(STORE) - 1} bytes"])
