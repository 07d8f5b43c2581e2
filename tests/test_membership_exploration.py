"""Births and replaced disks, explored exhaustively, with the real decisions: tests/exploration/membership.

The small instances and breaks run always, the large ones with the thorough tests.
"""

import random
from unittest import mock

import pytest
from attrs import evolve

from glitchgrid.protocol.member import FenceAnswer, Member, Membership, Phase
from tests.exploration.membership.answers import Answer, consistent_majority, with_answer
from tests.exploration.membership.breaks import BREAKS
from tests.exploration.membership.instances import BEYOND, INSTANCES, LARGE, SMALL
from tests.exploration.membership.search import ends, search
from tests.exploration.membership.story import tell
from tests.exploration.membership.vaults import Vault, Words
from tests.exploration.membership.world import Instance, State, World

STEPS = {
    "no-fence": 8,
    "one-answer-fewer": 7,
    "mark-not-durable": 6,
    "nothing-carried": 8,
    "fences-not-passed-on": 14,
    "fenced-peer-counts": 13,
    "latest-alone": 13,
    "formed-at-once": 16,
    "value-not-stored": 8,
}
"""How long the shortest story of each break is."""


def explored_without_violation(instance: Instance) -> World:
    world = World(instance)
    report = search(world)
    assert report.complete
    assert report.states > 100
    assert not report.path, "\n".join(tell(world, report))
    assert not world.model.misfits
    return world


@pytest.mark.parametrize("name", SMALL)
def test_the_intact_decisions_have_no_violation(name: str) -> None:
    explored_without_violation(SMALL[name])


@pytest.mark.thorough
@pytest.mark.parametrize("name", LARGE)
def test_nor_with_more_vaults_and_more_that_happens(name: str) -> None:
    explored_without_violation(LARGE[name])


@pytest.mark.parametrize("name", BREAKS)
def test_each_condition_of_membership_is_needed(name: str) -> None:
    broken = BREAKS[name]
    assert broken.intact in INSTANCES.values()  # so the intact decisions have no violation there
    with broken.patch():
        world = World(broken.instance)
        report = search(world)
        assert report.path
        story = tell(world, report)
    assert report.steps == STEPS[name] == len(story) - 1, "\n".join(story)


def test_nothing_survives_the_loss_of_all_that_know_of_the_grid() -> None:
    world = World(BEYOND)
    report = search(world)
    assert report.path
    lost = sum(int(each.identity[1:]) for each in world.at(report.path[-1]))
    assert lost == 3


@pytest.mark.parametrize("name", ["one-loss", "one-loss-ghost", "one-loss-late", "birth-rounds"])
def test_with_one_loss_all_vaults_can_always_be_formed_again(name: str) -> None:
    world = World(SMALL[name])
    found = ends(world, search(world))
    assert found.at_rest > 0
    assert not found.dead


def test_a_birth_that_never_ends_has_two_lists_and_no_fences() -> None:
    """Where a disk is lost while others ask, some may have heard of it and some of the next: whom they list differs.

    Where vaults decide by what others are, and not by what they were, one loss does no such harm (above).
    """
    world = World(SMALL["birth"])
    for state in ends(world, search(world)).dead:
        if any(world.folded(action.state) != state for action in world.progress(state)):
            continue
        rosters = {each.membership.roster for each in world.at(state)} - {None}
        assert len(rosters) == 2
        assert not any(roster.fenced for roster in rosters if roster is not None)


def some_states(instance: Instance, number: int) -> tuple[World, list[State]]:
    world = World(instance)
    states = list(search(world).came_from)
    return world, random.Random(5).sample(states, number)


@pytest.mark.parametrize("name", ["two-losses", "birth", "one-loss-ghost-late"])
def test_places_are_alike(name: str) -> None:
    """What may follow a renamed state is, renamed, what may follow that state."""
    world, states = some_states(SMALL[name], 150)
    for state in states:
        following = {world.folded(action.state) for action in world.actions(state)}
        for each in world.renamings:
            assert {world.folded(action.state) for action in world.actions(each.state(state))} == following


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["no-fence", "fences-not-passed-on", "formed-at-once"])
def test_taking_places_for_one_another_leaves_out_no_shorter_story(name: str) -> None:
    with BREAKS[name].patch(), mock.patch.object(World, "folded", lambda world, state: state):
        assert search(World(BREAKS[name].instance)).steps == STEPS[name]


