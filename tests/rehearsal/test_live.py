"""The page of a rehearsal: what it is told, and what it may ask for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from glitchgrid.lab.composer.calls import Call, End
from glitchgrid.lab.composer.faults import read_faults
from glitchgrid.lab.composer.servers import Lived, Said, Sent
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.faults import links, processes
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.rehearsal.counting import Operations
from glitchgrid.lab.rehearsal.live import show as shows
from glitchgrid.lab.rehearsal.live.show import LINES_A_LOOK_MAX, MESSAGES_A_TIME_MAX, Playing, RehearsalShow
from glitchgrid.lab.rehearsal.nemesis import PlannedNemesis
from glitchgrid.lab.rehearsal.stage import Means
from glitchgrid.simulation.network import Slowness
from tests.rehearsal.test_faults import LAYOUT, Bench

NS = 10**9


class Ways:
    """A network of which a direction is slow, and one is cut."""

    names = ("a", "b", "clients")

    def way(self, source: str, target: str) -> Any:
        slowness = [Slowness(3_000_000, 0, 0)] if (source, target) == ("a", "clients") else []
        return SimpleNamespace(cuts=int((source, target) == ("b", "a")), holds=0, slowness=slowness, carried=4, lost=1)


class Stage:
    def __init__(self, directory: Path, faults: list[Planned] | None = None) -> None:
        self.bench = Bench(directory)
        self.told: list[tuple[str, Any]] = []
        self.show = RehearsalShow(self.bench.reactor, LAYOUT, Means().kinds(), self._publish, 1)

        async def until_well() -> None:
            """They are."""

        self.nemesis = PlannedNemesis(
            self.bench.reactor, self.bench.stage, faults or [], until_well, directory, self.show
        )
        self.timeline: Any = SimpleNamespace(stage=self.bench.stage, nemesis=None, network=Ways())
        self.play("timeline-1", directory)

    def play(self, title: str, directory: Path) -> None:
        self.show.play(Playing(self.timeline, title, 10.0, directory))

    def _publish(self, kind: str, told: Any) -> None:
        self.told.append((kind, told))

    def begin(self) -> None:
        self.timeline.nemesis = self.nemesis
        self.nemesis.start()

    def do(self, **asked: Any) -> None:
        done = Deferred.fromCoroutine(self.show.do(asked))
        failed: list[Any] = []
        done.addErrback(failed.append)
        for failure in failed:
            failure.raiseException()
        assert done.called


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_fault_by_hand_is_done_and_can_be_done_again(stage: Stage, tmp_path: Path) -> None:
    stage.begin()
    stage.bench.reactor.pump([0.02] * 50)
    stage.do(verb="fault", kind="pause", machine="a", for_ms=3000)
    assert stage.nemesis.by_hand == [Planned(1000, 3000, processes.Pause("a"))]
    (going,) = stage.show.state()["going"]
    assert (going["kind"], going["whom"]) == ("pause", ["a"])
    assert [each["state"] for each in stage.show.state()["machines"]] == ["stands still", "up", "up"]
    stage.bench.reactor.pump([0.02] * 150)
    assert stage.show.state()["going"] == []
    assert [each.kind for each in read_faults(tmp_path)] == ["pause"]


def test_one_that_is_ended_by_hand_lasted_for_so_long(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.begin()
    now_ns = 5 * NS
    monkeypatch.setattr("glitchgrid.lab.rehearsal.nemesis.monotonic_ns", lambda: now_ns)
    stage.do(verb="fault", kind="cut", source="a", target="b", for_ms=60_000)
    (going,) = stage.show.state()["going"]
    now_ns += 2 * NS
    stage.do(verb="end", number=going["number"])
    assert stage.nemesis.by_hand == [Planned(0, 2000, links.Cut("a", "b"))]
    with pytest.raises(CannotRun, match="is over"):
        stage.do(verb="end", number=going["number"])


def test_one_that_a_quiet_period_has_ended_lasted_for_so_long(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.begin()
    now_ns = 5 * NS
    monkeypatch.setattr("glitchgrid.lab.rehearsal.nemesis.monotonic_ns", lambda: now_ns)
    stage.do(verb="fault", kind="cut", source="a", target="b", for_ms=60_000)
    now_ns += 2 * NS
    stage.do(verb="quiet", seconds=1)
    assert stage.nemesis.by_hand == [Planned(0, 2000, links.Cut("a", "b"))]


def test_what_else_a_fault_has_is_drawn(stage: Stage) -> None:
    stage.begin()
    stage.do(verb="fault", kind="slow", source="clients", target="a", for_ms=1000)
    stage.do(verb="fault", kind="partition", for_ms=1000)
    slow, partition = (each.fault for each in stage.nemesis.by_hand)
    assert isinstance(slow, links.Slow)
    assert (slow.source, slow.target) == ("clients", "a")
    assert isinstance(partition, links.Partition)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"verb": "explode"}, "there is no 'explode'"),
        ({"verb": "fault", "kind": "rain", "for_ms": 1}, "there is no fault 'rain' here; there is kill"),
        ({"verb": "fault", "kind": "kill", "machine": "c", "for_ms": 1}, "machine is 'c', and not one of a, b"),
        ({"verb": "fault", "kind": "kill", "machine": ["a"], "for_ms": 1}, "machine is "),
        ({"verb": "fault", "kind": "cut", "source": "a", "target": "a", "for_ms": 1}, "a link has two ends"),
        ({"verb": "fault", "kind": "cut", "source": "a", "for_ms": 1}, "target is None, and not one of a, b, clients"),
        ({"verb": "fault", "kind": "kill", "machine": "a"}, "for_ms is None, and no whole number from 1"),
        ({"verb": "fault", "kind": "kill", "machine": "a", "for_ms": 10**9}, "for_ms is 1000000000, and no whole"),
        ({"verb": "end", "number": True}, "number is True, and no whole number"),
        ({"verb": "quiet", "seconds": 0}, "seconds is 0, and no whole number"),
    ],
)
def test_what_cannot_be_done_is_one_line(asked: dict[str, Any], said: str, stage: Stage) -> None:
    stage.begin()
    with pytest.raises(CannotRun) as refused:
        stage.do(**asked)
    assert str(refused.value).startswith(said)
    assert stage.nemesis.by_hand == []


def test_nothing_is_done_while_there_are_to_be_no_faults(stage: Stage) -> None:
    with pytest.raises(CannotRun, match="no server serves"):
        stage.do(verb="fault", kind="kill", machine="a", for_ms=1)
    stage.begin()
    stage.do(verb="quiet", seconds=5)
    with pytest.raises(CannotRun, match="quiet period"):
        stage.do(verb="fault", kind="kill", machine="a", for_ms=1)
    stage.bench.reactor.pump([0.1] * 51)
    stage.do(verb="fault", kind="kill", machine="a", for_ms=1)


def test_more_than_a_plan_can_say_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glitchgrid.lab.rehearsal.nemesis.FAULTS_MAX", 1)
    stage.begin()
    stage.do(verb="fault", kind="cut", source="a", target="b", for_ms=1)
    with pytest.raises(CannotRun, match="no plan has more than 1 faults"):
        stage.do(verb="fault", kind="cut", source="a", target="b", for_ms=1)
    monkeypatch.setattr("glitchgrid.lab.rehearsal.nemesis.FAULTS_MAX", 9)
    stage.bench.reactor.advance(2 * 3600)
    with pytest.raises(CannotRun, match="no plan says that"):
        stage.do(verb="fault", kind="cut", source="a", target="b", for_ms=1)


def test_what_is_over_is_gone(stage: Stage) -> None:
    stage.begin()
    stage.show.played("timeline-1: nothing wrong was found")
    state = stage.show.state()
    assert state["headline"] == "timeline-1: nothing wrong was found"
    assert [each["state"] for each in state["machines"]] == ["gone", "gone", "up"]
    with pytest.raises(CannotRun, match="no server serves"):
        stage.do(verb="fault", kind="pause", machine="a", for_ms=1)


def test_links_are_shown_with_what_is_wrong_with_them(stage: Stage) -> None:
    shown = {(each["source"], each["target"]): each for each in stage.show.state()["links"]}
    assert shown["a", "b"]["cut"] == ["back"]
    assert shown["a", "clients"]["slow_ms"] == 3
    assert (shown["b", "clients"]["cut"], shown["b", "clients"]["lost"]) == ([], 2)


def test_the_last_minute_is_drawn(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is older is forgotten; a fault that lasts is drawn until now."""
    now_ns = 100 * NS
    monkeypatch.setattr(shows, "monotonic_ns", lambda: now_ns)
    stage.play("timeline-2", Path())
    stage.show.started("a")
    stage.show.sent(Sent("clients", "a", now_ns, now_ns + 5, "GET /"))
    stage.show.called(Call("parallel_driver_x.sh", End.PASSED, 0, now_ns, now_ns + NS, ()))
    now_ns += 70 * NS
    stage.show.lived(Lived("a", 100 * NS, now_ns))
    stage.show.started("a")
    stage.show.struck(processes.Pause("b"), ["b"])
    stage.show.sent(Sent("a", "b", now_ns, None, "POST /"))
    stage.show.called(Call("parallel_driver_x.sh", End.FAILED, 1, now_ns, now_ns + NS, ("why",)))
    stage.show.called(Call("anytime_y.sh", End.PASSED, 0, now_ns, now_ns + NS, ()))
    now_ns += 2 * NS
    drawn = stage.show.timeline(60.0)
    assert drawn["duration_ns"] == 60 * NS
    assert [(each["lane"], each["from_ns"], each["to_ns"]) for each in drawn["lives"]] == [
        ("a", 0, 58 * NS),
        ("a", 58 * NS, None),
    ]
    assert [(each["kind"], each["begin_ns"], each["end_ns"]) for each in drawn["faults"]] == [
        ("pause", 58 * NS, 60 * NS)
    ]
    assert [(each["source"], each["arrived_ns"], each["tone"]) for each in drawn["messages"]] == [
        ("a", None, "failure")
    ]
    assert [(each["lane"], each["text"], each["is_wrong"]) for each in drawn["operations"]] == [
        ("command 1", "parallel_driver_x.sh", True),
        ("command 2", "anytime_y.sh", False),
    ]
    assert stage.show.timeline(1.0)["messages"] == []
    assert stage.show.timeline(float("inf"))["duration_ns"] == 60 * NS


