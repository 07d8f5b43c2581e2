"""The plan of a run: everything about it that is not chance within it. Drawn before the run, from its seed.

Swarm testing (Groce et al., 2012): each seed uses some kinds of fault and leaves out others, so that each is seen
with and without its companions. A plan is a JSON file that can be read, edited and run again; the draws that remain
within a run (latencies, clients' choices) come from the seed and do not depend on the plan's faults.

Few seeds break an assumption of the register, too. Their plans say so, for such a run is expected to go wrong.
"""

import json
from collections.abc import Sequence
from typing import Any

from attrs import asdict, field, frozen
from attrs.validators import ge, instance_of, le

from glitchgrid.lab.campaign.clients import Habits
from glitchgrid.lab.campaign.faults.fault import DURATIONS_MS, Fault, Stage
from glitchgrid.lab.campaign.faults.kinds import BREAKING, HARMLESS, KINDS
from glitchgrid.lab.errors import PlanInvalid
from glitchgrid.lab.simulation.draws import Draws
from glitchgrid.register import PROTOCOLS

VERSION = 1
VAULTS_MAX = 9
CONTROLS_MAX = 4
VAULTS_DRAWN = (3, 3, 3, 2, 4, 5)
CONTROLS_DRAWN = (1, 2)
STEPS_MAX = 10_000
FAULTS_MAX = 10_000
FIRST_FAULT_MS = (5, 50, 200)
FAULTS_UNTIL_MS = 60_000
BREAKING_PER_MILLE = 40
BREAKING_FROM_MS, BREAKING_EVERY_MS, BREAKING_MAX = 500, 1000, 3
HOUR_MS = 3_600_000


@frozen
class Layout:
    """What there is in a run.

    :ivar steps: how many writes the clients make.
    """

    vaults: int = field(default=3, validator=[instance_of(int), ge(1), le(VAULTS_MAX)])
    controls: int = field(default=1, validator=[instance_of(int), ge(1), le(CONTROLS_MAX)])
    protocol: str = "atomic"
    steps: int = field(default=20, validator=[instance_of(int), ge(1), le(STEPS_MAX)])

    @property
    def vault_names(self) -> list[str]:
        return [f"vault{number + 1}" for number in range(self.vaults)]

    @property
    def control_names(self) -> list[str]:
        return [f"control{number + 1}" for number in range(self.controls)]

    @property
    def servers(self) -> list[str]:
        return [*self.vault_names, *self.control_names]


@frozen
class Wanted:
    """What a campaign's runs are to be like. A number of vaults or controls that is not given is drawn by each seed."""

    vaults: int | None = None
    controls: int | None = None
    protocol: str = "atomic"
    steps: int = 20

    def layout(self, seed: str) -> Layout:
        draws = Draws(f"{seed}:layout")
        vaults, controls = draws.pick(VAULTS_DRAWN), draws.pick(CONTROLS_DRAWN)
        return Layout(self.vaults or vaults, self.controls or controls, self.protocol, self.steps)


@frozen
class Surroundings:
    """What stays the same throughout a run.

    :ivar latency_us: what a segment usually takes from one machine to another.
    :ivar cuts_segments: data arrives in pieces of any size.
    :ivar drift_ppm: how far apart the machines' clocks run.
    """

    latency_us: int
    loss_per_mille: int
    cuts_segments: bool
    drift_ppm: int
    disk_slowness: int


@frozen
class Planned:
    """One fault, when it begins, and how long it lasts."""

    at_ms: int = field(validator=[instance_of(int), ge(0), le(HOUR_MS)])
    for_ms: int = field(validator=[instance_of(int), ge(0), le(HOUR_MS)])
    fault: Fault


def _in_a_row(faults: Sequence[Planned]) -> tuple[Planned, ...]:
    return tuple(faults)


@frozen
class Plan:
    seed: str
    layout: Layout
    surroundings: Surroundings
    habits: Habits
    faults: Sequence[Planned] = field(converter=_in_a_row)

    @property
    def breaks(self) -> list[str]:
        """The assumptions of the register that its faults break."""
        return sorted({each.fault.breaks for each in self.faults if each.fault.breaks})


