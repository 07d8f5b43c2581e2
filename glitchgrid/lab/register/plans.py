"""What plans for the register may say, and how a plan that fails is made simpler."""

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve

from glitchgrid.lab.faults.processes import Signal
from glitchgrid.lab.plan.plan import Environment, FoundWith, Plan, Planned
from glitchgrid.lab.plan.simpler import on_layout, plainer_environment, sooner, sooner_faults
from glitchgrid.lab.plan.vocabulary import Vocabulary
from glitchgrid.lab.register.habits import MINUTE_MS, ClientHabits, draw_habits
from glitchgrid.lab.register.kinds import BREAKING, HARMLESS
from glitchgrid.lab.register.layout import STEPS_MAX, GridLayout
from glitchgrid.simulation.random_stream import PER_MILLE

KILL, POWER_LOSS, CALM = "kill", "power loss", "calm"
"""What becomes of all vaults before a majority of them is started for the last reads and writes; a power loss takes
the controls, too. Calm: nothing; what can run goes on running."""

ENDS_DRAWN = 3 * (KILL, POWER_LOSS) + 2 * (CALM,)
"""A calm end is a quarter of them: it takes the longest."""

PLANS = Vocabulary(GridLayout, ClientHabits, draw_habits, HARMLESS, BREAKING, ENDS_DRAWN, (Signal,))

FEWEST_STEPS = 1

CLIENTS = 3
PATIENCE_MS = 6_000
OPERATIONS_EACH = 100
"""So many, more or less, each client makes in a run that is made for its faults, however long it is."""

PAUSE_MS_MIN = 20
MEAN_OF_USUAL = 3
"""So many times as long as usual a client's pause is on the average: few are long, and those very long."""

QUIET = Environment(latency_us=200, loss_per_mille=0, cuts_segments=False, drift_ppm=0, disk_slowness=1)


def grid_of(plan: Plan) -> GridLayout:
    """The plan's layout, which is one of the register's."""
    assert isinstance(plan.layout, GridLayout), "a plan for the register"
    return plan.layout


def habits_of(plan: Plan) -> ClientHabits:
    """The plan's habits, which are those of the register's clients."""
    assert isinstance(plan.habits, ClientHabits), "a plan for the register"
    return plan.habits


def plan_with(seed: str, layout: GridLayout, faults: Sequence[Planned], duration_ms: int, glitch: str) -> Plan:
    """A plan for faults that were seen elsewhere, with a few patient clients that are there for as long.

    :param layout: its steps are chosen here.
    :param glitch: the bug that is on; empty for none.
    """
    pause_ms = min(MINUTE_MS, max(PAUSE_MS_MIN, duration_ms // OPERATIONS_EACH // MEAN_OF_USUAL))
    steps = max(1, min(STEPS_MAX, CLIENTS * duration_ms // (MEAN_OF_USUAL * pause_ms) // 2))
    return Plan(
        seed=seed,
        layout=evolve(layout, steps=steps),
        environment=QUIET,
        habits=ClientHabits(CLIENTS, pause_ms, PATIENCE_MS, leaves_per_mille=0, hostile=0, retries=0),
        faults=sorted(faults, key=lambda planned: planned.at_ms),
        ends_with=CALM,
        found_with=FoundWith(glitch=glitch),
    )


# Each of these offers simpler plans, the simplest first.


def _fewer_steps(plan: Plan) -> Iterator[Plan]:
    """With the faults where they are, and with the faults as much earlier as there are fewer writes before them."""
    before = grid_of(plan).steps
    steps = FEWEST_STEPS
    while steps < before:
        fewer = evolve(plan, layout=evolve(grid_of(plan), steps=steps))
        yield fewer
        if plan.faults:
            yield sooner(fewer, steps / before)
        steps += max(1, steps // 2)


def _writes_alone(plan: Plan) -> Iterator[Plan]:
    yield _with_clients(plan, writes_per_mille=PER_MILLE)


def _fewer_clients(plan: Plan) -> Iterator[Plan]:
    for clients in range(1, habits_of(plan).clients):
        yield _with_clients(plan, clients=clients)


def _milder_clients(plan: Plan) -> Iterator[Plan]:
    yield _with_clients(plan, hostile=0, retries=0, leaves_per_mille=0)
    yield _with_clients(plan, hostile=0)
    yield _with_clients(plan, retries=0)
    yield _with_clients(plan, leaves_per_mille=0)


def _with_clients(plan: Plan, **habits: Any) -> Plan:
    return evolve(plan, habits=evolve(habits_of(plan), **habits))


def _fewer_controls(plan: Plan) -> Iterator[Plan]:
    for controls in range(1, grid_of(plan).controls):
        yield on_layout(plan, evolve(grid_of(plan), controls=controls))


def _fewer_vaults(plan: Plan) -> Iterator[Plan]:
    for vaults in range(1, grid_of(plan).vaults):
        yield on_layout(plan, evolve(grid_of(plan), vaults=vaults))


def _plainer_end(plan: Plan) -> Iterator[Plan]:
    yield evolve(plan, ends_with=KILL)


SIMPLER = (
    _fewer_controls,
    _fewer_vaults,
    _fewer_clients,
    _milder_clients,
    plainer_environment,
    _plainer_end,
    _writes_alone,
    _fewer_steps,
    sooner_faults,
)