def test_of_what_nobody_could_read_a_part_is_told(stage: Stage) -> None:
    stage.show.start()
    for number in range(2 * MESSAGES_A_TIME_MAX):
        stage.show.sent(Sent("a", "b", number, number, "x"))
    for number in range(2 * LINES_A_LOOK_MAX):
        stage.show.said(Said(number, "a", f"line {number}"))
    stage.bench.reactor.advance(0.1)
    (messages,) = (told for kind, told in stage.told if kind == "messages")
    assert len(messages["messages"]) == MESSAGES_A_TIME_MAX
    lines = [told["what"] for kind, told in stage.told if kind == "log" and told["who"] == "a"]
    assert lines == [f"line {number}" for number in range(LINES_A_LOOK_MAX)]
    stage.bench.reactor.advance(0.5)
    stage.show.said(Said(1, "a", "later"))
    assert stage.told[-1][1]["what"] == "later"
    stage.show.stop()
    assert not stage.bench.reactor.getDelayedCalls()


def test_operations_are_counted_as_they_are_written(tmp_path: Path) -> None:
    operations = Operations(tmp_path)
    assert operations.count == 0
    (tmp_path / "history").mkdir()
    first = tmp_path / "history" / "1.jsonl"
    first.write_text("begins\nends\nbegins\n", encoding="utf-8")
    assert operations.per_s(1.0) == 1
    with first.open("a", encoding="utf-8") as file:
        file.write("ends\n")
    (tmp_path / "history" / "2.jsonl").write_text("begins\nends\n" * 3, encoding="utf-8")
    assert operations.per_s(3.0) == 2
    assert operations.count == 5
