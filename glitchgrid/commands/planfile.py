"""Reads the plan that somebody names on the command line, and says how it is run."""

import json
from pathlib import Path

from glitchgrid.commands.calling import command
from glitchgrid.commands.ending import tell
from glitchgrid.lab.errors import CannotRun, PlanInvalid
from glitchgrid.lab.plan.file import decode_faults, decode_plan
from glitchgrid.lab.plan.plan import HOUR_MS, Plan
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.plans import PLANS, plan_with

PLAN_BYTES_MAX = 10_000_000
REST_MS = 1000
"""Behind the last fault that was rehearsed."""


def read_plan(path: Path) -> Plan:
    """:raises CannotRun: if the file cannot be read, or holds no plan."""
    try:
        if path.stat().st_size > PLAN_BYTES_MAX:
            raise CannotRun(f"{path} is longer than {PLAN_BYTES_MAX} bytes")
        text = path.read_text(encoding="utf-8")
        return _of_real_machines(text) or decode_plan(text, PLANS)
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    except (PlanInvalid, UnicodeDecodeError) as error:
        raise CannotRun(f"{path}: {error}") from error


def _of_real_machines(text: str) -> Plan | None:
    """What was rehearsed on machines that are called as those of a grid, as a plan for a grid in simulation.

    Of the clients it says nothing: there are a few, for as long as there are faults. None for any other plan.

    :raises PlanInvalid: where a machine is none of a grid's, or a fault none of the simulator's.
    """
    try:
        data = json.loads(text)
        servers = [str(name) for name in data["layout"]["of_servers"]]
        seed = str(data.get("seed", "0"))
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    vaults, controls = (sum(name.startswith(kind) for name in servers) for kind in ("vault", "control"))
    try:
        layout = GridLayout(vaults, controls)
    except ValueError:
        layout = None
    if layout is None or {*layout.servers} != {*servers}:
        raise PlanInvalid(f"it was rehearsed with {', '.join(servers)}, and in simulation there are grids alone")
    faults = decode_faults(text, list(PLANS.kinds.values()), {}, layout)
    duration_ms = max((each.at_ms + each.for_ms for each in faults), default=0) + REST_MS
    try:
        return plan_with(seed, layout, faults, min(HOUR_MS, duration_ms), "")
    except ValueError as error:
        raise PlanInvalid(str(error)) from error


NO_GLITCH = "none"
"""What is given for a plan that was found with a glitch, and is to be run without."""


def glitch_for(plan: Plan, given: str | None) -> str | None:
    """The glitch that a plan is run with: the one that was given, and without that the one it was found with.

    :raises CannotRun: where it names one that there is not.
    """
    kept = plan.found_with.glitch or None
    if given is None:
        if kept is not None and kept not in GLITCHES:
            raise CannotRun(f"the plan was found with the glitch {kept!r}, which is not known here: give --glitch")
        return kept
    chosen = None if given == NO_GLITCH else given
    if kept is not None and chosen != kept:
        tell(f"the plan was found with --glitch {kept}, and is run with --glitch {given}: that was given")
    return chosen


def shown_plan(path: Path, plan: Plan, glitch: str | None) -> str:
    """The command that runs a plan again, with a glitch or without one."""
    is_kept = (plan.found_with.glitch or None) == glitch
    return command("simulate", "--plan", str(path), *([] if is_kept else ["--glitch", glitch or NO_GLITCH]))
