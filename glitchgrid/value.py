"""The number on the wire, and its limits.

A value is a positive integer from 1 to 9223372036854775807, written in ASCII digits with optional white
space (space, tab, CR, LF) around them. ``int()`` alone accepts more than that (``1_000``, ``+5``, the digits
of other scripts), and two servers that disagree about what a number is would store two different things.
"""

import re

from glitchgrid.errors import InvalidValue

VALUE_MAX = 2**63 - 1
"""The largest value: what a signed 64-bit integer holds."""

NOTHING_STORED = 0
"""What a vault answers before its first store. Never accepted from a client."""

BODY_BYTES_MAX = 64
"""The longest body that is read at all; whatever is longer is refused with 413."""

_DIGITS = re.compile(rb"[0-9]+")
_WHITE_SPACE = b" \t\r\n"


def parse_number(data: bytes) -> int:
    """Read what a vault may hold: 0 to `VALUE_MAX`.

    :raises InvalidValue: for every other byte string.
    """
    digits = data.strip(_WHITE_SPACE)
    if len(data) > BODY_BYTES_MAX or not _DIGITS.fullmatch(digits):
        raise InvalidValue
    number = int(digits)
    if number > VALUE_MAX:
        raise InvalidValue
    return number


def parse_value(data: bytes) -> int:
    """Read what a client may send: 1 to `VALUE_MAX`.

    :raises InvalidValue: for every other byte string.
    """
    number = parse_number(data)
    if number == NOTHING_STORED:
        raise InvalidValue
    return number


def encode_number(number: int) -> bytes:
    """The one way a number is written: its digits, without leading zeros."""
    return b"%d" % number
