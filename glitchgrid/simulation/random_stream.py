"""Random numbers that are the same everywhere: one stream for each purpose, and integers alone.

A stream for each link, disk and pool keeps a change in one of them from changing what all others draw. Only
integers are drawn: the functions of libm differ in their last bit between machines.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

PER_MILLE = 1000
DOUBLINGS_MAX = 6
"""Without a limit the mean would have none, either."""


class RandomStream:
    """:param name: the seed and the purpose, together: strings are hashed by SHA-512, whatever PYTHONHASHSEED is."""

    def __init__(self, name: str) -> None:
        self._bits = Random(name).getrandbits

    def below(self, end: int) -> int:
        """From 0 up to `end` - 1. All other draws are made of this one, and this one of bits."""
        width = end.bit_length()
        drawn = self._bits(width)
        while drawn >= end:
            drawn = self._bits(width)
        return drawn

    def between(self, least: int, most: int) -> int:
        """Both ends included."""
        return least + self.below(most - least + 1)

    def chance(self, per_mille: int) -> bool:
        """True so often in a thousand times."""
        return self.below(PER_MILLE) < per_mille

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def rarely_long(self, usual: int) -> int:
        """Mostly about `usual`, seldom up to 64 times that: each doubling is half as likely as the one before it."""
        # As often as `below(2)` is 1, without its calls: each segment and each turn is drawn here.
        bits = self._bits
        doublings = 0
        while doublings < DOUBLINGS_MAX:
            drawn = bits(2)
            while drawn > 1:
                drawn = bits(2)
            if not drawn:
                break
            doublings += 1
        longest = usual << doublings
        return self.between(longest // 2, longest)
