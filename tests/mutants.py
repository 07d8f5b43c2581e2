"""Small changes to the product's code, drawn by chance, and who notices them. Two questions are asked of them:

    .venv/bin/python -m tests.mutants tests         how much of what `make test-all` catches does `make test` catch?
    .venv/bin/python -m tests.mutants laboratory    how much do 30 simulated seeds find, alone and with the unit tests?

Each change is made in a copy of the checkout, and there one step is taken after another until one fails: that one has
noticed it. What has begun to go round in circles is noticed, too. What is in the file of results is not done again: a
run that was interrupted goes on, and one with `--until` can be taken further later. `--list` shows the changes.

The tools that there are (cosmic-ray, mutmut) run one command for each change, and one only; here a change that the
first second shows is not tried for a quarter of an hour, and one that nothing shows is tried by everything.
"""

import ast
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import click
from attrs import asdict, frozen
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ROOT = Path(__file__).parents[1]
NOT_OURS = shutil.ignore_patterns(".git", ".venv*", ".mypy_cache", ".ruff_cache", "build", "__pycache__", "*.egg-info")
PRODUCT = ("", "http", "protocol", "register", "storage", "vaults")
"""Its packages; the laboratory and the commands are others."""

NOT_THE_PRODUCT = {"cli.py", "glitches.py", "__init__.py", "__main__.py"}
SAME = ROOT / "tests" / "equivalent_mutants.json"
"""Changes that change no behaviour, each with the reason."""

SEEDS = 30

CHANCE_MIN = 0.01
"""A draw as poor as this is not put down to bad luck. Of 17 with 65% asked for, five found are too few, and six not."""


@frozen
class Step:
    """:ivar arguments: what Python is given; None where there is nothing to do, which nothing notices.
    :ivar takes_s_max: some times what it takes here.
    """

    name: str
    arguments: "Callable[[Mutant, Path], list[str] | None]"
    takes_s_max: float


def _pytest(*arguments: str) -> "Callable[[Mutant, Path], list[str]]":
    return lambda _mutant, _copy: ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments]


def _own_tests(mutant: "Mutant", copy: Path) -> list[str] | None:
    path = Path(mutant.file)
    tests = copy / "tests" / path.parent.relative_to("glitchgrid")
    own = [str(each) for each in tests.glob(f"test_{path.stem}*.py")]
    return ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not thorough", *own] if own else None


_UNIT = ("tests", "--ignore", "tests/end_to_end", "--ignore", "tests/picture", "-m", "not thorough")
_THREE = ("--numprocesses", "3", "--dist", "worksteal")
REACHED = "reached.json"
SIMULATION = Step(
    "simulation", lambda _mutant, _copy: ["-m", "tests.some_seeds", str(SEEDS), "--baseline", REACHED], 120
)
OWN = Step("its own unit tests", _own_tests, 120)
UNIT = Step("unit tests", _pytest(*_UNIT), 600)
QUICK_UNIT = Step("unit tests", _pytest(*_UNIT, *_THREE), 300)
_NOT_INSTALLED = ("--ignore", "tests/end_to_end/test_packaging.py")
"""What tests the installed package does not test the copy."""

_REST = ("tests/end_to_end", "tests/picture", *_NOT_INSTALLED)
TEST = Step("make test", _pytest(*_REST, "-m", "not thorough", *_THREE), 900)
ALL = Step("make test-all", _pytest("tests", *_NOT_INSTALLED, "-m", "thorough", *_THREE), 2400)


_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


@frozen
class Mutant:
    """One change: a line of a file, and what it becomes. `end` is the last line that it replaces, counted from 1."""

    file: str
    line: int
    end: int
    what: str
    becomes: str


