"""The properties that control and vaults state of themselves: each has its line in the documentation, and its text."""

import re
from collections import Counter
from pathlib import Path

from antithesis.assertions import always
from antithesis.catalog import scan_tree
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.evaluations import collecting
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.composer.templates import find_templates
from glitchgrid.lab.properties import Property, PropertyKind, Seen, Standing
from glitchgrid.lab.register.glitches import GLITCHES, switched_on
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.register.properties import of_servers, of_test_commands
from glitchgrid.lab.verdict import Verdict
from glitchgrid.protocol import rounds
from glitchgrid.protocol.rounds import StoreRound

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "properties.md").read_text(encoding="utf-8")
COLUMNS = ("text", "kind", "why", "file", "glitch")
ROWS = [
    dict(zip(COLUMNS, (cell.strip(" `") for cell in line.strip("|").split("|")), strict=True))
    for line in PAGE.splitlines()
    if line.startswith(("| control: ", "| vault: ", "| server: ", "| test: "))
]
OF_SERVERS = [row for row in ROWS if not row["text"].startswith("test: ")]
STATED = (*of_servers(), *of_test_commands(find_templates()))
LEAST = 25
CONSTANT = re.compile(r"\b(?:always|sometimes)[a-z_]*\(\s*(?:not )?(?:True|False|0|1)\s*,")
SEEDS = 130


class CatalogueTests(SynchronousTestCase):
    def test_there_are_enough_and_each_has_a_text_of_its_own(self) -> None:
        texts = [each.text for each in STATED]
        self.assertGreaterEqual(len(texts), LEAST)
        self.assertEqual([text for text, count in Counter(texts).items() if count > 1], [])

    def test_nothing_is_missing_that_the_scanner_finds_in_whole_packages(self) -> None:
        package = ROOT / "glitchgrid"
        found = [(each.message, each.location.file, each.location.begin_line) for each in scan_tree(str(package))]
        servers = [each for each in found if not each[1].startswith("lab/")]
        self.assertGreater(len(servers), 0)
        self.assertEqual(sorted(servers), sorted((each.text, each.file, each.line) for each in of_servers()))

    def test_the_readme_counts_them(self) -> None:
        self.assertIn(
            f"(`docs/reference/properties.md`, {len(STATED)} of them)", (ROOT / "README.md").read_text("utf-8")
        )

    def test_the_documentation_has_those_and_no_others(self) -> None:
        self.assertEqual(
            sorted((row["text"], row["kind"], row["file"]) for row in ROWS),
            sorted((each.text, each.kind.value, each.file) for each in STATED),
        )

    def test_each_says_why(self) -> None:
        for row in ROWS:
            self.assertGreater(len(row["why"].split()), 3, row["text"])

    def test_none_of_them_is_constant(self) -> None:
        """The first argument of what must hold, or must hold once, is no literal."""
        for path in (*(ROOT / "glitchgrid").rglob("*.py"), *(ROOT / "workload").rglob("*.py")):
            self.assertEqual(CONSTANT.findall(path.read_text("utf-8")), [], path)

    def test_what_must_hold_is_paired_with_what_must_be_reached(self) -> None:
        kinds = Counter(each.kind for each in STATED)
        self.assertGreaterEqual(
            kinds[PropertyKind.SOMETIMES] + kinds[PropertyKind.REACHABLE], kinds[PropertyKind.ALWAYS]
        )


class StandingTests(SynchronousTestCase):
    def standing(self, kind: PropertyKind, held: int, broke: int) -> Standing:
        seen: Seen = Counter({("text", True): held, ("text", False): broke})
        return Property("text", kind, "file.py", 1).standing(seen)

    def test_what_runs_make_of_a_property(self) -> None:
        self.assertEqual(self.standing(PropertyKind.ALWAYS, 5, 0), Standing.PASSED)
        self.assertEqual(self.standing(PropertyKind.ALWAYS, 5, 1), Standing.FAILED)
        self.assertEqual(self.standing(PropertyKind.ALWAYS, 0, 0), Standing.NEVER_HIT)
        self.assertEqual(self.standing(PropertyKind.SOMETIMES, 1, 9), Standing.PASSED)
        self.assertEqual(self.standing(PropertyKind.SOMETIMES, 0, 9), Standing.NEVER_HIT)
        self.assertEqual(self.standing(PropertyKind.REACHABLE, 1, 0), Standing.PASSED)
        self.assertEqual(self.standing(PropertyKind.REACHABLE, 0, 0), Standing.NEVER_HIT)
        self.assertEqual(self.standing(PropertyKind.UNREACHABLE, 0, 0), Standing.PASSED)
        self.assertEqual(self.standing(PropertyKind.UNREACHABLE, 0, 1), Standing.FAILED)


class CollectingTests(SynchronousTestCase):
    def test_what_the_product_evaluates_is_counted_and_nothing_stays(self) -> None:
        seen: Seen = Counter()
        broke: list[str] = []
        with collecting("glitchgrid", seen, broke.append):
            self.assertIsNot(vars(rounds)["always"], always)
            round_: StoreRound[None] = StoreRound(3, range(3), 5)
            for vault in range(2):
                round_.acknowledge(vault, f"vault {vault}", 5)
        self.assertIs(vars(rounds)["always"], always)
        self.assertEqual(seen["control: a commit has the votes of more than half of all", True], 1)
        self.assertEqual(seen["control: a write commits before every vault has answered", True], 1)
        self.assertEqual(broke, [])

    def test_what_breaks_is_told(self) -> None:
        seen: Seen = Counter()
        broke: list[str] = []
        with switched_on("half-is-majority"), collecting("glitchgrid", seen, broke.append):
            StoreRound(3, range(3), 5).acknowledge(0, "vault 0", 5)
        self.assertEqual(broke, ["control: a commit has the votes of more than half of all"])


class GlitchTests(SynchronousTestCase):
    """What the documentation says that a glitch breaks, it breaks, in the seeds of the clean campaign."""


def _add(text: str, glitch: str) -> None:
    def test(self: SynchronousTestCase) -> None:
        for seed in map(str, range(SEEDS)):
            with switched_on(glitch):
                result = run_seed(seed, Wanted().layout(seed))
            if result.stated[text, False]:
                self.assertIn(result.verdict, {Verdict.VIOLATION, Verdict.EXPECTED_BROKEN})
                return
        self.fail(f"{glitch} does not break it in {SEEDS} seeds")

    setattr(GlitchTests, f"test_{glitch}_{text}".replace("-", "_").replace(" ", "_").replace(":", ""), test)


for _row in OF_SERVERS:
    for _glitch in filter(None, _row["glitch"].split(", ")):
        assert _glitch in GLITCHES, _glitch
        _add(_row["text"], _glitch)
