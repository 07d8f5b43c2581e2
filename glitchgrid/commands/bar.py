"""The results of a campaign as they come; a bar counts them where somebody looks."""

from collections.abc import Iterator
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.verdict import Verdict


def shown(results: Iterator[Result], total: int) -> Iterator[Result]:
    """:param total: so many there will be."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(
            "{task.fields[per_second]:.1f} seeds/s, {task.fields[operations]} operations, "
            "{task.fields[faults]} faults, {task.fields[failures]} failures"
        ),
        TimeRemainingColumn(),
    )
    operations = faults = failures = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("seeds", total=total, per_second=0.0, operations=0, faults=0, failures=0)
        began_s = monotonic()
        for count, result in enumerate(results, start=1):
            operations += result.operations
            faults += result.faults
            failures += result.verdict is Verdict.VIOLATION
            per_second = count / (monotonic() - began_s)
            progress.update(
                bar, completed=count, per_second=per_second, operations=operations, faults=faults, failures=failures
            )
            yield result
