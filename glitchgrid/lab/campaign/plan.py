"""The plan of a run: everything about it that is not chance within it. Drawn before the run, from its seed.

Swarm testing (Groce et al., 2012): each seed uses some kinds of fault and leaves out others, so that each is seen
with and without its companions. A plan is a JSON file that can be read, edited and run again; the draws that remain
within a run (latencies, clients' choices) come from the seed and do not depend on the plan's faults.

Few seeds break an assumption of the register, too. Their plans say so, for such a run is expected to go wrong.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from attrs import asdict, field, frozen

from glitchgrid.lab.campaign.clients import Habits
from glitchgrid.lab.errors import PlanInvalid
from glitchgrid.lab.faults.fault import DURATIONS_MS, Fault, Stage
from glitchgrid.lab.limits import one_of, whole, yes_or_no
from glitchgrid.lab.register.kinds import BREAKING, HARMLESS, KINDS
from glitchgrid.register import PROTOCOLS
from glitchgrid.simulation.draws import PER_MILLE, Draws

VERSION = 1
ATOMIC = "atomic"
CLIENTS = "clients"
"""The machine of all clients."""
VAULTS_MAX = 9
CONTROLS_MAX = 4
VAULTS_DRAWN = (3, 3, 3, 2, 4, 5)
CONTROLS_DRAWN = (1, 2, 2)
STEPS_MAX = 10_000
FAULTS_MAX = 10_000
WEIGHTS = (1, 1, 2, 5)
"""How often a run uses a kind, beside the others that it uses."""

LATENCY_US_MAX = 10_000_000
DRIFT_PPM_MAX = 100_000
DISK_SLOWNESS_MAX = 10_000
BENCH = "bench"
"""What the names of machines beside the grid begin with."""

NUMBERS = 1_000_000
KILL, POWER_LOSS, CALM = "kill", "power loss", "calm"
ENDS_DRAWN = 3 * (KILL, POWER_LOSS) + 2 * (CALM,)
"""A calm end is a quarter of them: it takes the longest."""

SEED = re.compile(r"[0-9A-Za-z._-]{1,64}")
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

    vaults: int = field(default=3, validator=whole(1, VAULTS_MAX))
    controls: int = field(default=1, validator=whole(1, CONTROLS_MAX))
    protocol: str = field(default=ATOMIC, validator=one_of(*PROTOCOLS))
    steps: int = field(default=20, validator=whole(1, STEPS_MAX))

    @property
    def vault_names(self) -> list[str]:
        return [f"vault{number + 1}" for number in range(self.vaults)]

    @property
    def control_names(self) -> list[str]:
        return [f"control{number + 1}" for number in range(self.controls)]

    @property
    def servers(self) -> list[str]:
        return [*self.vault_names, *self.control_names]

    @property
    def machines(self) -> list[str]:
        return [*self.servers, CLIENTS]


@frozen
class Wanted:
    """What a campaign's runs are to be like. A number of vaults or controls that is not given is drawn by each seed."""

    vaults: int | None = None
    controls: int | None = None
    protocol: str = ATOMIC
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
    :ivar by_name: controls are told the vaults' names, and not their addresses.
    """

    latency_us: int = field(validator=whole(1, LATENCY_US_MAX))
    loss_per_mille: int = field(validator=whole(0, PER_MILLE - 1))
    cuts_segments: bool = field(validator=yes_or_no)
    drift_ppm: int = field(validator=whole(0, DRIFT_PPM_MAX))
    disk_slowness: int = field(validator=whole(1, DISK_SLOWNESS_MAX))
    by_name: bool = field(default=False, validator=yes_or_no)


@frozen
class Planned:
    """One fault, when it begins, and how long it lasts."""

    at_ms: int = field(validator=whole(0, HOUR_MS))
    for_ms: int = field(validator=whole(0, HOUR_MS))
    fault: Fault


def _in_a_row(faults: Sequence[Planned]) -> tuple[Planned, ...]:
    return tuple(faults)


def _not_too_many(_plan: Any, _attribute: Any, faults: Sequence[Planned]) -> None:
    if len(faults) > FAULTS_MAX:
        raise ValueError(f"there are {len(faults)} faults, and {FAULTS_MAX} are the most")


def _seed(_plan: Any, _attribute: Any, seed: Any) -> None:
    """It becomes part of the names of files."""
    if type(seed) is not str or not SEED.fullmatch(seed):
        raise ValueError(f"seed is {seed!r}, and not up to 64 letters, digits, dots, dashes and underscores")


@frozen
class Plan:
    """:ivar ends_with: what becomes of all vaults before a majority of them is started for the last reads and writes;
    a power loss takes the controls, too. Calm: nothing; what can run goes on running.
    """

    seed: str = field(validator=_seed)
    layout: Layout
    surroundings: Surroundings
    habits: Habits
    faults: Sequence[Planned] = field(converter=_in_a_row, validator=_not_too_many)
    ends_with: str = field(default=KILL, validator=one_of(KILL, POWER_LOSS, CALM))

    @property
    def breaks(self) -> list[str]:
        """The assumptions of the register that its faults break."""
        return sorted({each.fault.breaks for each in self.faults if each.fault.breaks})


def number_of(seed: str) -> int:
    """A number for what runs take in turns, so that neighbours have other parts of it: the seed, where it is one."""
    return int(seed) if seed.isdecimal() else Draws(f"{seed}:number").below(NUMBERS)


def draw_plan(seed: str, layout: Layout, stage: Stage) -> Plan:
    """What a seed stands for."""
    draws = Draws(f"{seed}:plan")
    surroundings = Surroundings(
        latency_us=draws.pick((50, 500, 5000, 20_000)),
        loss_per_mille=draws.pick((0, 0, 0, 5, 50)),
        cuts_segments=draws.chance(300),
        drift_ppm=draws.pick((0, 100, 1000)),
        disk_slowness=draws.pick((1, 1, 1, 10, 100)),
        by_name=draws.chance(300),
    )
    habits = Habits(
        clients=draws.between(1, 8),
        pause_ms=draws.pick((2, 50, 300)),
        patience_ms=draws.pick((300, 3000, 10_000)),
        leaves_per_mille=draws.pick((0, 0, 50)),
        hostile=draws.pick((0, 0, 0, 1, 3)),
        retries=draws.pick((0, 0, 2)),
        writes_per_mille=draws.pick((250, 500, 500, 800)),
    )
    faults = _draw_faults(draws, stage)
    if draws.chance(BREAKING_PER_MILLE):
        faults = sorted([*faults, *_draw_breaking(draws, stage)], key=lambda each: each.at_ms)
    return Plan(seed, layout, surroundings, habits, tuple(faults), draws.pick(ENDS_DRAWN))


def _draw_faults(draws: Draws, stage: Stage) -> list[Planned]:
    share_per_mille = draws.pick((0, 100, 300, 300, 700, 700))
    # A kind stands there as often as its weight says.
    kinds = [kind for kind in HARMLESS if draws.chance(share_per_mille) for _ in range(draws.pick(WEIGHTS))]
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
        return _plan(json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PlanInvalid(_problem(error)) from error


def _problem(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error}"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    # attrs says of which class a field is missing, or too many: by its constructor.
    return str(error).replace(".__init__()", "")


def _plan(data: Any) -> Plan:
    if type(data) is not dict:
        raise PlanInvalid("it is not a JSON object")
    version = data.pop("plan")
    if type(version) is not int or version != VERSION:
        raise PlanInvalid(f"its version is {version!r}, and not {VERSION}")
    data.pop("breaks", None)
    layout, surroundings, habits = (data.pop(name) for name in ("layout", "surroundings", "habits"))
    seed, faults, ends_with = data.pop("seed"), data.pop("faults"), data.pop("ends_with", KILL)
    if data:
        raise PlanInvalid(f"there is no field {min(data)!r} in a plan")
    if type(faults) is not list:
        raise PlanInvalid("faults is no list")
    made = Layout(**layout)
    return Plan(
        seed=seed,
        layout=made,
        surroundings=Surroundings(**surroundings),
        habits=Habits(**habits),
        faults=tuple(_planned(each, made) for each in faults),
        ends_with=ends_with,
    )


def _planned(data: dict[str, Any], layout: Layout) -> Planned:
    rest = dict(data)
    at_ms, for_ms, kind = rest.pop("at_ms"), rest.pop("for_ms"), rest.pop("kind")
    if kind not in KINDS:
        raise PlanInvalid(f"there is no fault of kind {kind!r}")
    fault = KINDS[kind](**rest)
    for names, known in ((fault.machines, layout.machines), (fault.keepers, layout.vault_names)):
        for name in names:
            if name not in known:
                raise PlanInvalid(f"{kind}: {name!r} is not one of {', '.join(known)}")
    return Planned(at_ms, for_ms, fault)


def _fields(fault: Any) -> dict[str, Any]:
    fields: dict[str, Any] = asdict(fault)
    return fields
