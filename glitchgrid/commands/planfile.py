"""Reads the plan that somebody names on the command line, and says how it is run."""

from pathlib import Path

from glitchgrid.commands.calling import command
from glitchgrid.commands.ending import tell
from glitchgrid.lab.errors import CannotRun, PlanInvalid
from glitchgrid.lab.plan.file import decode_plan
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.plans import PLANS

PLAN_BYTES_MAX = 10_000_000


def read_plan(path: Path) -> Plan:
    """:raises CannotRun: if the file cannot be read, or holds no plan."""
    try:
        if path.stat().st_size > PLAN_BYTES_MAX:
            raise CannotRun(f"{path} is longer than {PLAN_BYTES_MAX} bytes")
        return decode_plan(path.read_text(encoding="utf-8"), PLANS)
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    except (PlanInvalid, UnicodeDecodeError) as error:
        raise CannotRun(f"{path}: {error}") from error


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
