"""Who judges runs: each has a name that commands know, and the documentation says what it sees and what it does not."""

import re
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.cli import main
from glitchgrid.lab.campaign.oracles import EXCUSED, HISTORY, ORACLES, OUTSIDE, STATEMENT
from glitchgrid.lab.campaign.result import Finding

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")
NAMES = re.compile(r"^\| ([a-zA-Z, ]+) \|", re.MULTILINE)


def rows(heading: str) -> set[str]:
    """What the table below that row of headings has rows for."""
    table = PAGE.partition(f"\n| oracle | {heading} |\n")[2].partition("\n\n")[0]
    return {name for row in NAMES.findall(table) for name in row.split(", ")}


class OracleTests(SynchronousTestCase):
    def test_the_documentation_says_what_each_sees(self) -> None:
        self.assertEqual(set(ORACLES), rows("what it says"))

    def test_and_what_each_does_not_see(self) -> None:
        self.assertEqual(set(ORACLES), rows("is blind to"))

    def test_each_can_be_asked_for(self) -> None:
        text = CliRunner().invoke(main, ["shrink", "--help"]).output
        for oracle in ORACLES:
            self.assertIn(oracle, text)

    def test_nobody_else_finds_anything(self) -> None:
        self.assertRaises(ValueError, Finding, "somebody", "something is wrong")

    def test_what_a_broken_assumption_excuses_is_of_the_register(self) -> None:
        self.assertEqual({HISTORY, STATEMENT, "invariant"}, set(EXCUSED))
        self.assertIn(HISTORY, OUTSIDE)
        self.assertNotIn(STATEMENT, OUTSIDE)
