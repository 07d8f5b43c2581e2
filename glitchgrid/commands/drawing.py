"""Draws a run that was kept whole, into the files that were asked for."""

from pathlib import Path

from attrs import frozen

from glitchgrid.commands.files import prepare_file, write_file
from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.picture.page import as_page
from glitchgrid.lab.picture.perfetto import as_trace_events
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.plans import grid_of


@frozen
class Drawings:
    """Where the picture of a run goes: as a page, and as Trace Event JSON."""

    html: Path | None = None
    perfetto: Path | None = None

    def __str__(self) -> str:
        return " and ".join(str(path) for path in (self.html, self.perfetto) if path is not None)

    @property
    def are_wanted(self) -> bool:
        return self.html is not None or self.perfetto is not None

    def prepare(self) -> None:
        """Find out whether the files can be written, before a run takes its time.

        :raises CannotRun: where one cannot.
        """
        for path in (self.html, self.perfetto):
            if path is not None:
                prepare_file(path)

    def draw(self, result: Result, replay: str, glitch: str | None) -> None:
        """:param replay: the command that shows the run again.

        :raises CannotRun: where a file cannot be written.
        """
        if not self.are_wanted:
            return
        layout = grid_of(result.plan)
        size = (
            f"vaults: {layout.vaults}, controls: {layout.controls}, faults: {len(result.plan.faults)},"
            f" operations: {result.operations}, protocol: {layout.protocol}"
        )
        notes = [
            size,
            *_told(glitch),
            *(f"The plan breaks an assumption: {assumption}" for assumption in result.plan.breaks),
            f"Again: {replay}",
        ]
        picture = picture_of(result, notes)
        for path, text in ((self.html, as_page), (self.perfetto, as_trace_events)):
            if path is not None:
                write_file(path, text(picture))


NO_DRAWINGS = Drawings()


def _told(glitch: str | None) -> list[str]:
    if glitch is None:
        return []
    return [f"The glitch {glitch} is on. {GLITCHES[glitch].what} {GLITCHES[glitch].so}"]
