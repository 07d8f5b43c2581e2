"""The benchmark's arithmetic: what is void, what a ratio is, which targets are met, what a run consists of."""

import ast
import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from benchmarks.bare import stripped
from benchmarks.contenders import CHECKOUT, WORLDS, contenders
from benchmarks.dialects import GridDialect, Reading
from benchmarks.errors import CannotMeasure
from benchmarks.observer import Observer
from benchmarks.plan import Load, full_plan, quick_plan
from benchmarks.plot import write_svg
from benchmarks.profiling import package
from benchmarks.properties import Cost, as_markdown, plan, spread
from benchmarks.report import Run, read_json, write_json, write_markdown
from benchmarks.results import Cell, Figure, Measurement, Results, p99_ms, per_s
from benchmarks.targets import LADDER, MET, NOT_MET, VOID, TargetResult, judge
from benchmarks.wrk import parse
from glitchgrid.lab.register.properties import of_servers

NAMES = ("atomic", "classic", "threaded", "etcd")


def measured(
    contender: str,
    rate: float,
    round_number: int = 0,
    kind: str = "get",
    connections: int = 64,
    world: str = "healthy",
    p99: float = 20.0,
) -> Measurement:
    return Measurement(
        Cell(world, kind, connections, contender),
        round_number,
        seconds=2.0,
        ok=round(2 * rate),
        p50_ms=p99 / 2,
        p99_ms=p99,
        resident_mb={"control": 50.0, "vault1": 40.0},
        busy={"control": 0.9, "wrk": 0.1},
    )


def verdict(results: list[Measurement], target: str, subject: str = "atomic") -> TargetResult:
    [found] = [one for one in judge(Results(results), subject) if one.target == target]
    return found


class TestMeasurement:
    def test_only_right_answers_count(self) -> None:
        assert evolve(measured("atomic", 100), errors=70, refused=1).per_s == 100

    @pytest.mark.parametrize(("refused", "is_void"), [(0, False), (2, False), (3, True), (100, True)])
    def test_more_than_one_in_a_hundred_refused_is_void(self, refused: int, is_void: bool) -> None:
        one = evolve(measured("atomic", 99), refused=refused)  # 198 right answers: two more are 1% of all 200
        assert bool(one.void) == is_void

    def test_one_wrong_answer_is_void(self) -> None:
        one = evolve(measured("atomic", 1e6), wrong=1, first_wrong="41")
        assert one.void == "1 wrong answers (41)"

    def test_errors_alone_are_not_void(self) -> None:
        assert not evolve(measured("atomic", 0), errors=10).void

    def test_without_a_right_answer_there_is_no_latency(self) -> None:
        assert p99_ms(measured("atomic", 0)) == math.inf


class TestResults:
    def test_median_and_spread(self) -> None:
        cell = measured("atomic", 0).cell
        figure = Results(measured("atomic", rate, number) for number, rate in enumerate((30, 10, 20))).figure(
            cell, per_s
        )
        assert (figure.median, figure.least, figure.most) == (20, 10, 30)

    def test_a_ratio_is_of_the_same_round(self) -> None:
        """The machine is ten times as fast in the second round. A ratio of the medians would be 2.2."""
        rates = {"atomic": (200, 1000, 110), "etcd": (100, 500, 50)}
        results = Results(measured(name, rate, number) for name in rates for number, rate in enumerate(rates[name]))
        cell = measured("atomic", 0).cell
        ratio = results.ratio(cell, cell.by("etcd"), per_s)
        assert (ratio.median, ratio.least, ratio.most) == (2.0, 2.0, 2.2)

    def test_a_round_without_its_partner_is_left_out(self) -> None:
        results = Results([measured("atomic", 200, 0), measured("atomic", 900, 1), measured("etcd", 100, 0)])
        cell = measured("atomic", 0).cell
        assert results.ratio(cell, cell.by("etcd"), per_s).most == 2.0

    def test_one_void_round_makes_the_cell_void_and_its_ratios(self) -> None:
        results = Results(
            [measured("atomic", 200, 0), evolve(measured("atomic", 200, 1), wrong=1), measured("etcd", 100, 0)]
        )
        cell = measured("atomic", 0).cell
        assert "wrong" in results.figure(cell, per_s).void
        assert "wrong" in results.ratio(cell, cell.by("etcd"), per_s).void
        assert "wrong" in results.ratio(cell.by("etcd"), cell, per_s).void

    @pytest.mark.parametrize(("rate", "is_void"), [(249, True), (250, False)])
    def test_a_threaded_grid_that_is_too_slow_is_no_measure(self, rate: int, is_void: bool) -> None:
        """Three quarters of the original's 333 GETs a second."""
        results = Results([measured("atomic", 5000), measured("threaded", rate)])
        cell = measured("atomic", 0).cell
        assert bool(results.ratio(cell, cell.by("threaded"), per_s).void) == is_void

    def test_what_was_not_measured_is_void(self) -> None:
        assert Results([]).figure(measured("atomic", 0).cell, per_s).void == "not measured"