class _Sites(ast.NodeVisitor):
    """Every change that is made to a module, as (node, what, its replacement)."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.stmt, str, ast.AST, ast.AST]] = []
        self._statement: ast.stmt | None = None

    def visit(self, node: ast.AST) -> None:
        before = self._statement
        if isinstance(node, ast.stmt):
            self._statement = node
        super().visit(node)
        self._statement = before

    def _add(self, what: str, node: ast.AST, becomes: ast.AST) -> None:
        if self._statement is not None:
            self.found.append((self._statement, what, node, becomes))

    def visit_Compare(self, node: ast.Compare) -> None:
        other = _COMPARISONS.get(type(node.ops[0]))
        if other is not None and len(node.ops) == 1:
            self._add("comparison", node, ast.Compare(node.left, [other()], node.comparators))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._add("and/or", node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._add("not", node, node.operand)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._add("constant", node, ast.Constant(not node.value))
        elif isinstance(node.value, int | float):
            self._add("constant", node, ast.Constant(node.value + 1))

    def visit_If(self, node: ast.If) -> None:
        self._add("condition", node.test, ast.Constant(value=False))
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self._add("call left out", node, ast.Pass())
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Add | ast.Sub):
            other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            self._add("sum", node, ast.BinOp(node.left, other, node.right))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for statement in node.body:  # neither annotations nor defaults of arguments
            self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)


class _Replaced(ast.NodeTransformer):
    def __init__(self, node: ast.AST, becomes: ast.AST) -> None:
        self._node, self._becomes = node, becomes

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._node:
            return ast.copy_location(self._becomes, node)
        return self.generic_visit(node)


def mutants_of(path: Path) -> list[Mutant]:
    """Every change of one module."""
    return [_mutant(path, number) for number in range(len(_sites(path.read_text(encoding="utf-8"))))]


def _mutant(path: Path, number: int) -> Mutant:
    """One of its changes. The statement is written anew by `ast`: its comments go, its meaning stays."""
    statement, what, node, becomes = _sites(path.read_text(encoding="utf-8"))[number]
    indent = " " * statement.col_offset
    changed = ast.fix_missing_locations(_Replaced(node, becomes).visit(statement))
    text = "\n".join(indent + line for line in ast.unparse(changed).splitlines())
    assert statement.end_lineno is not None
    first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))])
    return Mutant(str(path.relative_to(ROOT)), first, statement.end_lineno, what, text)


def _sites(source: str) -> list[tuple[ast.stmt, str, ast.AST, ast.AST]]:
    sites = _Sites()
    sites.visit(ast.parse(source))
    return sites.found


def drawn(seed: int, count: int, without: Container[str] = ()) -> list[Mutant]:
    """So many of them, of the product alone.

    Each place has a rank of its own, by the seed and by what is written there, and the first so many are taken. So a
    change to the product changes the draw where it was made, and nowhere else: what is found stays comparable.

    :param without: the names of files that are left out.
    """
    files = [
        path
        for room in PRODUCT
        for path in (ROOT / "glitchgrid" / room).glob("*.py")
        if path.name not in NOT_THE_PRODUCT and path.name not in without
    ]
    ranked = sorted(rank for path in files for rank in _ranks(path, seed))
    return [_mutant(ROOT / file, number) for _, file, number in ranked[:count]]


def _ranks(path: Path, seed: int) -> list[tuple[bytes, str, int]]:
    """The rank of each change of one module, with its file and its number. Alike places are told apart in order."""
    file, alike = str(path.relative_to(ROOT)), Counter[tuple[str, ...]]()
    ranks: list[tuple[bytes, str, int]] = []
    for number, (statement, what, node, _) in enumerate(_sites(path.read_text(encoding="utf-8"))):
        written = file, what, ast.unparse(node), ast.unparse(statement)
        alike[written] += 1
        text = json.dumps([seed, *written, alike[written]])
        ranks.append((hashlib.sha256(text.encode()).digest(), file, number))
    return ranks


def first_to_fail(mutant: Mutant, steps: Sequence[Step], copy: Path) -> Step | None:
    """The first of these steps that notices it; None where none does."""
    path = copy / mutant.file
    before = path.read_text(encoding="utf-8")
    lines = before.splitlines(keepends=True)
    lines[mutant.line - 1 : mutant.end] = [mutant.becomes + "\n"]
    path.write_text("".join(lines), encoding="utf-8")
    try:
        return next((step for step in steps if not _passes(step, mutant, copy)), None)
    finally:
        path.write_text(before, encoding="utf-8")


def _passes(step: Step, mutant: Mutant, copy: Path) -> bool:
    arguments = step.arguments(mutant, copy)
    if arguments is None:
        return True
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(step.takes_s_max) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Log:
    """What is known of each mutant: the steps that it has passed, and the one that caught it. A line of JSON a try."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[Mutant, tuple[set[str], str | None]] = {}
        self._lock = Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            fields = json.loads(line)
            self._learn(Mutant(**fields["mutant"]), fields["passed"], fields["caught_by"])

    def add(self, mutant: Mutant, passed: Sequence[str], caught_by: str | None) -> None:
        with self._lock:
            with self._path.open("a", encoding="utf-8") as file:
                print(json.dumps({"mutant": asdict(mutant), "passed": passed, "caught_by": caught_by}), file=file)
            self._learn(mutant, passed, caught_by)

    def _learn(self, mutant: Mutant, passed: Sequence[str], caught_by: str | None) -> None:
        self._known[mutant] = (self.passed(mutant) | set(passed), caught_by)

    def passed(self, mutant: Mutant) -> set[str]:
        return self._known.get(mutant, (set(), None))[0]

    def caught_by(self, mutant: Mutant) -> str | None:
        return self._known.get(mutant, (set(), None))[1]


