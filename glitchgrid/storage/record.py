"""What a vault keeps on its disk: a version, its identity, its value, a checksum.

Lines of text, so that ``cat`` tells what a vault holds. Version 1, which was the whole file::

    glitchgrid-vault 1
    identity 8c0f5d0e9a6d4c2f8a7b6c5d4e3f2a1b
    value 42
    crc32 89abcdef

is still read, and no longer written: `glitchgrid.storage.slots` has version 2. The checksum is over everything before
its own line. It finds torn and damaged files; it is no protection against somebody who edits the file and
computes it anew.
"""

import re
import zlib
from collections.abc import Sequence

from attrs import frozen

from glitchgrid.errors import InvalidValue
from glitchgrid.value import encode_number, parse_number

_VERSION = 1
_VERSIONS_READ = (1, 2)
_RECORD = re.compile(
    rb"(?P<covered>glitchgrid-vault (?P<version>[0-9]{1,9})\n"
    rb"identity (?P<identity>[0-9a-f]{32})\n"
    rb"value (?P<value>[0-9]{1,19})\n)"
    rb"crc32 (?P<checksum>[0-9a-f]{8})\n"
)


class RecordDamaged(Exception):
    """The bytes are no record. The text says how, and fits behind "FILE is damaged:"."""


NO_RECORD = "it is not a vault's record"


@frozen
class Record:
    """A vault's identity (32 hexadecimal digits) and the value it holds (0 for none yet)."""

    identity: str
    value: int

    def encode(self) -> bytes:
        """The file of version 1."""
        return seal(
            b"glitchgrid-vault %d\nidentity %s\nvalue %s\n"
            % (_VERSION, self.identity.encode("ascii"), encode_number(self.value))
        )

    @classmethod
    def decode(cls, data: bytes) -> "Record":
        """Read a file of version 1.

        :raises RecordDamaged: for everything that `encode` did not write.
        """
        record = cls.of(unseal(_RECORD, data))
        if record.encode() != data:
            raise RecordDamaged(NO_RECORD)
        return record

    @classmethod
    def of(cls, match: re.Match[bytes]) -> "Record":
        """The record among the groups of a sealed text of any version."""
        try:
            return cls(match["identity"].decode("ascii"), parse_number(match["value"]))
        except InvalidValue:
            raise RecordDamaged("its value is out of range") from None


def seal(covered: bytes) -> bytes:
    """`covered`, and the line with its checksum."""
    return covered + b"crc32 %08x\n" % zlib.crc32(covered)


def unseal(layout: re.Pattern[bytes], text: bytes, versions: Sequence[int] = _VERSIONS_READ) -> re.Match[bytes]:
    """The groups of a sealed text whose checksum fits, and whose version is read here.

    :param layout: of a whole text, with the groups `covered`, `version` and `checksum` among others.
    :param versions: those that are read.
    """
    if not text:
        raise RecordDamaged("it is empty")
    match = layout.fullmatch(text)
    if match is None:
        raise RecordDamaged(NO_RECORD)
    if zlib.crc32(match["covered"]) != int(match["checksum"], 16):
        raise RecordDamaged("its checksum does not fit")
    found = int(match["version"])
    if found not in versions:
        known = " and ".join(map(str, versions))
        raise RecordDamaged(f"it has version {found}, and this vault reads version{'s'[: len(versions) - 1]} {known}")
    return match
