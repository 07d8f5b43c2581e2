"""What the environment of a real process has to say in which worlds run."""

import os
import sys

from glitchgrid.simulation import native
from glitchgrid.simulation.kernel.place import HASH_SEED

HASH_SEEDS = (1, 2)
"""One of them is another one than ours, whatever ours is."""


def environment(hash_seed: int) -> dict[str, str]:
    """As this process's, with what it imports from, and hashes that are the same each time."""
    path = os.pathsep.join(each or os.getcwd() for each in sys.path)
    library = native.find()
    for_c = {} if library is None else native.environment(library, os.environ)
    return os.environ | for_c | {"PYTHONPATH": path, "PYTHONHASHSEED": str(hash_seed)}


def another_hash_seed() -> int:
    """One that is not this process's: what depends on hashes differs where they have it."""
    return next(seed for seed in HASH_SEEDS if seed != own_hash_seed())


def own_hash_seed() -> int:
    """This process's, where somebody has chosen one: who runs seeds a second time elsewhere chooses another."""
    chosen = os.environ.get("PYTHONHASHSEED", "")
    return int(chosen) if chosen.isdecimal() and chosen != "0" else HASH_SEED
