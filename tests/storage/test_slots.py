"""The layout of a vault's file, and which slot counts: bytes in, a record or damage out."""

import itertools
import zlib

from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.storage.record import Record, RecordDamaged
from glitchgrid.storage.slots import (
    FILE_BYTES,
    SEQUENCE_MAX,
    SLOT_BYTES,
    BadSlot,
    Contents,
    Slot,
    decode_file,
    encode_file,
)
from glitchgrid.value import VALUE_MAX
from tests.fakes import IDENTITY

OTHER_IDENTITY = "f" * 32
IDENTITIES = st.text("0123456789abcdef", min_size=32, max_size=32)
SEQUENCES = st.integers(1, SEQUENCE_MAX)
VALUES = st.integers(0, VALUE_MAX)


def slot(sequence: int, value: int, identity: str = IDENTITY) -> Slot:
    return Slot(sequence, Record(identity, value))


def sealed(covered: bytes) -> bytes:
    """A block with `covered` in it and the checksum that fits."""
    return (covered + b"crc32 %08x\n" % zlib.crc32(covered)).ljust(SLOT_BYTES, b"\0")


def lines(version: bytes = b"2", sequence: bytes = b"17", value: bytes = b"42") -> bytes:
    return b"glitchgrid-vault %s\nidentity %s\nsequence %s\nvalue %s\n" % (version, IDENTITY.encode(), sequence, value)


def blocks(first: Slot | bytes, second: Slot | bytes) -> bytes:
    return b"".join(each if isinstance(each, bytes) else each.encode() for each in (first, second))


class SlotTests(SynchronousTestCase):
    def damage(self, block: bytes) -> str:
        return str(self.assertRaises(RecordDamaged, Slot.decode, block))

    def test_what_is_in_a_block(self) -> None:
        self.assertEqual(slot(17, 42).encode(), sealed(lines()))
        self.assertEqual((SLOT_BYTES, FILE_BYTES), (4096, 8192))

    @given(SEQUENCES, IDENTITIES, VALUES)
    @example(SEQUENCE_MAX, IDENTITY, VALUE_MAX)
    def test_round_trip(self, sequence: int, identity: str, value: int) -> None:
        block = slot(sequence, value, identity).encode()
        self.assertEqual(Slot.decode(block), slot(sequence, value, identity))
        self.assertEqual(len(block), SLOT_BYTES)

    @given(SEQUENCES, VALUES)
    def test_the_text_is_within_one_sector(self, sequence: int, value: int) -> None:
        """So that a disk that writes sectors in one piece tears none: all else in a block never changes."""
        self.assertLess(len(slot(sequence, value).encode().rstrip(b"\0")), 512)

    def test_slots_take_turns(self) -> None:
        offsets = [slot(sequence, 42).offset_bytes for sequence in (1, 2, 3, 4)]
        self.assertEqual(offsets, [SLOT_BYTES, 0, SLOT_BYTES, 0])
        self.assertEqual(slot(17, 42).followed_by(Record(IDENTITY, 3)), slot(18, 3))

    def test_every_changed_byte_is_found(self) -> None:
        block = slot(17, 42).encode()
        for place in range(SLOT_BYTES):
            for byte in {0, 10, 32, 48, 255, block[place] ^ 1, block[place] ^ 32} - {block[place]}:
                self.damage(block[:place] + bytes([byte]) + block[place + 1 :])

    def test_every_other_length_is_found(self) -> None:
        block = slot(17, 42).encode()
        for length in range(SLOT_BYTES):
            self.damage(block[:length])
        for rest in (b"\0", b"\n", block):
            self.damage(block + rest)

    def test_every_tear_between_two_records_is_found(self) -> None:
        old, new = slot(17, 42).encode(), slot(19, 67).encode()
        for place in range(200):
            for torn in (new[:place] + old[place:], old[:place] + new[place:]):
                if torn not in (old, new):
                    self.damage(torn)

    @given(st.binary(max_size=200))
    def test_no_other_bytes_are_a_slot(self, data: bytes) -> None:
        self.damage(data.ljust(SLOT_BYTES, b"\0"))

    def test_the_damage_is_told(self) -> None:
        unsealed = lines() + b"crc32 00000000\n"
        for block, told in (
            (bytes(SLOT_BYTES), "it is empty"),
            (b"x" * SLOT_BYTES, "it is not a vault's record"),
            (unsealed.ljust(SLOT_BYTES, b"\0"), "its checksum does not fit"),
            (sealed(lines(version=b"1")), "it is not a vault's record"),
            (sealed(lines(version=b"3")), "it has version 3, and this vault reads versions 1 and 2"),
            (sealed(lines(value=b"9223372036854775808")), "its value is out of range"),
            (sealed(lines(sequence=b"0")), "its sequence number is out of range"),
            (sealed(lines(sequence=b"%d" % (SEQUENCE_MAX + 1))), "its sequence number is out of range"),
            (sealed(lines(sequence=b"017")), "it is not a vault's record"),
            (sealed(lines(value=b"042")), "it is not a vault's record"),
            (sealed(lines(sequence=b"-1")), "it is not a vault's record"),
        ):
            self.assertEqual(self.damage(block), told)

    def test_a_save_beyond_the_largest_sequence_number_can_still_be_written(self) -> None:
        """Nobody lives to see it, so it has no rule of its own: a save takes it, a start would not."""
        block = slot(SEQUENCE_MAX, 42).followed_by(Record(IDENTITY, 43)).encode()
        self.assertEqual(len(block), SLOT_BYTES)
        self.damage(block)


