"""What is explored of the intact decisions: how many vaults, what they lose, and what else may happen.

Crashes are in all of them: any vault, at any moment, as often as it likes.
"""

from glitchgrid.protocol.member import Phase
from tests.exploration.membership.world import Instance

SMALL = {
    "one-loss": Instance(losses=1),
    "one-loss-late": Instance(losses=1, late=True),
    "one-loss-ghost": Instance(losses=1, ghosts=True),
    "one-loss-ghost-late": Instance(losses=1, ghosts=True, late=True),
    "two-losses": Instance(losses=2),
    "birth": Instance(losses=1, starts=Phase.NEW),
    "birth-rounds": Instance(losses=1, starts=Phase.NEW, rounds=True),
    "birth-rounds-two-losses": Instance(losses=2, starts=Phase.NEW, rounds=True),
    "unlisted": Instance(losses=1, starts=Phase.UNLISTED),
}
"""What every run of the tests explores."""

LARGE = {
    "two-losses-ghosts": Instance(losses=2, ghosts=True),
    "three-losses": Instance(losses=3),
    "four-vaults-one-place": Instance(vaults=4, losses=2, lose="A"),
    "five-vaults-rounds": Instance(vaults=5, losses=2, lose="A", rounds=True),
}
"""Half a minute or less each."""

LARGEST = {
    "new-address": Instance(losses=2, moves=True),
    "birth-two-losses": Instance(losses=2, starts=Phase.NEW),
    "four-vaults": Instance(vaults=4, losses=2, lose="AB"),
    "five-vaults-one-place": Instance(vaults=5, losses=2, lose="A"),
    "two-losses-late": Instance(losses=2, late=True),
    "new-address-ghosts": Instance(losses=2, moves=True, ghosts=True),
    "three-losses-ghosts": Instance(losses=3, ghosts=True),
    "four-vaults-ghosts": Instance(vaults=4, losses=2, lose="A", ghosts=True),
    "five-vaults-rounds-two-places": Instance(vaults=5, losses=2, lose="AB", rounds=True),
}
"""From a minute to many, in this order. `python -m tests.exploration.membership` goes through them."""

INSTANCES = SMALL | LARGE | LARGEST

BEYOND = Instance(losses=3, loses_all=True)
"""Nobody is left who knows of the grid. A value can't outlast that; nor can the knowledge that there was one."""
