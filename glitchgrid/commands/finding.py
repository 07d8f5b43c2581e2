"""One bug, found and told: the first simulated run in which a client sees it, made as small as it gets."""

import os
import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from threading import Event

from attrs import frozen

from glitchgrid.commands.calling import command
from glitchgrid.commands.drawing import Drawings
from glitchgrid.commands.files import prepare_directory, write_file
from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.campaign import run_campaign
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.shrink import Shrunk, shrink
from glitchgrid.lab.campaign.tasks import Task
from glitchgrid.lab.campaign.workers import LocalWorkers
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.glitch import Glitch
from glitchgrid.lab.history.format import read_history
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.register.oracles.names import HISTORY
from glitchgrid.lab.register.plans import POWER_LOSS

GLITCH = "acknowledge-after-failed-fsync"
WANTED = Wanted(vaults=1, controls=1, steps=5)
SEEDS = 200
SHRINKING_RUNS_MAX = 200


@frozen
class Finding:
    """:ivar seed: the first in which a client sees it; so many runs before it passed for good ones.
    :ivar first: the run of that seed.
    :ivar page: a picture of the small run.
    :ivar plan: the small run's plan.
    """

    glitch: Glitch
    seed: int
    first: Result
    shrunk: Shrunk
    page: Path
    plan: Path

    @property
    def link(self) -> str:
        """To the page, where the client sees it."""
        findings = [each.oracle for each in self.shrunk.result.findings]
        return f"{self.page.as_uri()}#finding={findings.index(self.shrunk.oracle) + 1}"

    @property
    def how_it_was_found(self) -> str:
        first, small = self.first, self.shrunk.result
        return (
            f"seed {self.seed} is the first of which a client can tell that something is wrong, among"
            f" {len(first.plan.faults)} faults and {first.operations} operations. {self.shrunk.runs} runs later"
            f" {_count(len(small.plan.faults), 'fault')} and {_count(small.operations, 'operation')} are left:"
        )

    @property
    def story(self) -> Sequence[str]:
        """What happens in the small run, in four sentences."""
        small = self.shrunk.result
        history = read_history(BytesIO(small.history.encode("utf-8")))
        wrong = self.shrunk.finding.operations
        written = next(each for each in history.operations if each.op in wrong and each.function == "write")
        faults = " and ".join(f"{planned.fault.kind} from {planned.at_ms} ms on" for planned in small.plan.faults)
        ends_with = small.plan.ends_with
        end = {POWER_LOSS: "every machine loses its power"}.get(ends_with, f"a {ends_with} ends it")
        message = self.shrunk.finding.message
        return (
            f"1. Client {written.client} writes {written.argument}, and the vault's disk cannot sync it ({faults}).",
            "2. The vault logs that, and acknowledges the write all the same: the client is answered 200.",
            f"3. Then {end}, and what was never on the disk is gone.",
            f"4. {message[:1].upper()}{message[1:]}.",
        )


def options_of(found: Finding) -> Sequence[str]:
    """The options with which ``shrink`` finds the same."""
    layout = ["--vaults", str(WANTED.vaults), "--controls", str(WANTED.controls), "--steps", str(WANTED.steps)]
    return ["--seed", str(found.seed), *layout, "--glitch", found.glitch.name, "--oracle", HISTORY]


def find(given_up: Event, doing: Callable[[str], object]) -> Finding:
    """Look for it, and make it small. For a thread of its own.

    :param given_up: ends it, whatever it does.
    :param doing: is told what it does.
    :raises CannotRun: where it was not found, or where its picture cannot be written.
    """
    with interruption.given_up_by(given_up):
        return _find(doing)


def _find(doing: Callable[[str], object]) -> Finding:
    glitch = GLITCHES[GLITCH]
    directory = _directory()
    seed, first = _first(doing)
    before = max(1, len(first.plan.faults))

    def went_on(runs: int, faults: int) -> None:
        doing(f"seed {seed} shows it. Leaving out what does not matter: {runs} runs, {faults} of {before} faults left")

    shrunk = shrink(first.plan, GLITCH, went_on, HISTORY, SHRINKING_RUNS_MAX)
    page, plan = directory / "finding.html", directory / "finding.json"
    write_file(plan, encode_plan(shrunk.result.plan))
    Drawings(page).draw(shrunk.result, command("simulate", "--plan", str(plan), "--glitch", GLITCH), GLITCH)
    return Finding(glitch, seed, first, shrunk, page, plan)


def _first(doing: Callable[[str], object]) -> tuple[int, Result]:
    tasks = (Task(seed, WANTED.layout(str(seed)), glitch=GLITCH) for seed in range(SEEDS))
    results = run_campaign(tasks, LocalWorkers(os.cpu_count() or 1))
    for seed, result in enumerate(results):
        doing(f"the same code in a simulated world, with one bug in it: {seed + 1} runs")
        if result.is_found_by(HISTORY):
            results.close()
            return seed, result
    raise CannotRun(f"no client has seen it in {SEEDS} runs")


def _directory() -> Path:
    """In the user's directory for what can be made again, by the XDG Base Directory Specification."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    try:
        directory = (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "glitchgrid" / "demo"
        prepare_directory(directory)
    except (CannotRun, RuntimeError):
        return Path(tempfile.mkdtemp(prefix="glitchgrid-demo-"))
    return directory


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
