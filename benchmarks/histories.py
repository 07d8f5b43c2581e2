"""How fast `glitchgrid check` is, and whether it is right: on a directory of histories with a table of verdicts, and on
random histories up to a million operations; beside Porcupine, or its recorded figures.

The table is ``expected.tsv`` in the directory: file, model and verdict ("linearizable" or "not"), under a heading.
"""

import csv
import gc
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from attrs import evolve, field, frozen
from rich.console import Console
from rich.progress import track

from benchmarks import porcupine
from benchmarks.errors import CannotMeasure
from benchmarks.porcupine import Answered, Asked, Porcupine
from benchmarks.random_histories import KINDS, MAX_REGISTER, drawn_lines
from glitchgrid.lab.checkers.answer import Found, Limits
from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.checkers.result import CannotSay, CheckResult, Linearizable
from glitchgrid.lab.checkers.search import search
from glitchgrid.lab.history.formats.reading import read_any
from glitchgrid.lab.history.operation import History

TABLE = "expected.tsv"
MS_PER_S = 1000
RUNS_MAX = 20
ENOUGH_S = 0.2
TIMEOUT_S = 60.0
FEW = 4
SIZES = (1_000, 10_000, 100_000, 1_000_000)
TIME_S, MEMORY_MIB = 600, 8192
"""What a random history may take."""

LOOK_S = 0.01
"""How often the memory of a run is looked at."""

KIB_PER_MIB = 1024


@frozen
class Listed:
    """A history of the directory, and its verdict as the table has it."""

    file: str
    model: str
    is_linearizable: bool

    @property
    def folder(self) -> str:
        return str(Path(self.file).parent)


@frozen
class Judged:
    """What came of a history.

    :ivar read_s: reading it; `search_s` the verdict alone, the fastest of some runs; `judge_s` with the explanation.
    :ivar porcupine_s: what Porcupine took for the verdict; None where it was not asked.
    """

    listed: Listed
    operations: int
    verdict: str
    sentence: str
    read_s: float
    search_s: float
    judge_s: float
    porcupine_s: float | None = field(default=None)

    @property
    def agrees(self) -> bool:
        return self.verdict == ("linearizable" if self.listed.is_linearizable else "not")


@frozen
class Whole:
    """A whole run of the command on a random history.

    :ivar kind: one of `KINDS`.
    :ivar elapsed_s: of the whole command, which reads, too; `verdict_s` of the verdict alone.
    :ivar porcupine_s: what Porcupine took for the verdict; None where it was not asked, infinite where it was in vain.
    """

    kind: str
    operations: int
    elapsed_s: float
    verdict_s: float
    mib: float
    verdict: str
    porcupine_s: float | None

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.operations} operations"


def listed_in(directory: Path) -> list[Listed]:
    """:raises CannotMeasure: where there is no table, or one without its columns."""
    try:
        with (directory / TABLE).open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return [Listed(row["file"], row["model"], row["verdict"] == "linearizable") for row in rows]
    except (OSError, KeyError) as error:
        raise CannotMeasure(f"{directory / TABLE} is no table of files, models and verdicts: {error}") from error


def judged(directory: Path, listed: Listed) -> tuple[Judged, History]:
    """Read and judge one."""
    began_s = time.perf_counter()
    with (directory / listed.file).open("rb") as file:
        history, _ = read_any(file)
    read_s = time.perf_counter() - began_s
    model = MODELS[listed.model](history.initial)
    began_s = time.perf_counter()
    verdict = judge(history, model, Limits(deadline_s=time.monotonic() + TIMEOUT_S))
    judge_s = time.perf_counter() - began_s
    is_known = not isinstance(verdict, CannotSay)
    search_s = _fastest(lambda: _decide(history, model)) if is_known else TIMEOUT_S
    sentence = getattr(verdict, "sentence", getattr(verdict, "reason", ""))
    found = Judged(listed, len(history.operations), _name(verdict), sentence, read_s, search_s, judge_s)
    return found, history


