"""What a vault decides as a member of its grid."""

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import Misfit
from glitchgrid.protocol.member import (
    CannotFence,
    FenceAnswer,
    FenceQuestion,
    Member,
    Membership,
    Phase,
    answers_needed,
)
from glitchgrid.protocol.roster import FENCED_MAX, Place, Roster
from tests.protocol.test_roster import B2, B3, BORN, C2, HERE, A, B, C, roster


def new(identity: str, phase: Phase = Phase.NEW, peers: tuple[str, ...] = HERE) -> Membership:
    return Membership(identity, phase, peers)


def formed(identity: str, known: Roster = BORN, phase: Phase = Phase.FORMED) -> Membership:
    return Membership(identity, phase, HERE, known)


def listed(identity: str, known: Roster = BORN) -> Membership:
    return formed(identity, known, Phase.LISTED)


def grid(*memberships: Membership) -> dict[str, Membership]:
    return dict(zip(HERE, memberships, strict=True))


class LearningTests(SynchronousTestCase):
    """One of five vaults was away while a place was taken, for which three others were enough."""

    PEERS = ("a:1", "b:1", "c:1", "d:1", "e:1")
    BORN = Roster(tuple(Place(each, each[0] * 32) for each in PEERS))
    MOVED = BORN.taken(0, "f" * 32, "x:1", ())

    def setUp(self) -> None:
        self.away = Member(Membership("e" * 32, Phase.FORMED, self.PEERS, self.BORN))

    def hear(self, *known: tuple[str, str, Roster], phase: Phase = Phase.FORMED) -> Membership | None:
        others = {address: Membership(identity * 32, phase, self.PEERS, each) for address, identity, each in known}
        return self.away.hear({"e:1": self.away.now, **others})

    def test_it_learns_of_that_from_one_who_knows(self) -> None:
        after = self.hear(("b:1", "b", self.BORN), ("c:1", "c", self.MOVED))
        assert after is not None
        self.assertEqual(after, evolve(self.away.now, roster=self.MOVED))
        self.away.adopt(after)
        self.assertEqual(self.away.fenced, {"a" * 32})
        self.assertTrue(self.away.votes)
        self.assertIsNone(self.hear(("b:1", "b", self.BORN), ("c:1", "c", self.MOVED)))

    def test_what_two_know_is_taken_together(self) -> None:
        other = self.BORN.taken(1, "9" * 32, "b:1", ())
        after = self.hear(("c:1", "c", self.MOVED), ("d:1", "d", other))
        assert after is not None
        assert after.roster is not None
        self.assertEqual(after.roster.fenced, {"a" * 32, "b" * 32})
        self.assertEqual(after.roster.addresses, ("x:1", "b:1", "c:1", "d:1", "e:1"))

    def test_nothing_of_those_whose_list_is_not_certain_yet_nor_of_another_grid(self) -> None:
        self.assertIsNone(self.hear(("c:1", "c", self.MOVED), phase=Phase.LISTED))
        other = Roster(tuple(Place(each, f"{number}" * 32) for number, each in enumerate(self.PEERS)), frozenset({"7"}))
        self.assertIsNone(self.hear(("c:1", "2", other)))

    def test_not_that_it_is_replaced_itself(self) -> None:
        self.assertIsNone(self.hear(("c:1", "c", self.BORN.taken(4, "9" * 32, "e:1", ()))))
        self.assertFalse(self.away.votes)

    def test_nothing_while_the_list_is_being_changed(self) -> None:
        self.away.adopt(evolve(self.away.now, promised=3))
        self.assertIsNone(self.hear(("c:1", "c", self.MOVED)))


