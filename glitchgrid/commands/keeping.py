"""What a command leaves of a run that failed."""

from pathlib import Path

from glitchgrid.commands.files import write_file
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.plan.plan import Plan


def plan_name(plan: Plan) -> str:
    """The name of the file with the plan of a run that failed."""
    return f"seed-{plan.seed}.plan.json"


def keep_run(directory: Path, result: Result) -> None:
    """Leave a run's plan, history and trace in files.

    :raises CannotRun: where one cannot be written.
    """
    stem = f"seed-{result.plan.seed}"
    write_file(directory / plan_name(result.plan), encode_plan(result.plan))
    write_file(directory / f"{stem}.history.jsonl", result.history)
    write_file(directory / f"{stem}.trace", "".join(result.trace))
