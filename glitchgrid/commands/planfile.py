"""Reads the plan that somebody names on the command line, and says how it is run."""

from pathlib import Path

from glitchgrid.commands.calling import command
from glitchgrid.lab.errors import CannotRun, PlanInvalid
from glitchgrid.lab.plan.file import decode_plan
from glitchgrid.lab.plan.plan import Plan
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


def shown_plan(path: Path, glitch: str | None) -> str:
    """The command that runs a plan again."""
    return command("simulate", "--plan", str(path), *(["--glitch", glitch] if glitch else []))
