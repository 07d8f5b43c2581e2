"""A small world in which the list of vaults is changed, for `tests.protocol.test_change`.

Vaults decide by the real `Member`, and whoever changes the list is the real `ListChange`. Each question is done at
some time, or never, and each answer may be lost. Several change the list at once, and controls that were forgotten
go on with the lists that they have.

``python -m tests.protocol.changing_world --seeds 3000`` runs more of them than the tests do.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import define, evolve
from twisted.internet.defer import Deferred

from glitchgrid.errors import Misfit, VaultRefused
from glitchgrid.peers.change import ListChange
from glitchgrid.protocol.change import CannotChange, ChangeQuestion, Step
from glitchgrid.protocol.member import CannotFence, FenceAnswer, Member, Membership, Phase
from glitchgrid.protocol.quorum import majority
from glitchgrid.protocol.roster import Place, Roster, list_digest
from glitchgrid.vaults.address import VaultAddress

_T = TypeVar("_T")

LOST = (0.02, 0.1, 0.2)
"""So many of the questions, of 1, and so many answers; by the seed."""
STEPS = 300
LISTS = {
    "more": ("abc", "abcde"),
    "fewer": ("abcde", "abc"),
    "others": ("abc", "cde", "bcd"),
    "no old ones": ("abc", "def"),
    "to two": ("abcd", "ab", "abc"),
    "one": ("a", "abc"),
}
"""The list of a grid, and those that it may get."""
Vote = tuple[str, int, frozenset[str]]
"""Whose it is, what that holds, and who does not count as it knows."""


def place_of(letter: str) -> str:
    return f"{letter}:1"


class Vault:
    """:ivar is_added: it was started to be added to a grid.
    :ivar is_stopped: it does not run, because its list is not the grid's.
    """

    def __init__(self, address: str, membership: Membership, *, is_added: bool = False) -> None:
        self.address = address
        self.is_added = is_added
        self.value = 0
        self.lives = 1
        self.is_stopped = False
        self.member = Member(membership, is_added=is_added)

    @property
    def is_out(self) -> bool:
        """Was it in the list, and is it not any more?"""
        return self.member.now.identity in self.member.fenced

    def admit(self, digest: str) -> None:
        roster = self.member.now.roster
        if self.is_stopped or not self.member.votes or roster is None:
            raise VaultRefused("it does not vote")
        if list_digest(roster.addresses) != digest:
            raise VaultRefused("it does not vote by this list")

    def tell(self) -> Membership:
        if self.is_stopped:
            raise VaultRefused("it is down")
        return self.member.now

    def vote(self) -> Vote:
        return self.member.now.identity, self.value, self.member.fenced

    def change(self, question: ChangeQuestion) -> tuple[Membership, int]:
        if self.is_stopped:
            raise VaultRefused("it is down")
        try:
            after = self.member.change(question)
        except CannotChange as error:
            raise VaultRefused(str(error)) from error
        if after != self.member.now:
            if question.step is Step.INSTALL:
                self.value = max(self.value, question.value)
            self.member.adopt(after)
        return self.member.now, self.value

    def look(self, others: Sequence["Vault"]) -> None:
        """Ask peers what they are, and to be let in."""
        others = [each for each in others if not each.is_stopped]
        heard = {each.address: each.member.now for each in (self, *others) if each.address in self.member.now.peers}
        try:
            after = self.member.hear(heard)
        except Misfit:
            self._mend_peers([each.member.now.roster for each in others if each.member.now.roster is not None])
            return
        if after is not None:
            self.member.adopt(after)
        question = self.member.question()
        if question is None:
            return
        for other in others:
            if other.address in self.member.now.peers:
                try:
                    after = other.member.fence(question)
                except CannotFence:
                    continue
                other.member.adopt(after)
                assert after.roster is not None
                self.member.hear_fence(FenceAnswer(after.identity, after.roster, other.value))
        joined = self.member.join()
        if joined is not None:
            self.value = max(self.value, joined[0])
            self.member.adopt(joined[1])

    def _mend_peers(self, rosters: Sequence[Roster]) -> None:
        """It has ended with a line that has the grid's list, and an operator gives it that."""
        assert self.member.now.phase in {Phase.NEW, Phase.REJOINING}
        latest = max(rosters, key=lambda each: each.epoch)
        if self.address in latest.addresses:
            after = evolve(self.member.now, peers=tuple(sorted(latest.addresses)))
            self.member = Member(after, is_added=self.is_added)

    def restart(self) -> None:
        self.lives += 1
        if self.is_out:
            self.is_stopped = True
        else:
            self.member = Member(self.member.now, is_added=self.is_added)

    def begin_anew(self, peers: tuple[str, ...], *, is_added: bool) -> None:
        """With an empty disk."""
        self.lives += 1
        self.value = 0
        self.is_added, self.is_stopped = is_added, False
        name = f"{self.address[0]}{int(self.member.now.identity[1:]) + 1}"
        self.member = Member(Membership(name, Phase.NEW, peers), is_added=is_added)


