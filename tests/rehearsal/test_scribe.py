"""What is kept of servers that are seen from outside."""

from pathlib import Path

import pytest

from glitchgrid.lab.composer.scribe import (
    LINE_CHARS_MAX,
    LINES_A_SECOND_MAX,
    MESSAGES_A_SECOND_MAX,
    SECOND_NS,
    Scribe,
)
from glitchgrid.lab.composer.servers import Lived, Said, Sent, read_lives, read_said, read_sent
from glitchgrid.lab.rehearsal.rehearsal import in_words


def test_what_was_written_is_read(tmp_path: Path) -> None:
    scribe = Scribe(tmp_path)
    assert (read_lives(tmp_path), read_said(tmp_path), read_sent(tmp_path)) == ((), (), ())
    lived, said, sent = Lived("db", 1, 2), Said(3, "db", "ready"), Sent("a", "b", 4, None, "GET /")
    scribe.lived(lived)
    scribe.said(said)
    scribe.sent(sent)
    assert (read_lives(tmp_path), read_said(tmp_path), read_sent(tmp_path)) == ((lived,), (said,), (sent,))


def test_of_many_lines_so_many_a_second_are_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    scribe = Scribe(tmp_path)
    for number in range(LINES_A_SECOND_MAX + 7):
        scribe.said(Said(number, "loud", str(number)))
    scribe.said(Said(5, "quiet", "one"))
    scribe.said(Said(SECOND_NS, "loud", "later"))
    kept = read_said(tmp_path)
    assert [each.line for each in kept if each.server == "loud"] == [
        *map(str, range(LINES_A_SECOND_MAX)),
        "(7 lines more: see logs/loud.log)",
        "later",
    ]
    assert [each.line for each in kept if each.server == "quiet"] == ["one"]


def test_what_comes_late_counts_as_now(tmp_path: Path) -> None:
    """Messages of a slow link tell of seconds that are over, between those of others."""
    scribe = Scribe(tmp_path)
    for number in range(2 * MESSAGES_A_SECOND_MAX):
        at_ns = SECOND_NS if number % 2 else 2 * SECOND_NS
        scribe.sent(Sent("a", "b", at_ns, at_ns, "x"))
    assert len(read_sent(tmp_path)) == MESSAGES_A_SECOND_MAX


def test_messages_are_counted_for_all_links_together(tmp_path: Path) -> None:
    scribe = Scribe(tmp_path)
    for number in range(MESSAGES_A_SECOND_MAX + 3):
        scribe.sent(Sent(f"m{number}", "b", number, number, "x"))
    scribe.sent(Sent("a", "b", SECOND_NS, SECOND_NS, "x"))
    assert len(read_sent(tmp_path)) == MESSAGES_A_SECOND_MAX + 1
    assert [each.line for each in read_said(tmp_path)] == ["(at least 3 messages more are not drawn)"]


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    Scribe(tmp_path).said(Said(1, "db", "x" * (LINE_CHARS_MAX + 1)))
    assert read_said(tmp_path)[0].line == f"{'x' * LINE_CHARS_MAX} ..."


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "GET /health HTTP/1.1"),
        (b"*3\r\n$4\r\nSADD\r\n", "*3"),
        (b"\x16\x03\x01\n", "4 bytes"),
        (b"\xff\xfe", "2 bytes"),
        (b"\r\n", "2 bytes"),
    ],
)
def test_a_message_is_told_in_a_line(said: bytes, words: str) -> None:
    assert in_words(said) == words