def try_all(mutants: Sequence[Mutant], steps: Sequence[Step], log: Log, jobs: int) -> None:
    """Take the steps that each of them has not passed yet, in so many copies at one time."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        copies: SimpleQueue[Path] = SimpleQueue()
        made = [Path(directory) / str(number) for number in range(jobs)]
        for copy in made:  # all at once: from here on the checkout may change
            shutil.copytree(ROOT, copy, ignore=NOT_OURS, symlinks=True)
        for number, copy in enumerate(made):
            reached = [sys.executable, "-m", "tests.some_seeds", str(SEEDS), "--write", REACHED]
            subprocess.run(reached, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, check=True)
            for step in steps if number == 0 else steps[:1]:
                if not _passes(step, mutants[0], copy):
                    raise click.ClickException(f"{step.name} fails without any change")
            copies.put(copy)

        def try_one(mutant: Mutant) -> None:
            left = [step for step in steps if step.name not in log.passed(mutant)]
            if log.caught_by(mutant) is None and left:
                copy = copies.get()
                noticed = first_to_fail(mutant, left, copy)
                copies.put(copy)
                passed = left if noticed is None else left[: left.index(noticed)]
                log.add(mutant, [step.name for step in passed], noticed.name if noticed else None)

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("mutants", total=len(mutants))
            with ThreadPoolExecutor(jobs) as executor:
                for _ in executor.map(try_one, mutants):
                    progress.advance(bar)


@click.group()
def main() -> None:
    """Draw mutants of the product, and see who notices them."""


def _shared(name: str, seed: int, count: int) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in (
            click.option("--seed", type=int, default=seed, show_default=True, help="Of the draw."),
            click.option("--count", type=click.IntRange(1, 10_000), default=count, show_default=True),
            click.option(
                "--results",
                type=click.Path(dir_okay=False, path_type=Path),
                default=ROOT / "build" / f"mutants-{name}.jsonl",
            ),
            click.option("--list", "lists", is_flag=True, help="Show them, and run nothing."),
        ):
            command = option(command)
        return main.command(name)(command)

    return add


def _list(mutants: Sequence[Mutant], log: Log) -> None:
    for mutant in mutants:
        first = mutant.becomes.strip().splitlines()[0]
        click.echo(f"{mutant.file}:{mutant.line} {mutant.what}: {first}  [{log.caught_by(mutant) or '-'}]")


@_shared("tests", 13, 100)
@click.option("--until", type=click.Choice([step.name for step in (OWN, QUICK_UNIT, TEST, ALL)]), default=ALL.name)
def of_tests(seed: int, count: int, results: Path, until: str, *, lists: bool) -> None:
    """What `make test` catches of what `make test-all` catches."""
    mutants, log = drawn(seed, count), Log(results)
    if lists:
        _list(mutants, log)
        return
    steps = [OWN, QUICK_UNIT, TEST, ALL]
    names = [step.name for step in steps]
    try_all(mutants, steps[: names.index(until) + 1], log, jobs=1)
    click.echo(of_make_test(log, mutants))


def of_make_test(log: Log, mutants: Sequence[Mutant]) -> str:
    """How many of those that `make test-all` catches `make test` catches, as far as that is known."""
    caught = Counter(log.caught_by(mutant) for mutant in mutants)
    by_test = sum(caught[step.name] for step in (OWN, QUICK_UNIT, TEST))
    left = sum(log.caught_by(mutant) is None and ALL.name not in log.passed(mutant) for mutant in mutants)
    said = f"of {len(mutants)}, make test catches {by_test}, make test-all {by_test + caught[ALL.name]}"
    return said + (f" and at most {left} more, not tried yet" if left else "")


@_shared("laboratory", 14, 400)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1)
@click.option("--until", type=click.Choice([step.name for step in (SIMULATION, OWN, UNIT)]), default=UNIT.name)
@click.option(
    "--page", type=click.Path(dir_okay=False, path_type=Path), help="Write the score and the survivors there."
)
@click.option(
    "--least",
    type=click.IntRange(0, 99),
    default=0,
    help="Fail where it finds so few that one draw in a hundred would be as poor if it found this share of all.",
)
def of_laboratory(
    seed: int, count: int, results: Path, until: str, jobs: int, page: Path | None, least: int, *, lists: bool
) -> None:
    """What some simulated seeds find, and what the unit tests find beyond that."""
    mutants, log = drawn(seed, count, without={"classic.py", "counting.py"}), Log(results)
    if lists:
        _list(mutants, log)
        return
    steps = [SIMULATION, OWN, UNIT]
    try_all(mutants, steps[: [step.name for step in steps].index(until) + 1], log, jobs)
    score = Score.of(mutants, log)
    click.echo(score.text)
    if page is not None:
        page.write_text(score.as_page(seed), encoding="utf-8")
    if at_most(score.found_by_simulation, len(score.simulated), least / 100) < CHANCE_MIN:
        raise click.ClickException(
            f"simulation found {score.simulated_percent:.0f}%: too few to be bad luck where {least}% are asked for"
        )


def at_most(found: int, of: int, share: float) -> float:
    """How likely it is to find so few of a draw where `share` of all can be found: the binomial distribution's."""
    return math.fsum(math.comb(of, each) * share**each * (1 - share) ** (of - each) for each in range(found + 1))


