"""The names of directories, and what of their changes the disk may have: as `Inode` has it for data.

A change may concern two directories, and is made whole or not at all; a sync of either makes it certain. Of the others
the disk may have any after a power loss, but that changes of one name, and of one inode's names, are kept in their
order: what was only renamed is never lost. That is more than ext4 loses, whose journal keeps the order of all, and
whose sync of a new file takes the file's name along; POSIX promises neither.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from glitchgrid.simulation.inode import Choose

N = TypeVar("N")

NAME_CHANGES_MAX = 20_000
"""May be in doubt at once on one machine; of more, the older half reaches the disk."""


class Names(Generic[N]):
    """A directory's own names; None for one that is taken away from what lies below it.

    :param covers: whether something lies below it.
    """

    def __init__(self, *, covers: bool) -> None:
        self.cached: dict[str, N | None] = {}
        self.durable: dict[str, N | None] = {}
        self.dirty: dict[NameChange[N], None] = {}
        self.last: dict[str, NameChange[N]] = {}
        """Of each name the last change that is in doubt."""
        self._covers = covers

    def fix(self, name: str, node: N | None) -> None:
        """Have a name there for certain."""
        self.assign(self.cached, name, node)
        self.assign(self.durable, name, node)

    def assign(self, names: dict[str, N | None], name: str, node: N | None) -> None:
        if node is None and not self._covers:
            names.pop(name, None)
        else:
            names[name] = node

    def settle(self) -> None:
        """After a power loss."""
        self.cached = dict(self.durable)
        self.dirty.clear()
        self.last.clear()


class NameChange(Generic[N]):
    """Names that lead elsewhere from now on, or nowhere.

    :ivar concerns: the inodes whose names they are, or were.
    :ivar after: changes without which this one cannot be.
    """

    __slots__ = ("after", "concerns", "effects", "number")

    def __init__(
        self,
        number: int,
        effects: "tuple[tuple[Names[N], str, N | None], ...]",
        concerns: tuple[N, ...],
        after: "list[NameChange[N]]",
    ) -> None:
        self.number = number
        self.effects = effects
        self.concerns = concerns
        self.after = after


class Journal(Generic[N]):
    """All changes of names on one machine of which the disk is not certain."""

    def __init__(self) -> None:
        self._doubtful: dict[NameChange[N], None] = {}
        self._last: dict[N, NameChange[N]] = {}
        self._number = 0

    def change(self, *effects: tuple[Names[N], str, N | None], concerns: Iterable[N | None]) -> None:
        """:param concerns: the inodes whose names are changed."""
        self._number += 1
        nodes = tuple(node for node in concerns if node is not None)
        before = [names.last.get(name) for names, name, _ in effects] + [self._last.get(node) for node in nodes]
        change = NameChange(self._number, effects, nodes, [each for each in before if each is not None])
        self._doubtful[change] = None
        self._last.update(dict.fromkeys(nodes, change))
        for names, name, node in effects:
            names.assign(names.cached, name, node)
            names.dirty[change] = None
            names.last[name] = change
        if len(self._doubtful) > NAME_CHANGES_MAX:
            self.make_durable(list(self._doubtful)[: NAME_CHANGES_MAX // 2])

    def begin_sync(self, names: Names[N]) -> "NamesFlush[N]":
        return NamesFlush(self, list(names.dirty))

    def settle(self, choose: Choose) -> None:
        """A power loss: of what is in doubt, each change is kept or not. `Names.settle` is to follow for all."""
        self.make_durable([change for change in self._doubtful if choose(2)])
        self._doubtful.clear()
        self._last.clear()

    def make_durable(self, changes: Iterable[NameChange[N]]) -> None:
        """And those without which they cannot be."""
        needed: dict[NameChange[N], None] = {}
        left = list(changes)
        while left:
            change = left.pop()
            if change in self._doubtful and change not in needed:
                needed[change] = None
                left += change.after
        for change in sorted(needed, key=lambda each: each.number):
            for names, name, node in change.effects:
                names.assign(names.durable, name, node)
            self._drop(change)

    def make_all_durable(self) -> None:
        self.make_durable(list(self._doubtful))

    def _drop(self, change: NameChange[N]) -> None:
        del self._doubtful[change]
        change.after = []
        for names, name, _ in change.effects:
            names.dirty.pop(change, None)
            if names.last.get(name) is change:
                del names.last[name]
        for node in change.concerns:
            if self._last.get(node) is change:
                del self._last[node]


class OrderedJournal(Journal[N]):
    """One that keeps the order of all changes, as ext4's does: none is on the disk without those before it."""

    def settle(self, choose: Choose) -> None:
        """A power loss: of what is in doubt, the first changes are kept, up to any of them."""
        self.make_durable(list(self._doubtful)[: choose(len(self._doubtful) + 1)])
        self._doubtful.clear()
        self._last.clear()

    def make_durable(self, changes: Iterable[NameChange[N]]) -> None:
        last = max((each.number for each in changes), default=0)
        super().make_durable([each for each in self._doubtful if each.number <= last])


class NamesFlush(Generic[N]):
    """What a sync of a directory makes certain: the changes that were not yet when it began."""

    def __init__(self, journal: Journal[N], covered: list[NameChange[N]]) -> None:
        self._journal = journal
        self._covered = covered

    def succeed(self) -> None:
        self._journal.make_durable(self._covered)

    def fail(self) -> None:
        for change in self._covered:
            for names, _, _ in change.effects:
                names.dirty.pop(change, None)