class TestTargets:
    @pytest.mark.parametrize(("rate", "expected"), [(3600, MET), (3599, NOT_MET)])
    def test_twelve_times_the_threaded(self, rate: int, expected: str) -> None:
        results = [measured("atomic", rate), measured("threaded", 300)]
        assert verdict(results, "GET, 64: >= 12 x threaded").verdict == expected

    def test_a_slow_baseline_gives_no_verdict(self) -> None:
        results = [measured("atomic", 9000), measured("threaded", 30)]
        assert verdict(results, "GET, 64: >= 12 x threaded").verdict == VOID

    @pytest.mark.parametrize(("p99", "expected"), [(30.0, MET), (31.0, NOT_MET)])
    def test_p99_with_a_silent_vault(self, p99: float, expected: str) -> None:
        results = [measured("atomic", 100, p99=20.0), measured("atomic", 100, world="silent", p99=p99)]
        assert verdict(results, "GET, 64: p99 <= 1.5 of healthy, one vault silent").verdict == expected

    def test_no_answer_at_all_with_a_silent_vault_is_not_quick(self) -> None:
        results = [measured("atomic", 100), measured("atomic", 0, world="silent", p99=0.0)]
        assert verdict(results, "GET, 64: p99 <= 1.5 of healthy, one vault silent").verdict == NOT_MET
        assert verdict(results, "GET, 64: >= 0.8 of healthy, one vault silent").verdict == NOT_MET

    @pytest.mark.parametrize(
        ("healthy", "closed", "expected"),
        [
            ((100, 100), (96, 96), MET),  # all but the same
            ((100, 100), (90, 90), NOT_MET),
            ((80, 100), (70, 81), MET),  # less, but rounds overlap
            ((100,), (90,), NOT_MET),  # one round can't overlap
        ],
    )
    def test_closed_port(self, healthy: tuple[int, ...], closed: tuple[int, ...], expected: str) -> None:
        results = [measured("atomic", rate, number) for number, rate in enumerate(healthy)]
        results += [measured("atomic", rate, number, world="closed") for number, rate in enumerate(closed)]
        assert verdict(results, "GET, 64: no difference with one vault's port closed").verdict == expected

    def test_memory_is_the_most_of_any_process_after_any_cell(self) -> None:
        results = [measured("atomic", 1), evolve(measured("atomic", 1, kind="post"), resident_mb={"vault2": 55.1})]
        assert verdict(results, "control <= 60 MB resident after any cell").verdict == MET
        assert verdict(results, "vault <= 55 MB resident after any cell").verdict == NOT_MET

    def test_memory_is_the_subjects_own(self) -> None:
        results = [measured("atomic", 1), evolve(measured("classic", 1), resident_mb={"control": 99.0})]
        assert verdict(results, "control <= 60 MB resident after any cell").verdict == MET

    def test_the_ladder_finds_the_step_that_halves(self) -> None:
        target = "GET: twice the connections never halve the throughput"
        rates = dict(zip(LADDER, (50, 100, 80, 60, 50, 40, 30, 20, 40, 50, 60), strict=True))
        steps = [measured("atomic", rate, connections=count) for count, rate in rates.items()]
        assert verdict(steps, target).verdict == MET
        assert verdict([*steps[:-1], measured("atomic", 25, connections=1024)], target).verdict == MET
        found = verdict([*steps[:-1], measured("atomic", 24, connections=1024)], target)
        assert found.verdict == NOT_MET
        assert found.measured.startswith("0.48 at worst, to 1024")

    def test_a_ladder_without_some_steps_can_only_be_refuted(self) -> None:
        target = "GET: twice the connections never halve the throughput"
        start = measured("atomic", 100, connections=64)
        assert verdict([start, measured("atomic", 26, connections=256)], target).verdict == VOID
        assert verdict([start, measured("atomic", 24, connections=256)], target).verdict == NOT_MET

    def test_errors_are_looked_for_in_the_healthy_world_alone(self) -> None:
        target = "no errors at any level, healthy"
        fine = [measured("atomic", 100), evolve(measured("atomic", 100, world="silent"), errors=3)]
        assert verdict(fine, target).verdict == MET
        assert verdict([*fine, evolve(measured("atomic", 9, connections=1024), errors=1)], target).verdict == NOT_MET

    def test_nothing_measured_meets_nothing(self) -> None:
        assert {one.verdict for one in judge(Results([]), "atomic")} == {VOID}


