"""What a vault knows of its grid as text, and its file: what is read is what was written, or an error."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import DataDirectoryUnusable, StoreBusy, StoreDamaged
from glitchgrid.protocol.change import Accepted, ChangeQuestion, Step
from glitchgrid.protocol.member import FenceAnswer, FenceQuestion, Membership, Phase
from glitchgrid.protocol.roster import FENCED_MAX, Place, Roster
from glitchgrid.storage.record import RecordDamaged, seal
from glitchgrid.storage.rosterfile import (
    NEW_NAME,
    ROSTER_NAME,
    TEXT_BYTES_MAX,
    RosterFile,
    decode_change,
    decode_change_answer,
    decode_fence_answer,
    decode_membership,
    decode_question,
    encode_change,
    encode_membership,
    encode_question,
)
from tests.fakes import IDENTITY
from tests.memory_disk import Crashed, MemoryDisk

identities = st.text("0123456789abcdef", min_size=32, max_size=32)
addresses = st.from_regex(r"[a-z0-9.\[\]:-]{1,20}:[0-9]{1,5}", fullmatch=True)
earlier = st.lists(st.tuples(addresses, identities), max_size=3).map(tuple)
places = st.builds(Place, addresses, identities, earlier)
rosters = st.builds(
    Roster,
    st.lists(places, min_size=1, max_size=9).map(tuple),
    st.frozensets(identities, max_size=4),
    st.integers(0, 9),
)
peers = st.lists(addresses, max_size=9).map(tuple)
with_roster = st.builds(
    Membership,
    identities,
    st.sampled_from([Phase.LISTED, Phase.ENROLLED, Phase.FORMED]),
    peers,
    rosters,
    st.integers(0, 9),
    st.integers(0, 9),
    st.none() | st.builds(Accepted, st.integers(1, 9), rosters),
)
without = st.builds(Membership, identities, st.sampled_from([Phase.NEW, Phase.UNLISTED, Phase.REJOINING]), peers)

KNOWN = Membership(
    IDENTITY,
    Phase.FORMED,
    ("a:1", "b:1"),
    Roster((Place("a:1", IDENTITY), Place("b:1", "f" * 32)), frozenset({"e" * 32})),
)


class TextTests(SynchronousTestCase):
    @given(st.one_of(with_roster, without))
    def test_a_membership_is_read_back(self, membership: Membership) -> None:
        self.assertEqual(decode_membership(encode_membership(membership)), membership)

    @given(with_roster, st.integers(0, 2**63 - 1))
    def test_an_answer_is_read_back(self, membership: Membership, value: int) -> None:
        text = encode_membership(membership, value)
        assert membership.roster is not None
        self.assertEqual(decode_fence_answer(text), FenceAnswer(membership.identity, membership.roster, value))
        self.assertRaises(RecordDamaged, decode_membership, text)
        self.assertRaises(RecordDamaged, decode_fence_answer, encode_membership(membership))

    @given(st.builds(FenceQuestion, identities, addresses, peers, st.frozensets(identities, max_size=4)))
    def test_a_question_is_read_back(self, question: FenceQuestion) -> None:
        self.assertEqual(decode_question(encode_question(question)), question)
        self.assertRaises(RecordDamaged, decode_membership, encode_question(question))

    @given(with_roster, st.integers(0, 2**63 - 1))
    def test_an_answer_to_whoever_changes_the_list_is_read_back(self, membership: Membership, value: int) -> None:
        self.assertEqual(decode_change_answer(encode_membership(membership, value)), (membership, value))
        self.assertRaises(RecordDamaged, decode_change_answer, encode_membership(membership))

    @given(st.integers(0, 9), st.integers(1, 9), rosters, st.integers(0, 2**63 - 1))
    def test_what_is_asked_to_change_the_list_is_read_back(
        self, epoch: int, number: int, roster: Roster, value: int
    ) -> None:
        for question in (
            ChangeQuestion(Step.PREPARE, epoch, number),
            ChangeQuestion(Step.ACCEPT, epoch, number, roster),
            ChangeQuestion(Step.INSTALL, epoch, number, roster, value),
        ):
            self.assertEqual(decode_change(encode_change(question)), question)
            self.assertRaises(RecordDamaged, decode_question, encode_change(question))

    def test_questions_that_nobody_asks(self) -> None:
        lines = encode_change(ChangeQuestion(Step.PREPARE, 0, 1)).splitlines(keepends=True)[:-1]
        installs = encode_change(ChangeQuestion(Step.INSTALL, 0, 1, KNOWN.roster)).splitlines(keepends=True)[:-1]
        for wrong in (
            [lines[0], b"step dance\n", *lines[2:]],
            [lines[0], b"step accept\n", *lines[2:]],
            [installs[0], b"step prepare\n", *installs[2:]],
            [*lines, b"number 2\n"],
            lines[:-1],
            lines[:2] + lines[3:],
        ):
            self.assertRaises(RecordDamaged, decode_change, seal(b"".join(wrong)))

    def test_the_largest_there_is_fits(self) -> None:
        name = "x" * 253
        before = tuple((f"{name}:65535", f"{number:032x}") for number in range(FENCED_MAX))
        each = [Place(f"{name}:{port:05}", f"{port:032x}") for port in range(64)]
        each[0] = evolve(each[0], earlier=before)
        roster = Roster(tuple(each), frozenset(identity for _, identity in before))
        accepted = Accepted(9, roster)
        membership = Membership(IDENTITY, Phase.FORMED, roster.addresses, roster, 9, 9, accepted)
        text = encode_membership(membership, 2**63 - 1)
        self.assertLessEqual(len(text), TEXT_BYTES_MAX)
        decode_fence_answer(text)

    def test_every_changed_byte_is_found(self) -> None:
        text = encode_membership(KNOWN)
        for place in range(len(text)):
            for other in (text[place] ^ 1, 0):
                changed = text[:place] + bytes([other]) + text[place + 1 :]
                self.assertRaises(RecordDamaged, decode_membership, changed)

    def test_lines_that_no_vault_writes(self) -> None:
        lines = encode_membership(KNOWN).splitlines(keepends=True)[:-1]
        wrong = [
            lines[::-1],
            [*lines, b"losses 0\n"],
            lines[:1] + lines[2:],
            [*lines[:2], b"phase dreaming\n", *lines[3:]],
            [*lines[:2], b"phase new\n", *lines[3:]],
            [*lines, b"earlier 7 a:1 " + b"0" * 32 + b"\n"],
            [*lines, b"nonsense\n"],
            [*lines[:-1], b"promised 0\n", lines[-1]],
            [*lines[:-1], b"accepted 1\n", lines[-1]],
            [*lines[:-1], b"next-place a:1 " + b"0" * 32 + b"\n", lines[-1]],
            [*lines, b"value 9223372036854775808\n"],
            [*lines, b"value 01\n"],
            [b"glitchgrid-roster 2\n", *lines[1:]],
            [b"glitchgrid-vault 1\n", *lines[1:]],
        ]
        for each in wrong:
            self.assertRaises(RecordDamaged, decode_membership, seal(b"".join(each)))


class FileTests(SynchronousTestCase):
    def test_none_is_there_at_first(self) -> None:
        self.assertIsNone(RosterFile(MemoryDisk()).recover(IDENTITY))

    def test_after_a_crash_at_any_step_there_is_the_one_before_or_the_new_one(self) -> None:
        later = evolve(KNOWN, losses=1)
        for step in range(1, 7):
            disk = MemoryDisk()
            RosterFile(disk).save(KNOWN)
            disk.crash_at, disk.crash_halfway = len(disk.steps) + step, True
            try:
                RosterFile(disk).save(later)
                expected = {later}
            except Crashed:
                expected = {KNOWN, later}
            for after in disk.after_crashes():
                self.assertIn(RosterFile(after).recover(IDENTITY), expected, step)

    def test_what_was_read_is_on_the_disk_before_it_counts(self) -> None:
        """A save whose sync failed may be in the kernel's cache alone: what is read there is written anew."""
        disk = MemoryDisk()
        RosterFile(disk).save(KNOWN)
        disk.fail_at = {len(disk.steps) + 5}  # the directory's sync
        self.assertRaises(OSError, RosterFile(disk).save, evolve(KNOWN, losses=1))
        found = RosterFile(disk).recover(IDENTITY)
        for after in disk.after_power_losses():
            self.assertEqual(RosterFile(after).recover(IDENTITY), found)

    def test_where_there_is_no_room_for_it_the_one_before_stays(self) -> None:
        for step in (1, 2):  # create, write
            disk = MemoryDisk()
            RosterFile(disk).save(KNOWN)
            disk.fail_at = {len(disk.steps) + step}
            self.assertRaises(StoreBusy, RosterFile(disk).save, evolve(KNOWN, losses=1))
            for after in disk.after_crashes():
                self.assertEqual(RosterFile(after).recover(IDENTITY), KNOWN)
            disk.fail_at = {len(disk.steps) + step + 3}
            error = self.assertRaises(DataDirectoryUnusable, RosterFile(disk).recover, IDENTITY)
            self.assertIn("/data cannot be used", str(error))

    def test_a_damaged_one_is_named_and_left(self) -> None:
        disk = MemoryDisk()
        disk.put(ROSTER_NAME, b"nothing")
        error = self.assertRaises(StoreDamaged, RosterFile(disk).recover, IDENTITY)
        self.assertEqual(str(error), "/data/roster is damaged: it is not a vault's record")
        self.assertEqual((disk.durable(ROSTER_NAME), disk.cached(NEW_NAME)), (b"nothing", None))
