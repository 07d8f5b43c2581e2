"""What a vault makes of the files that it finds, and of a disk that fails it at the start.

The files are written here byte by byte, as the README and `glitchgrid.storage.slots` describe them, and not by the
vault's code.
"""

import zlib

from attrs import frozen

from glitchgrid.lab.register.oracles.contract import VALUE_MAX
from glitchgrid.lab.register.oracles.wire import GET, Expected, post
from glitchgrid.lab.register.simulated.exercises.bench import IDENTITY, Bench, Exercise, Problems, differs, found
from glitchgrid.wire import GUARD_HEADER, GUARD_INCREASE

PATH = "/data/value"
SLOT_BYTES = 4096
SEQUENCE_MAX = 2**62
OTHER = "f" * 32
_NO_RECORD = "it is not a vault's record"
_CHECKSUM = "its checksum does not fit"
_GUARD = GUARD_HEADER + b": " + GUARD_INCREASE
_GUARDED = {GUARD_HEADER.lower(): GUARD_INCREASE}


def _sealed(text: str) -> bytes:
    data = text.encode("ascii")
    return data + b"crc32 %08x\n" % zlib.crc32(data)


def _one(value: int, version: int = 1) -> bytes:
    """A file of version 1."""
    return _sealed(f"glitchgrid-vault {version}\nidentity {IDENTITY}\nvalue {value}\n")


def _slot(sequence: int, value: int, identity: str = IDENTITY) -> bytes:
    text = f"glitchgrid-vault 2\nidentity {identity}\nsequence {sequence}\nvalue {value}\n"
    return _sealed(text).ljust(SLOT_BYTES, b"\0")


def _rotten(block: bytes) -> bytes:
    return block.replace(b"value ", b"value 1", 1)[:SLOT_BYTES]


@frozen
class File:
    """:ivar value: what the vault holds then; None where it does not start.
    :ivar sequence: the number of the record that counts.
    :ivar said: why it does not start, or what it says of a slot that it passes over.
    """

    name: str
    data: bytes
    value: int | None
    sequence: int = 0
    said: str = ""


def _damaged(name: str, data: bytes, said: str) -> File:
    return File(name, data, None, 0, said)


def _torn(place: str, why: str, value: int) -> str:
    return f"{PATH}: the {place} of its two slots is damaged: {why}; going on with {value} from the other."


FILES = (
    File("of version 1", _one(42), 42),
    File("of version 1, named 2", _one(42, 2), None, 0, _NO_RECORD),
    File("of two slots", _slot(2, 7) + _slot(1, 5), 7, 2),
    File("whose newest slot is the second", _slot(2, 5) + _slot(3, 7), 7, 3),
    File("whose newest slot has less", _slot(4, 5) + _slot(3, 7), 5, 4),
    File("of the last numbers", _slot(SEQUENCE_MAX - 2, 5) + _slot(SEQUENCE_MAX - 3, 4), 5, SEQUENCE_MAX - 2),
    File("with a bad first slot", _rotten(_slot(2, 7)) + _slot(1, 5), 5, 1, _torn("first", _CHECKSUM, 5)),
    File("with a bad second slot", _slot(2, 7) + b"\0" * SLOT_BYTES, 7, 2, _torn("second", "it is empty", 7)),
    File("with more than padding", _slot(2, 7) + _slot(1, 5)[:-1] + b"x", 7, 2, _torn("second", _NO_RECORD, 7)),
    File(
        "with a number of 0", _slot(0, 7) + _slot(1, 5), 5, 1, _torn("first", "its sequence number is out of range", 5)
    ),
    File(
        "with a number too large",
        _slot(SEQUENCE_MAX + 2, 7) + _slot(1, 5),
        5,
        1,
        _torn("first", "its sequence number is out of range", 5),
    ),
    _damaged("with two bad slots", _rotten(_slot(2, 7)) + b"\0" * SLOT_BYTES, "first slot: " + _CHECKSUM + "; second"),
    _damaged("of two vaults", _slot(2, 7) + _slot(1, 5, OTHER), "its two slots are of two vaults"),
    _damaged(
        "with a gap", _slot(2, 7) + _slot(5, 9), "its slots have sequence numbers 2 and 5: a save between them is lost"
    ),
    _damaged(
        "misplaced", _slot(3, 7) + _slot(1, 5), "its first slot has sequence number 3, which belongs in the other"
    ),
    _damaged("cut", (_slot(2, 7) + _slot(1, 5))[:-1], _NO_RECORD),
    _damaged("that is longer", _slot(2, 7) + _slot(1, 5) + b"\0", _NO_RECORD),
    _damaged("that is empty", b"", "it is empty"),
    _damaged("of a later version", _one(42, 3), "it has version 3, and this vault reads versions 1 and 2"),
    _damaged("with a value too large", _one(VALUE_MAX + 1), "its value is out of range"),
    _damaged("of version 1, rotten", _rotten(_one(42)), _CHECKSUM),
    _damaged("of version 1, with more", _one(42) + b"\n", _NO_RECORD),
    _damaged("of version 1, spelt otherwise", _one(42).replace(b"1\n", b"01\n", 1), _CHECKSUM),
)  # fmt: skip


