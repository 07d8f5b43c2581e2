"""The file of version 2: two slots, written in turn, and which of them counts.

Each slot is a block of 4096 bytes, a text that is padded with NULs (a terminal shows none of them, so ``cat``
and ``head`` still tell what a vault holds)::

    glitchgrid-vault 2
    identity 8c0f5d0e9a6d4c2f8a7b6c5d4e3f2a1b
    sequence 17
    value 42
    crc32 89abcdef

The slot with an even sequence number comes first in the file, the odd one second. A new record gets the next
number, and so overwrites the older slot: the last durable record is never touched before a newer one is
durable. The larger sequence number counts, never the larger value: that would undo an unguarded decrease.

What may be found, and what is made of it:

    ===================  =======================================================================
    n and n + 1          n + 1 counts; a save that did not reach the disk leaves the older pair
    one bad slot         a save was torn by a power failure: the other slot is what it began from
    two bad slots        no crash does that: one slot was whole when the other was written
    two identities       no crash does that: an identity is for life
    a gap                no crash does that: n + 2 is written after n + 1 is durable. The disk has
                         lost a save that it had confirmed, so perhaps the newest one, too
    a slot misplaced     no crash does that: nothing moves a block
    another length       no crash does that: the file has its full length before it has its name
    ===================  =======================================================================

What no crash does is damage, and stops the vault. That one bad slot was torn is a presumption: rot in the newer
slot looks the same, and takes a store back that was acknowledged. So it is not passed over in silence.
"""

import re

from attrs import frozen

from glitchgrid.storage.record import NO_RECORD, Record, RecordDamaged, seal, unseal
from glitchgrid.value import encode_number

SLOT_BYTES = 4096
"""A page of the cache and a block of the disk: writing one slot never touches a byte of the other."""

FILE_BYTES = 2 * SLOT_BYTES

SEQUENCE_MAX = 2**62
"""A larger number is no record. It is not reached: at a million saves a second it is 146,000 years away, and so
no save looks for it."""

PLACES = ("first", "second")

_VERSION = 2
_SLOT = re.compile(
    rb"(?P<covered>glitchgrid-vault (?P<version>[0-9]{1,9})\n"
    rb"identity (?P<identity>[0-9a-f]{32})\n"
    rb"sequence (?P<sequence>[0-9]{1,19})\n"
    rb"value (?P<value>[0-9]{1,19})\n)"
    rb"crc32 (?P<checksum>[0-9a-f]{8})\n"
)


@frozen
class Slot:
    """A record, and the number of its save. They begin at 1."""

    sequence: int
    record: Record

    @property
    def place(self) -> int:
        """0 for the first slot of the file, 1 for the second."""
        return self.sequence % 2

    @property
    def offset_bytes(self) -> int:
        return self.place * SLOT_BYTES

    def followed_by(self, record: Record) -> "Slot":
        return Slot(self.sequence + 1, record)

    def encode(self) -> bytes:
        """The whole block."""
        text = seal(
            b"glitchgrid-vault %d\nidentity %s\nsequence %d\nvalue %s\n"
            % (_VERSION, self.record.identity.encode("ascii"), self.sequence, encode_number(self.record.value))
        )
        return text.ljust(SLOT_BYTES, b"\0")

    @classmethod
    def decode(cls, block: bytes) -> "Slot":
        """Read a block back.

        :raises RecordDamaged: for everything that `encode` did not write, in the padding, too.
        """
        match = unseal(_SLOT, block.rstrip(b"\0"))
        sequence = int(match["sequence"])
        if not 1 <= sequence <= SEQUENCE_MAX:
            raise RecordDamaged("its sequence number is out of range")
        slot = cls(sequence, Record.of(match))
        if slot.encode() != block:
            raise RecordDamaged(NO_RECORD)
        return slot


@frozen
class BadSlot:
    """A slot that does not count, and why: it is in one of the `PLACES`."""

    place: str
    reason: str


@frozen
class Contents:
    """What a vault's file holds; `bad` is the slot that had to be passed over."""

    record: Record
    sequence: int
    bad: BadSlot | None = None


def encode_file(slot: Slot) -> bytes:
    """A new file, with the same record in the slot before `slot`: from the start, one bad slot is a torn one."""
    pair = (Slot(slot.sequence - 1, slot.record), slot)
    return b"".join(each.encode() for each in sorted(pair, key=lambda each: each.place))


def decode_file(data: bytes) -> Contents:
    """Read a file of either version. A record of version 1 comes before every sequence number: it has 0.

    :raises RecordDamaged: for everything that no vault leaves behind, whenever it crashes.
    """
    if len(data) != FILE_BYTES:
        return Contents(Record.decode(data), 0)
    good: list[Slot] = []
    bad: list[BadSlot] = []
    for place, name in enumerate(PLACES):
        try:
            slot = Slot.decode(data[place * SLOT_BYTES : (place + 1) * SLOT_BYTES])
        except RecordDamaged as error:
            bad.append(BadSlot(name, str(error)))
            continue
        if slot.place != place:
            raise RecordDamaged(f"its {name} slot has sequence number {slot.sequence}, which belongs in the other")
        good.append(slot)
    if not good:
        raise RecordDamaged("; ".join(f"{each.place} slot: {each.reason}" for each in bad))
    newest = max(good, key=lambda slot: slot.sequence)
    _check_neighbours(newest, min(good, key=lambda slot: slot.sequence))
    return Contents(newest.record, newest.sequence, bad[0] if bad else None)


def _check_neighbours(newest: Slot, before: Slot) -> None:
    """Two good slots have sequence numbers that follow each other. With one good slot there is nothing to compare."""
    if newest.record.identity != before.record.identity:
        raise RecordDamaged("its two slots are of two vaults")
    if newest.sequence - before.sequence > 1:
        raise RecordDamaged(
            f"its slots have sequence numbers {before.sequence} and {newest.sequence}: a save between them is lost"
        )
