"""Majorities: replies in, decision out. Knows neither the network nor Twisted.

A majority is of *all configured* vaults, whether they answer or not (condition 6 of the register's
correctness). A vault counts once: two addresses behind which the same vault answers are one vote, else a
"majority" could be a single disk.
"""

from attrs import frozen


def majority(vaults: int) -> int:
    """How many of `vaults` (1 or more) are more than half of them."""
    return vaults // 2 + 1


_BY_ADDRESS = "address "


@frozen
class Vote:
    """One vault's answer that counts.

    `address` is where it came from; `identity` is what the vault calls itself, or None for one that does
    not say (the original vaults), which then counts by its address; `value` is what it holds.
    """

    address: str
    identity: str | None
    value: int
    fenced: frozenset[str] = frozenset()

    @property
    def voter(self) -> str:
        """The name under which this vote counts: the vault's identity, else its address behind a word and a space.

        No identity has a space in it, so the two kinds of names never meet.
        """
        return f"{_BY_ADDRESS}{self.address}" if self.identity is None else self.identity


def identity_of(voter: str) -> str | None:
    """What a vault calls itself, from the name under which its votes count."""
    return None if voter.startswith(_BY_ADDRESS) else voter