class BirthTests(SynchronousTestCase):
    def test_a_new_vault_lists_all_when_it_has_heard_all(self) -> None:
        member = Member(new(A))
        self.assertIsNone(member.hear({"a:1": new(A), "b:1": new(B)}))
        self.assertIn("it waits for c:1", member.waits)
        after = member.hear(grid(new(A), new(B), new(C)))
        self.assertEqual(after, listed(A))
        self.assertFalse(member.votes)

    def test_it_has_to_find_itself_first(self) -> None:
        member = Member(new(A))
        self.assertIsNone(member.hear({"b:1": new(B), "c:1": new(C)}))
        self.assertEqual(member.waits, "none of b:1, c:1 is this vault itself: it waits for a:1")
        self.assertEqual(member.hear(grid(new(A), new(B), new(C))), listed(A))

    def test_it_is_formed_when_all_others_hold_its_list(self) -> None:
        member = Member(listed(A))
        for others in ([new(B), listed(C)], [listed(B, roster(A, B, C2)), listed(C)]):
            self.assertIsNone(member.hear(grid(listed(A), *others)))
            self.assertIn("b:1", member.waits)
            self.assertFalse(member.votes)
        after = member.hear(grid(listed(A), formed(B), listed(C)))
        assert after is not None
        member.adopt(after)
        self.assertEqual((after, member.votes, member.waits), (formed(A), True, ""))

    def test_a_listed_one_learns_of_a_place_that_was_taken_meanwhile(self) -> None:
        member, taken = Member(listed(A)), BORN.taken(1, B2, "b:1", ())
        after = member.hear(grid(listed(A), formed(B2, taken), listed(C, taken)))
        assert after is not None
        self.assertEqual((after.phase, after.roster), (Phase.LISTED, taken))
        member.adopt(after)
        self.assertEqual(member.hear(grid(after, formed(B2, taken), listed(C, taken))), formed(A, taken))

    def test_a_new_vault_in_the_list_of_all_who_have_one_takes_that(self) -> None:
        member = Member(new(A))
        self.assertIsNone(member.hear({"a:1": new(A), "c:1": listed(C)}))
        self.assertIn("it waits for b:1", member.waits)
        for other in (new(B), listed(B)):
            self.assertEqual(member.hear(grid(new(A), other, listed(C))), listed(A))

    def test_it_takes_none_of_two(self) -> None:
        member = Member(new(A))
        self.assertIsNone(member.hear(grid(new(A), listed(B, roster(A, B, C2)), listed(C))))
        self.assertIn("two lists", member.waits)
        taken = BORN.taken(1, B2, "b:1", ())
        after = member.hear(grid(new(A), formed(B2, taken), listed(C)))
        self.assertEqual(after, listed(A, taken))

    def test_a_vault_alone_is_a_grid(self) -> None:
        member = Member(new(A, peers=("a:1",)))
        for phase in (Phase.LISTED, Phase.FORMED):
            after = member.hear({"a:1": member.now})
            assert after is not None
            member.adopt(after)
            self.assertEqual(after.phase, phase)
        self.assertTrue(member.votes)

    def test_vaults_that_hold_values_go_on_voting_and_form_together(self) -> None:
        old = [new(each, Phase.UNLISTED) for each in (A, B, C)]
        member = Member(old[0])
        self.assertTrue(member.votes)
        after = member.hear(grid(*old))
        self.assertEqual(after, formed(A, phase=Phase.ENROLLED))
        assert after is not None
        member.adopt(after)
        self.assertTrue(member.votes)
        others = (formed(B, phase=Phase.ENROLLED), formed(C))
        self.assertEqual(member.hear(grid(after, *others)), formed(A))

    def test_an_empty_vault_among_such_is_not_taken_for_a_new_one(self) -> None:
        heard = grid(new(A), new(B, Phase.UNLISTED), new(C, Phase.UNLISTED))
        for at, empty_first in ((A, True), (B, False)):
            member = Member(heard["a:1" if empty_first else "b:1"])
            self.assertEqual(member.now.identity, at)
            self.assertIsNone(member.hear(heard))
            self.assertIn("holds a value and a:1 none", member.waits)

    def test_one_that_was_started_with_another_list_is_named(self) -> None:
        member = Member(new(A))
        self.assertIsNone(member.hear(grid(new(A), new(B, peers=("a:1", "b:1", "d:1")), new(C))))
        self.assertIn("b:1 was started with --peers a:1,b:1,d:1", member.waits)
        self.assertIsNone(member.hear(grid(new(A), new(B, peers=()), new(C))))
        self.assertIn("b:1 was started with no --peers", member.waits)


