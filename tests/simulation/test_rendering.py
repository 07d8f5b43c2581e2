"""The picture of a run shows what happened in it: as the trace, the history and the disks have it."""

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.faults.processes import Kill
from glitchgrid.lab.history.format import WRITE, read_history, written_value
from glitchgrid.lab.history.operation import Outcome
from glitchgrid.lab.picture.model import DURABLE, SHOWN, LaneKind, Picture
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.register.glitches import switched_on
from glitchgrid.lab.register.layout import GridLayout, Wanted


def rendered(result: Result) -> Picture:
    return picture_of(result, [])


class PortraitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.result = run_seed("5", GridLayout(vaults=3, controls=2), keep_trace=True)
        self.picture = rendered(self.result)

    def test_being_watched_changes_nothing(self) -> None:
        self.assertEqual(run_seed("5", GridLayout(vaults=3, controls=2)).digest, self.result.digest)

    def test_its_lines_are_the_traces(self) -> None:
        lines = [f"{at_ns} {who} {what}\n" for at_ns, who, what, _ in self.picture.trace]
        # But for those of the exercises, which come last.
        self.assertEqual(tuple(lines), self.result.trace[: len(lines)])
        rest = self.result.trace[len(lines) :]
        self.assertTrue(all(self.picture.duration_ns < int(line.split()[0]) for line in rest))

    def test_its_operations_are_the_histories(self) -> None:
        history = read_history(line.encode() + b"\n" for line in self.result.history.splitlines())
        self.assertEqual(
            [(each.op, each.lane, each.called_ns, each.returned_ns) for each in self.picture.operations],
            [(each.op, each.client, each.call_ns, each.return_ns) for each in history.operations],
        )
        self.assertGreater(len(self.picture.operations), 20)

    def test_each_message_is_heard_in_the_trace(self) -> None:
        heard = {(at_ns, who) for at_ns, who, what, _ in self.picture.trace if what.startswith("received ")}
        clients = {lane.name for lane in self.picture.lanes if lane.kind is LaneKind.CLIENT}
        arrived = [message for message in self.picture.messages if message.arrived_ns is not None]
        self.assertGreater(len(arrived), 100)
        for message in arrived:
            who = "clients" if message.target in clients else message.target
            self.assertIn((message.arrived_ns, who), heard)
            self.assertLess(message.sent_ns, message.arrived_ns or 0)

    def test_each_answered_operation_has_its_messages(self) -> None:
        for operation in self.picture.operations:
            if operation.outcome != "ok":
                continue
            asked = [
                message
                for message in self.picture.messages
                if message.source == operation.lane
                and operation.called_ns <= message.sent_ns <= (operation.returned_ns or 0)
            ]
            answered = [
                message
                for message in self.picture.messages
                if message.target == operation.lane and message.arrived_ns == operation.returned_ns
            ]
            self.assertEqual(len(answered), 1, operation)
            self.assertIn(operation.text.replace("write", "POST").split(" ")[0].replace("read", "GET"), asked[0].text)
            if operation.kind == "read":
                self.assertEqual(answered[0].text, f"200 {operation.text.removeprefix('read ')}")

    def acknowledged(self) -> list[int]:
        lines = (line.encode() + b"\n" for line in self.result.history.splitlines())
        written = [each for each in read_history(lines).operations if each.function == WRITE]
        return [written_value(each) for each in written if each.outcome is Outcome.OK]

    def test_its_stairs_end_where_the_vaults_do(self) -> None:
        stairs = {(stair.lane, stair.name): stair.steps for stair in self.picture.stairs}
        assert self.result.recording is not None
        last = {each: steps[-1][1] for each, steps in stairs.items()}
        vaults = ("vault1", "vault2", "vault3")
        for lines in (DURABLE, SHOWN):
            self.assertEqual(last["majority", lines], sorted(last[vault, lines] for vault in vaults)[1])
        self.assertEqual(last["majority", DURABLE], max(self.acknowledged()))
        for steps in stairs.values():
            self.assertEqual(
                [value for _, value in steps], sorted({value for _, value in steps}), "each step is one up"
            )

    def test_lanes_are_everybody(self) -> None:
        names = {lane.name for lane in self.picture.lanes}
        for message in self.picture.messages:
            self.assertLessEqual({message.source, message.target}, names)
        for fault in self.picture.faults:
            self.assertLessEqual(set(fault.lanes), names)
            self.assertTrue(fault.lanes)


class LivesAndFindingsTests(SynchronousTestCase):
    def test_a_kill_ends_a_life(self) -> None:
        layout = GridLayout(vaults=3, controls=1)
        result = run_seed("7", layout)
        plan = evolve(result.plan, faults=[Planned(1000, 500, Kill("vault2"))])
        picture = rendered(run_plan(plan, keep_trace=True))
        first, second, *_ = [life for life in picture.lives if life.lane == "vault2"]
        self.assertEqual((first.from_ns, first.to_ns, second.from_ns), (0, 10**9, 15 * 10**8))
        (fault,) = picture.faults
        self.assertEqual(
            (fault.kind, fault.lanes, fault.begin_ns, fault.end_ns), ("kill", ["vault2"], 10**9, 15 * 10**8)
        )
        self.assertFalse(fault.was_idle)
        self.assertEqual(picture.marks, [])

    def test_what_is_wrong_is_marked_where_it_showed(self) -> None:
        with switched_on("join-the-running-round"):
            for seed in map(str, range(120)):
                result = run_seed(seed, Wanted().layout(seed), keep_trace=True)
                finding = next((each for each in result.findings if each.oracle == "checker"), None)
                if finding is not None:
                    break
        assert finding is not None
        picture = rendered(result)
        self.assertIn((finding.at_ns, "checker"), [(mark.at_ns, mark.oracle) for mark in picture.marks])
        wrong = [operation for operation in picture.operations if operation.is_wrong]
        self.assertEqual({operation.op for operation in wrong}, set(finding.operations))
        self.assertIn(finding.at_ns, [operation.returned_ns for operation in wrong])

    def test_the_faults_are_the_plans_that_began(self) -> None:
        result = next(
            result
            for result in (run_seed(str(seed), GridLayout(), keep_trace=True) for seed in range(20))
            if result.faults > 5
        )
        assert result.recording is not None
        spans = result.recording.spans
        self.assertGreater(len(spans), 0)
        self.assertEqual([span.planned for span in spans], list(result.plan.faults[: len(spans)]))
