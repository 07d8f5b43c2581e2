"""Simpler plans, for shrinking: what is the same for every system."""

from collections.abc import Callable, Iterator

from attrs import evolve

from glitchgrid.lab.layout import Layout
from glitchgrid.lab.plan.plan import Plan

PLAIN_LATENCY_US = 200
SOONER = (0.0, 0.25, 0.5, 0.75)

Simpler = Callable[[Plan], Iterator[Plan]]
"""Offers simpler plans than the one that it is given, the simplest first."""


def plainer_environment(plan: Plan) -> Iterator[Plan]:
    """A network that loses nothing, clocks that agree, disks that are fast, programs that are there at once."""
    plain = evolve(
        plan.environment,
        latency_us=PLAIN_LATENCY_US,
        loss_per_mille=0,
        cuts_segments=False,
        drift_ppm=0,
        disk_slowness=1,
        loading_ms=0,
    )
    yield evolve(plan, environment=plain)
    yield evolve(plan, environment=evolve(plain, latency_us=plan.environment.latency_us))
    yield evolve(plan, environment=evolve(plain, disk_slowness=plan.environment.disk_slowness))
    yield evolve(plan, environment=evolve(plain, loading_ms=plan.environment.loading_ms))


def sooner(plan: Plan, part: float) -> Plan:
    """The plan with its faults at a part of their times, and in their order."""
    faults = [evolve(planned, at_ms=int(planned.at_ms * part)) for planned in plan.faults]
    return evolve(plan, faults=faults)


def sooner_faults(plan: Plan) -> Iterator[Plan]:
    """Faults that come earlier: there is less to look at before them."""
    for part in SOONER:
        yield sooner(plan, part)


def on_layout(plan: Plan, layout: Layout) -> Plan:
    """The plan on fewer machines, without the faults of those that are not there."""
    kept = [planned for planned in plan.faults if all(name in layout.servers for name in planned.fault.machines)]
    return evolve(plan, layout=layout, faults=kept)
