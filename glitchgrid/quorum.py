"""Majorities: replies in, decision out. Knows neither the network nor Twisted.

A majority is of *all configured* vaults, whether they answer or not (condition 6 of the register's
correctness). A vault counts once: two addresses behind which the same vault answers are one vote, else a
"majority" could be a single disk.
"""

from collections import Counter
from collections.abc import Iterable

from attrs import frozen


def majority(vaults: int) -> int:
    """How many of `vaults` (1 or more) are more than half of them."""
    return vaults // 2 + 1


@frozen
class Vote:
    """One vault's answer that counts.

    `address` is where it came from; `identity` is what the vault calls itself, or None for one that does
    not say (the original vaults), which then counts by its address; `value` is what it holds.
    """

    address: str
    identity: str | None
    value: int

    @property
    def voter(self) -> str:
        """Under what this vote is counted. No identity has a space in it, so no two kinds of voters are one."""
        return f"address {self.address}" if self.identity is None else self.identity


def count_once(votes: Iterable[Vote]) -> tuple[list[Vote], list[tuple[Vote, Vote]]]:
    """Split votes into those that count and the pairs (kept, dropped) that came from one vault.

    Of several votes of one identity the smallest value is kept: the vault was asked more than once, and
    what it held at each of those moments is the least that can be said of it.
    """
    kept: dict[str, Vote] = {}
    doubles: list[tuple[Vote, Vote]] = []
    for vote in votes:
        first = kept.get(vote.voter)
        if first is None:
            kept[vote.voter] = vote
            continue
        lower, higher = sorted((first, vote), key=lambda each: each.value)
        kept[vote.voter] = lower
        doubles.append((lower, higher))
    return list(kept.values()), doubles


def agreed_value(votes: Iterable[Vote], vaults: int) -> int | None:
    """The value that more than half of all `vaults` hold, or None where there is no such value."""
    for value, holders in Counter(vote.value for vote in votes).most_common(1):
        if holders >= majority(vaults):
            return value
    return None
