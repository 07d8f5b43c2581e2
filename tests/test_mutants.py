"""The mutants are programs, and other ones than the product."""

import ast
from pathlib import Path

import pytest

from tests import mutants as drawing
from tests.mutants import CHANCE_MIN, ROOT, at_most, drawn, mutants_of


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


def test_code_that_is_added_changes_the_draw_there_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "glitchgrid" / "protocol").mkdir(parents=True)
    monkeypatch.setattr(drawing, "ROOT", tmp_path)
    here, there = (tmp_path / "glitchgrid" / "protocol" / name for name in ("here.py", "there.py"))
    here.write_text("x = 1 < 2\ny = 2 < 3\n")
    there.write_text("def f(x):\n    return x + 1 if x > 3 else x - 2\n")
    before = drawn(seed=3, count=100)
    here.write_text("w = 7\n\nx = 1 < 2\ny = 2 < 3\n")
    after = [(each.file, each.becomes) for each in drawn(seed=3, count=100)]
    assert len(after) == len(before) + 1
    assert [each for each in after if each[1] != "w = 8"] == [(each.file, each.becomes) for each in before]


def test_a_poor_draw_is_bad_luck_as_often_as_the_binomial_distribution_says() -> None:
    assert at_most(0, 3, 0.5) == pytest.approx(0.125)
    assert at_most(3, 3, 0.5) == pytest.approx(1)
    assert at_most(0, 0, 0.65) == pytest.approx(1)
    assert at_most(5, 17, 0.65) < CHANCE_MIN < at_most(6, 17, 0.65)


def test_each_kind_is_among_those_of_a_package() -> None:
    modules = (ROOT / "glitchgrid" / "http").glob("*.py")
    kinds = {mutant.what for module in modules for mutant in mutants_of(module)}
    assert kinds == {"comparison", "and/or", "not", "constant", "condition", "call left out", "sum"}
