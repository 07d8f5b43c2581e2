"""What is asked of a process that runs systems, and what it says where there is no result."""

from typing import TYPE_CHECKING

from attrs import frozen

from glitchgrid.lab.place.changes import Change

if TYPE_CHECKING:
    from glitchgrid.lab.layout import Layout
    from glitchgrid.lab.plan.plan import Plan


@frozen
class Request:
    """A run: of a plan, or of what a seed draws for a layout.

    :ivar glitches: the system's that are switched on.
    """

    layout: "Layout"
    plan: "Plan | None"
    seed: str
    keep_trace: bool
    glitches: tuple[str, ...]
    changes: tuple[Change, ...]


@frozen
class Bug:
    """What the laboratory itself has raised in a run."""

    told: str
