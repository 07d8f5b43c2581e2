"""What comes after the faults: they are over, whatever they were, and what servers hold and log is looked at."""

from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.plan.plan import Environment, Planned
from glitchgrid.lab.plan.swarm import draw_plan
from glitchgrid.lab.register.habits import ClientHabits
from glitchgrid.lab.register.kinds import HARMLESS
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.oracles import holdings
from glitchgrid.lab.register.oracles.log_lines import Lines
from glitchgrid.lab.register.plans import CALM
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict
from glitchgrid.simulation.kernel.machine import Held
from glitchgrid.simulation.random_stream import RandomStream

PLAIN = Environment(latency_us=200, loss_per_mille=0, cuts_segments=False, drift_ppm=100, disk_slowness=1, by_name=True)
STEADY = ClientHabits(clients=2, pause_ms=20, patience_ms=3000, leaves_per_mille=0, hostile=1, retries=2)
ALL_DAY_MS = 3_600_000


SOME = ("stranger", "descriptors run out", "name never resolves", "writes fail", "clock drift")
"""Which of them every run of the tests tries."""


class OverTests(SynchronousTestCase):
    def assert_is_undone(self, kind: Any) -> None:
        layout = GridLayout(controls=2, steps=10)
        plan = draw_plan("1", layout, REGISTER.plans)
        rng = RandomStream(kind.kind)
        faults = tuple(Planned(at_ms, ALL_DAY_MS, kind.draw(rng, layout)) for at_ms in (100, 150, 300))
        plan = evolve(plan, environment=PLAIN, habits=STEADY, faults=faults, ends_with=CALM)
        result = run_plan(plan)
        self.assertIn(result.verdict, {Verdict.PASSED, Verdict.CANNOT_SAY}, (kind.kind, result.findings[:1]))
        self.assertGreater(result.reached["calm: what servers hold was compared"], 0, kind.kind)


def _add(kind: Any) -> None:
    def test(self: OverTests) -> None:
        self.assert_is_undone(kind)

    name = f"test_{kind.kind.replace(' ', '_').replace('-', '_')}"
    setattr(OverTests, name, test if kind.kind in SOME else pytest.mark.thorough(test))


for _kind in HARMLESS:
    _add(_kind)


class HoldingsTests(SynchronousTestCase):
    def problems(self, held: Held, connections: int | None = 0, *, timers: int = 0) -> list[str]:
        self.patch(holdings, "timers", lambda _machine: timers)
        machine: Any = SimpleNamespace(process=SimpleNamespace(held=held))
        return holdings.too_many(machine, SimpleNamespace(), connections)  # type: ignore[arg-type]

    def test_a_port_and_nothing_else(self) -> None:
        self.assertEqual(self.problems(Held(0, 1, 0, 0)), [])

    def test_what_is_more_than_that(self) -> None:
        self.assertEqual(
            self.problems(Held(2, 2, 1, 0), timers=3),
            ["2 connections", "2 listening sockets", "3 timers", "1 threads"],
        )

    def test_a_connection_may_have_a_timer(self) -> None:
        self.assertEqual(self.problems(Held(2, 1, 0, 0), None, timers=2), [])
        self.assertEqual(self.problems(Held(2, 1, 0, 0), None, timers=3), ["3 timers"])

    def test_a_control_has_no_file(self) -> None:
        self.assertEqual(self.problems(Held(0, 1, 0, 1)), ["1 open files"])


class Process:
    name = "control1"
    host = SimpleNamespace(name="control1")


class LinesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.found: list[str] = []
        self.refused: list[Any] = []
        self.lines = Lines(self.found.append, self.refused.__contains__)
        self.process: Any = Process()

    def log(self, text: str, level: LogLevel = LogLevel.info, **fields: Any) -> None:
        self.lines.logged({"log_format": text, "log_level": level, **fields}, self.process)

    def fails(self) -> None:
        self.log("vault {vault} fails: {reason}", LogLevel.warn, vault="v:1", reason="it is gone")

    def is_open(self) -> None:
        self.log("whoever reaches {endpoint} can read and store: ...", LogLevel.warn, endpoint="tcp:8000")

    def answers(self) -> None:
        self.log("vault {vault} answers again", vault="v:1")

    def test_a_vault_fails_and_answers_again(self) -> None:
        self.fails()
        self.answers()
        self.fails()
        self.answers()
        self.assertEqual(self.found, [])

    def test_it_is_said_once(self) -> None:
        self.fails()
        self.fails()
        self.assertIn("said twice that vault v:1 fails", self.found[0])

    def test_it_cannot_answer_again_before(self) -> None:
        self.answers()
        self.assertIn("never that it had failed", self.found[0])

    def test_in_the_end_all_have_answered(self) -> None:
        machine: Any = SimpleNamespace(name="control1", processes=[self.process])
        self.fails()
        self.lines.all_are_well([machine])
        self.assertEqual(
            self.found,
            [
                "control1 runs, and has never said so",
                "control1 runs, and has never said that anybody can reach it",
                "control1 has never said that vault v:1 answers again",
            ],
        )

    def test_who_runs_has_said_so_once(self) -> None:
        machine: Any = SimpleNamespace(name="control1", processes=[self.process])
        self.log("control serves {vaults} by ...")
        self.is_open()
        self.lines.all_are_well([machine, SimpleNamespace(name="vault1", processes=[])])  # type: ignore[list-item]
        self.assertEqual(self.found, [])
        self.log("control serves {vaults} by ...")
        self.assertIn("twice", self.found.pop())
        self.is_open()
        self.assertIn("said twice that anybody can reach it", self.found[0])

    def test_a_request_has_a_line_where_the_server_fails_it(self) -> None:
        for status in (500, 503, 499):
            self.log("{client} {method} {path}: {status}, ...", LogLevel.warn, status=status)
        self.assertEqual(self.found, ["control1 has a line for a request that it did not fail: 499"])

    def test_each_line_has_its_level(self) -> None:
        self.log("Value decreases from {old} to {new}", old=2, new=1)
        self.assertIn("logged at level info: Value decreases from 2 to 1", self.found[0])

    def test_a_store_fails_with_its_disk(self) -> None:
        self.log("store failed: {reason}; ...", LogLevel.error, reason="EIO")
        self.assertIn("had refused nothing", self.found.pop())
        self.refused.append(self.process)
        self.log("store failed: {reason}; ...", LogLevel.error, reason="EIO")
        self.assertEqual(self.found, [])

    def test_what_twisted_says_is_known(self) -> None:
        self.log("Face starting on 8000")
        self.log("Timing out client: {peer}", peer="somebody")
        self.assertEqual(self.found, [])
        self.log("Starting factory {it}", it="a factory")
        self.assertEqual(self.found, ["control1 logged a line that nobody knows: Starting factory a factory"])
