"""The number on the wire: every byte string is a value or refused, by a definition that knows no parser."""

from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import InvalidValue
from glitchgrid.value import BODY_BYTES_MAX, NOTHING_STORED, VALUE_MAX, encode_number, parse_number, parse_value

ZERO = ord("0")
LARGEST = b"9223372036854775807"

ODD_ONES = [
    b"",
    b" ",
    b"1_000",
    b"+5",
    b"-5",
    b"5.0",
    b"5e0",
    b"0x5",
    b"5L",
    b"1,000",
    b"5 5",
    b"5\n5",
    b"\v5",
    b"5\v",
    b"\f5",
    b"5\f",
    b"\x1c5",
    b"5\x1f",
    b"5\0",
    b"\xef\xbb\xbf5",
    "\N{NO-BREAK SPACE}5".encode(),
    b"\xa05",
    b"5\x85",
    "\N{ARABIC-INDIC DIGIT FIVE}".encode(),
    "\N{FULLWIDTH DIGIT FIVE}".encode(),
    "\N{SUPERSCRIPT TWO}".encode(),
    b"9223372036854775808",
    b"9" * 64,
    b"0" * 64 + b"5",
    b" " * 64 + b"5",
    b"5" + b"\n" * 64,
    b"NaN",
    b"five",
]
"""Not one of these is a number, although int() takes some of them."""


def number_by_definition(data: bytes) -> int | None:
    """At most 64 bytes: white space, one digit or more, white space; and no more than 2**63 - 1."""
    rest = list(data)
    while rest and rest[0] in (0x20, 0x09, 0x0D, 0x0A):
        rest.pop(0)
    while rest and rest[-1] in (0x20, 0x09, 0x0D, 0x0A):
        rest.pop()
    if len(data) > 64 or not rest or any(not ZERO <= byte <= ZERO + 9 for byte in rest):
        return None
    number = sum((byte - ZERO) * 10**power for power, byte in enumerate(reversed(rest)))
    return number if number < 2**63 else None


def near_numbers() -> st.SearchStrategy[bytes]:
    """Byte strings that are numbers now and then."""
    parts = st.sampled_from([b"0", b"5", b"9", LARGEST, b" ", b"\n", b"\r\n", b"\t", b"\v", b"+", b"_", b"\xd9\xa5"])
    return st.lists(parts, max_size=12).map(b"".join)


def texts_of(number: int) -> Iterator[bytes]:
    digits = b"%d" % number
    yield digits
    yield b"%d\r\n" % number
    yield b" \t%d \t" % number
    yield b"00" + digits
    yield digits.zfill(BODY_BYTES_MAX)


class ParseTests(SynchronousTestCase):
    def assert_by_definition(self, data: bytes) -> None:
        number = number_by_definition(data)
        if number is None:
            self.assertRaises(InvalidValue, parse_number, data)
        else:
            self.assertEqual(parse_number(data), number)
        if number is None or number == 0:
            self.assertRaises(InvalidValue, parse_value, data)
        else:
            self.assertEqual(parse_value(data), number)

    @given(st.binary(max_size=80))
    def test_every_byte_string_is_a_value_or_refused(self, data: bytes) -> None:
        self.assert_by_definition(data)

    @given(near_numbers())
    @example(LARGEST)
    @example(b"0" * 63 + b"5")
    def test_so_is_what_looks_like_a_number(self, data: bytes) -> None:
        self.assert_by_definition(data)

    def test_every_byte_before_between_and_behind_a_digit(self) -> None:
        for byte in range(256):
            each = bytes([byte])
            for data in (each, each + b"5", b"5" + each, b"5" + each + b"5"):
                self.assert_by_definition(data)

    def test_odd_ones_are_refused(self) -> None:
        for data in ODD_ONES:
            self.assertRaises(InvalidValue, parse_number, data)
            self.assertRaises(InvalidValue, parse_value, data)

    @given(st.integers(min_value=1, max_value=VALUE_MAX))
    @example(1)
    @example(VALUE_MAX)
    def test_every_value_is_read_from_each_of_its_spellings(self, value: int) -> None:
        for text in texts_of(value):
            self.assertEqual(parse_value(text), value)

    @given(st.integers(min_value=VALUE_MAX + 1, max_value=10**64 - 1))
    @example(2**63)
    @example(2**64 + 5)
    def test_nothing_larger_is_a_value(self, number: int) -> None:
        self.assertRaises(InvalidValue, parse_value, b"%d" % number)

    def test_the_limits(self) -> None:
        self.assertEqual((VALUE_MAX, NOTHING_STORED, BODY_BYTES_MAX), (9223372036854775807, 0, 64))

    def test_nothing_stored_is_read_from_a_vault_and_never_from_a_client(self) -> None:
        for data in (b"0", b"000", b"0\n"):
            self.assertEqual(parse_number(data), 0)
            self.assertRaises(InvalidValue, parse_value, data)


class EncodeTests(SynchronousTestCase):
    @given(st.integers(min_value=0, max_value=VALUE_MAX))
    def test_round_trip(self, number: int) -> None:
        self.assertEqual(parse_number(encode_number(number)), number)

    def test_without_leading_zeros(self) -> None:
        self.assertEqual(
            [encode_number(parse_number(data)) for data in (b"007", b"000", b" 10\n")], [b"7", b"0", b"10"]
        )