class TestPlan:
    def test_contenders_take_turns_in_going_first(self) -> None:
        [load, *_] = quick_plan(NAMES, 2, 1).loads
        assert [cell.contender for cell in load.cells(0)] == ["classic", "threaded", "etcd", "atomic"]
        assert [cell.contender for cell in load.cells(1)] == ["threaded", "etcd", "classic", "atomic"]
        assert [cell.contender for cell in Load("healthy", "get", 1, ("atomic",)).cells(1)] == ["atomic"]

    def test_what_is_compared_is_measured_one_after_the_other(self) -> None:
        plan = full_plan(NAMES, WORLDS, ("get",), (64,), "", 5, 2)
        for cells in (list(plan.cells(0)), list(plan.cells(1))[::-1]):
            assert {cell.contender for cell in cells[:3]} == {"classic", "threaded", "etcd"}
            assert {cell.world for cell in cells[:3]} == {"healthy"}
            assert [cell.contender for cell in cells[3:6]] == ["atomic"] * 3
            assert [cell.world for cell in cells[3:6]] == ["healthy", "silent", "closed"]

    def test_the_full_plan_has_every_cell_once(self) -> None:
        plan = full_plan(NAMES, ("healthy", "silent", "closed"), ("get", "post", "mixed"), (1, 16, 64, 256), "", 5, 3)
        cells = list(plan.cells(0))
        assert len(set(cells)) == len(cells) == 3 * len(NAMES) * (4 + 4 + 1)
        assert plan.count == 3 * len(cells)

    def test_the_ladder_is_climbed_by_one(self) -> None:
        cells = list(full_plan(NAMES, ("healthy",), ("get",), (64,), "atomic", 5, 3).cells(0))
        assert [cell.connections for cell in cells if cell.contender == "atomic"] == list(LADDER)
        assert [cell.connections for cell in cells if cell.contender == "etcd"] == [64]

    def test_the_quick_plan_fits_into_two_minutes(self) -> None:
        assert quick_plan(NAMES, 2, 1).estimated_s < 120


class TestObserver:
    def test_a_read_that_goes_back_is_seen(self) -> None:
        observer = Observer(GridDialect(), 0, Reading(5, 5))
        for value in (5, 8, 7, None, 9):
            observer.see(None if value is None else Reading(value, value))
        assert (observer.reads, observer.went_back, observer.first) == (4, 1, "read 7 after 8")


class TestWrk:
    def test_only_its_last_line_is_read(self) -> None:
        said = dict.fromkeys(("refused", "failed", "wrong", "acknowledged", "sent", "connect", "read", "write"), 0)
        said |= {"ok": 7, "timeout": 2, "duration_us": 500_000, "p50_us": 1500, "p99_us": 2500}
        load = parse("Running 1s test\n\n" + json.dumps(said | {"first_wrong": ""}) + "\n")
        assert (load.ok, load.broken, load.seconds, load.p50_ms, load.p99_ms) == (7, 2, 0.5, 1.5, 2.5)

    @pytest.mark.parametrize("output", ["", "unable to connect", "{}", "[1]"])
    def test_what_is_no_result_is_said(self, output: str) -> None:
        with pytest.raises(CannotMeasure, match=r"load\.lua"):
            parse(output)


class TestContenders:
    def test_what_this_checkout_lacks_is_named(self) -> None:
        present, absent = contenders()
        assert {one.name for one in present} | set(absent) == set(NAMES)
        assert {"classic", "threaded", "etcd"} <= {one.name for one in present}