class Lives:
    """Members that live through what happens, where those of the model are made anew for each decision."""

    def __init__(self, vaults: list[Vault]) -> None:
        self.members: dict[str, Member] = {}
        self._address: dict[str, str] = {}
        self._heard: dict[str, dict[str, Membership]] = {}
        for vault in vaults:
            self._start(vault.membership, vault.address)

    def _start(self, membership: Membership, address: str) -> None:
        member = self.members[membership.identity] = Member(membership)
        self._address[membership.identity], self._heard[membership.identity] = address, {}
        if not member.is_settled:
            assert member.hear({address: membership}) is None

    def happens(self, words: Words, values: dict[str, int]) -> None:
        match words:
            case ("loss", place, _, new, None):
                peers = next(iter(self.members.values())).now.peers
                self._start(Membership(new, Phase.NEW, peers), place)
            case ("ask", one, (other,)):
                self._heard[one][self._address[other]] = self.members[other].now
            case ("hear", one, others):
                some = {at: each for at, each in self._heard[one].items() if each.identity in others}
                becomes = self.members[one].hear({self._address[one]: self.members[one].now, **some})
                self._write(one, becomes)
            case ("fence" | "fence unheard" as kind, one, other, *_):
                self._fence(one, other, values[other], heard=kind == "fence")
            case ("join", one, value):
                joined = self.members[one].join()
                assert joined is not None
                assert joined[0] == value
                self._write(one, joined[1])
            case ("crash" | "half join", one, *_):
                self._start(self.members[one].now, self._address[one])

    def _write(self, one: str, becomes: Membership | None) -> None:
        if becomes is not None:
            self.members[one].adopt(becomes)

    def _fence(self, one: str, other: str, value: int, *, heard: bool) -> None:
        question = self.members[one].question()
        assert question is not None
        becomes = self.members[other].fence(question)
        self.members[other].adopt(becomes)
        if heard:
            assert becomes.roster is not None
            self.members[one].hear_fence(FenceAnswer(other, becomes.roster, value))


@pytest.mark.parametrize("instance", [SMALL["two-losses"], evolve(SMALL["birth"], losses=2)], ids=["formed", "birth"])
def test_a_member_decides_like_one_that_is_made_of_what_the_model_keeps(instance: Instance) -> None:
    chance = random.Random(11)
    for _ in range(150):
        world = World(instance)
        state = world.first()
        lives = Lives(world.at(state))
        for _ in range(60):
            actions = list(world.actions(state))
            if not actions:
                break
            action = chance.choice(actions)
            lives.happens(action.words, {each.identity: each.value for each in world.at(state)})
            state = action.state
            for vault in world.at(state):
                member = lives.members[vault.identity]
                assert member.now == vault.membership
                if vault.phase is Phase.REJOINING:
                    assert (member._named, tuple(member._answers.items())) == (vault.named, vault.answers)


def answer(identity: str, *fenced: str) -> Answer:
    return Answer(identity[0], identity, frozenset(fenced))


def test_answers_that_can_be_counted_together() -> None:
    one, other, late = answer("A0"), answer("B0"), answer("C0", "A0")
    assert consistent_majority(frozenset({one, other}), 3) == (one, other)
    assert consistent_majority(frozenset({one, late}), 3) is None
    assert consistent_majority(frozenset({other, late}), 3) == (other, late)
    assert consistent_majority(frozenset({one, answer("A1")}), 3) is None
    assert consistent_majority(frozenset({one, other}), 4) is None


def test_of_a_vaults_answers_those_with_the_fewest_fences_are_kept() -> None:
    early, late, other = answer("C0"), answer("C0", "A0"), answer("C0", "B0")
    assert with_answer(frozenset({early}), late) == {early}
    assert with_answer(frozenset({late}), early) == {early}
    assert with_answer(frozenset({late}), other) == {late, other}
