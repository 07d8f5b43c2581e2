"""Lists of vaults: when two are one, who comes in whose place, and what is known of both together."""

import hashlib

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.protocol.roster import Place, Roster, list_digest

A, B, C, B2, B3, C2 = (each * 16 for each in ("a1", "b1", "c1", "b2", "b3", "c2"))
HERE = ("a:1", "b:1", "c:1")


def roster(*identities: str, addresses: tuple[str, ...] = HERE) -> Roster:
    return Roster(tuple(map(Place, addresses, identities)))


BORN = roster(A, B, C)


class DigestTests(SynchronousTestCase):
    def test_it_is_over_the_sorted_addresses_one_a_line(self) -> None:
        self.assertEqual(list_digest(["b:1", "a:1"]), hashlib.sha256(b"a:1\nb:1\n").hexdigest())
        self.assertEqual(list_digest(["a:1", "b:1"]), list_digest(["b:1", "a:1"]))

    def test_an_address_from_before_is_known_as_such(self) -> None:
        moved = BORN.taken(1, B2, "b:2", ()).taken(2, C2, "c:2", ())
        now, before = moved.digests()
        self.assertEqual(now, list_digest(["a:1", "b:2", "c:2"]))
        lists = [("b:1", "c:1"), ("b:1", "c:2"), ("b:2", "c:1")]
        self.assertEqual(before, {list_digest(["a:1", *each]) for each in lists})

    def test_a_list_that_was_never_the_grids_is_unknown(self) -> None:
        now, before = BORN.taken(1, B2, "b:2", ()).digests()
        self.assertNotIn(list_digest(["a:1", "b:3", "c:1"]), {now, *before})


class PlaceTests(SynchronousTestCase):
    def test_of_a_vault_at_the_same_address(self) -> None:
        self.assertEqual(BORN.place_for("b:1", HERE), 1)

    def test_of_a_vault_at_another_address_by_the_one_difference_of_the_lists(self) -> None:
        self.assertEqual(BORN.place_for("b:2", ("a:1", "b:2", "c:1")), 1)
        self.assertIsNone(BORN.place_for("b:2", ("a:1", "b:2", "c:2")))
        self.assertIsNone(BORN.place_for("b:2", ("a:1", "b:2", "c:1", "d:1")))

    def test_of_a_vault_that_comes_back_to_an_address_from_before(self) -> None:
        self.assertEqual(BORN.taken(1, B2, "b:2", ()).place_for("b:1", HERE), 1)

    def test_a_list_may_have_one_address_that_is_new(self) -> None:
        self.assertTrue(BORN.allows(HERE))
        self.assertTrue(BORN.allows(("a:1", "b:2", "c:1")))
        self.assertFalse(BORN.allows(("a:1", "b:2", "c:2")))
        self.assertFalse(BORN.allows(("a:1", "b:1")))
        self.assertFalse(BORN.allows((*HERE, "d:1")))

    def test_addresses_from_before_are_not_new(self) -> None:
        moved = BORN.taken(1, B2, "b:2", ()).taken(2, C2, "c:2", ())
        self.assertTrue(moved.allows(("a:3", "b:1", "c:1")))


class TakenTests(SynchronousTestCase):
    def test_all_that_were_there_are_fenced(self) -> None:
        after = BORN.taken(1, B3, "b:1", {B2})
        self.assertEqual(after.fenced, {B, B2})
        self.assertEqual((after.identities, after.places[1].identities), ((A, B3, C), {B, B2, B3}))
        self.assertEqual(after.places[0], BORN.places[0])

    def test_to_be_taken_again_by_the_same_changes_nothing(self) -> None:
        after = BORN.taken(1, B2, "b:1", ())
        self.assertEqual(after.taken(1, B2, "b:1", {B}), after)

    def test_a_fence_on_the_one_who_comes_stays(self) -> None:
        fenced = Roster(BORN.places, frozenset({B2}))
        self.assertIn(B2, fenced.taken(1, B2, "b:1", ()).fenced)


class MergedTests(SynchronousTestCase):
    def test_whoever_is_not_fenced_is_the_latest_in_his_place(self) -> None:
        knows = BORN.taken(1, B2, "b:2", ())
        for merged in (BORN.merged(knows), knows.merged(BORN)):
            self.assertEqual((merged.identities, merged.fenced), ((A, B2, C), {B}))
            self.assertEqual(merged.places[1].address, "b:2")
            self.assertEqual(merged.places[1].identities, {B, B2})

    def test_both_have_seen_another_place_taken(self) -> None:
        merged = BORN.taken(1, B2, "b:1", ()).merged(BORN.taken(2, C2, "c:1", ()))
        self.assertEqual((merged.identities, merged.fenced), ((A, B2, C2), {B, C}))

    def test_two_took_a_place_and_the_later_one_knew_of_the_earlier(self) -> None:
        first = BORN.taken(1, B2, "b:1", ())
        last = first.taken(1, B3, "b:1", ())
        for merged in (first.merged(last), last.merged(first), BORN.merged(last)):
            self.assertEqual((merged.identities, merged.fenced), ((A, B3, C), {B, B2}))