@define(eq=False)
class Call:
    """Something that is to be done at a vault, at some time."""

    do: Callable[[], Any]
    answer: "Deferred[Any]"
    lost: float


class Client:
    """A vault, as whoever changes the list asks it."""

    def __init__(self, world: "World", address: VaultAddress) -> None:
        self._world = world
        self._vault = world.vaults[str(address)]

    def membership(self) -> "Deferred[Membership]":
        return self._world.call(self._vault.tell, lost=0)  # he would look again

    def change(self, question: ChangeQuestion) -> "Deferred[tuple[Membership, int]]":
        return self._world.call(lambda: self._vault.change(question))

    def close(self) -> "Deferred[None]":
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done


class World:
    """:param seed: of all that happens.
    :param lists: the grid's list, and those that it may get, of letters.
    :ivar changed: how many times somebody has changed the list to its end.
    :cvar lets_in_once: a store is answered, whatever has become of the vault since it was let in.
    :ivar wrong: what should not have happened; empty where nothing did.
    """

    lets_in_once = False

    def __init__(self, seed: int, lists: Sequence[str]) -> None:
        self.random = random.Random(seed)
        self.lists = lists
        self._lost = LOST[seed % len(LOST)]
        born = Roster(tuple(Place(place_of(each), f"{each}1") for each in lists[0]))
        self.vaults = {
            place_of(each): Vault(place_of(each), Membership(f"{each}1", Phase.FORMED, born.addresses, born))
            for each in lists[0]
        }
        self._calls: list[Call] = []
        self._written = 0
        self._seen = 0
        self.changed = 0
        self.reads = 0
        self.wrong: list[str] = []

    # What is said.

    def call(self, do: Callable[[], _T], lost: float | None = None) -> "Deferred[_T]":
        answer: Deferred[_T] = Deferred()
        self._calls.append(Call(do, answer, self._lost if lost is None else lost))
        return answer

    def _deliver(self) -> None:
        call = self._calls.pop(self.random.randrange(len(self._calls)))
        luck = self.random.random()
        if luck < call.lost:
            call.answer.errback(VaultRefused("lost"))
            return
        try:
            result = call.do()
        except VaultRefused as error:
            call.answer.errback(error)
            return
        if luck < 2 * call.lost:
            call.answer.errback(VaultRefused("its answer was lost"))
        else:
            call.answer.callback(result)

    # Controls.

    def _ask_all(self, letters: str, do: Callable[[Vault, str], "Deferred[Vote]"]) -> "Deferred[list[Vote]]":
        """The votes of a majority, as soon as there is one; those alone that are not enough, if there is none."""
        digest = list_digest(map(place_of, letters))
        votes: dict[str, Vote] = {}
        left = len(letters)
        enough: Deferred[list[Vote]] = Deferred()

        def end(vote: Any, *, counts: bool) -> None:
            nonlocal left
            left -= 1
            if counts:
                votes[vote[0]] = vote
            fenced = frozenset[str]().union(*(each[2] for each in votes.values()))
            counted = [each for name, each in votes.items() if name not in fenced]
            if not enough.called and (not left or len(counted) >= majority(len(letters))):
                enough.callback(counted)

        for letter in letters:
            asked = do(self.vaults[place_of(letter)], digest)
            asked.addCallbacks(end, end, (), {"counts": True}, (), {"counts": False})
        return enough

    def _store(self, value: int) -> Callable[[Vault, str], "Deferred[Vote]"]:
        def ask(vault: Vault, digest: str) -> "Deferred[Vote]":
            lives: list[int] = []

            def let_in() -> None:
                vault.admit(digest)
                lives.append(vault.lives)

            def on_disk(_: object) -> "Deferred[Vote]":
                return self.call(stored)

            def stored() -> Vote:
                if lives != [vault.lives]:
                    raise VaultRefused("it was started anew")
                vault.value = max(vault.value, value)
                if not self.lets_in_once:
                    vault.admit(digest)
                return vault.vote()

            return self.call(let_in).addCallback(on_disk)

        return ask

    @staticmethod
    def _read_one(world: "World") -> Callable[[Vault, str], "Deferred[Vote]"]:
        def ask(vault: Vault, digest: str) -> "Deferred[Vote]":
            def read() -> Vote:
                vault.admit(digest)
                return vault.vote()

            return world.call(read)

        return ask

    async def write(self, letters: str) -> None:
        self._written += 1
        value = self._written
        votes = await self._ask_all(letters, self._store(value))
        if len(votes) >= majority(len(letters)):
            self._seen = max(self._seen, value)

    async def read(self, letters: str) -> None:
        least = self._seen
        votes = await self._ask_all(letters, self._read_one(self))
        if len(votes) < majority(len(letters)):
            return
        value = max(each[1] for each in votes)
        votes = await self._ask_all(letters, self._store(value))
        if len(votes) < majority(len(letters)):
            return
        self.reads += 1
        if value < least:
            self.wrong.append(f"{least} was acknowledged, and {value} is read by {letters}")
        self._seen = max(self._seen, value)

    async def change(self, vaults: str, to: str) -> None:
        for each in to:  # an operator starts those that are new
            address, peers = place_of(each), tuple(map(place_of, to))
            if address in self.vaults and self.vaults[address].is_out:
                self.vaults[address].begin_anew(peers, is_added=True)
            elif address not in self.vaults:
                self.vaults[address] = Vault(address, Membership(f"{each}1", Phase.NEW, peers), is_added=True)
        now, then = ([VaultAddress.parse(place_of(each)) for each in letters] for letters in (vaults, to))
        work = ListChange(now, then, lambda address: Client(self, address), lambda line: None)
        try:
            await work.run()
        except CannotChange:
            return
        self.changed += 1

    # What happens.

    def run(self, steps: int = STEPS) -> None:
        going: list[Deferred[None]] = []
        for _ in range(steps):
            if self.wrong:
                break
            going += self._something(len([each for each in going if not each.called]))
        while self._calls and not self.wrong:
            self._deliver()
        for each in going:
            each.addErrback(self._note)

    def _note(self, failure: Any) -> None:
        self.wrong.append(f"a bug: {failure.getTraceback()}")

    def _something(self, going: int) -> "list[Deferred[None]]":
        luck = self.random.random()
        if luck < 0.6 and self._calls:
            self._deliver()
        elif luck < 0.8 and going < 6:
            letters = self.random.choice(self.lists)
            if all(place_of(each) in self.vaults for each in letters):
                does = self.random.choice((self.read, self.write))
                return [Deferred.fromCoroutine(does(letters))]
        elif luck < 0.86 and going < 6:
            vaults, to = self.random.sample(self.lists, 2) if self.random.random() < 0.9 else [self.lists[0]] * 2
            if all(place_of(each) in self.vaults for each in vaults):
                return [Deferred.fromCoroutine(self.change(vaults, to))]
        else:
            self._at_a_vault(luck)
        return []

    def _at_a_vault(self, luck: float) -> None:
        vault = self.random.choice(list(self.vaults.values()))
        if luck < 0.93:
            others = [each for each in self.vaults.values() if each is not vault and self.random.random() < 0.8]
            vault.look(others)
        elif luck < 0.97:
            vault.restart()
        elif self._may_lose_its_disk(vault):
            vault.begin_anew(vault.member.now.peers, is_added=vault.is_added)

    def _may_lose_its_disk(self, vault: Vault) -> bool:
        """Not while another one waits to be let in, and not while the list is changed."""
        roster = vault.member.now.roster
        if roster is None or not vault.member.votes:
            return False
        others = [self.vaults[each] for each in roster.addresses if each != vault.address]
        epochs = {each.member.now.roster.epoch for each in others if each.member.now.roster is not None}
        return epochs == {roster.epoch} and all(each.member.votes for each in others)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=3000, help="how many for each of the kinds of change")
    seeds = parser.parse_args().seeds
    runs = changed = reads = 0
    wrong = []
    for name, lists in LISTS.items():
        for seed in range(seeds):
            world = World(seed, lists)
            world.run()
            runs, changed, reads = runs + 1, changed + world.changed, reads + world.reads
            wrong += [f"{name}, seed {seed}: {each}" for each in world.wrong]
    print(*wrong, f"{runs} runs, {changed} changes, {reads} reads, {len(wrong)} violations", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
