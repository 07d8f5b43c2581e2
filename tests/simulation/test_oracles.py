"""Who judges runs: each has a name that commands know, and the documentation says what it sees and what it does not."""

import re
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.cli import main
from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.place.changes import replaced
from glitchgrid.lab.plan.swarm import draw_plan
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.oracles.names import HISTORY, ORACLES
from glitchgrid.lab.register.simulated.deployment import JudgedGrid
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.system import Deployment, Run, System
from glitchgrid.lab.verdict import STATEMENT

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "simulation.md").read_text(encoding="utf-8")
NAMES = re.compile(r"^\| ([a-zA-Z, ]+) \|", re.MULTILINE)


def rows(heading: str) -> set[str]:
    """What the table below that row of headings has rows for."""
    table = PAGE.partition(f"\n| oracle | {heading} |\n")[2].partition("\n\n")[0]
    return {name for row in NAMES.findall(table) for name in row.split(", ")}


class Somebody(JudgedGrid):
    def finish(self) -> None:
        self.run.find("somebody", "something is wrong")


def deploy_somebody(_system: System, run: Run) -> Deployment:
    return Somebody(run)


class OracleTests(SynchronousTestCase):
    def test_the_documentation_says_what_each_sees(self) -> None:
        self.assertEqual(set(ORACLES.all), rows("what it says"))

    def test_and_what_each_does_not_see(self) -> None:
        self.assertEqual(set(ORACLES.all), rows("is blind to"))

    def test_each_can_be_asked_for(self) -> None:
        text = CliRunner().invoke(main, ["shrink", "--help"]).output
        for oracle in ORACLES.all:
            self.assertIn(oracle, text)

    def test_nobody_else_finds_anything(self) -> None:
        plan = draw_plan("1", GridLayout(steps=1), REGISTER.plans)
        with replaced("glitchgrid.lab.register.system:Register", "deploy", deploy_somebody):
            self.assertRaises(AssertionError, run_plan, plan)

    def test_what_a_broken_assumption_excuses_is_of_the_register(self) -> None:
        self.assertEqual({HISTORY, STATEMENT, "invariant"}, set(ORACLES.excused))
        self.assertIn(HISTORY, ORACLES.outside)
        self.assertNotIn(STATEMENT, ORACLES.outside)
