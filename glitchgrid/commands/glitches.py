"""``glitchgrid glitches``: the deliberate bugs, and with ``--find`` how soon each is found."""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from attrs import frozen
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from glitchgrid.commands.calling import NAME
from glitchgrid.commands.ending import CANNOT_SAY, GOOD, run_to_its_end, tell
from glitchgrid.commands.files import prepare_directory
from glitchgrid.lab.campaign.glitch_table import Row, find_glitches
from glitchgrid.lab.campaign.workers import workers
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.plans import grid_of, habits_of
from glitchgrid.lab.register.system import REGISTER

SEEDS = 300
FAULTS_FEW = 5
PAGE = "glitch-table.md"


@frozen
class Settings:
    """:ivar find: whether they are looked for, or listed alone.
    :ivar output: where the page and the plans go; without it the page is printed.
    """

    find: bool
    only: tuple[str, ...]
    jobs: int
    output: Path | None


def glitches(settings: Settings) -> NoReturn:
    """List them, or find them, and exit with 2 if one of them was not found."""
    run_to_its_end(partial(_find if settings.find else _list, settings))


def _list(settings: Settings) -> int:
    for name in settings.only or GLITCHES:
        glitch = GLITCHES[name]
        print(f"{glitch.name}\n    {glitch.what}\n    {glitch.so}")
    return GOOD


def _find(settings: Settings) -> int:
    plans = None if settings.output is None else settings.output / "plans"
    if plans is not None:
        prepare_directory(plans)
    names = settings.only or tuple(GLITCHES)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("glitches", total=len(names))

        def went_on(glitch: str, seeds: int) -> None:
            done = names.index(glitch)
            progress.update(bar, completed=done, description=f"{glitch}: {seeds} seeds")

        rows = find_glitches(REGISTER, names, SEEDS, partial(workers, settings.jobs, None), went_on)
        found = _until_interrupted(rows)
    if len(found) < len(names):
        tell(f"interrupted: {len(found)} of {len(names)} were looked for")
    if plans is not None:
        _keep_plans(found, plans)
    page = as_page(found)
    if settings.output is None:
        print(page, end="")
    else:
        (settings.output / PAGE).write_text(page, encoding="utf-8")
    return GOOD if len(found) == len(names) and all(each.first for each in found) else CANNOT_SAY


def _until_interrupted(rows: Iterator[Row]) -> list[Row]:
    """The rows that were finished when somebody interrupted."""
    found: list[Row] = []
    with suppress(KeyboardInterrupt):
        found.extend(rows)  # each as it comes
    return found


def _keep_plans(found: list[Row], plans: Path) -> None:
    for each in found:
        if each.shrunk is not None:
            path = plans / f"glitch-{each.glitch.name}.json"
            path.write_text(encode_plan(each.shrunk.result.plan), encoding="utf-8")


def as_page(found: list[Row]) -> str:
    """The table and the stories, as Markdown."""
    few = sum(len(each.shrunk.result.plan.faults) <= FAULTS_FEW for each in found if each.shrunk is not None)
    lines = [
        "# How soon each glitch is found",
        "",
        "Written by `make glitch-table`. Seeds are the clean campaign's, from 0 on: nothing is drawn, weighted or",
        "planned for a glitch. `outside` is what clients and the operating system can tell: the history, how long",
        "things take, what servers answer, which sockets and threads they have, when they end. `inside` are the",
        f"oracles that look at disks, logs and what servers state of themselves. At most {SEEDS} seeds were run.",
        "",
        "| glitch | inside | outside | by | faults left | writes left |",
        "|---|---|---|---|---|---|",
        *(_row(each) for each in found),
        "",
        f"Seeds are counted: 1 means that the first one showed it. {few} of {len(found)} shrink to {FAULTS_FEW} faults",
        "or fewer.",
    ]
    for each in found:
        lines += ["", f"## {each.glitch.name}", "", *_story(each)]
    return "\n".join(lines) + "\n"


def _row(each: Row) -> str:
    outside = each.from_outside or ("never: see below" if each.glitch.unseen else f"not in {each.seeds}")
    faults, writes = "", ""
    if each.shrunk is not None:
        plan = each.shrunk.result.plan
        faults, writes = str(len(plan.faults)), str(grid_of(plan).steps)
    name, by = each.glitch.name, each.outside_oracle or ""
    return f"| [{name}](#{name}) | {each.from_inside or ''} | {outside} | {by} | {faults} | {writes} |"


def _story(each: Row) -> list[str]:
    lines = [f"{each.glitch.what} {each.glitch.so}", ""]
    if each.glitch.unseen and each.from_outside is None:
        lines += [f"It does not show outside: {each.glitch.unseen}", ""]
    if each.shrunk is None:
        return [*lines, "It was not found."]
    result = each.shrunk.result
    layout = grid_of(result.plan)
    size = f"vaults: {layout.vaults}, controls: {layout.controls}, clients: {habits_of(result.plan).clients}"
    lines.append(f"- {size}, writes: {layout.steps}")
    for planned in result.plan.faults:
        lines.append(f"- at {planned.at_ms / 1000:g} s, for {planned.for_ms / 1000:g} s: `{planned.fault}`")
    lines += {"kill": [], "calm": ["- at the end: everything calms down"]}.get(
        result.plan.ends_with, [f"- at the end: a {result.plan.ends_with}"]
    )
    lines.append("")
    lines.append(f"{each.shrunk.oracle.capitalize()}: {each.shrunk.finding.message}.")
    lines += [f"Where it parts from the nearest run that passes: {each.shrunk.first_difference}.", ""]
    plan = Path("docs") / "plans" / f"glitch-{each.glitch.name}.json"
    again = shlex.join([NAME, "simulate", "--plan", str(plan), "--glitch", each.glitch.name, "--html", "run.html"])
    return [*lines, "```console", f"$ {again}", "```"]
