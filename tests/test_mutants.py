"""The mutants are programs, and other ones than the product."""

import ast

import pytest

from tests.mutants import ROOT, drawn, mutants_of


@pytest.mark.thorough
def test_each_of_them_can_be_read_and_says_something_else() -> None:
    mutants = drawn(seed=1, count=200)
    for mutant in mutants:
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        lines = source.splitlines(keepends=True)
        lines[mutant.line - 1 : mutant.end] = [mutant.becomes + "\n"]
        changed = ast.parse("".join(lines))
        assert ast.dump(changed) != ast.dump(ast.parse(source)), mutant


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(seed=7, count=20) == drawn(seed=7, count=20)


def test_each_kind_is_among_those_of_a_package() -> None:
    modules = (ROOT / "glitchgrid" / "http").glob("*.py")
    kinds = {mutant.what for module in modules for mutant in mutants_of(module)}
    assert kinds == {"comparison", "and/or", "not", "constant", "condition", "call left out", "sum"}
