"""More or fewer vaults: nothing that was acknowledged is lost, whoever is at work and whatever gets lost."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.peers.change import Standing, stand_of
from glitchgrid.protocol import change
from glitchgrid.protocol.change import Accepted, CannotChange, ChangeAnswer, ChangeQuestion, Promises, Step
from glitchgrid.protocol.member import CannotFence, FenceQuestion, Member, Membership, Phase
from glitchgrid.protocol.roster import FENCED_MAX, Place, Roster
from tests.protocol.changing_world import LISTS, Vault, World
from tests.protocol.test_member import formed, grid, new
from tests.protocol.test_roster import B2, BORN, HERE, A, B, C

SEEDS = 150
TOO_MANY_SEEDS = 1500
"""A shortcut that is not seen in so many is not looked for."""

D = "d" * 32
FOUR = (*HERE, "d:1")
WITH_D = BORN.changed(FOUR, {"d:1": D})
THREE = {"a": formed(A), "b": formed(B), "c": formed(C)}
PREPARE = ChangeQuestion(Step.PREPARE, 0, 1)
ACCEPT = ChangeQuestion(Step.ACCEPT, 0, 1, WITH_D)
INSTALL = ChangeQuestion(Step.INSTALL, 0, 1, WITH_D, 5)


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_nothing_is_lost(lists: Sequence[str]) -> None:
    changed = reads = 0
    for seed in range(SEEDS):
        world = World(seed, lists)
        world.run()
        assert world.wrong == [], seed
        changed += world.changed
        reads += world.reads
    assert changed > SEEDS // 4
    assert reads > SEEDS // 3


def goes_on_after_its_promise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Member, "is_changing", False)


def installs_without_the_value(patch: pytest.MonkeyPatch) -> None:
    def empty(self: Vault, question: ChangeQuestion) -> tuple[Membership, int]:
        return change_of(self, evolve(question, value=0))

    change_of = Vault.change
    patch.setattr(Vault, "change", empty)


def believes_the_list_alone(patch: pytest.MonkeyPatch) -> None:
    def enter(self: Member, me: str, others: Mapping[str, Membership]) -> Membership:
        rosters = [each.roster for each in others.values() if each.roster is not None]
        return evolve(self.now, phase=Phase.FORMED, roster=max(rosters, key=lambda each: each.epoch))

    patch.setattr(Member, "_enter", enter)


def one_promise_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(change, "majority", lambda vaults: 1)


def answers_a_store_that_was_let_in_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(World, "lets_in_once", True)


SHORTCUTS: Sequence[tuple[Callable[[pytest.MonkeyPatch], None], Sequence[str]]] = (
    (goes_on_after_its_promise, LISTS["no old ones"]),
    (installs_without_the_value, LISTS["others"]),
    (believes_the_list_alone, LISTS["others"]),
    (one_promise_is_enough, LISTS["others"]),
    (answers_a_store_that_was_let_in_before, LISTS["no old ones"]),
)


@pytest.mark.parametrize(("shortcut", "lists"), SHORTCUTS, ids=[each.__name__ for each, _ in SHORTCUTS])
def test_each_shortcut_loses_something(
    shortcut: Callable[[pytest.MonkeyPatch], None], lists: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shortcut(monkeypatch)
    for seed in range(TOO_MANY_SEEDS):
        world = World(seed, lists)
        world.run()
        lost = [each for each in world.wrong if "was acknowledged" in each]
        if lost:
            return
    pytest.fail(f"nothing was lost in {TOO_MANY_SEEDS} seeds")


class VaultTests(SynchronousTestCase):
    """What a vault does when somebody changes the list."""

    def after(self, member: Member, question: ChangeQuestion) -> Membership:
        after = member.change(question)
        member.adopt(after)
        return after

    def refusal(self, member: Member, question: ChangeQuestion) -> str:
        return str(self.assertRaises(CannotChange, member.change, question))

    def test_from_its_promise_on_it_serves_nothing_and_lets_nobody_in(self) -> None:
        member = Member(formed(A))
        self.assertEqual(self.after(member, PREPARE), evolve(formed(A), promised=1))
        self.assertEqual((member.votes, member.votes_by_its_list, member.is_settled), (False, True, False))
        question = FenceQuestion(B2, "b:1", HERE, frozenset({B}))
        self.assertIn("is being changed", str(self.assertRaises(CannotFence, member.fence, question)))
        member.hear(grid(formed(A), formed(B), formed(C)))
        self.assertIn("has to be run to its end", member.waits)

    def test_it_heeds_the_largest_number(self) -> None:
        member = Member(evolve(formed(A), promised=3))
        self.assertIn("another change is under way, with number 3", self.refusal(member, evolve(PREPARE, number=3)))
        self.assertIn("with number 3", self.refusal(member, evolve(ACCEPT, number=2)))
        self.assertEqual(self.after(member, evolve(ACCEPT, number=3)).accepted, Accepted(3, WITH_D))
        other = BORN.changed(("a:1", "b:1"), {})
        after = self.after(member, evolve(ACCEPT, number=4, roster=other))
        self.assertEqual((after.promised, after.accepted), (4, Accepted(4, other)))

    def test_a_promise_by_another_list_is_none(self) -> None:
        member = Member(evolve(formed(A, WITH_D), peers=FOUR))
        self.assertIs(member.change(PREPARE), member.now)
        self.assertIs(member.change(ACCEPT), member.now)

    def test_one_that_does_not_vote_has_no_part(self) -> None:
        for membership in (new(A), formed(A, phase=Phase.LISTED), formed(B, BORN.taken(1, B2, "b:1", ()))):
            self.assertIn("does not vote", self.refusal(Member(membership), PREPARE))

    def test_the_next_list_is_installed(self) -> None:
        promised = evolve(formed(A), promised=1, accepted=Accepted(1, WITH_D))
        expected = Membership(A, Phase.FORMED, FOUR, WITH_D)
        rejoining = Membership(A, Phase.REJOINING, FOUR)
        for before in (formed(A), promised, rejoining, formed(A, phase=Phase.ENROLLED)):
            member = Member(before)
            self.assertEqual(self.after(member, INSTALL), expected)
            self.assertTrue(member.votes)
            self.assertIs(member.change(INSTALL), member.now)
        self.assertEqual(self.after(Member(new(D, peers=FOUR), is_added=True), INSTALL), evolve(expected, identity=D))

    def test_one_that_is_left_out_votes_no_more(self) -> None:
        without_c = BORN.changed(("a:1", "b:1"), {})
        member = Member(formed(C))
        after = self.after(member, evolve(INSTALL, roster=without_c))
        self.assertEqual((after.peers, after.roster, member.votes), (HERE, without_c, False))

    def test_a_stranger_installs_nothing(self) -> None:
        self.assertIn("never was", self.refusal(Member(new(B2, peers=FOUR)), INSTALL))
        self.assertIn("no next list", self.refusal(Member(formed(A)), evolve(INSTALL, epoch=1)))
        self.assertIn("no next list", self.refusal(Member(formed(A)), evolve(INSTALL, roster=None)))

    def test_one_that_was_away_asks_what_it_has_missed(self) -> None:
        """It may not hold what its peers held when they went over to the next list."""
        member = Member(evolve(formed(A), promised=1))
        after = member.hear({"a:1": formed(A), "b:1": Membership(B, Phase.FORMED, FOUR, WITH_D)})
        self.assertEqual(after, Membership(A, Phase.REJOINING, FOUR))

    def test_so_does_a_new_one_that_the_list_has(self) -> None:
        member = Member(new(D, peers=FOUR), is_added=True)
        self.assertIsNone(member.hear({"d:1": member.now, "a:1": formed(A), "b:1": new(B, peers=FOUR)}))
        self.assertIn("'glitchgrid roster change'", member.waits)
        after = member.hear({"d:1": member.now, "a:1": Membership(A, Phase.FORMED, FOUR, WITH_D)})
        self.assertEqual(after, Membership(D, Phase.REJOINING, FOUR))

    def test_one_that_was_away_and_is_left_out(self) -> None:
        member = Member(formed(C))
        without_c = BORN.changed(("a:1", "b:1"), {})
        self.assertIsNone(member.hear(grid(formed(A, without_c), formed(B), formed(C))))
        self.assertEqual(
            (member.votes, member.waits), (False, "it is not of its grid any more, whose vaults are a:1, b:1: stop it")
        )


class StandingTests(SynchronousTestCase):
    """What is looked at before anything is changed."""

    def stand(self, to: Sequence[str], heard: Mapping[str, Membership], vaults: Sequence[str] = HERE) -> Standing:
        """:param heard: by the letters of their addresses."""
        by_address = {f"{letter}:1": membership for letter, membership in heard.items()}
        return stand_of(vaults, to, by_address, dict.fromkeys((*vaults, *to), "Connection refused"))

    def refusal(self, to: Sequence[str], heard: Mapping[str, Membership], vaults: Sequence[str] = HERE) -> str:
        return str(self.assertRaises(CannotChange, self.stand, to, heard, vaults))

    def test_one_more(self) -> None:
        plan = self.stand(FOUR, THREE | {"d": new(D, peers=FOUR)})
        self.assertEqual(
            plan, Standing(BORN, {"d:1": D}, 1, False, "1. all vaults of the next list are up; 1 come, 0 go")
        )

    def test_one_less(self) -> None:
        self.assertEqual(self.stand(("a:1", "b:1"), THREE).roster, BORN)

    def test_what_would_lose_something(self) -> None:
        added = new(D, peers=FOUR)
        self.assertIn("d:1 does not answer (Connection refused): start it", self.refusal(FOUR, THREE))
        self.assertIn(
            "d:1 is unlisted, and no new vault", self.refusal(FOUR, THREE | {"d": new(D, Phase.UNLISTED, FOUR)})
        )
        self.assertIn("d:1 was started with --peers a:1,b:1,c:1", self.refusal(FOUR, THREE | {"d": new(D)}))
        away = {"a": THREE["a"], "b": THREE["b"], "d": added}
        self.assertIn("c:1 does not answer (Connection refused)", self.refusal(FOUR, away))
        for phase in (Phase.LISTED, Phase.REJOINING):
            roster = BORN if phase is Phase.LISTED else None
            late = THREE | {"c": Membership(C, phase, HERE, roster)}
            self.assertIn(f"c:1 does not vote, it is {phase}", self.refusal(FOUR, late | {"d": added}))
        self.assertIn("bad --to: these are", self.refusal(HERE, THREE))
        self.assertIn(
            "bad --vaults: the vaults of the grid are a:1,b:1,c:1", self.refusal(FOUR, THREE | {"d": added}, HERE[:2])
        )
        self.assertIn("no vault of --vaults has a list", self.refusal(FOUR, {"a": new(A), "b": new(B), "c": new(C)}))

    def test_vaults_of_two_grids(self) -> None:
        elsewhere = Membership(D, Phase.FORMED, ("c:1", "d:1"), Roster((Place("c:1", B2), Place("d:1", D))))
        refusal = self.refusal(FOUR, THREE | {"c": elsewhere, "d": new(D, peers=FOUR)})
        self.assertEqual(refusal, "bad --vaults: c:1 is of another grid, of c:1,d:1")
        self.assertIn("d:1 is of another grid, of c:1,d:1", self.refusal(FOUR, THREE | {"d": elsewhere}))

    def test_one_that_is_left_out_need_not_be_up(self) -> None:
        self.assertEqual(self.stand(("a:1", "b:1"), {"a": THREE["a"], "b": THREE["b"]}).roster, BORN)

    def test_what_was_begun_goes_on(self) -> None:
        begun = THREE | {"b": evolve(formed(B), promised=7, accepted=Accepted(7, WITH_D))}
        plan = self.stand(FOUR, begun)
        self.assertEqual((plan.number, plan.is_agreed_on, bool(plan.problem)), (8, False, True))

    def test_to_go_back_is_a_change_too(self) -> None:
        plan = self.stand(HERE, THREE | {"b": evolve(formed(B), promised=7)})
        self.assertEqual((plan.roster, plan.number), (BORN, 8))

    def test_what_some_have_installed_is_installed_at_the_others(self) -> None:
        plan = self.stand(FOUR, THREE | {"a": Membership(A, Phase.FORMED, FOUR, WITH_D)})
        self.assertEqual((plan.roster, plan.is_agreed_on), (WITH_D, True))


class PromiseTests(SynchronousTestCase):
    def test_it_takes_a_majority_of_those_that_count(self) -> None:
        self.assertIsNone(change.promises([promise(A)], 0, 1))
        taken = BORN.taken(1, B2, "b:1", ())
        self.assertIsNone(change.promises([promise(A, roster=taken), promise(B)], 0, 1))
        self.assertIsNone(change.promises([promise(A), promise(A)], 0, 1))
        self.assertIsNone(change.promises([promise(A), evolve(promise(B), promised=2)], 0, 1))
        self.assertIsNone(change.promises([promise(A), evolve(promise(B), votes=False)], 0, 1))
        self.assertEqual(change.promises([promise(A, 3), promise(B, 5)], 0, 1), Promises(BORN, 5, None))

    def test_what_was_accepted_by_the_largest_number_is_proposed(self) -> None:
        other = BORN.changed(("a:1", "b:1"), {})
        first = evolve(promise(A), accepted=Accepted(1, other))
        second = evolve(promise(B), accepted=Accepted(2, WITH_D))
        promised = change.promises([first, second], 0, 1)
        assert promised is not None
        self.assertEqual(promised.next_list(FOUR, {}), WITH_D)
        refusal = str(self.assertRaises(CannotChange, promised.next_list, ("a:1", "b:1"), {}))
        self.assertIn("a change to a:1,b:1,c:1,d:1 was begun", refusal)

    def test_there_is_a_most_of_them(self) -> None:
        fenced = frozenset(f"{number:032x}" for number in range(FENCED_MAX))
        promised = Promises(evolve(BORN, fenced=fenced), 0, None)
        self.assertEqual(promised.next_list(FOUR, {"d:1": D}).fenced, fenced)
        self.assertIn("which is the most", str(self.assertRaises(CannotChange, promised.next_list, HERE[:2], {})))

    def test_who_is_not_known_is_not_listed(self) -> None:
        promised = Promises(BORN, 0, None)
        self.assertEqual(promised.next_list(FOUR, {"d:1": D}), WITH_D)
        self.assertIn("run it again", str(self.assertRaises(CannotChange, promised.next_list, FOUR, {})))

    def test_agreed_on(self) -> None:
        one, two = (evolve(promise(each), accepted=Accepted(1, WITH_D)) for each in (A, B))
        self.assertTrue(change.is_agreed_on([one, two], 0, 1))
        for answers in ([one], [one, evolve(two, accepted=Accepted(2, WITH_D))], []):
            self.assertFalse(change.is_agreed_on(answers, 0, 1))

    def test_the_next_list(self) -> None:
        self.assertEqual((WITH_D.addresses, WITH_D.identities, WITH_D.epoch), (FOUR, (A, B, C, D), 1))
        moved = BORN.taken(1, B2, "b:2", ())
        after = moved.changed(("a:1", "b:2"), {})
        self.assertEqual((after.places, after.fenced, after.epoch), (moved.places[:2], {B, C}, 1))

    def test_a_later_list_is_the_list(self) -> None:
        taken = BORN.taken(1, B2, "b:1", ())
        for merged in (WITH_D.merged(taken), taken.merged(WITH_D)):
            self.assertEqual((merged.places, merged.fenced, merged.epoch), (WITH_D.places, {B}, 1))


def promise(identity: str, value: int = 0, roster: Roster = BORN) -> ChangeAnswer:
    return ChangeAnswer(identity, roster, 1, None, votes=True, value=value)