class FileTests(SynchronousTestCase):
    def damage(self, data: bytes) -> str:
        return str(self.assertRaises(RecordDamaged, decode_file, data))

    @given(st.integers(2, SEQUENCE_MAX), IDENTITIES, VALUES)
    def test_a_new_file_has_its_record_twice(self, sequence: int, identity: str, value: int) -> None:
        new = slot(sequence, value, identity)
        data = encode_file(new)
        self.assertEqual(decode_file(data), Contents(new.record, sequence))
        pair = [Slot.decode(data[:SLOT_BYTES]), Slot.decode(data[SLOT_BYTES:])]
        self.assertEqual([each.place for each in pair], [0, 1])
        self.assertEqual({each.record for each in pair}, {new.record})
        self.assertEqual(sorted(each.sequence for each in pair), [sequence - 1, sequence])

    def test_the_bytes_of_a_new_file(self) -> None:
        """To the letter: vaults that are out there have such files."""
        text = "glitchgrid-vault 2\nidentity 0123456789abcdef0123456789abcdef\nsequence {}\nvalue 42\ncrc32 {}\n"
        first = text.format(2, "3c2594fa").encode().ljust(4096, b"\0")
        second = text.format(1, "a5c7f2fb").encode().ljust(4096, b"\0")
        self.assertEqual(encode_file(slot(2, 42)), first + second)

    def test_a_file_that_the_first_vaults_wrote_is_read(self) -> None:
        data = b"glitchgrid-vault 1\nidentity 0123456789abcdef0123456789abcdef\nvalue 42\ncrc32 152d329b\n"
        self.assertEqual(decode_file(data), Contents(Record(IDENTITY, 42), 0))

    def test_the_larger_sequence_number_counts_and_not_the_larger_value(self) -> None:
        for older, newer in itertools.product((3, 7, 42), repeat=2):
            self.assertEqual(decode_file(blocks(slot(8, newer), slot(7, older))), Contents(Record(IDENTITY, newer), 8))
            self.assertEqual(decode_file(blocks(slot(8, older), slot(9, newer))), Contents(Record(IDENTITY, newer), 9))

    def test_sequence_numbers_are_compared_as_numbers(self) -> None:
        self.assertEqual(decode_file(blocks(slot(10, 5), slot(9, 7))).record.value, 5)

    def test_any_changed_byte_in_one_slot_leaves_the_other(self) -> None:
        data = blocks(slot(8, 5), slot(9, 7))
        for place in range(FILE_BYTES):
            contents = decode_file(data[:place] + bytes([data[place] ^ 0x21]) + data[place + 1 :])
            assert contents.bad is not None
            if place < SLOT_BYTES:
                self.assertEqual((contents.record.value, contents.sequence, contents.bad.place), (7, 9, "first"))
            else:
                self.assertEqual((contents.record.value, contents.sequence, contents.bad.place), (5, 8, "second"))

    def test_one_bad_slot_is_told(self) -> None:
        contents = decode_file(blocks(bytes(SLOT_BYTES), slot(9, 7)))
        self.assertEqual(contents, Contents(Record(IDENTITY, 7), 9, BadSlot("first", "it is empty")))

    def test_two_bad_slots_are_damage(self) -> None:
        good = slot(8, 5).encode()
        for one, other in itertools.product((0, 30, 61, 70, 90, 200, SLOT_BYTES - 1), repeat=2):
            first = good[:one] + bytes([good[one] ^ 1]) + good[one + 1 :]
            second = good[:other] + bytes([good[other] ^ 1]) + good[other + 1 :]
            self.damage(first + second)
        told = self.damage(bytes(SLOT_BYTES) + b"x" * SLOT_BYTES)
        self.assertEqual(told, "first slot: it is empty; second slot: it is not a vault's record")

    def test_every_truncation_is_damage(self) -> None:
        data = blocks(slot(8, 5), slot(9, 7))
        for length in range(FILE_BYTES):
            self.damage(data[:length])

    def test_a_longer_file_is_damage(self) -> None:
        data = blocks(slot(8, 5), slot(9, 7))
        for rest in (b"\0", b"\n", data[:SLOT_BYTES], data):
            self.damage(data + rest)

    def test_a_version_1_among_the_slots_is_no_slot(self) -> None:
        old = Record(IDENTITY, 42).encode()
        self.damage(old.ljust(FILE_BYTES, b"\0"))
        self.assertEqual(decode_file(blocks(old.ljust(SLOT_BYTES, b"\0"), slot(9, 7))).record.value, 7)
        self.damage(old.ljust(SLOT_BYTES, b"\0"))

    def test_slots_of_two_vaults_are_damage(self) -> None:
        told = self.damage(blocks(slot(8, 5), evolve(slot(9, 5), record=Record(OTHER_IDENTITY, 5))))
        self.assertEqual(told, "its two slots are of two vaults")

    def test_a_gap_is_damage(self) -> None:
        """The disk has lost a save that it had confirmed; what it holds may be anything older."""
        told = self.damage(blocks(slot(8, 5), slot(11, 7)))
        self.assertEqual(told, "its slots have sequence numbers 8 and 11: a save between them is lost")
        for even, odd in ((2, 5), (8, 5), (100, 1), (2, 2**40 + 1)):
            self.damage(blocks(slot(even, 5), slot(odd, 5)))

    def test_a_slot_in_the_place_of_the_other_is_damage(self) -> None:
        even, odd = slot(8, 5), slot(9, 7)
        told = self.damage(blocks(odd, even))
        self.assertEqual(told, "its first slot has sequence number 9, which belongs in the other")
        blank = bytes(SLOT_BYTES)
        for data in (blocks(even, even), blocks(odd, odd), blocks(blank, even), blocks(odd, blank)):
            self.damage(data)

    def test_one_sequence_number_twice_is_damage(self) -> None:
        self.damage(blocks(slot(8, 5), slot(8, 7)))
        self.damage(blocks(slot(9, 5), slot(9, 7)))

    @given(st.binary(max_size=FILE_BYTES + 1))
    def test_no_other_bytes_are_a_file(self, data: bytes) -> None:
        self.damage(data)
        self.damage(data.ljust(FILE_BYTES, b"\0")[:FILE_BYTES])
