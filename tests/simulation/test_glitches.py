"""Every glitch is off unless it is asked for, and found, with the seeds of the clean campaign."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.glitches import GLITCHES, switched_on
from glitchgrid.lab.campaign.campaign import Task, perform
from glitchgrid.lab.campaign.hunt import BLACK_BOX
from glitchgrid.lab.campaign.plan import Wanted
from glitchgrid.lab.campaign.result import Result, Verdict

SEEDS_WHITE_BOX = 30
SEEDS_BLACK_BOX = 40
"""Not all that clients can see: what they see early. The table of the documentation has the rest."""

SEEN_EARLY = (
    "acknowledge-before-fsync",
    "forget-on-restart",
    "half-is-majority",
    "ignore-guard",
    "join-the-running-round",
)
TEXT_CHARACTERS_MAX = 200


def run(seed: int, glitch: str | None) -> Result:
    return perform(Task(seed, Wanted().layout(str(seed)), glitch=glitch))


class CatalogueTests(SynchronousTestCase):
    def test_each_is_told_in_two_lines(self) -> None:
        self.assertGreaterEqual(len(GLITCHES), 14)
        for name, glitch in GLITCHES.items():
            self.assertEqual(name, glitch.name)
            for text in (glitch.what, glitch.so, *([glitch.unseen] if glitch.unseen else [])):
                self.assertTrue(text.endswith("."), name)
                self.assertLess(len(text), TEXT_CHARACTERS_MAX, name)

    def test_each_is_off_again(self) -> None:
        for glitch in GLITCHES.values():
            before = [getattr(each.owner, each.name) for each in glitch.overrides]
            with switched_on(glitch.name):
                during = [getattr(each.owner, each.name) for each in glitch.overrides]
                self.assertNotEqual(before, during, glitch.name)
            self.assertEqual(before, [getattr(each.owner, each.name) for each in glitch.overrides])


def _is_found(glitch: str, seeds: int, *, from_outside: bool) -> bool:
    """By the history alone, or by an oracle that sees more than that."""
    for seed in range(seeds):
        result = run(seed, glitch)
        oracles = {finding.oracle for finding in result.findings} if result.verdict is Verdict.VIOLATION else set()
        if BLACK_BOX in oracles if from_outside else oracles - {BLACK_BOX}:
            return True
    return False


class FoundTests(SynchronousTestCase):
    """One test a glitch, made below."""


class SeenByClientsTests(SynchronousTestCase):
    """One test a glitch, made below."""


def _add(case: type[SynchronousTestCase], glitch: str, seeds: int, *, from_outside: bool) -> None:
    def test(self: SynchronousTestCase) -> None:
        self.assertTrue(_is_found(glitch, seeds, from_outside=from_outside), f"{glitch} was not found in {seeds} seeds")

    setattr(case, f"test_{glitch.replace('-', '_')}", test)


for _name in GLITCHES:
    _add(FoundTests, _name, SEEDS_WHITE_BOX, from_outside=False)
for _name in SEEN_EARLY:
    _add(SeenByClientsTests, _name, SEEDS_BLACK_BOX, from_outside=True)
