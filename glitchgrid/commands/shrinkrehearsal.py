"""``glitchgrid shrink --rehearsal DIR``: fewer faults that real programs still fail with, and how surely."""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from attrs import evolve, frozen
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from twisted.internet.defer import CancelledError

from glitchgrid.commands.ending import CANNOT_SAY, VIOLATION
from glitchgrid.commands.files import prepare_directory
from glitchgrid.commands.rehearsalview import Printer
from glitchgrid.commands.rehearse import PLAN
from glitchgrid.commands.rehearsesystem import REHEARSAL, Settings, Stagehand, again
from glitchgrid.commands.running import run
from glitchgrid.lab.composer.templates import read_merged
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.plan.plan import Habits, Plan, Planned
from glitchgrid.lab.properties import read_catalogue
from glitchgrid.lab.rehearsal.fewer import Shrinking
from glitchgrid.lab.rehearsal.systemfile import PLAIN
from glitchgrid.lab.report.part import TIMELINES, About, read_about
from glitchgrid.lab.report.report import CATALOGUE, read_report
from glitchgrid.lab.scratch import scratch_directory

SURE_TRIES = 5
FAULTS_TOLD_MAX = 20
SHRUNK = "shrunk.json"


@frozen
class Asked:
    """:param directory: what ``rehearse --system --out`` has left.
    :param tries: so often each candidate is run before it counts as one that passes.
    :param out: where the smaller plan goes.
    """

    directory: Path
    tries: int
    out: Path


def shrink_rehearsal(asked: Asked) -> NoReturn:
    """Shrink the first timeline that has failed, and exit with 1: it fails still. With 2 where none has."""
    run(lambda reactor: _Shrink(reactor, asked).run(), status_when_stopped=CANNOT_SAY)


class _Quiet(Printer):
    """A bar is shown instead."""

    def line(self, line: str, style: str = "") -> None:
        del line, style

    @contextmanager
    def progress(self, reactor: Any, directory: Path, drivers_s: float, faults: int) -> Iterator[None]:
        del reactor, directory, drivers_s, faults
        yield


class _Shrink:
    """One run of the command."""

    def __init__(self, reactor: Any, asked: Asked) -> None:
        self._asked = asked
        self._settings = _settings_of(asked.directory)
        self._hand = Stagehand(reactor, self._settings, _Quiet(), [])

    async def run(self) -> int:
        """:raises CannotRun: when there is nothing to shrink, or machines cannot be made."""
        asked, hand = self._asked, self._hand
        hand.require_means()
        place, about, signs = _failed_in(asked.directory)
        faults = hand.read_plan(place / PLAN)
        template = read_merged(hand.system.templates, about.template)
        prepare_directory(asked.out)
        console = Console(stderr=True)
        columns = (TextColumn("shrinking"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
        with scratch_directory() as scratch:
            hand.write_about(scratch)
            with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
                bar = progress.add_task("", total=max(1, len(faults)), said="")

                async def once(fewer: Sequence[Planned]) -> bool:
                    found = await hand.play(template, fewer, about.seed, scratch / f"run-{shrinking.runs}")
                    return not signs.isdisjoint(found)

                def went_on(runs: int, left: int) -> None:
                    _show(progress, bar, runs, left, len(faults))

                shrinking = Shrinking(tuple(faults), once, asked.tries, went_on)
                sure = await self._as_far_as_it_goes(shrinking)
        self._tell(about, faults, signs, shrinking, sure)
        return VIOLATION

    async def _as_far_as_it_goes(self, shrinking: Shrinking) -> int | None:
        """In how many of some tries the fewest fail; None where it was interrupted before that was known."""
        try:
            await shrinking.shrink()
            return await shrinking.sure(SURE_TRIES)
        except CancelledError:
            return None

    def _tell(
        self, about: About, faults: Sequence[Planned], signs: AbstractSet[str], shrinking: Shrinking, sure: int | None
    ) -> None:
        path = self._asked.out / SHRUNK
        layout = self._hand.system.layout()
        plan = Plan(f"{about.seed}", layout, PLAIN, Habits(), shrinking.faults, "as it is")
        path.write_text(encode_plan(plan), encoding="utf-8")
        how = "interrupted, it may get smaller still" if sure is None else f"it fails in {sure} of {SURE_TRIES} tries"
        print(f"was:  {len(faults)} faults, which fail by {', '.join(sorted(signs))}")
        print(f"is:   {len(shrinking.faults)}, after {shrinking.runs} runs; {how}")
        for planned in shrinking.faults[:FAULTS_TOLD_MAX]:
            print(f"  at {planned.at_ms / 1000:g} s, for {planned.for_ms / 1000:g} s: {planned.fault}")
        if len(shrinking.faults) > FAULTS_TOLD_MAX:
            print(f"  and {len(shrinking.faults) - FAULTS_TOLD_MAX} more, which are in the plan")
        one = evolve(
            self._settings, seed=about.seed, timelines=1, template=about.template, plan=path, repeat=SURE_TRIES
        )
        print(f"  {again(one)}")


def _show(progress: Progress, bar: TaskID, runs: int, left: int, faults: int) -> None:
    progress.update(bar, completed=faults - left, said=f"{runs} runs, {left} faults left")


def _settings_of(directory: Path) -> Settings:
    """:raises CannotRun: where ``rehearse --system`` has left nothing."""
    path = directory / REHEARSAL
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Settings(**{**found, "file": Path(found["file"])})
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}; it is what 'rehearse --system --out' leaves") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CannotRun(f"{path} is not what 'rehearse --system' has written: {error}") from error


def _failed_in(directory: Path) -> tuple[Path, About, frozenset[str]]:
    """The first timeline that has failed, and by what.

    :raises CannotRun: where none has.
    """
    known = read_catalogue(directory / CATALOGUE)
    places = sorted(directory.glob(TIMELINES), key=lambda path: (len(path.name), path.name))
    for place in places:
        signs = frozenset(read_report(place, known, ()).signs)
        if signs:
            return place, read_about(place)[0], signs
    raise CannotRun(f"there is nothing to shrink: none of these {len(places)} timelines has failed")
