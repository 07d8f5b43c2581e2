"""A few vaults, whoever counts their answers, and all that can happen next.

One value is written, and read when it is committed. Of a run, this is left out, because it can only help the vaults:

- A vault that holds the value, and votes, has acknowledged it, and the write commits as soon as it may.
- Nobody stores it after that. (No decision looks at values, so the vaults would do the same, with more of it.)
- From then on each vault that votes without the value has said so.
"""

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any, NamedTuple

from attrs import evolve, field, frozen

from glitchgrid.protocol.member import Membership, Phase
from glitchgrid.protocol.roster import Place, Roster
from tests.exploration.files import File
from tests.exploration.membership import renaming
from tests.exploration.membership.answers import Answer, Answers, consistent_majority, with_answer
from tests.exploration.membership.vaults import INTACT, Rules, Vault, VaultModel, Words

LETTERS = "ABCDE"
NEW_ADDRESS = "X"
"""Where a replacement comes up that has not the address of the disk before."""


@frozen
class Instance:
    """:ivar starts: how all vaults are at first: formed, new, or unlisted.
    :ivar lose: the places whose disks may be lost; any, where it is empty.
    :ivar loses_all: even the last vault that has a roster may lose its disk.
    :ivar ghosts: a replaced disk lives on, at no address.
    :ivar late: questions and answers may be late.
    :ivar moves: the first that is replaced comes up at another address, or at its own.
    :ivar stores: the places that the write is sent to; any, where it is empty.
    :ivar rounds: a vault decides at once by what some of its peers are, all asked at one moment. Else it asks one after
        the other, and decides later, by what they were.
    """

    vaults: int = 3
    losses: int = 1
    starts: Phase = Phase.FORMED
    lose: str = ""
    loses_all: bool = False
    ghosts: bool = False
    late: bool = False
    moves: bool = False
    stores: str = ""
    rounds: bool = False
    rules: Rules = INTACT

    @property
    def letters(self) -> str:
        return LETTERS[: self.vaults]


class State(NamedTuple):
    """All by number.

    :ivar vaults: one a place.
    :ivar ghosts: vaults whose disks were replaced, sorted.
    :ivar answers: acknowledgements before the commit, afterwards answers that know of no value.
    """

    vaults: tuple[int, ...]
    ghosts: tuple[int, ...]
    answers: int
    committed: bool


class Action(NamedTuple):
    words: Words
    state: State


