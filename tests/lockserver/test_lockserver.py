"""The laboratory on a system that it has never heard of: its plans, its oracle, its bug."""

import json

import pytest
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.campaign import Summary, run_campaign
from glitchgrid.lab.campaign.glitch_table import find_glitches
from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.campaign.shrink import shrink
from glitchgrid.lab.campaign.tasks import Task, perform
from glitchgrid.lab.campaign.workers import LocalWorkers
from glitchgrid.lab.errors import PlanInvalid
from glitchgrid.lab.glitch import switched_on
from glitchgrid.lab.picture.page import as_page
from glitchgrid.lab.picture.perfetto import as_trace_events
from glitchgrid.lab.plan.file import decode_plan, encode_plan
from glitchgrid.lab.plan.swarm import draw_plan
from glitchgrid.lab.verdict import Verdict
from tests.lockserver.system import EXCLUSION, FORGETS, HISTORY, LOCKS, LockLayout, habits_of, layout_of

SEEDS = 30


def first_that_fails() -> Result:
    """Both oracles see it there."""
    for seed in range(SEEDS):
        result = perform(Task(seed, LockLayout(), glitch=FORGETS.name))
        if result.verdict is Verdict.VIOLATION and result.is_found_by(HISTORY):
            return result
    raise AssertionError(f"none of {SEEDS} seeds shows that the server forgets")


class CampaignTests(SynchronousTestCase):
    def test_nothing_is_wrong_with_it_and_everything_is_reached(self) -> None:
        summary = Summary(LOCKS)
        for seed in range(SEEDS):
            result = run_seed(str(seed), LockLayout())
            self.assertEqual(result.findings, (), seed)
            summary = summary.and_also(result)
        self.assertEqual(summary.unreached, [])
        self.assertEqual(set(summary.faults), {kind.kind for kind in LOCKS.plans.harmless})

    def test_a_seed_is_a_run_here_and_in_another_process(self) -> None:
        self.assertEqual(perform(Task(3, LockLayout(), is_checked=True)).findings, ())

    def test_its_plans_are_files(self) -> None:
        plan = run_seed("3", LockLayout()).plan
        text = encode_plan(plan)
        self.assertEqual(decode_plan(text, LOCKS.plans), plan)
        self.assertEqual(run_plan(decode_plan(text, LOCKS.plans)).digest, run_seed("3", LockLayout()).digest)
        other = json.loads(text)
        other["layout"]["vaults"] = 3
        self.assertRaises(PlanInvalid, decode_plan, json.dumps(other), LOCKS.plans)


class BugTests(SynchronousTestCase):
    def test_a_seed_finds_it_and_it_shrinks_and_is_drawn(self) -> None:
        failing = first_that_fails()
        self.assertEqual({finding.oracle for finding in failing.findings}, {EXCLUSION, HISTORY})
        shrunk = shrink(failing.plan, FORGETS.name)
        small = shrunk.result.plan
        self.assertEqual(shrunk.oracle, EXCLUSION)
        self.assertEqual(len(small.faults), 1, "the server is started anew once, by whatever fault")
        self.assertLessEqual(habits_of(small).clients, habits_of(failing.plan).clients)
        self.assertLess(layout_of(small).turns, layout_of(failing.plan).turns)
        self.assertEqual(shrunk.differs_by, "without the glitch")
        assert shrunk.passing is not None
        self.assertIs(shrunk.passing.verdict, Verdict.PASSED)
        picture = picture_of(shrunk.result, ["The lock is held twice."])
        self.assertEqual([lane.name for lane in picture.lanes[:2]], ["c1", "c2"])
        held = picture.operations
        overlaps = [
            (one, other)
            for one in held
            for other in held
            if one.lane < other.lane
            and one.called_ns < (other.returned_ns or picture.duration_ns)
            and other.called_ns < (one.returned_ns or picture.duration_ns)
        ]
        self.assertTrue(overlaps, "both hold it at one time")
        self.assertIn("granted", {message.text for message in picture.messages})
        self.assertLessEqual({EXCLUSION}, {mark.oracle for mark in picture.marks})
        self.assertIn("The lock is held twice.", as_page(picture))
        json.loads(as_trace_events(picture))

    @pytest.mark.thorough
    def test_the_table_of_its_glitches(self) -> None:
        (row,) = find_glitches(LOCKS, [FORGETS.name], SEEDS, lambda: LocalWorkers(1), lambda _name, _count: None)
        self.assertEqual(row.outside_oracle, EXCLUSION)
        assert row.shrunk is not None
        assert row.from_outside is not None
        drawn = draw_plan(str(row.from_outside - 1), LockLayout(), LOCKS.plans)
        self.assertLess(50 * len(row.shrunk.result.plan.faults), len(drawn.faults))


@pytest.mark.thorough
def test_workers_find_the_system_by_its_name() -> None:
    tasks = [Task(seed, LockLayout()) for seed in range(10)]
    elsewhere = [result.digest for result in run_campaign(tasks, LocalWorkers(2))]
    with switched_on(LOCKS.glitches, None):
        assert elsewhere == [run_seed(str(task.seed), task.layout).digest for task in tasks]