@frozen
class Score:
    """What became of the mutants of the second question.

    :ivar simulated: those in modules that a simulated run executes, but for those that are set aside.
    :ivar untried: how many were not taken to the last step.
    """

    mutants: Sequence[Mutant]
    aside: dict[Mutant, str]
    simulated: Sequence[Mutant]
    caught: dict[Mutant, str | None]
    untried: int = 0

    @classmethod
    def of(cls, mutants: Sequence[Mutant], log: Log) -> "Score":
        known = {
            (each["file"], each["what"], each["becomes"]): each["reason"]
            for each in json.loads(SAME.read_text(encoding="utf-8"))
        }
        caught = {mutant: log.caught_by(mutant) for mutant in mutants}
        reasons = {mutant: known.get((mutant.file, mutant.what, mutant.becomes)) for mutant in mutants}
        aside = {mutant: reason for mutant, reason in reasons.items() if reason and caught[mutant] is None}
        executed = subprocess.run(
            [sys.executable, "-m", "tests.some_seeds", str(SEEDS), "--modules"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        simulated = [mutant for mutant in mutants if mutant.file in executed and mutant not in aside]
        untried = sum(caught[mutant] is None and UNIT.name not in log.passed(mutant) for mutant in mutants)
        return cls(mutants, aside, simulated, caught, untried)

    @property
    def found_by_simulation(self) -> int:
        return sum(self.caught[mutant] == SIMULATION.name for mutant in self.simulated)

    @property
    def simulated_percent(self) -> float:
        return 100 * self.found_by_simulation / max(1, len(self.simulated))

    @property
    def survivors(self) -> list[Mutant]:
        return [mutant for mutant in self.mutants if self.caught[mutant] is None and mutant not in self.aside]

    @property
    def text(self) -> str:
        counted = len(self.mutants) - len(self.aside)
        found = counted - len(self.survivors)
        return (
            f"{len(self.mutants)} mutants, {len(self.aside)} of which change no behaviour. Simulation alone finds"
            f" {self.found_by_simulation} of the {len(self.simulated)} in modules that it executes"
            f" ({self.simulated_percent:.1f}%); with the unit tests {found} of {counted} are found"
            f" ({100 * found / max(1, counted):.1f}%)."
            + (f" All unit tests were not tried yet on {self.untried}." if self.untried else "")
        )

    def as_page(self, seed: int) -> str:
        by_module: dict[str, Counter[str]] = {}
        for mutant in self.mutants:
            noticed = "set aside" if mutant in self.aside else self.caught[mutant] or "nobody"
            by_module.setdefault(mutant.file, Counter())[noticed] += 1
        columns = [SIMULATION.name, OWN.name, UNIT.name, "nobody", "set aside"]
        lines = [
            "# What the laboratory finds of small changes to the product",
            "",
            f"Written by `make mutants`: {len(self.mutants)} changes, drawn with seed {seed}; {SEEDS} seeds for each.",
            "",
            self.text,
            "",
            "| module | " + " | ".join(columns) + " |",
            "|---|" + "---:|" * len(columns),
            *(
                f"| {name} | " + " | ".join(str(counts[column] or "") for column in columns) + " |"
                for name, counts in sorted(by_module.items())
            ),
            "",
            "## Found by the unit tests alone, or by nobody",
            "",
            *(_row(mutant, self.caught[mutant] or "nobody") for mutant in self.simulated
              if self.caught[mutant] != SIMULATION.name),
            "",
            "## Set aside: they change no behaviour",
            "",
            *(_row(mutant, reason) for mutant, reason in self.aside.items()),
        ]  # fmt: skip
        return "\n".join(lines) + "\n"


def _row(mutant: Mutant, said: str) -> str:
    return f"- `{mutant.file}:{mutant.line}` {mutant.what}, `{mutant.becomes.strip().splitlines()[0]}`: {said}"


if __name__ == "__main__":
    main()
