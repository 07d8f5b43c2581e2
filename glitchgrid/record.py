"""What a vault keeps in its file: a version, its identity, its value, a checksum.

Four lines of text, so that ``cat`` tells what a vault holds::

    glitchgrid-vault 1
    identity 8c0f5d0e9a6d4c2f8a7b6c5d4e3f2a1b
    value 42
    crc32 89abcdef

The checksum is over everything before its own line. It finds torn and damaged files; it is no protection
against somebody who edits the file and computes it anew.
"""

import re
import zlib

from attrs import frozen

from glitchgrid.errors import InvalidValue
from glitchgrid.value import encode_number, parse_number

RECORD_BYTES_MAX = 4096
"""A file longer than this is no record; no more of it is read."""

_RECORD = re.compile(
    rb"(?P<covered>glitchgrid-vault (?P<version>[0-9]{1,9})\n"
    rb"identity (?P<identity>[0-9a-f]{32})\n"
    rb"value (?P<value>[0-9]{1,19})\n)"
    rb"crc32 (?P<checksum>[0-9a-f]{8})\n"
)
_VERSION = 1


class RecordDamaged(Exception):
    """The bytes are no record. The text says how, and fits behind "FILE is damaged:"."""


@frozen
class Record:
    """A vault's identity (32 hexadecimal digits) and the value it holds (0 for none yet)."""

    identity: str
    value: int

    def encode(self) -> bytes:
        covered = b"glitchgrid-vault %d\nidentity %s\nvalue %s\n" % (
            _VERSION,
            self.identity.encode("ascii"),
            encode_number(self.value),
        )
        return covered + b"crc32 %08x\n" % zlib.crc32(covered)

    @classmethod
    def decode(cls, data: bytes) -> "Record":
        """Read a record back.

        :raises RecordDamaged: for everything that `encode` did not write.
        """
        if not data:
            raise RecordDamaged("it is empty")
        match = _RECORD.fullmatch(data)
        if match is None:
            raise RecordDamaged("it is not a vault's record")
        if zlib.crc32(match["covered"]) != int(match["checksum"], 16):
            raise RecordDamaged("its checksum does not fit")
        if int(match["version"]) != _VERSION:
            raise RecordDamaged(f"it has version {int(match['version'])}, and this vault reads version {_VERSION}")
        try:
            value = parse_number(match["value"])
        except InvalidValue:
            raise RecordDamaged("its value is out of range") from None
        record = cls(match["identity"].decode("ascii"), value)
        if record.encode() != data:
            raise RecordDamaged("it is not a vault's record")
        return record
