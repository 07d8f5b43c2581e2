"""How often clients do what, drawn anew for each timeline.

Zero is among the weights: a run without any decrease, or without reads, gets into states that an even mixture of
everything hardly ever sees ("Swarm Testing", Groce et al., ISSTA 2012).
"""

import random
from collections.abc import Sequence

WEIGHTS = (0, 0, 1, 2, 4, 8)

LARGER, EQUAL, SMALLER, READ, LEAVE = "larger", "equal", "smaller", "read", "leave"
"""Write more than was ever written, that again, or less; read; write more, and leave in the middle."""

ACTIONS = (LARGER, EQUAL, SMALLER, READ, LEAVE)

Weights = dict[str, int]


def draw(names: Sequence[str], source: random.Random) -> Weights:
    """A weight for each, zeros among them."""
    return {name: source.choice(WEIGHTS) for name in names}


def pick(weights: Weights, names: Sequence[str], source: random.Random) -> str | None:
    """One of `names`, as their weights have it; None where all are zero."""
    each = [weights[name] for name in names]
    return source.choices(names, each)[0] if any(each) else None
