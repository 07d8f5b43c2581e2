"""How the classic protocol counts: the votes of all vaults, once each, and the value that a majority of them has."""

from collections import Counter
from collections.abc import Iterable

from glitchgrid.protocol.quorum import Vote, majority


def count_once(votes: Iterable[Vote]) -> tuple[list[Vote], list[tuple[Vote, Vote]]]:
    """Split votes into those that count and the pairs (kept, dropped) that came from one vault.

    Of several votes of one identity the smallest value is kept: the vault was asked more than once, and it held
    at least that much each time.
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
