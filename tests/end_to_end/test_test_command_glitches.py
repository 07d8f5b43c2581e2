"""Each test command finds its glitch, with the faults that it takes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.scenarios import COMMANDS, SCENARIOS, TEMPLATES, Rig


def test_every_command_has_a_glitch_that_it_finds() -> None:
    assert set(SCENARIOS) == set(COMMANDS)


def test_the_documentation_names_these_glitches_and_no_others() -> None:
    page = (TEMPLATES.parents[1] / "docs" / "reference" / "properties.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| test:")
    ]
    told = {(text, glitch) for text, _, _, _, glitch in rows if glitch}
    assert told == {(text, glitch) for glitch, _, texts in SCENARIOS.values() for text in texts}


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_glitch_is_found(make_rig: Callable[[str | None], Rig], name: str) -> None:
    glitch, scenario, properties = SCENARIOS[name]
    rig = make_rig(glitch)
    ended = scenario(rig)
    assert ended.status == 1, ended
    if properties:
        assert ended.line.startswith(f"{Path(name).stem}: ")
        assert "\n" not in ended.line
    assert properties <= rig.broken()
