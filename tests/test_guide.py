"""The guide: what it shows of this repository is in it, word for word, and what it says is caught is caught."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from glitchgrid.cli import main
from glitchgrid.lab.register.glitches import GLITCHES
from tests.shown_commands import shown_on

ROOT = Path(__file__).parents[1]
GUIDE_PATH = ROOT / "docs" / "tutorials" / "antithesis.md"
README_PATH = ROOT / "README.md"
GUIDE = GUIDE_PATH.read_text(encoding="utf-8")
README = README_PATH.read_text(encoding="utf-8")
STEPS = re.split(r"^## \d+\. ", GUIDE, flags=re.MULTILINE)[1:]
AFTER = re.compile(r"<th>after: <code>([^<]+)</code></th>")
BLOCK = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:antithesis|docs|glitchgrid|scripts|tests|workload)/[\w./-]+)`")
SIMULATE = re.compile(r"\S*glitchgrid (simulate .*)")


def simulated_in(page: Path) -> list[str]:
    """What the page shows of `glitchgrid simulate`."""
    return [found[1] for each in shown_on(page) if (found := SIMULATE.fullmatch(each.line))]


def shown() -> list[tuple[str, str]]:
    """Each block of code that stands below the name of a file in the column "after"."""
    found = []
    for table in re.findall(r"<table>.*?</table>", GUIDE, re.DOTALL):
        file = ""
        for row in table.split("<tr"):
            named = AFTER.search(row)
            file = named[1] if named else file
            cells = row.split("<td>")
            if len(cells) == 3:
                found += [(file, block) for block in BLOCK.findall(cells[2])]
    return found


@pytest.mark.parametrize(("file", "block"), [each for each in shown() if each[0] != "glitchgrid report DIRECTORY"])
def test_what_it_shows_is_there_word_for_word(file: str, block: str) -> None:
    assert block in (ROOT / file).read_text(encoding="utf-8")


def test_it_shows_something_in_each_step_before_the_last() -> None:
    assert len(STEPS) == 10
    assert len(shown()) >= len(STEPS)
    for step in STEPS[:9]:
        assert AFTER.search(step), step[:40]


@pytest.mark.parametrize("step", STEPS, ids=[step.splitlines()[0] for step in STEPS])
def test_each_step_names_a_glitch_that_it_catches(step: str) -> None:
    caught = step.partition("*Caught ")[2]
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", caught)) & set(GLITCHES) or "each of these commands" in caught


def test_the_files_that_it_names_are_there() -> None:
    names = set(PATH.findall(GUIDE))
    assert len(names) > 10
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.thorough
@pytest.mark.parametrize("line", simulated_in(GUIDE_PATH))
def test_what_it_says_is_found_by_simulation_is_found(line: str) -> None:
    assert "--glitch" in line
    ended = CliRunner().invoke(main, [*shlex.split(line), "--jobs", "1"])
    assert ended.exit_code == 1, ended.output


@pytest.mark.parametrize("line", [line for line in simulated_in(README_PATH) if "--protocol classic --seed" in line])
def test_the_seed_that_the_readme_shows_fails(line: str) -> None:
    ended = CliRunner().invoke(main, [*shlex.split(line), "--jobs", "1"])
    assert ended.exit_code == 1, ended.output


def test_the_readme_shows_such_a_seed() -> None:
    assert "simulate --protocol classic --seed " in README


@pytest.mark.parametrize("page", ["tutorials/antithesis.md", "reference/properties.md", "how-to/containers.md"])
def test_no_page_reads_as_if_it_had_been_run_on_the_platform(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert re.search(r"(Nothing|Neither)[^.]*\bhas\s+been\s+run\b", text)
    assert not re.search(r"passed on Antithesis|tested (on|by|with) Antithesis|Antithesis (found|has found)", text)