class MisfitTests(SynchronousTestCase):
    def misfit(self, membership: Membership, heard: dict[str, Membership]) -> str:
        return str(self.assertRaises(Misfit, Member(membership).hear, heard))

    def test_a_list_without_the_vault_itself(self) -> None:
        self.assertIn("none of them leads to this vault", self.misfit(new(A), grid(new(B2), new(B), new(C))))

    def test_a_list_in_which_it_is_twice(self) -> None:
        self.assertIn("a:1 and c:1 are one vault", self.misfit(new(A), {"a:1": new(A), "c:1": new(A)}))

    def test_a_list_in_which_another_is_twice(self) -> None:
        self.assertIn("two of the addresses", self.misfit(new(A), grid(new(A), new(B), new(B))))

    def test_a_list_of_another_length_than_the_rosters(self) -> None:
        longer = (*HERE, "d:1")
        heard = {"a:1": new(A, peers=longer), "b:1": formed(B)}
        self.assertIn("the grid has a:1, b:1, c:1", self.misfit(new(A, peers=longer), heard))
        self.assertRaises(Misfit, Member, evolve(formed(A), peers=longer))

    def test_a_directory_with_a_value_that_no_roster_knows(self) -> None:
        self.assertIn("of another grid", self.misfit(new(B2, Phase.UNLISTED), {"b:1": new(B2), "a:1": formed(A)}))

    def test_a_directory_with_the_roster_of_another_grid(self) -> None:
        others = roster("1" * 32, "2" * 32, "3" * 32)
        heard = grid(formed(A), formed("2" * 32, others), formed("3" * 32, others))
        self.assertIn("of another grid", self.misfit(formed(A), heard))

    def test_one_vault_of_another_grid_stops_nobody(self) -> None:
        stranger = formed("2" * 32, roster("1" * 32, "2" * 32))
        for heard in ({"a:1": formed(A), "b:1": stranger}, grid(formed(A), stranger, formed(C))):
            member = Member(formed(A))
            self.assertIsNone(member.hear(heard))
            self.assertTrue(member.votes)


class RejoiningTests(SynchronousTestCase):
    """B's disk is lost, and B2 comes in its place."""

    def rejoining(self, heard: dict[str, Membership] | None = None, identity: str = B2) -> Member:
        member = Member(new(identity))
        after = member.hear({"b:1": new(identity), **(heard or {"a:1": formed(A), "c:1": formed(C)})})
        self.assertEqual(after, new(identity, Phase.REJOINING))
        assert after is not None
        member.adopt(after)
        return member

    def fenced_by(self, peer: Membership, member: Member, value: int) -> Membership:
        question = member.question()
        assert question is not None
        after = Member(peer).fence(question)
        assert after.roster is not None
        member.hear_fence(FenceAnswer(after.identity, after.roster, value))
        return after

    def test_it_takes_the_largest_value_and_all_that_was_heard(self) -> None:
        member = self.rejoining()
        self.assertFalse(member.votes)
        self.assertEqual(member.question(), FenceQuestion(B2, "b:1", HERE, frozenset({B})))
        knows_more = formed(C, Roster(BORN.places, frozenset({"f" * 32})))
        self.fenced_by(formed(A), member, 5)
        self.assertIsNone(member.join())
        self.assertIn("1 of the 2 peers that it takes have let it in; it waits for c:1", member.waits)
        self.fenced_by(knows_more, member, 9)
        joined = member.join()
        assert joined is not None
        value, after = joined
        assert after.roster is not None
        self.assertEqual((value, after.phase), (9, Phase.FORMED))
        self.assertEqual((after.roster.identities, after.roster.fenced), ((A, B2, C), {B, "f" * 32}))
        member.adopt(after)
        self.assertTrue(member.votes)

    def test_it_asks_again_when_one_peer_knows_of_more(self) -> None:
        member = self.rejoining({"a:1": formed(A)}, B3)
        self.fenced_by(formed(A), member, 5)
        self.fenced_by(formed(C, BORN.taken(1, B2, "b:1", ())), member, 5)
        self.assertIsNone(member.join())
        question = member.question()
        assert question is not None
        self.assertEqual(question.fenced, {B, B2})
        self.fenced_by(formed(A), member, 5)
        joined = member.join()
        assert joined is not None
        assert joined[1].roster is not None
        self.assertEqual(joined[1].roster.fenced, {B, B2})

    def test_an_answer_with_another_number_of_places_is_not_counted(self) -> None:
        member = self.rejoining()
        self.fenced_by(formed(A), member, 5)
        longer = Roster((*BORN.places, Place("d:1", "d" * 32)), frozenset({B}))
        member.hear_fence(FenceAnswer(C, longer, 9))
        self.assertIsNone(member.join())
        self.fenced_by(formed(C), member, 6)
        joined = member.join()
        assert joined is not None
        self.assertEqual(joined[0], 6)

    def test_a_peer_that_is_fenced_by_another_is_not_counted(self) -> None:
        member = self.rejoining()
        self.fenced_by(formed(A), member, 5)
        self.fenced_by(formed(C, Roster(BORN.places, frozenset({A}))), member, 5)
        self.assertIsNone(member.join())

    def test_a_later_answer_of_a_place_counts_in_the_place_of_the_earlier_one(self) -> None:
        member = self.rejoining()
        self.fenced_by(formed(A), member, 5)
        self.fenced_by(formed(A), member, 7)
        self.assertIsNone(member.join())
        self.fenced_by(formed(C), member, 6)
        joined = member.join()
        assert joined is not None
        self.assertEqual(joined[0], 7)

    def test_nothing_that_was_heard_before_a_restart_counts(self) -> None:
        member = self.rejoining()
        self.fenced_by(formed(A), member, 5)
        again = Member(member.now)
        again.hear({"b:1": member.now, "a:1": formed(A), "c:1": formed(C)})
        self.fenced_by(formed(C), again, 5)
        self.assertIsNone(again.join())

    def test_it_comes_at_another_address(self) -> None:
        peers = ("a:1", "b:2", "c:1")
        member = Member(new(B2, peers=peers))
        after = member.hear({"b:2": new(B2, peers=peers), "a:1": formed(A), "c:1": formed(C)})
        assert after is not None
        member.adopt(after)
        for peer in (formed(A), formed(C)):
            self.fenced_by(peer, member, 5)
        joined = member.join()
        assert joined is not None
        assert joined[1].roster is not None
        self.assertEqual(joined[1].roster.addresses, peers)

    def test_how_many_it_takes(self) -> None:
        self.assertEqual([answers_needed(vaults) for vaults in range(1, 8)], [0, 1, 2, 3, 3, 4, 4])


