"""The faults of a timeline on real processes, from its seed: drawn as those of simulated runs are, and fewer."""

from collections.abc import Sequence

from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.plan.swarm import draw_faults
from glitchgrid.simulation.random_stream import RandomStream

OFTEN_MS = (100, 300, 1000)
"""What lies between two faults: real programs take longer to come back than simulated ones."""

DRAWS_MAX = 100
MS_PER_S = 1000


def faults_of(seed: int, layout: Layout, kinds: Sequence[type[Fault]], for_s: float) -> Sequence[Planned]:
    """Faults of some of these kinds; none where there are no kinds.

    A timeline takes too long to have none: what draws no fault is drawn again.

    :param for_s: they begin within so many seconds.
    """
    if not kinds:
        return ()
    draws = (RandomStream(f"{seed}:plan{again}") for again in ("", *map(str, range(DRAWS_MAX))))
    drawn = (draw_faults(rng, layout, kinds, int(for_s * MS_PER_S), OFTEN_MS) for rng in draws)
    return next(filter(None, drawn), ())