@frozen
class World:
    instance: Instance
    model: VaultModel = field(init=False)
    vaults: File[Vault] = field(factory=File)
    answers: File[Answers] = field(factory=File)
    _own: dict[tuple[int, bool], list[tuple[Words, int]]] = field(factory=dict)
    _rounds: dict[tuple[int, ...], int] = field(factory=dict)
    _fenced: dict[tuple[int, int], list[tuple[Words, int, int]]] = field(factory=dict)
    _says: dict[int, Answer | None] = field(factory=dict)
    _added: dict[tuple[int, int], int] = field(factory=dict)
    _enough: dict[int, bool] = field(factory=dict)
    renamings: list["Renamed"] = field(factory=list)
    _least: dict[tuple[int, ...], tuple[tuple[int, ...], list["Renamed"]]] = field(factory=dict)

    @model.default
    def _make_model(self) -> VaultModel:
        return VaultModel(self.instance.rules, self.instance.late)

    def __attrs_post_init__(self) -> None:
        """A new address belongs to no place by its name: then nothing is renamed."""
        letters, unlike = self.instance.letters, [self.instance.lose, self.instance.stores]
        orders = [tuple(letters)] if self.instance.moves else permutations(letters)
        for order in orders:
            new = dict(zip(letters, order, strict=True))
            if all({new[each] for each in some} == set(some) for some in unlike):
                self.renamings.append(Renamed(self, new))

    def first(self) -> State:
        letters, phase = self.instance.letters, self.instance.starts
        peers = tuple(letters)
        roster = Roster(tuple(Place(each, f"{each}0") for each in letters)) if phase is Phase.FORMED else None
        members = [Membership(f"{each}0", phase, peers, roster) for each in letters]
        vaults = [Vault(each, each, member) for each, member in zip(letters, members, strict=True)]
        return State(tuple(map(self.vaults.number, vaults)), (), self.answers.number(frozenset()), False)

    def folded(self, state: State) -> State:
        """The same for all states that differ in the names of the places alone: the least of them."""
        if state.vaults not in self._least:
            renamed = [each.vaults(state.vaults) for each in self.renamings]
            least = min(renamed)
            some = [each for each, vaults in zip(self.renamings, renamed, strict=True) if vaults == least]
            self._least[state.vaults] = least, some
        least, some = self._least[state.vaults]
        ghosts, answers = min([(each.ghosts(state.ghosts), each.answers(state.answers)) for each in some])
        return State(least, ghosts, answers, state.committed)

    def at(self, state: State) -> list[Vault]:
        return [self.vaults[each] for each in state.vaults]

    def violated(self, state: State) -> bool:
        """May control read that nothing was written, after the commit?"""
        return state.committed and self._is_enough(state.answers)

    # What happens next.

    def actions(self, state: State) -> Iterator[Action]:
        yield from self._losses(state)
        yield from self._stores(state)
        yield from self.progress(state, crashes=True)

    def progress(self, state: State, *, crashes: bool = False) -> Iterator[Action]:
        """What vaults do of themselves."""
        everybody = state.vaults + state.ghosts
        here = len(state.vaults)
        for number, vault in enumerate(everybody):
            for words, after in self._own_moves(vault, crashes and number < here):
                yield Action(words, self._after(state, {number: after}))
            for words, after in self._hearings(vault, state.vaults):
                yield Action(words, self._after(state, {number: after}))
            for other, peer in enumerate(everybody):
                if other != number:
                    for words, after, peer_after in self._fencings(vault, peer):
                        yield Action(words, self._after(state, {number: after, other: peer_after}))

    def _hearings(self, vault: int, peers: tuple[int, ...]) -> Iterator[tuple[Words, int]]:
        """It asks one of those at the addresses that it knows, or some in a round.

        (A vault that rejoins takes the names that it hears one after the other.)
        """
        asker = self.vaults[vault]
        reached = [each for each in peers if self._reaches(asker, self.vaults[each])]
        if asker.phase is Phase.FORMED:
            known = self.model.fences(asker)
            reached = [each for each in reached if not self.model.fences(self.vaults[each]) <= known]
        most = 1 if asker.phase is Phase.REJOINING or not self.instance.rounds else len(reached)
        for number in range(1, most + 1):
            for some in combinations(reached, number):
                after = self._asks(vault, some)
                if after != vault:
                    yield ("ask", asker.identity, tuple(self.vaults[each].identity for each in some)), after

    @staticmethod
    def _reaches(asker: Vault, other: Vault) -> bool:
        return other.place != asker.place and other.address in asker.membership.peers

    def _asks(self, vault: int, peers: tuple[int, ...]) -> int:
        key = vault, *peers
        if key not in self._rounds:
            heard = [(self.vaults[each].address, self.vaults[each].membership) for each in peers]
            ask = self.model.asks_at_once if self.instance.rounds else self.model.asks
            self._rounds[key] = self.vaults.number(ask(self.vaults[vault], heard))
        return self._rounds[key]

    def _own_moves(self, vault: int, crashes: bool) -> list[tuple[Words, int]]:
        key = vault, crashes
        if key not in self._own:
            moves = self.model.own_moves(self.vaults[vault], crashes=crashes)
            self._own[key] = [(words, self.vaults.number(after)) for words, after in moves]
        return self._own[key]

    def _fencings(self, vault: int, peer: int) -> list[tuple[Words, int, int]]:
        key = vault, peer
        if key not in self._fenced:
            asker, other = self.vaults[vault], self.vaults[peer]
            moves = [] if asker.place == other.place else self.model.fencings(asker, other)
            self._fenced[key] = [(words, *map(self.vaults.number, both)) for words, *both in moves]  # type: ignore[misc]
        return self._fenced[key]

    def _losses(self, state: State) -> Iterator[Action]:
        vaults = self.at(state)
        if sum(int(each.identity[1:]) for each in vaults) >= self.instance.losses:
            return
        for number, vault in enumerate(vaults):
            if self._may_be_lost(vault, vaults):
                for address in self._addresses_after(vault, vaults):
                    yield self._loss(state, number, address)

    def _may_be_lost(self, vault: Vault, vaults: list[Vault]) -> bool:
        if self.instance.lose and vault.place not in self.instance.lose:
            return False
        know = [each for each in vaults if each.membership.roster is not None]
        return self.instance.loses_all or know != [vault]

    def _addresses_after(self, vault: Vault, vaults: list[Vault]) -> list[str]:
        may_move = self.instance.moves and all(each.address != NEW_ADDRESS for each in vaults)
        return [vault.address, NEW_ADDRESS] if may_move else [vault.address]

    def _loss(self, state: State, number: int, address: str) -> Action:
        """Whoever starts the new vault gives it the list of all vaults as they are now."""
        vaults = self.at(state)
        lost = vaults[number]
        identity = f"{lost.place}{int(lost.identity[1:]) + 1}"
        peers = sorted(address if each is lost else each.address for each in vaults)
        new = Vault(lost.place, address, Membership(identity, Phase.NEW, tuple(peers)))
        ghosts = (*state.ghosts, state.vaults[number]) if self.instance.ghosts else ()
        before = state._replace(ghosts=tuple(sorted(ghosts, key=lambda each: self.vaults[each].identity)))
        words = ("loss", lost.place, lost.identity, identity, address if address != lost.address else None)
        return Action(words, self._after(before, {number: self.vaults.number(new)}))

    def _stores(self, state: State) -> Iterator[Action]:
        if state.committed:
            return
        for number, each in enumerate(state.vaults + state.ghosts):
            vault = self.vaults[each]
            may = not self.instance.stores or vault.place in self.instance.stores
            if may and not vault.value and self._said(each):
                stored = self.vaults.number(evolve(vault, value=1))
                yield Action(("store", vault.identity, vault.place), self._after(state, {number: stored}))

    # What follows from it.

    def _after(self, state: State, changed: dict[int, int]) -> State:
        everybody = list(state.vaults + state.ghosts)
        for number, vault in changed.items():
            everybody[number] = vault
        here = len(state.vaults)
        vaults, ghosts = tuple(everybody[:here]), tuple(everybody[here:])
        after = State(vaults, ghosts, self._with(state.answers, changed.values(), state.committed), state.committed)
        if state.committed or not self._is_enough(after.answers):
            return after
        nothing = self.answers.number(frozenset())
        return State(vaults, ghosts, self._with(nothing, everybody, committed=True), committed=True)

    def acknowledged(self, before: State, after: State) -> Answers:
        """The acknowledgements that made the commit, which the state after it keeps no more."""
        changed = set(after.vaults + after.ghosts) - set(before.vaults + before.ghosts)
        return self.answers[self._with(before.answers, changed, committed=False)]

    def _with(self, answers: int, vaults: Any, committed: bool) -> int:
        for each in vaults:
            if self.vaults[each].value != committed and (said := self._said(each)):
                key = answers, each
                if key not in self._added:
                    self._added[key] = self.answers.number(with_answer(self.answers[answers], said))
                answers = self._added[key]
        return answers

    def _said(self, number: int) -> Answer | None:
        """What this vault answers to a read or a store, if that counts."""
        if number not in self._says:
            vault = self.vaults[number]
            votes = self.model.votes(vault)
            self._says[number] = Answer(vault.place, vault.identity, self.model.fences(vault)) if votes else None
        return self._says[number]

    def _is_enough(self, answers: int) -> bool:
        if answers not in self._enough:
            self._enough[answers] = consistent_majority(self.answers[answers], self.instance.vaults) is not None
        return self._enough[answers]


