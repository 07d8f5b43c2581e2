"""The first seeds of the clean campaign, one after another, until one is wrong.

    python -m tests.some_seeds 30 [--write FILE | --baseline FILE | --modules]

Exits with 1 where one is, as `glitchgrid simulate` would, but at the first one. `--write` leaves what they reached, and
`--baseline` is such a file: what was reached then has to be reached again. `--modules` prints the product's modules of
which some function was called.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from glitchgrid.lab.campaign.campaign import Summary
from glitchgrid.lab.campaign.tasks import Task, perform
from glitchgrid.lab.place.changes import changed
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict

ROOT = Path(__file__).parents[1]
NAME = "tests.some_seeds"
"""Whatever this module is called where it is a program."""


def run(seeds: int) -> Summary:
    """All of them, as long as none is wrong."""
    summary = Summary(REGISTER)
    for seed in range(seeds):
        result = perform(Task(seed, Wanted().layout(str(seed))))
        if result.verdict is Verdict.VIOLATION:
            sys.exit(f"seed {seed}: {result.findings[0]}")
        summary = summary.and_also(result)
    return summary


@contextmanager
def noting(path: str) -> Iterator[None]:
    """Where a run is: write down in which files functions were called."""
    called: set[str] = set()

    def note(frame: FrameType, _event: str, _argument: Any) -> None:
        if frame.f_code.co_name != "<module>":
            called.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in called)


@click.command()
@click.argument("seeds", type=int)
@click.option("--write", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path))
@click.option("--modules", is_flag=True)
def main(seeds: int, write: Path | None, baseline: Path | None, *, modules: bool) -> None:
    """Run them."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file, ExitStack() as stack:
        if modules:
            stack.enter_context(changed(f"{NAME}:noting", file.name))
        summary = run(seeds)
        called = set(file.read().splitlines())
    if write is not None:
        write.write_text(json.dumps(summary.as_reached()), encoding="utf-8")
    if baseline is not None:
        lost = summary.lost(json.loads(baseline.read_text(encoding="utf-8")))
        if lost:
            sys.exit(f"not reached any more: {'; '.join(lost)}")
    if modules:
        ours = [Path(name).relative_to(ROOT) for name in called if name.startswith(str(ROOT / "glitchgrid"))]
        print("\n".join(sorted(str(path) for path in ours if "lab" not in path.parts)))


if __name__ == "__main__":
    main()
