"""Weights by which things are picked, drawn anew for each run.

Zero is among the weights: a run without any decrease, or without reads, gets into states that an even mixture of
everything hardly ever sees ("Swarm Testing", Groce et al., ISSTA 2012).
"""

import random
from collections.abc import Sequence

WEIGHTS = (0, 0, 1, 2, 4, 8)

Weights = dict[str, int]


def draw(names: Sequence[str], source: random.Random) -> Weights:
    """A weight for each, zeros among them."""
    return {name: source.choice(WEIGHTS) for name in names}


def pick(weights: Weights, names: Sequence[str], source: random.Random) -> str | None:
    """One of `names`, as their weights have it; None where all are zero."""
    each = [weights[name] for name in names]
    return source.choices(names, each)[0] if any(each) else None
