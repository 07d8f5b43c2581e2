"""What a vault knows of its grid, as text: on its disk, and in what it tells its peers.

Lines, so that ``cat`` and ``curl`` tell what a vault knows::

    glitchgrid-roster 1
    identity 8c0f5d0e9a6d4c2f8a7b6c5d4e3f2a1b
    phase formed
    peer 10.0.0.1:8001
    peer 10.0.0.2:8001
    place 10.0.0.1:8001 8c0f5d0e9a6d4c2f8a7b6c5d4e3f2a1b
    place 10.0.0.2:8001 0123456789abcdef0123456789abcdef
    earlier 1 10.0.0.2:8001 ffffffffffffffffffffffffffffffff
    fenced ffffffffffffffffffffffffffffffff
    losses 0
    crc32 89abcdef

Who was in a place before stands behind the place's number, which is counted from 0. After a change of the list there
is its ``epoch``, in front of the places. While the list is changed there are ``promised``, ``accepted``, and the next
list, with ``next-`` in front of its lines. The checksum is that of `glitchgrid.storage.record`.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable

from glitchgrid.errors import DataDirectoryUnusable, InvalidValue, StoreBusy, StoreDamaged
from glitchgrid.protocol.change import Accepted, ChangeQuestion, Step
from glitchgrid.protocol.member import WITH_ROSTER, FenceAnswer, FenceQuestion, Membership, Phase
from glitchgrid.protocol.roster import FENCED_MAX, Place, Roster
from glitchgrid.storage.disk import IDisk, IFile
from glitchgrid.storage.record import RecordDamaged, seal, unseal
from glitchgrid.storage.valuefile import VALUE_NAME
from glitchgrid.value import encode_number, parse_number

ROSTER_NAME = "roster"
NEW_NAME = "roster.new"

TEXT_BYTES_MAX = 512 * 1024
"""A longer text is none. Two lists with the longest addresses and as many replacements as there may be take 400 KiB."""

NEXT = "next-"
_VERSION = 1
_ID = r"[0-9a-f]{32}"
_ADDRESS = r"[\x21-\x7e]{3,280}"
_SEALED = re.compile(
    rb"(?P<covered>glitchgrid-(?P<kind>roster|fence|change) (?P<version>[0-9]{1,9})\n"
    rb"(?P<lines>(?:[\x20-\x7e]{1,400}\n)*))"
    rb"crc32 (?P<checksum>[0-9a-f]{8})\n"
)
_NUMBER = r"[0-9]{1,9}"
_VALUES = {
    "identity": _ID,
    "phase": "[a-z]+",
    "step": "[a-z]+",
    "peer": _ADDRESS,
    "address": _ADDRESS,
    "number": _NUMBER,
    "promised": _NUMBER,
    "accepted": _NUMBER,
    "losses": _NUMBER,
    "value": "[0-9]{1,19}",
    **{
        prefix + name: pattern
        for prefix in ("", NEXT)
        for name, pattern in (
            ("epoch", _NUMBER),
            ("place", f"{_ADDRESS} {_ID}"),
            ("earlier", f"[0-9]{{1,2}} {_ADDRESS} {_ID}"),
            ("fenced", _ID),
        )
    },
}
"""What a line may say, by its first word."""


def encode_membership(membership: Membership, value: int | None = None) -> bytes:
    """:param value: what the vault holds, in its answer to a vault that rejoins."""
    lines = [f"identity {membership.identity}", f"phase {membership.phase.value}"]
    lines += [f"peer {each}" for each in membership.peers]
    if membership.roster is not None:
        lines += _roster_lines(membership.roster)
    if membership.promised:
        lines.append(f"promised {membership.promised}")
    if membership.accepted is not None:
        lines.append(f"accepted {membership.accepted.number}")
        lines += _roster_lines(membership.accepted.roster, NEXT)
    lines.append(f"losses {membership.losses}")
    if value is not None:
        lines.append(f"value {encode_number(value).decode('ascii')}")
    return _sealed("roster", lines)


def _roster_lines(roster: Roster, prefix: str = "") -> list[str]:
    lines = [f"{prefix}epoch {roster.epoch}"] if roster.epoch else []
    lines += [f"{prefix}place {each.address} {each.identity}" for each in roster.places]
    for number, place in enumerate(roster.places):
        lines += [f"{prefix}earlier {number} {address} {identity}" for address, identity in place.earlier]
    return lines + [f"{prefix}fenced {each}" for each in sorted(roster.fenced)]


def decode_membership(text: bytes) -> Membership:
    """:raises RecordDamaged: for everything that `encode_membership` did not write, and where it has a value."""
    membership, value = _decode_membership(text)
    if value is not None:
        raise RecordDamaged("it has a value")
    return membership


def decode_fence_answer(text: bytes) -> FenceAnswer:
    """:raises RecordDamaged: for a text without a value or a roster, too."""
    membership, value = _decode_membership(text)
    if value is None or membership.roster is None:
        raise RecordDamaged("it is no answer to a vault that rejoins")
    return FenceAnswer(membership.identity, membership.roster, value)


def decode_change_answer(text: bytes) -> tuple[Membership, int]:
    """What a vault is, and holds, once it has done what was asked of it for a change of the list.

    :raises RecordDamaged: for a text without a value, too.
    """
    membership, value = _decode_membership(text)
    if value is None:
        raise RecordDamaged("it has no value")
    return membership, value


def encode_change(question: ChangeQuestion) -> bytes:
    lines = [f"step {question.step.value}", f"epoch {question.epoch}", f"number {question.number}"]
    lines.append(f"value {encode_number(question.value).decode('ascii')}")
    return _sealed("change", lines + ([] if question.roster is None else _roster_lines(question.roster, NEXT)))


def decode_change(text: bytes) -> ChangeQuestion:
    """:raises RecordDamaged: for everything that `encode_change` did not write."""
    fields = _fields(text, "change")
    step = _one(fields, "step")
    if step not in set(Step):
        raise RecordDamaged(f"it asks for {step}, which is nothing")
    epoch, number, value = int(_one(fields, "epoch")), int(_one(fields, "number")), _value(fields)
    question = ChangeQuestion(Step(step), epoch, number, _roster(fields, NEXT), value or 0)
    if (question.roster is None) != (question.step is Step.PREPARE) or encode_change(question) != text:
        raise RecordDamaged("its lines are not in order")
    return question


def encode_question(question: FenceQuestion) -> bytes:
    lines = [f"identity {question.identity}", f"address {question.address}"]
    lines += [f"peer {each}" for each in question.peers]
    lines += [f"fenced {each}" for each in sorted(question.fenced)]
    return _sealed("fence", lines)


def decode_question(text: bytes) -> FenceQuestion:
    """:raises RecordDamaged: for everything that `encode_question` did not write."""
    fields = _fields(text, "fence")
    peers, fenced = tuple(fields.get("peer", ())), frozenset(fields.get("fenced", ()))
    question = FenceQuestion(_one(fields, "identity"), _one(fields, "address"), peers, fenced)
    if encode_question(question) != text:
        raise RecordDamaged("its lines are not in order")
    return question


def _decode_membership(text: bytes) -> tuple[Membership, int | None]:
    fields = _fields(text, "roster")
    phase = _one(fields, "phase")
    if phase not in set(Phase):
        raise RecordDamaged(f"it has the phase {phase}, which is none")
    membership = Membership(
        _one(fields, "identity"),
        Phase(phase),
        tuple(fields.get("peer", ())),
        _roster(fields),
        int(_one(fields, "losses")),
        int(_one(fields, "promised")) if "promised" in fields else 0,
        _accepted(fields),
    )
    if (membership.roster is None) == (membership.phase in WITH_ROSTER):
        raise RecordDamaged(f"it is {phase}, and has {'no' if membership.roster is None else 'a'} list of places")
    value = _value(fields)
    if encode_membership(membership, value) != text:
        raise RecordDamaged("its lines are not in order")
    return membership, value


def _value(fields: dict[str, list[str]]) -> int | None:
    try:
        return parse_number(_one(fields, "value").encode()) if "value" in fields else None
    except InvalidValue:
        raise RecordDamaged("it has a value that is none") from None


def _accepted(fields: dict[str, list[str]]) -> Accepted | None:
    roster = _roster(fields, NEXT)
    if (roster is None) != ("accepted" not in fields):
        raise RecordDamaged("it has accepted a list, and there is none")
    return None if roster is None else Accepted(int(_one(fields, "accepted")), roster)


def _roster(fields: dict[str, list[str]], prefix: str = "") -> Roster | None:
    """:param prefix: of the words in front of its lines."""
    if f"{prefix}place" not in fields:
        return None
    earlier: dict[int, list[tuple[str, str]]] = {}
    for line in fields.get(f"{prefix}earlier", ()):
        at, address, identity = line.split(" ")
        earlier.setdefault(int(at), []).append((address, identity))
    places = []
    for number, line in enumerate(fields[f"{prefix}place"]):
        address, identity = line.split(" ")
        places.append(Place(address, identity, tuple(earlier.pop(number, ()))))
    if earlier:
        raise RecordDamaged("somebody was in a place that there is not")
    fenced = fields.get(f"{prefix}fenced", ())
    if len(fenced) > FENCED_MAX:
        raise RecordDamaged(f"it fences more than {FENCED_MAX}")
    epoch = int(_one(fields, f"{prefix}epoch")) if f"{prefix}epoch" in fields else 0
    return Roster(tuple(places), frozenset(fenced), epoch)


def _sealed(kind: str, lines: Iterable[str]) -> bytes:
    return seal(f"glitchgrid-{kind} {_VERSION}\n".encode() + "".join(f"{line}\n" for line in lines).encode("ascii"))


def _fields(text: bytes, kind: str) -> dict[str, list[str]]:
    """The lines of a sealed text by their first words, each in order."""
    match = unseal(_SEALED, text, (_VERSION,))
    if match["kind"].decode() != kind:
        raise RecordDamaged(f"it is no {kind}")
    fields: dict[str, list[str]] = {}
    for line in match["lines"].decode("ascii").splitlines():
        name, _, said = line.partition(" ")
        if name not in _VALUES or not re.fullmatch(_VALUES[name], said):
            raise RecordDamaged("it has a line that means nothing")
        fields.setdefault(name, []).append(said)
    return fields


def _one(fields: dict[str, list[str]], name: str) -> str:
    found = fields.get(name, [])
    if len(found) != 1:
        raise RecordDamaged(f"it has {len(found)} lines for {name}")
    return found[0]


class RosterFile:
    """Where a vault keeps what it knows of its grid. Blocking, for the thread that its value is written by.

    Used while the data directory is claimed. Each save is a new file in the place of the old one.
    """

    def __init__(self, disk: IDisk) -> None:
        self._disk = disk

    @property
    def path(self) -> str:
        """For messages."""
        return os.path.join(self._disk.path, ROSTER_NAME)

    def exists(self) -> bool:
        try:
            self._disk.open(ROSTER_NAME).close()
        except FileNotFoundError:
            return False
        return True

    def identity_unless_there(self, new_identity: Callable[[], str]) -> str:
        """A new vault's identity, where there is no value.

        :raises DataDirectoryUnusable: where there is a roster, so that the vault is not new.
        """
        if self.exists():
            raise DataDirectoryUnusable(
                self._disk.path,
                f"{VALUE_NAME} is missing, and {ROSTER_NAME} is there: to have the vault rejoin, empty the directory",
            )
        return new_identity()

    def recover(self, identity: str) -> Membership | None:
        """What was saved; None where nothing was. It is written anew first, as the value is, and for the same reason.

        :param identity: that of the value's file.
        :raises StartError: when the file can't be used. Nothing is written over then.
        """
        try:
            membership = self._read(identity)
            if membership is not None:
                self.save(membership)
        except (OSError, StoreBusy) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            raise DataDirectoryUnusable(self._disk.path, getattr(cause, "strerror", None) or str(cause)) from error
        return membership

    def save(self, membership: Membership) -> None:
        """Return once it is on the disk.

        :raises StoreBusy: when there was no room or no descriptor for it: then the disk has what it had.
        :raises OSError: it may or may not be on the disk then.
        """
        file = self._new_file(encode_membership(membership))
        try:
            file.fsync()
        finally:
            with contextlib.suppress(OSError):
                file.close()
        self._disk.replace(NEW_NAME, ROSTER_NAME)
        self._disk.fsync_directory()

    def _new_file(self, text: bytes) -> IFile:
        try:
            file = self._disk.create(NEW_NAME)
        except OSError as error:
            raise StoreBusy from error
        try:
            file.write(text)
        except OSError as error:
            with contextlib.suppress(OSError):
                file.close()
            raise StoreBusy from error
        return file

    def _read(self, identity: str) -> Membership | None:
        try:
            file = self._disk.open(ROSTER_NAME)
        except FileNotFoundError:
            return None
        try:
            text = file.read(TEXT_BYTES_MAX + 1)
        finally:
            file.close()
        try:
            membership = decode_membership(text)
        except RecordDamaged as error:
            raise StoreDamaged(self.path, str(error)) from error
        if membership.identity != identity:
            raise StoreDamaged(self.path, f"it is of another vault than {VALUE_NAME}")
        return membership
