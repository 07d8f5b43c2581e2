"""Nothing that the documentation shows as a command escapes those that try it."""

import shlex
from pathlib import Path

import pytest

from glitchgrid.cli import main
from tests.mutants import main as mutants
from tests.shown_commands import NOT_RUN, PAGES, ROOT, elsewhere_on, shown_on

ANTITHESIS = ROOT / "docs" / "tutorials" / "antithesis.md"


def test_there_are_some() -> None:
    assert sum(len(shown_on(page)) for page in PAGES) > 100


def test_what_is_not_run_is_shown() -> None:
    shown = {each.line for page in PAGES for each in shown_on(page)}
    assert set(NOT_RUN) <= shown


@pytest.mark.parametrize("line", [line for line in NOT_RUN if line.split()[0] == "glitchgrid" or "mutants" in line])
def test_what_is_not_run_could_be(line: str) -> None:
    """Its subcommand and its options are there."""
    program, _, arguments = line.partition("glitchgrid " if line.startswith("glitchgrid") else "tests.mutants ")
    group = mutants if program else main
    name, *options = shlex.split(arguments)
    context = group.commands[name].make_context(name, options)
    assert context.args == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != ANTITHESIS], ids=lambda page: page.stem)
def test_commands_stand_in_blocks_of_their_own(page: Path) -> None:
    assert elsewhere_on(page) == []


def test_a_command_goes_on_on_another_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ a \\\n>    b  # why\nsaid\n$ c\n```\n\n    make it\n", encoding="utf-8")
    assert [(each.line, each.output) for each in shown_on(page)] == [("a    b", "said"), ("c", "")]
    assert elsewhere_on(page) == ["make it"]