def draw_plan(seed: str, layout: Layout, stage: Stage) -> Plan:
    """What a seed stands for."""
    draws = Draws(f"{seed}:plan")
    surroundings = Surroundings(
        latency_us=draws.pick((50, 500, 5000, 20_000)),
        loss_per_mille=draws.pick((0, 0, 0, 5, 50)),
        cuts_segments=draws.chance(300),
        drift_ppm=draws.pick((0, 100, 1000)),
        disk_slowness=draws.pick((1, 1, 1, 10, 100)),
    )
    habits = Habits(
        clients=draws.between(1, 8),
        pause_ms=draws.pick((5, 50, 300)),
        patience_ms=draws.pick((300, 3000, 10_000)),
        leaves_per_mille=draws.pick((0, 0, 50)),
        hostile=draws.pick((0, 0, 0, 1, 3)),
        retries=draws.pick((0, 0, 2)),
    )
    faults = _draw_faults(draws, stage)
    if draws.chance(BREAKING_PER_MILLE):
        faults = sorted([*faults, *_draw_breaking(draws, stage)], key=lambda each: each.at_ms)
    return Plan(seed, layout, surroundings, habits, tuple(faults))


def _draw_faults(draws: Draws, stage: Stage) -> list[Planned]:
    share_per_mille = draws.pick((0, 100, 300, 300, 700, 700))
    kinds = [kind for kind in HARMLESS if draws.chance(share_per_mille)]
    every_ms = draws.pick((20, 100, 500))
    faults: list[Planned] = []
    at_ms = draws.pick(FIRST_FAULT_MS)
    while kinds and at_ms < FAULTS_UNTIL_MS and len(faults) < FAULTS_MAX:
        faults.append(Planned(at_ms, draws.pick(DURATIONS_MS), draws.pick(kinds).draw(draws, stage)))
        at_ms += draws.rarely_long(every_ms)
    return faults


def _draw_breaking(draws: Draws, stage: Stage) -> list[Planned]:
    kind = draws.pick(BREAKING)
    at_ms = [draws.rarely_long(BREAKING_EVERY_MS) for _ in range(draws.between(1, BREAKING_MAX))]
    return [Planned(BREAKING_FROM_MS + each, draws.pick(DURATIONS_MS), kind.draw(draws, stage)) for each in at_ms]


def encode_plan(plan: Plan) -> str:
    """As JSON, a fault a line. What its faults break stands first, for people: it follows from them."""
    head = {"plan": VERSION, "breaks": plan.breaks, **asdict(plan)}
    head.pop("faults")
    lines = [
        json.dumps({"at_ms": each.at_ms, "for_ms": each.for_ms, "kind": each.fault.kind, **_fields(each.fault)})
        for each in plan.faults
    ]
    text = json.dumps(head, indent=1)[:-2]
    return text + ',\n "faults": [' + ",".join("\n  " + line for line in lines) + "\n ]\n}\n"


def decode_plan(text: str) -> Plan:
    """Read a plan back.

    :raises PlanInvalid: for what is none.
    """
    try:
        data = json.loads(text)
        if data.pop("plan") != VERSION:
            raise PlanInvalid(f"its version is not {VERSION}")
        layout = _layout(data["layout"])
        return Plan(
            seed=str(data["seed"]),
            layout=layout,
            surroundings=Surroundings(**data["surroundings"]),
            habits=Habits(**data["habits"]),
            faults=tuple(_planned(each, layout.servers) for each in data["faults"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PlanInvalid(f"{type(error).__name__}: {error}") from error


def _layout(data: dict[str, Any]) -> Layout:
    layout = Layout(**data)
    if layout.protocol not in PROTOCOLS:
        raise PlanInvalid(f"there is no protocol {layout.protocol!r}")
    return layout


def _planned(data: dict[str, Any], servers: Sequence[str]) -> Planned:
    rest = dict(data)
    at_ms, for_ms, kind = rest.pop("at_ms"), rest.pop("for_ms"), rest.pop("kind")
    if kind not in KINDS:
        raise PlanInvalid(f"there is no fault of kind {kind!r}")
    for name in ("machine", "source", "target"):
        if rest.get(name, servers[0]) not in servers:
            raise PlanInvalid(f"there is no {name} {rest[name]!r}")
    return Planned(at_ms, for_ms, KINDS[kind](**rest))


def _fields(fault: Any) -> dict[str, Any]:
    fields: dict[str, Any] = asdict(fault)
    return fields
