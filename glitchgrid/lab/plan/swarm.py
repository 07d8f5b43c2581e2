"""Draws a plan from a seed.

Swarm testing (Groce et al., 2012): each seed uses some kinds of fault and leaves out others, so that each kind is seen
with and without its companions. Few seeds break an assumption of the system, too, and their plans say so: such a run
is expected to go wrong.
"""

from collections.abc import Sequence

from attrs import evolve

from glitchgrid.lab.faults.fault import DURATIONS_MS, Fault
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.plan.plan import FAULTS_MAX, Environment, Plan, Planned
from glitchgrid.lab.plan.vocabulary import Vocabulary
from glitchgrid.simulation.random_stream import RandomStream

WEIGHTS = (1, 1, 2, 5)
"""How often a run uses a kind, beside the others that it uses."""

FIRST_FAULT_MS = (5, 50, 200)
FAULTS_UNTIL_MS = 60_000
OFTEN_MS = (20, 100, 500)
"""What lies between two faults: one of these in a run, and several times that now and then."""

LOADING_MS = (0, 100, 300, 300, 1000)
"""Python and Twisted take some 300 ms; more where nothing of them is in memory. Without it more happens to servers that
begin.
"""

BREAKING_PER_MILLE = 40
BREAKING_FROM_MS, BREAKING_EVERY_MS, BREAKING_MAX = 500, 1000, 3


def draw_plan(seed: str, layout: Layout, vocabulary: Vocabulary) -> Plan:
    """The plan of a seed, on these machines."""
    rng = RandomStream(f"{seed}:plan")
    environment = draw_environment(rng)
    habits = vocabulary.draw_habits(rng)
    faults = draw_faults(rng, layout, vocabulary.harmless)
    if rng.chance(BREAKING_PER_MILLE) and vocabulary.breaking:
        faults = sorted([*faults, *_draw_breaking(rng, layout, vocabulary)], key=lambda each: each.at_ms)
    ends_with = rng.pick(vocabulary.ends)
    environment = evolve(environment, loading_ms=rng.pick(LOADING_MS))
    return Plan(seed, layout, environment, habits, faults, ends_with)


def draw_environment(rng: RandomStream) -> Environment:
    """A network, clocks and disks that are all right, and not always the best."""
    return Environment(
        latency_us=rng.pick((50, 500, 5000, 20_000)),
        loss_per_mille=rng.pick((0, 0, 0, 5, 50)),
        cuts_segments=rng.chance(300),
        drift_ppm=rng.pick((0, 100, 1000)),
        disk_slowness=rng.pick((1, 1, 1, 10, 100)),
        by_name=rng.chance(300),
    )


def draw_faults(
    rng: RandomStream,
    layout: Layout,
    harmless: Sequence[type[Fault]],
    until_ms: int = FAULTS_UNTIL_MS,
    often_ms: Sequence[int] = OFTEN_MS,
) -> list[Planned]:
    """Faults of some of these kinds, in the order of their beginnings, all of which are before `until_ms`."""
    share_per_mille = rng.pick((0, 100, 300, 300, 700, 700))
    # A kind stands there as often as its weight says.
    kinds = [kind for kind in harmless if rng.chance(share_per_mille) for _ in range(rng.pick(WEIGHTS))]
    every_ms = rng.pick(often_ms)
    faults: list[Planned] = []
    at_ms = rng.pick(FIRST_FAULT_MS)
    while kinds and at_ms < until_ms and len(faults) < FAULTS_MAX:
        faults.append(Planned(at_ms, rng.pick(DURATIONS_MS), rng.pick(kinds).draw(rng, layout)))
        at_ms += rng.rarely_long(every_ms)
    return faults


def _draw_breaking(rng: RandomStream, layout: Layout, vocabulary: Vocabulary) -> list[Planned]:
    kind = rng.pick(vocabulary.breaking)
    at_ms = [rng.rarely_long(BREAKING_EVERY_MS) for _ in range(rng.between(1, BREAKING_MAX))]
    return [Planned(BREAKING_FROM_MS + each, rng.pick(DURATIONS_MS), kind.draw(rng, layout)) for each in at_ms]