class MovedTests(SynchronousTestCase):
    def test_a_directory_that_was_taken_to_another_address_votes_and_says_where_it_is_listed(self) -> None:
        peers = ("a:2", "b:1", "c:1")
        moved = evolve(formed(A), peers=peers)
        member = Member(moved)
        for _ in range(2):
            self.assertIsNone(member.hear({"a:2": moved, "b:1": formed(B), "c:1": formed(C)}))
            self.assertTrue(member.votes)
            self.assertIn("it is at a:2, and listed at a:1", member.waits)
        for _ in range(2):
            member.hear({"a:1": moved, "b:1": formed(B), "c:1": formed(C)})
            self.assertEqual(member.waits, "")


class FencingTests(SynchronousTestCase):
    question = FenceQuestion(B2, "b:1", HERE, frozenset({B}))

    def refused(self, peer: Membership, question: FenceQuestion) -> str:
        return str(self.assertRaises(CannotFence, Member(peer).fence, question))

    def test_what_is_written_already_is_not_written_again(self) -> None:
        after = Member(formed(A)).fence(self.question)
        self.assertEqual(Member(after).fence(self.question), after)
        self.assertEqual(Member(after).fenced, {B})

    def test_a_listed_vault_takes_fences_too(self) -> None:
        self.assertEqual(Member(listed(A)).fence(self.question).phase, Phase.LISTED)

    def test_one_without_a_roster_does_not(self) -> None:
        for phase in (Phase.NEW, Phase.UNLISTED, Phase.REJOINING):
            self.assertIn("no roster", self.refused(new(A, phase), self.question))

    def test_who_is_fenced_is_not_let_in(self) -> None:
        peer = formed(A, BORN.taken(1, B2, "b:1", ()).taken(1, B3, "b:1", ()))
        self.assertIn("replaced itself", self.refused(peer, self.question))

    def test_a_vault_that_knows_that_it_is_fenced_lets_nobody_in(self) -> None:
        member = Member(formed(A))
        member.hear({"a:1": formed(A), "c:1": formed(C, Roster(BORN.places, frozenset({A})))})
        self.assertFalse(member.votes)
        self.assertIn("empty its data directory", member.waits)
        self.assertRaises(CannotFence, member.fence, self.question)

    def test_a_list_that_does_not_fit(self) -> None:
        for question in (
            evolve(self.question, peers=(*HERE, "d:1")),
            evolve(self.question, address="d:1"),
            evolve(self.question, address="b:2", peers=("a:1", "b:2", "c:2")),
        ):
            self.assertIn("the grid has a:1, b:1, c:1", self.refused(formed(A), question))

    def test_nobody_takes_the_place_of_the_vault_that_is_asked(self) -> None:
        self.assertIn("own place", self.refused(formed(A), evolve(self.question, address="a:1")))

    def test_nobody_fences_whoever_is_in_another_place(self) -> None:
        self.assertIn("another place", self.refused(formed(A), evolve(self.question, fenced=frozenset({C}))))

    def test_there_is_a_last_replacement(self) -> None:
        known = Roster(BORN.places, frozenset(f"{number:032x}" for number in range(FENCED_MAX)))
        self.assertIn("the most", self.refused(formed(A, known), self.question))
