"""Runs of the grid: the same for the same seed, clean under atomic, and able to find what is broken."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.campaign import Summary
from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.campaign.tasks import Task, perform
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.links import Cut
from glitchgrid.lab.faults.processes import Kill, Signal
from glitchgrid.lab.place.changes import replaced
from glitchgrid.lab.plan.file import decode_plan, encode_plan
from glitchgrid.lab.plan.plan import Environment, Plan, Planned
from glitchgrid.lab.plan.swarm import LOADING_MS, draw_plan
from glitchgrid.lab.register.assumptions import LostDisk, LostDisks, OtherList, StoreByHand
from glitchgrid.lab.register.habits import ClientHabits
from glitchgrid.lab.register.layout import GridLayout, Wanted
from glitchgrid.lab.register.oracles.names import ORACLES
from glitchgrid.lab.register.plans import CALM as CALM_END
from glitchgrid.lab.register.plans import grid_of, habits_of
from glitchgrid.lab.register.simulated.deployment import REFUSED
from glitchgrid.lab.register.simulated.grid import LIST_REFUSED
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict
from glitchgrid.outcome import Holds
from glitchgrid.protocol.rounds import ReadRound
from glitchgrid.storage.store import Store

ROOT = Path(__file__).parents[2]
GLITCHGRID = str(Path(sys.executable).with_name("glitchgrid"))
NOT_SO_SOON = {"fault: store by hand", "fault: two lost disks", "fault: another list", REFUSED}
"""Faults that break an assumption are rare."""

SEEDS_UNTIL_FOUND = 30
CLEAN_SEEDS = 25
CALM = Environment(latency_us=200, loss_per_mille=0, cuts_segments=False, drift_ppm=0, disk_slowness=1)
STEADY = ClientHabits(clients=2, pause_ms=200, patience_ms=3000, leaves_per_mille=0, hostile=0, retries=0)


def runs(seeds: range, layout: GridLayout | None = None) -> list[Result]:
    return [run_seed(str(seed), layout or GridLayout()) for seed in seeds]


_decide, _sync = ReadRound._decide, Store._sync


def decide_with_a_bad_word(self: Any) -> Any:
    Logger().critical("something is very wrong")
    return _decide(self)


def decide_without_healing(self: Any) -> Any:
    outcome = _decide(self)
    if self.healing is None:
        return outcome
    self.healing = None
    self.outcome = Holds(max(self.floor, self.largest))
    return self.outcome


def save_unsynced(self: Any, record: Any) -> None:
    slot = self._durable.followed_by(record)
    self._file.write_at(slot.encode(), slot.offset_bytes)
    self._durable = slot


def fail_as_if_acknowledged(self: Any, vault: int) -> Any:
    return self.acknowledge(vault, f"vault {vault}, which has not answered", self.value)


def sync_and_show(self: Any) -> None:
    batch = list(self._waiting)
    _sync(self)
    for request, _ in batch:
        self._record = evolve(self._record, value=max(self._record.value, request.value))


class SameTests(SynchronousTestCase):
    def test_a_seed_is_a_run_in_every_process(self) -> None:
        here = run_seed("3", Wanted().layout("3")).digest
        for hash_seed in ("0", "1", "77"):
            said = subprocess.run(
                [GLITCHGRID, "simulate", "--seed", "3"],
                cwd=ROOT,
                env=os.environ | {"PYTHONHASHSEED": hash_seed},
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            ).stdout
            self.assertIn(here, said)

    @pytest.mark.thorough
    def test_a_campaign_is_the_same_for_any_number_of_jobs_and_any_order_of_hashes(self) -> None:
        """Some of these seeds have hostile clients, two controls, and every kind of fault."""
        said = set()
        for jobs, hash_seed in (("1", "0"), ("2", "1"), ("2", "4711")):
            said.add(
                subprocess.run(
                    [GLITCHGRID, "simulate", "--seeds", "0:48", "--jobs", jobs, "--json"],
                    cwd=ROOT,
                    env=os.environ | {"PYTHONHASHSEED": hash_seed},
                    capture_output=True,
                    text=True,
                    timeout=240,
                    check=True,
                ).stdout
            )
        (same,) = said
        reach = json.loads(same)["reach"]
        unreached = [line for line in reach if line.startswith(("hostile", "fault")) and not reach[line]]
        self.assertLessEqual(set(unreached), NOT_SO_SOON)

    def test_a_plan_that_was_kept_is_its_run(self) -> None:
        result = run_seed("5", GridLayout())
        self.assertEqual(run_plan(decode_plan(encode_plan(result.plan), REGISTER.plans)).digest, result.digest)

    def test_each_run_of_two_is_compared(self) -> None:
        self.assertEqual(perform(Task(7, GridLayout(steps=5), is_checked=True)).findings, ())


class CleanTests(SynchronousTestCase):
    def assert_clean(self, results: list[Result]) -> None:
        found = [result for result in results if result.verdict is Verdict.VIOLATION]
        self.assertEqual([(result.plan.seed, result.findings) for result in found], [])
        self.assertGreater(sum(result.verdict is Verdict.PASSED for result in results), len(results) // 2)

    def test_atomic(self) -> None:
        self.assert_clean(runs(range(CLEAN_SEEDS)))

    def test_atomic_with_two_controls_and_other_numbers_of_vaults(self) -> None:
        for vaults in (2, 4, 5):
            self.assert_clean(runs(range(5), GridLayout(vaults=vaults, controls=2)))


class BrokenAssumptionTests(SynchronousTestCase):
    """What the register promises holds under assumptions; a plan that breaks one says so, and so does the verdict."""

    def run_with(self, *faults: Fault, vaults: int = 3) -> Result:
        layout = GridLayout(vaults=vaults)
        plan = evolve(draw_plan("1", layout, REGISTER.plans), environment=CALM, habits=STEADY)
        planned = tuple(Planned(at_ms, 10, fault) for at_ms in range(1000, 4000, 300) for fault in faults)
        return run_plan(evolve(plan, faults=planned))

    def test_stores_by_hand(self) -> None:
        # A control that goes on remembers what was committed, and says so; one that starts anew believes the vaults.
        result = self.run_with(StoreByHand("vault1", 1), Kill("control1"), vaults=1)
        self.assertEqual(result.plan.breaks, ["every writer sends the guard"])
        self.assertEqual(result.verdict, Verdict.EXPECTED_BROKEN)
        oracles = {finding.oracle for finding in result.findings}
        self.assertLessEqual({"invariant", "checker"}, oracles)
        self.assertLessEqual(oracles, set(ORACLES.excused))
        self.assertEqual(result.reached["fault: store by hand"], 10)
        self.assertEqual(result.reached["a broken assumption showed"], 1)

    def test_a_grid_that_loses_a_majority_of_its_disks_at_once_answers_no_more(self) -> None:
        result = self.run_with(LostDisks("vault1", "vault2"))
        self.assertEqual(result.plan.breaks, ["a majority of the vaults keep their disks"])
        self.assertEqual((result.findings, result.reached[REFUSED]), ((), 1))

    def test_a_control_with_another_list_is_refused_and_stops(self) -> None:
        result = self.run_with(OtherList("control1"))
        self.assertEqual(result.plan.breaks, ["every control has the same list of vaults"])
        self.assertEqual(result.findings, ())
        self.assertGreater(result.reached[LIST_REFUSED], 0)

    def test_disks_that_are_lost_one_after_the_other_break_nothing(self) -> None:
        result = self.run_with(LostDisk("vault1"), LostDisk("vault2"))
        self.assertEqual((result.verdict, result.plan.breaks), (Verdict.PASSED, []))
        self.assertGreater(result.reached["fault: lost disk"], 3)

    def test_nobody_could_take_in_the_only_vault_again(self) -> None:
        """So its disk is not replaced: that would break the promise."""
        result = self.run_with(LostDisk("vault1"), vaults=1)
        self.assertEqual((result.verdict, result.reached["fault: lost disk"]), (Verdict.PASSED, 0))

    def test_a_property_that_had_to_break_is_no_failure_of_it(self) -> None:
        result = self.run_with(StoreByHand("vault1", 1), Kill("control1"), vaults=1)
        stated = Counter({("it holds", True): 5, ("it holds", False): 2})
        broken = Summary(REGISTER).and_also(evolve(result, stated=stated)).stated
        self.assertEqual((broken["it holds", True], broken["it holds", False]), (5, 0))
        passed = Summary(REGISTER).and_also(evolve(result, verdict=Verdict.PASSED, stated=stated)).stated
        self.assertEqual(passed["it holds", False], 2)

    def test_it_excuses_nothing_else(self) -> None:
        with replaced("glitchgrid.protocol.rounds:ReadRound", "_decide", decide_with_a_bad_word):
            result = self.run_with(StoreByHand("vault1", 1))
        self.assertEqual(result.verdict, Verdict.VIOLATION)
        self.assertIn("log", {finding.oracle for finding in result.findings})

    def test_the_plan_that_the_documentation_tells_of(self) -> None:
        text = (ROOT / "docs" / "plans" / "store-by-hand.json").read_text(encoding="utf-8")
        result = run_plan(decode_plan(text, REGISTER.plans))
        self.assertEqual(result.verdict, Verdict.EXPECTED_BROKEN)
        self.assertIn("returned 3, although write #5 of 4", result.findings[-1].message)

    def test_the_same_run_without_them(self) -> None:
        self.assertEqual(self.run_with().verdict, Verdict.PASSED)


class SignalTests(SynchronousTestCase):
    def test_each_is_taken_as_the_program_takes_it_and_what_has_ended_is_started(self) -> None:
        """A vault without certificates has lost its terminal at SIGHUP; SIGINT has it tidy up first."""
        for name, ends in (("SIGWINCH", False), ("SIGHUP", True), ("SIGUSR1", True), ("SIGINT", True)):
            plan = evolve(draw_plan("1", GridLayout(vaults=3), REGISTER.plans), environment=CALM, habits=STEADY)
            faults = [Planned(at_ms, 300, Signal("vault1", name)) for at_ms in (1000, 2500)]
            result = run_plan(evolve(plan, faults=faults, ends_with=CALM_END), keep_trace=True)
            self.assertEqual(result.findings, (), name)
            self.assertEqual(result.reached["fault: signal"], 2)
            ended = [line for line in result.trace if line.endswith(f"vault1 exit {-getattr(signal, name)}\n")]
            self.assertEqual(len(ended), 2 * ends, name)


class ClientTests(SynchronousTestCase):
    def test_a_client_tries_again_what_was_not_served(self) -> None:
        """As often as its habits say; each attempt is an operation of its own."""
        plan = draw_plan("1", GridLayout(steps=5), REGISTER.plans)
        habits = evolve(habits_of(plan), clients=1, hostile=0, leaves_per_mille=0, retries=2)
        cut = tuple(Planned(0, 600_000, Cut("control1", f"vault{number}")) for number in range(1, 4))
        history = run_plan(evolve(plan, habits=habits, faults=cut)).history.splitlines()
        calls = [json.loads(line) for line in history if '"call"' in line and '"client": "c1"' in line]
        values = [call["value"] for call in calls if call["call"] == "write"]
        self.assertEqual(values, [value for value in values[::3] for _ in range(3)])
        self.assertEqual(len(values), 3 * 5)


class LoadingTests(SynchronousTestCase):
    def test_a_server_that_is_started_again_is_loaded_again(self) -> None:
        """And none at the beginning of a run, where all of them are loaded."""
        for loading_ms, until_ms in ((0, 1100), (500, 1600)):
            plan = draw_plan("1", GridLayout(steps=20), REGISTER.plans)
            environment = evolve(CALM, loading_ms=loading_ms)
            plan = evolve(plan, habits=STEADY, environment=environment, faults=(Planned(1000, 100, Kill("control1")),))
            served_ms = [
                event["at_ns"] / 1e6
                for event in map(json.loads, run_plan(plan).history.splitlines())
                if event.get("return") == "ok"
            ]
            self.assertLess(served_ms[0], 500)
            self.assertEqual([each for each in served_ms if 1000 < each < until_ms], [])
            self.assertLess(min(each for each in served_ms if each > until_ms), until_ms + 500)

    def test_seeds_differ_in_it(self) -> None:
        plans = [draw_plan(str(seed), GridLayout(), REGISTER.plans) for seed in range(30)]
        self.assertEqual({plan.environment.loading_ms for plan in plans}, set(LOADING_MS))


class TeethTests(SynchronousTestCase):
    """Bugs planted in the product's own classes are found, among the seeds of the clean runs."""

    def found_by(self, seeds: int) -> set[str]:
        """The oracles that find something in so many seeds; one at least must."""
        results = [run_seed(seed, Wanted().layout(seed)) for seed in map(str, range(seeds))]
        failed = [result for result in results if result.verdict is Verdict.VIOLATION]
        oracles = {finding.oracle for result in failed for finding in result.findings}
        self.assertTrue(oracles, f"nothing was found in {seeds} seeds")
        return oracles

    def test_a_save_that_is_not_synced(self) -> None:
        with replaced("glitchgrid.storage.valuefile:ValueFile", "save", save_unsynced):
            self.assertIn("invariant", self.found_by(5))

    @pytest.mark.thorough
    def test_a_failure_that_counts_as_an_acknowledgement(self) -> None:
        with replaced("glitchgrid.protocol.rounds:StoreRound", "fail", fail_as_if_acknowledged):
            self.assertIn("invariant", self.found_by(SEEDS_UNTIL_FOUND))

    @pytest.mark.thorough
    def test_a_read_that_does_not_heal(self) -> None:
        with replaced("glitchgrid.protocol.rounds:ReadRound", "_decide", decide_without_healing):
            self.assertTrue(self.found_by(SEEDS_UNTIL_FOUND) & {"invariant", "checker"})

    def test_a_vault_that_shows_what_is_not_durable(self) -> None:
        with replaced("glitchgrid.storage.store:Store", "_sync", sync_and_show):
            self.assertIn("invariant", self.found_by(5))


