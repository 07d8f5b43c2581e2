"""Plans: drawn from a seed, written down, edited, read again."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.errors import PlanInvalid
from glitchgrid.lab.faults.kinds import ASKED_FOR
from glitchgrid.lab.plan.file import decode_plan, encode_plan
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.plan.swarm import draw_plan
from glitchgrid.lab.register.kinds import BREAKING, HARMLESS
from glitchgrid.lab.register.layout import GridLayout, Wanted
from glitchgrid.lab.register.system import REGISTER


def plan_of(seed: int, layout: GridLayout | None = None) -> Plan:
    layout = layout or GridLayout()
    return draw_plan(str(seed), layout, REGISTER.plans)


class DrawTests(SynchronousTestCase):
    def test_a_seed_is_a_plan(self) -> None:
        self.assertEqual(plan_of(1), plan_of(1))
        self.assertNotEqual(plan_of(1), plan_of(2))

    def test_every_kind_is_used_by_some_and_left_out_by_others(self) -> None:
        kinds = [{each.fault.kind for each in plan_of(seed).faults} for seed in range(60)]
        for kind in (each.kind for each in HARMLESS):
            self.assertTrue(any(kind in each for each in kinds), kind)
            self.assertTrue(any(kind not in each for each in kinds), kind)
        self.assertTrue(any(not each for each in kinds), "some seeds have no fault at all")

    def test_faults_are_for_what_there_is(self) -> None:
        for layout in (GridLayout(vaults=1), GridLayout(vaults=5, controls=2)):
            names = set(layout.machines)
            for seed in range(40):
                for planned in plan_of(seed, layout).faults:
                    for name in ("machine", "source", "target"):
                        self.assertIn(getattr(planned.fault, name, "vault1"), names)

    def test_what_is_asked_for_alone_is_never_drawn(self) -> None:
        drawn = {type(each.fault) for seed in range(60) for each in plan_of(seed).faults}
        self.assertFalse(drawn & {*ASKED_FOR})

    def test_few_seeds_break_an_assumption_and_say_so(self) -> None:
        plans = [plan_of(seed) for seed in range(200)]
        broken = [plan for plan in plans if any(isinstance(each.fault, BREAKING) for each in plan.faults)]
        self.assertEqual([plan for plan in plans if plan.breaks], broken)
        self.assertLess(len(broken), len(plans) // 10)
        self.assertEqual({each for plan in broken for each in plan.breaks}, {kind.breaks for kind in BREAKING})
        for plan in broken:
            self.assertEqual(json.loads(encode_plan(plan))["breaks"], plan.breaks)
            self.assertEqual([each.at_ms for each in plan.faults], sorted(each.at_ms for each in plan.faults))


class LayoutTests(SynchronousTestCase):
    def test_seeds_draw_what_is_not_asked_for(self) -> None:
        layouts = [Wanted().layout(str(seed)) for seed in range(60)]
        self.assertEqual({each.vaults for each in layouts}, {2, 3, 4, 5})
        self.assertEqual({each.controls for each in layouts}, {1, 2})

    def test_what_is_asked_for_changes_nothing_else(self) -> None:
        for seed in map(str, range(20)):
            drawn = Wanted(steps=7).layout(seed)
            self.assertEqual(Wanted(steps=7, vaults=drawn.vaults).layout(seed), drawn)
            all_asked_for = Wanted(vaults=9, controls=4, protocol="classic")
            self.assertEqual(all_asked_for.layout(seed), GridLayout(9, 4, "classic", 20))


class FileTests(SynchronousTestCase):
    def test_what_was_written_is_read(self) -> None:
        for seed in range(60):
            plan = plan_of(seed)
            self.assertEqual(decode_plan(encode_plan(plan), REGISTER.plans), plan)

    def test_plans_of_version_1_are_read(self) -> None:
        for plan in map(plan_of, range(10)):
            data = json.loads(encode_plan(plan))
            old = {**data, "plan": 1, "surroundings": data["environment"]}
            del old["environment"]
            self.assertEqual(decode_plan(json.dumps(old), REGISTER.plans), plan)

    def test_a_fault_has_a_line(self) -> None:
        plan = next(plan for plan in map(plan_of, range(60)) if plan.faults)
        lines = [line for line in encode_plan(plan).splitlines() if '"at_ms"' in line]
        self.assertEqual(len(lines), len(plan.faults))

    def invalid(self, change: Any, problem: str) -> None:
        plan = next(plan for plan in map(plan_of, range(60)) if plan.faults)
        data = json.loads(encode_plan(plan))
        change(data)
        with self.assertRaises(PlanInvalid) as caught:
            decode_plan(json.dumps(data), REGISTER.plans)
        self.assertIn(problem, str(caught.exception))

    def test_what_is_none(self) -> None:
        for text in ("", "{}", "[]", "null", "[" * 5000, '{"plan": 1}', '{"plan": 2}'):
            self.assertRaises(PlanInvalid, decode_plan, text, REGISTER.plans)

    def test_what_is_wrong_is_said(self) -> None:
        self.invalid(lambda data: data["faults"][0].update(kind="plague"), "plague")
        self.invalid(lambda data: data["layout"].update(vaults=0), "vaults")
        self.invalid(lambda data: data["layout"].update(protocol="raft"), "raft")
        self.invalid(lambda data: data["faults"][0].update(at_ms=-1), "at_ms")
        self.invalid(lambda data: data["habits"].update(clients="many"), "clients")
        self.invalid(lambda data: data["environment"].update(latency_us=-5), "latency_us is -5")
        self.invalid(lambda data: data["environment"].update(loss_per_mille=1000), "loss_per_mille")
        self.invalid(lambda data: data["environment"].update(loading_ms=5001), "loading_ms")
        self.invalid(lambda data: data["environment"].update(cuts_segments=1), "cuts_segments")
        self.invalid(lambda data: data["layout"].update(steps=True), "steps is True")
        self.invalid(lambda data: data["habits"].update(pause_ms=1.5), "pause_ms is 1.5")
        self.invalid(lambda data: data.update(plan=True), "version")
        self.invalid(lambda data: data.update(more=1), "no field 'more'")
        self.invalid(lambda data: data["layout"].update(more=1), "more")
        self.invalid(lambda data: data["layout"].pop("seed", None) or data.pop("seed"), "needed @ plan.seed")
        self.invalid(lambda data: data.update(seed="../x"), "seed")
        self.invalid(lambda data: data.update(seed=5), "seed")
        self.invalid(lambda data: data.update(faults={}), "faults")
        self.invalid(lambda data: data.update(faults=[5]), "a fault is 5")
        self.invalid(lambda data: data.update(layout=[]), "layout is []")
        self.invalid(lambda data: data.update(habits=None), "habits is None")
        self.invalid(lambda data: data.update(ends_with="a bang"), "not one of calm, kill, power loss")
        self.invalid(lambda data: data["faults"][0].update(kind=["kill"]), "no fault of kind")

    def test_faults_of_what_is_not_there(self) -> None:
        for fault, problem in (
            ({"kind": "kill", "machine": "vault9"}, "'vault9' is not one of"),
            ({"kind": "sync fails", "machine": "control1", "syncs": 1}, "'control1' is not one of vault1"),
            ({"kind": "lost disk", "machine": "control1"}, "'control1' is not one of vault1"),
            ({"kind": "cut", "source": "control1", "target": 3}, "'target' must be <class 'str'> (got 3"),
            ({"kind": "clock jump", "machine": "vault1", "by_s": 1.5}, "by_s is 1.5"),
            ({"kind": "throttle", "machine": "vault1", "turn_us": 0}, "turn_us is 0"),
            ({"kind": "partition", "groups": [["vault1"], ["vault1"]], "one_way": False}, "groups"),
            ({"kind": "partition", "groups": [["vault1"], [["vault2"]]], "one_way": False}, "groups"),
            ({"kind": "partition", "groups": "vault1", "one_way": False}, "'v' is not one of"),
            ({"kind": "kill"}, "machine"),
            ({"kind": "signal", "machine": "vault1", "signal": "SIGKILL"}, "'signal' must be in"),
            ({"kind": "bandwidth", "source": "vault1", "target": "control1"}, "bandwidth is done to frames"),
            ({"kind": "kill", "machine": "vault1", "why": 1}, "why"),
        ):
            self.invalid(lambda data, fault=fault: data.update(faults=[{"at_ms": 1, "for_ms": 1, **fault}]), problem)

    def test_too_many_faults(self) -> None:
        kill = {"at_ms": 1, "for_ms": 1, "kind": "kill", "machine": "vault1"}
        self.invalid(lambda data: data.update(faults=[kill] * 10_001), "10001 faults")