def pair(sequence: int, value: int) -> bytes:
    """The file that a start leaves: one record twice, with this number and the one before."""
    return b"".join(_slot(each, value) for each in sorted((sequence - 1, sequence), key=lambda each: each % 2))


def finding(bench: Bench) -> Problems:
    """Each file in turn: the vault serves its value, or says why it does not start. It never begins anew at 0."""
    for file in FILES:
        for problem in _find(bench, file):
            yield f"a file {file.name}: {problem}"
        bench.clear()


def _find(bench: Bench, file: File) -> Problems:
    bench.file = file.data
    bench.vault()
    if file.value is None:
        yield from _does_not_start(bench, f"{PATH} is damaged: {file.said}")
        yield from differs("its file is as it was", bench.file == file.data, True)
        return
    yield from differs("why it does not start", bench.fatal, [])
    if bench.listens:
        yield from _goes_on(bench, file, file.value)


def _goes_on(bench: Bench, file: File, value: int) -> Problems:
    """With a new file, whose records have the next numbers."""
    sequence = file.sequence + 2
    yield from differs("its new file", bench.file == pair(sequence, value), True)
    yield from bench.logged(*([file.said] if file.said else []))
    yield from bench.stores(value + 1, found(value + 1))
    slots = {sequence % 2: _slot(sequence, value), (sequence + 1) % 2: _slot(sequence + 1, value + 1)}
    yield from differs("its file behind a store", bench.file == slots[0] + slots[1], True)


def _does_not_start(bench: Bench, why: str, *, is_whole: bool = False) -> Problems:
    problems = bench.fatal
    if len(problems) != 1 or not problems[0].startswith(why) or (is_whole and problems[0] != why):
        yield f"why it does not start: {problems}, and not {why}"
    yield from differs("it runs", bench.server.process, None)


def failing(bench: Bench) -> Problems:
    """The disk fails the start: the vault says why, with the cure where there is one, and loses nothing."""
    disk = bench.server.disk
    cannot = "data directory /data cannot be used: "
    bench.vault()
    yield from bench.stop(1.0)  # it has made its directory, and the lock in it
    bench.file = pair(3, 9)
    disk.is_full = True
    bench.vault()
    yield from _does_not_start(
        bench,
        f"{cannot}open value.new: No space left on device: a start writes the value to a new file, which takes 8 KiB; "
        "make room and start again. Nothing is lost",
        is_whole=True,
    )
    for fault, why in (
        (lambda: disk.fails_to.add("read"), "Input/output error"),
        (lambda: setattr(disk, "is_read_only", True), "open lock: Read-only file system"),
    ):
        disk.calm()
        bench.fatal.clear()
        fault()
        bench.vault()
        yield from _does_not_start(bench, f"{cannot}{why}", is_whole=True)
    disk.calm()
    bench.vault()
    yield from bench.reads(9)


def storing(bench: Bench) -> Problems:
    """Stores of all kinds, and what is on the disk behind each."""
    bench.vault()
    yield from bench.reads(0)
    sequence = 2
    for value, fields, answer in (
        (5, [_GUARD], Expected(200, b"5", _GUARDED)),
        (5, [_GUARD], Expected(200, b"5", _GUARDED)),
        (4, [_GUARD], Expected(412, b"5", _GUARDED)),
        (3, [], found(3)),
        (3, [], found(3)),
        (VALUE_MAX, [_GUARD], Expected(200, b"%d" % VALUE_MAX, _GUARDED)),
        (VALUE_MAX + 1, [_GUARD], Expected(400, b"Invalid or missing POST body")),
        (6, [], found(6)),
    ):
        before = bench.file
        yield from bench.stores(value, answer, *fields)
        is_new = before != bench.file
        sequence += is_new
        holds = _slot(sequence, value)
        place = sequence % 2 * SLOT_BYTES
        is_there = (bench.file or b"")[place : place + SLOT_BYTES] == holds
        if is_new and not is_there:
            yield f"a store of {value}: its file has not the record {sequence} where it belongs"
    yield from differs("saves", sequence, 6)
    yield from bench.logged("Value decreases from 5 to 3", f"Value decreases from {VALUE_MAX} to 6")
    yield from bench.stop(1.0)
    bench.vault()
    yield from bench.reads(6)


def in_one_piece(bench: Bench) -> Problems:
    """Stores and reads come in one piece: each waits for the one before, and all are answered in order."""
    bench.vault()
    values = (7, 9, 8)
    sends = [(0.0, b"".join(post(b"%d" % value) + GET for value in values))]
    yield from bench.says("in one piece", sends, *(answer for value in values for answer in [found(value)] * 2))
    halves = sends[0][1][:-90], sends[0][1][-90:]
    parts = [(0.0, halves[0]), (0.01, halves[1])]
    yield from bench.says("in two pieces", parts, *(answer for value in values for answer in [found(value)] * 2))


FILE_EXERCISES = (
    Exercise("files that a vault finds", finding, frozenset({"vault: neither of its slots is whole"})),
    Exercise("a disk that fails a start", failing),
    Exercise("stores and what they leave", storing),
    Exercise("requests in one piece", in_one_piece),
)