def _decide(history: History, model: Model) -> bool:
    """The verdict alone, without an explanation."""
    return all(
        isinstance(search(part, model.knowing(part)), Found) for part in model.parts(history.operations).values()
    )


def _fastest(run: Callable[[], object]) -> float:
    times: list[float] = []
    while len(times) < RUNS_MAX and sum(times) < ENOUGH_S:
        began_s = time.perf_counter()
        run()
        times.append(time.perf_counter() - began_s)
    return min(times)


def _name(verdict: CheckResult) -> str:
    if isinstance(verdict, CannotSay):
        return "cannot say"
    return "linearizable" if isinstance(verdict, Linearizable) else "not"


def measure_histories(directory: Path, beside: Porcupine | None, console: Console) -> list[Judged]:
    """All histories of a directory.

    :param beside: is asked, too.
    :raises CannotMeasure: where something is missing.
    """
    every, asked = [], []
    for listed in track(listed_in(directory), "judging", console=Console(stderr=True), transient=True):
        found, history = judged(directory, listed)
        every.append(found)
        if listed.model in porcupine.MODELS:
            asked.append(Asked(listed.file, listed.model, history.operations))
        if not found.agrees:
            console.print(f"{listed.file}: {found.verdict}, and the table has it otherwise", soft_wrap=True)
    if beside is None:
        return every
    answers = beside.answers(asked)
    for each in every:
        said = answers.get(each.listed.file)
        if said is not None and said.is_linearizable != (each.verdict == "linearizable"):
            console.print(f"{each.listed.file}: {each.verdict}, and Porcupine says otherwise", soft_wrap=True)
    return [evolve(each, porcupine_s=_answered_s(answers, each.listed.file)) for each in every]


def _answered_s(answers: Mapping[str, Answered], name: str) -> float | None:
    return answers[name].elapsed_s if name in answers else None


def measure_sizes(sizes: Sequence[int], beside: Porcupine | None) -> Iterator[Whole]:
    """Random histories of all kinds, of these sizes.

    :param beside: is asked about registers, too, for as long as it comes to an answer: not about any larger history.
    """
    in_vain: set[str] = set()
    cases = [(kind, size) for kind in KINDS for size in sizes]
    with TemporaryDirectory() as scratch:
        for kind, size in track(cases, "random histories", console=Console(stderr=True), transient=True):
            whole = _whole_run(kind, size, Path(scratch), None if kind in in_vain else beside)
            if whole.porcupine_s == float("inf"):
                in_vain.add(kind)
            yield whole


def _whole_run(kind: str, operations: int, scratch: Path, beside: Porcupine | None) -> Whole:
    path = scratch / "history"
    model = MAX_REGISTER if kind == MAX_REGISTER else "register"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(drawn_lines(kind, operations))
    command = [sys.executable, "-m", "glitchgrid", "check", str(path), "--model", model]
    command += ["--time", str(TIME_S), "--memory", str(MEMORY_MIB)]
    began_s = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    peak_kib = 0
    while child.poll() is None:
        peak_kib = max(peak_kib, _peak_kib(child.pid))
        time.sleep(LOOK_S)
    elapsed_s = time.perf_counter() - began_s
    said = child.stdout.read()
    with path.open("rb") as opened:
        history, _ = read_any(opened)
    verdict_s = _verdict_s(history, model)
    porcupine_s = None
    if beside is not None and model in porcupine.MODELS:
        answer = beside.answers([Asked(kind, model, history.operations)]).get(kind)
        porcupine_s = float("inf") if answer is None or answer.is_linearizable is None else answer.elapsed_s
    verdict = said.partition("\n")[0]
    return Whole(kind, operations, elapsed_s, verdict_s, peak_kib / KIB_PER_MIB, verdict, porcupine_s)