class ClassicTests(SynchronousTestCase):
    """What is wrong with the original's protocol is found, by seeds that the documentation tells of."""

    def plan(self, name: str) -> Plan:
        text = (ROOT / "docs" / "plans" / f"classic-{name}.json").read_text(encoding="utf-8")
        plan = decode_plan(text, REGISTER.plans)
        self.assertEqual(grid_of(plan).protocol, "classic")
        atomic = evolve(plan, layout=evolve(grid_of(plan), protocol="atomic"))
        self.assertIn(run_plan(atomic).verdict, {Verdict.PASSED, Verdict.CANNOT_SAY}, "atomic does not mind")
        return plan

    def test_two_writes_at_one_time(self) -> None:
        plan = self.plan("lost-write")
        self.assertEqual(plan.faults, ())
        self.assertIn("although write #1 of 3 by c1", run_plan(plan).findings[-1].message)

    def test_a_vault_is_dead_and_the_others_differ(self) -> None:
        plan = self.plan("no-majority")
        self.assertEqual(plan.faults, ())
        self.assertIn("liveness", [finding.oracle for finding in run_plan(plan).findings])

    def test_a_control_that_starts_anew_forgets(self) -> None:
        plan = self.plan("restart")
        self.assertEqual([planned.fault for planned in plan.faults], [Kill("control1")])
        self.assertIn("although write #7 of 3 by c1", run_plan(plan).findings[-1].message)

    def test_a_read_that_hears_every_vault_and_is_not_answered(self) -> None:
        plan = self.plan("no-equals")
        self.assertEqual(plan.faults, ())
        picture = picture_of(run_plan(plan, keep_trace=True), [])
        heard = [
            {
                (message.source, message.text)
                for message in picture.messages
                if message.target == "control1"
                and message.detail == "HTTP/1.1 200 OK"
                and 0 <= unanswered.sent_ns - (message.arrived_ns or 0) < 10**8
            }
            for unanswered in picture.messages
            if unanswered.text == "500 -1"
        ]
        three = {("vault1", "200 3"), ("vault2", "200 0"), ("vault3", "200 1")}
        self.assertTrue(any(three <= each for each in heard))

    @pytest.mark.thorough
    def test_it_is_not_linearizable(self) -> None:
        results = [run_seed(str(seed), GridLayout(protocol="classic")) for seed in range(SEEDS_UNTIL_FOUND)]
        oracles = Counter(finding.oracle for result in results for finding in result.findings)
        self.assertGreater(oracles["checker"], 0, "values are lost")
        self.assertGreater(oracles["liveness"], 0, "there is no majority of equal values, though vaults enough are up")