class TestProfiling:
    def test_packages(self) -> None:
        here = Path(__file__).parent.parent
        assert package(json.__file__) == "(standard library)"
        assert package(pytest.__file__) == "pytest"
        assert package(str(here / "glitchgrid" / "register" / "classic.py")) == "glitchgrid.register"
        assert package("<string>") == "(built in, generated)"


@pytest.fixture
def run() -> Run:
    measurements = [
        evolve(measured(name, rate, number, kind, connections, world), wrong=int(name == "classic" and kind == "post"))
        for name, rate in zip(NAMES, (5000, 300, 310, 4000), strict=True)
        for number in range(2)
        for kind in ("get", "post")
        for connections in (1, 64)
        for world in ("healthy", "silent")
    ]
    measurements.append(measured("atomic", 4000, connections=1024))
    measurements.append(measured("threaded", 0, world="closed"))
    return Run(
        command="python -m benchmarks run",
        when="2026-01-01",
        machine={"machine": "a < b"},
        labels={name: name for name in NAMES},
        subject="atomic",
        notes=("a note",),
        measurements=tuple(measurements),
        verdicts=tuple(judge(Results(measurements), "atomic")),
    )


class TestReport:
    def test_figures_survive_the_file(self, run: Run, tmp_path: Path) -> None:
        write_json(run, tmp_path / "performance.json")
        assert read_json(tmp_path / "performance.json") == run

    def test_the_picture_is_sound_and_the_same_for_the_same_results(self, run: Run, tmp_path: Path) -> None:
        write_svg(run, tmp_path / "performance.svg")
        text = (tmp_path / "performance.svg").read_text(encoding="utf-8")
        ET.fromstring(text)
        write_svg(run, tmp_path / "again.svg")
        assert (tmp_path / "again.svg").read_text(encoding="utf-8") == text
        assert "nan" not in text
        assert "inf" not in text
        assert ">void<" in text  # classic's writes
        assert ">1024<" in text  # the ladder

    def test_the_page_shows_what_is_void(self, run: Run, tmp_path: Path) -> None:
        write_markdown(run, tmp_path / "performance-table.md", "performance.svg")
        text = (tmp_path / "performance-table.md").read_text(encoding="utf-8")
        assert "| 64 | POST | classic | void: 1 wrong answers () |" in text
        assert "| 64 | GET | threaded | 0 | none | none |" in text
        rows = [line for line in text.splitlines() if line.startswith("| 64 |")]
        assert len({line.count("|") for line in rows}) == 1


def test_a_module_is_stripped_of_its_properties_and_of_nothing_else() -> None:
    source = (
        'def f(x):\n    if x:\n        always(x > 0, "text", {"x": x})\n    reachable("more")\n    return g(always)\n'
    )
    tree, count = stripped(source)
    assert count == 2
    assert ast.unparse(tree) == "def f(x):\n    if x:\n        pass\n    pass\n    return g(always)"


def test_every_property_of_the_servers_is_taken_out() -> None:
    """Else the grid without them would not be one, and the comparison would say that they cost nothing."""
    sources = (
        path.read_text("utf-8") for path in CHECKOUT.joinpath("glitchgrid").rglob("*.py") if "lab" not in path.parts
    )
    assert sum(stripped(source)[1] for source in sources) == len(of_servers())


def test_the_cost_is_the_median_of_the_turns_with_its_interval() -> None:
    turns = [*(measured("with", rate, n) for n, rate in enumerate((90.0, 99.0, 100.0, 80.0, 98.0)))]
    turns += [measured("without", 100.0, n) for n in range(5)]
    figure = spread(Results(turns), turns[0].cell, turns[-1].cell, per_s)
    assert figure.median == pytest.approx(0.98)
    assert 0.8 <= figure.least < 0.98 <= figure.most <= 1.0


def test_the_report_on_their_cost_says_whether_the_target_is_met() -> None:
    for kept, word in ((0.99, "met."), (0.9, "**not met**")):
        figure = Figure(kept, kept, kept)
        report = as_markdown([Cost("get", 99.0, 100.0, figure, figure)], "bench", "today", ["a machine"], plan(1, 1))
        assert f"here: {word}" in report