def _peak_kib(pid: int) -> int:
    """The most that a process has had in memory; 0 where it has just ended.

    What wait4 says of a child is no less than what its parent had when it was started.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _verdict_s(history: History, model: str) -> float:
    """What the verdict alone takes, once, without looks for cycles, as in the command."""
    gc.disable()
    try:
        began_s = time.perf_counter()
        judge(history, MODELS[model](history.initial), Limits(MEMORY_MIB * 2**20, time.monotonic() + TIME_S))
        return time.perf_counter() - began_s
    finally:
        gc.enable()


def groups(every: Sequence[Judged]) -> dict[str, list[Judged]]:
    """The histories by their folders; those of a folder that has few, one by one."""
    folders: dict[str, list[Judged]] = {}
    for each in every:
        folders.setdefault(each.listed.folder, []).append(each)
    found: dict[str, list[Judged]] = {}
    for name, some in folders.items():
        found |= {name: some} if len(some) > FEW else {each.listed.file: [each] for each in some}
    return found


def porcupine_figures(every: Sequence[Judged], wholes: Sequence[Whole]) -> dict[str, float]:
    """What Porcupine took, for each group the median, and by random history, where it was asked."""
    figures: dict[str, float] = {}
    for name, some in groups(every).items():
        asked = [each.porcupine_s for each in some if each.porcupine_s is not None]
        figures |= {name: median(asked)} if asked else {}
    return figures | {each.name: each.porcupine_s for each in wholes if each.porcupine_s is not None}


def histories_report(
    every: Sequence[Judged], wholes: Sequence[Whole], recorded: Mapping[str, float], about: Sequence[str]
) -> str:
    """What was measured, in Markdown.

    :param recorded: Porcupine's figures, for where it was not asked.
    :param about: how it was measured, a paragraph each.
    """
    measured = porcupine_figures(every, wholes)
    beside = "Porcupine" if measured else "Porcupine, as recorded"
    figures = measured or recorded
    lines = ["# How fast histories are checked", ""]
    for paragraph in (*about, "The verdict alone is without reading; of a file it is the fastest of a few runs."):
        lines += [paragraph, ""]
    if every:
        heading = "histories | | agree | read, median | verdict, median | slowest | explained, slowest"
        lines += [f"| {heading} | {beside}, median | times Porcupine |", "|---|---|---|---|---|---|---|---|---|"]
        lines += [_group_row(name, some, figures.get(name)) for name, some in groups(every).items()]
        slowest = max(every, key=lambda each: each.read_s + each.judge_s)
        elapsed_s = slowest.read_s + slowest.judge_s
        lines += [
            "",
            f"The slowest, `{slowest.listed.file}`, took {_shown(elapsed_s)}, read and explained.",
            "",
        ]
    heading = "random history | operations | the whole command | memory | verdict | verdict alone"
    lines += [f"| {heading} | {beside} | times Porcupine |", "|---|---|---|---|---|---|---|---|"]
    lines += [_whole_row(each, figures.get(each.name)) for each in wholes]
    return "\n".join(lines) + "\n"


def _group_row(name: str, some: Sequence[Judged], beside_s: float | None) -> str:
    verdict_s = median(each.search_s for each in some if _is_compared(each) or beside_s is None)
    figures = (
        median(each.read_s for each in some),
        verdict_s,
        max(each.search_s for each in some),
        max(each.judge_s for each in some),
    )
    cells = [f"`{name}`", str(len(some)), str(sum(each.agrees for each in some)), *map(_shown, figures)]
    return f"| {' | '.join(cells)} | {_beside(verdict_s, beside_s)} |"


def _is_compared(judged: Judged) -> bool:
    return judged.listed.model in porcupine.MODELS


def _whole_row(whole: Whole, beside_s: float | None) -> str:
    took = f"{whole.elapsed_s:.2f} s | {whole.mib:.0f} MiB | {whole.verdict} | {_shown(whole.verdict_s)}"
    return f"| {whole.kind} | {whole.operations:,} | {took} | {_beside(whole.verdict_s, beside_s)} |"


def _beside(ours_s: float, theirs_s: float | None) -> str:
    if theirs_s is None:
        return " | "
    if theirs_s == float("inf"):
        return f"none in {porcupine.TIMEOUT_S} s and {porcupine.MEMORY_GIB} GiB | "
    return f"{_shown(theirs_s)} | {ours_s / theirs_s:.2g}"


def _shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * MS_PER_S:.2f} ms"