class Renamed:
    """A renaming of the places, with all that it was applied to."""

    def __init__(self, world: World, letters: renaming.Renaming) -> None:
        self._world = world
        self._letters = letters
        order = [world.instance.letters.index(each) for each in letters.values()]
        self._from = [order.index(number) for number in range(len(order))]
        self._is_identity = self._from == sorted(self._from)
        self._vaults: dict[int, int] = {}
        self._answers: dict[int, int] = {}

    def state(self, state: State) -> State:
        vaults, ghosts = self.vaults(state.vaults), self.ghosts(state.ghosts)
        return State(vaults, ghosts, self.answers(state.answers), state.committed)

    def vaults(self, vaults: tuple[int, ...]) -> tuple[int, ...]:
        renamed = [self._vault(each) for each in vaults]
        return tuple([renamed[each] for each in self._from])

    def ghosts(self, ghosts: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(map(self._vault, ghosts), key=lambda each: self._world.vaults[each].identity))

    def answers(self, number: int) -> int:
        if self._is_identity:
            return number
        found = self._answers.get(number)
        if found is None:
            answers = self._world.answers[number]
            renamed = frozenset(renaming.answer(each, self._letters) for each in answers)
            found = self._answers[number] = self._world.answers.number(renamed)
        return found

    def _vault(self, number: int) -> int:
        if self._is_identity:
            return number
        found = self._vaults.get(number)
        if found is None:
            vault = renaming.vault(self._world.vaults[number], self._letters)
            found = self._vaults[number] = self._world.vaults.number(vault)
        return found
