import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.storage.record import Record, RecordDamaged
from glitchgrid.value import VALUE_MAX
from tests.fakes import IDENTITY


def sealed(covered: bytes) -> bytes:
    """`covered` with the checksum that fits."""
    return covered + b"crc32 %08x\n" % zlib.crc32(covered)


def lines(version: bytes = b"1", identity: bytes = IDENTITY.encode(), value: bytes = b"42") -> bytes:
    return b"glitchgrid-vault %s\nidentity %s\nvalue %s\n" % (version, identity, value)


class RecordTests(SynchronousTestCase):
    def damage(self, data: bytes) -> str:
        return str(self.assertRaises(RecordDamaged, Record.decode, data))

    def test_what_is_in_the_file(self) -> None:
        self.assertEqual(Record(IDENTITY, 42).encode(), sealed(lines()))

    def test_a_file_that_the_first_vaults_wrote_is_read(self) -> None:
        data = b"glitchgrid-vault 1\nidentity 0123456789abcdef0123456789abcdef\nvalue 42\ncrc32 152d329b\n"
        self.assertEqual(Record.decode(data), Record("0123456789abcdef0123456789abcdef", 42))

    @given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(0, VALUE_MAX))
    def test_round_trip(self, identity: str, value: int) -> None:
        record = Record(identity, value)
        self.assertEqual(Record.decode(record.encode()), record)

    def test_every_flipped_bit_is_found(self) -> None:
        for value in (0, 42, VALUE_MAX):
            whole = Record(IDENTITY, value).encode()
            for bit in range(len(whole) * 8):
                flipped = bytearray(whole)
                flipped[bit // 8] ^= 1 << bit % 8
                self.damage(bytes(flipped))

    def test_every_truncation_is_found(self) -> None:
        whole = Record(IDENTITY, 42).encode()
        for length in range(len(whole)):
            self.damage(whole[:length])
            self.damage(whole[len(whole) - length :])

    def test_every_missing_byte_is_found(self) -> None:
        whole = Record(IDENTITY, 42).encode()
        for place in range(len(whole)):
            self.damage(whole[:place] + whole[place + 1 :])

    def test_torn_halves_of_two_records_are_found(self) -> None:
        old, new = Record(IDENTITY, 42).encode(), Record(IDENTITY, 67).encode()
        for place in range(len(old)):
            torn = new[:place] + old[place:]
            if torn not in (old, new):
                self.damage(torn)

    def test_what_is_left_behind_a_record_is_found(self) -> None:
        whole = Record(IDENTITY, 42).encode()
        for rest in (b"\n", b"\0", b" ", whole):
            self.damage(whole + rest)

    @given(st.binary(max_size=200))
    def test_no_other_bytes_are_a_record(self, data: bytes) -> None:
        self.damage(data)

    def test_the_damage_is_told(self) -> None:
        self.assertEqual(self.damage(b""), "it is empty")
        self.assertEqual(self.damage(b"42\n"), "it is not a vault's record")
        self.assertEqual(self.damage(lines() + b"crc32 00000000\n"), "its checksum does not fit")
        self.assertEqual(self.damage(sealed(lines(value=b"9223372036854775808"))), "its value is out of range")

    def test_another_version_is_named(self) -> None:
        for version in (b"0", b"3", b"10"):
            message = f"it has version {version.decode('ascii')}, and this vault reads versions 1 and 2"
            self.assertEqual(self.damage(sealed(lines(version=version))), message)

    def test_version_2_does_not_look_like_this(self) -> None:
        self.assertEqual(self.damage(sealed(lines(version=b"2"))), "it is not a vault's record")

    def test_another_version_that_is_damaged_is_only_damaged(self) -> None:
        self.assertEqual(self.damage(lines(version=b"2") + b"crc32 00000000\n"), "its checksum does not fit")

    def test_another_spelling_with_a_checksum_that_fits_is_no_record(self) -> None:
        for covered in (
            lines(value=b"+42"),
            lines(value=b""),
            lines(value=b"4 2"),
            lines(identity=IDENTITY.upper().encode()),
            lines(identity=b"abc"),
            lines(identity=IDENTITY.encode() + b"0"),
            lines().replace(b"\n", b"\r\n"),
            b" " + lines(),
        ):
            self.damage(sealed(covered))
        self.damage(sealed(lines()).replace(b"crc32 ", b"crc32 0"))
        self.damage(sealed(lines()).upper())

    def test_leading_zeros_are_not_what_was_written(self) -> None:
        for covered in (lines(version=b"01"), lines(value=b"042"), lines(value=b"00")):
            self.damage(sealed(covered))
