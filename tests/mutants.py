"""How much of what `make test-all` catches `make test` catches: small changes to the product's code, drawn by chance.

    .venv/bin/python -m tests.mutants --seed 13 --count 100 --out build/mutants.jsonl

Each change is made in a copy of the checkout, and the tests run there in three steps, until one of them fails: the
unit tests of `make test`, the rest of `make test`, what `make test-all` has beyond that. A mutant that is caught by one
of the first two is caught by `make test`. What is in the file already is not run again: a run that was interrupted goes
on. A mutant that nothing notices takes a quarter of an hour.
"""

import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click
from attrs import asdict, frozen

ROOT = Path(__file__).parents[1]
NOT_OURS = shutil.ignore_patterns(".git", ".venv*", ".mypy_cache", ".ruff_cache", "build", "__pycache__", "*.egg-info")
NOT_THE_PRODUCT = {"cli.py", "glitches.py", "__init__.py", "__main__.py"}
STEP_S_MAX = 1800
"""A step that takes longer goes round in circles, which is noticed."""

_UNIT = ["tests", "--ignore", "tests/end_to_end", "--ignore", "tests/picture"]
_REST = ["tests/end_to_end", "tests/picture"]
STEPS: dict[str, list[str]] = {
    "unit tests": [*_UNIT, "-m", "not thorough"],
    "make test": [*_REST, "-m", "not thorough"],
    "make test-all": ["tests", "-m", "thorough"],
}
UNCAUGHT = "nothing"

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


def drawn(seed: int, count: int) -> list[Mutant]:
    """So many of them, of the product alone."""
    files = [path for path in (ROOT / "glitchgrid").glob("*.py") if path.name not in NOT_THE_PRODUCT]
    files += (ROOT / "glitchgrid" / "register").glob("*.py")
    places = [
        (path, number) for path in sorted(files) for number in range(len(_sites(path.read_text(encoding="utf-8"))))
    ]
    return [_mutant(path, number) for path, number in random.Random(seed).sample(places, count)]


def caught_by(mutant: Mutant, copy: Path) -> str:
    """The first of the steps that notices it."""
    path = copy / mutant.file
    before = path.read_text(encoding="utf-8")
    lines = before.splitlines(keepends=True)
    lines[mutant.line - 1 : mutant.end] = [mutant.becomes + "\n"]
    path.write_text("".join(lines), encoding="utf-8")
    try:
        return next((step for step, arguments in STEPS.items() if not _passes(arguments, copy)), UNCAUGHT)
    finally:
        path.write_text(before, encoding="utf-8")


def _passes(arguments: list[str], copy: Path) -> bool:
    options = ["-x", "-q", "-p", "no:cacheprovider", "--numprocesses", "3", "--dist", "worksteal"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(STEP_S_MAX) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@click.command()
@click.option("--seed", type=int, default=13, show_default=True)
@click.option("--count", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=ROOT / "build" / "mutants.jsonl")
@click.option("--list", "lists", is_flag=True, help="Show them, and run nothing.")
def main(seed: int, count: int, out: Path, *, lists: bool) -> None:
    """Draw mutants, and see which tests catch them."""
    mutants = drawn(seed, count)
    if lists:
        for mutant in mutants:
            click.echo(f"{mutant.file}:{mutant.line} {mutant.what}: {mutant.becomes.strip().splitlines()[0]}")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []
    caught: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        copy = Path(directory) / "checkout"
        shutil.copytree(ROOT, copy, ignore=NOT_OURS, symlinks=True)
        for number, mutant in enumerate(mutants, start=1):
            fields = asdict(mutant)
            step = next((each["caught_by"] for each in known if each["mutant"] == fields), None)
            if step is None:
                step = caught_by(mutant, copy)
                with out.open("a", encoding="utf-8") as file:
                    print(json.dumps({"mutant": fields, "caught_by": step}), file=file)
            caught[step] += 1
            click.echo(f"{number}/{count} {mutant.file}:{mutant.line} {mutant.what}: {step}")
    by_test = caught["unit tests"] + caught["make test"]
    by_all = by_test + caught["make test-all"]
    click.echo(f"make test catches {by_test}, make test-all {by_all} of {count}")


if __name__ == "__main__":
    main()
