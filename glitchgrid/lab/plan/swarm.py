"""Draws a plan from a seed.

Swarm testing (Groce et al., 2012): each seed uses some kinds of fault and leaves out others, so that each kind is seen
with and without its companions. Few seeds break an assumption of the system, too, and their plans say so: such a run
is expected to go wrong.
"""

from glitchgrid.lab.faults.fault import DURATIONS_MS
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.plan.plan import FAULTS_MAX, Environment, Plan, Planned
from glitchgrid.lab.plan.vocabulary import Vocabulary
from glitchgrid.simulation.random_stream import RandomStream

WEIGHTS = (1, 1, 2, 5)
"""How often a run uses a kind, beside the others that it uses."""

FIRST_FAULT_MS = (5, 50, 200)
FAULTS_UNTIL_MS = 60_000
BREAKING_PER_MILLE = 40
BREAKING_FROM_MS, BREAKING_EVERY_MS, BREAKING_MAX = 500, 1000, 3


def draw_plan(seed: str, layout: Layout, vocabulary: Vocabulary) -> Plan:
    """The plan of a seed, on these machines."""
    rng = RandomStream(f"{seed}:plan")
    environment = Environment(
        latency_us=rng.pick((50, 500, 5000, 20_000)),
        loss_per_mille=rng.pick((0, 0, 0, 5, 50)),
        cuts_segments=rng.chance(300),
        drift_ppm=rng.pick((0, 100, 1000)),
        disk_slowness=rng.pick((1, 1, 1, 10, 100)),
        by_name=rng.chance(300),
    )
    habits = vocabulary.draw_habits(rng)
    faults = _draw_faults(rng, layout, vocabulary)
    if rng.chance(BREAKING_PER_MILLE) and vocabulary.breaking:
        faults = sorted([*faults, *_draw_breaking(rng, layout, vocabulary)], key=lambda each: each.at_ms)
    return Plan(seed, layout, environment, habits, faults, rng.pick(vocabulary.ends))


def _draw_faults(rng: RandomStream, layout: Layout, vocabulary: Vocabulary) -> list[Planned]:
    share_per_mille = rng.pick((0, 100, 300, 300, 700, 700))
    # A kind stands there as often as its weight says.
    kinds = [kind for kind in vocabulary.harmless if rng.chance(share_per_mille) for _ in range(rng.pick(WEIGHTS))]
    every_ms = rng.pick((20, 100, 500))
    faults: list[Planned] = []
    at_ms = rng.pick(FIRST_FAULT_MS)
    while kinds and at_ms < FAULTS_UNTIL_MS and len(faults) < FAULTS_MAX:
        faults.append(Planned(at_ms, rng.pick(DURATIONS_MS), rng.pick(kinds).draw(rng, layout)))
        at_ms += rng.rarely_long(every_ms)
    return faults


def _draw_breaking(rng: RandomStream, layout: Layout, vocabulary: Vocabulary) -> list[Planned]:
    kind = rng.pick(vocabulary.breaking)
    at_ms = [rng.rarely_long(BREAKING_EVERY_MS) for _ in range(rng.between(1, BREAKING_MAX))]
    return [Planned(BREAKING_FROM_MS + each, rng.pick(DURATIONS_MS), kind.draw(rng, layout)) for each in at_ms]
