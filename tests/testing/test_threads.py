"""Races between threads: not found without preemption points, found with them, made small, and seen again."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import evolve

from glitchgrid.lab.plan.plan import Planned
from glitchgrid.testing.decorator import Simulated, simulated
from glitchgrid.testing.driving import drive
from glitchgrid.testing.errors import SimulationFailed, WorldError
from glitchgrid.testing.preemption import Preemption
from glitchgrid.testing.settings import Options, use
from glitchgrid.testing.system import TestLayout, plan_of
from glitchgrid.testing.threads import preemptions, with_one
from glitchgrid.testing.zygote import Zygote
from tests.testing import racing

FOUND_AT_LEAST = {"random": racing.SEEDS // 4, "pct": racing.SEEDS // 20}
"""By the schedule. A change point of PCT is within a count one time in three, and every other time the other thread has
its turn only then; of the points that it is drawn from, a run passes three quarters: one seed in eight.
"""

SHRINK_RUNS = 300
DEEP_SEEDS = 120


def settings_of(name: str) -> Simulated:
    found: Simulated = getattr(racing, name).__simulated__
    return found


@contextmanager
def process(name: str, hash_seed: int = 0) -> Iterator[Zygote]:
    """One that runs this test."""
    test = settings_of(name)
    zygote = Zygote(test.address, test.settings, hash_seed)
    try:
        with zygote.running(test, (), {}):
            yield zygote
    finally:
        zygote.close()


def failing(zygote: Zygote, seeds: int = racing.SEEDS) -> list[dict[str, Any]]:
    results = [zygote.run_seed(str(seed)) for seed in range(seeds)]
    return [each for each in results if each["verdict"] != "passed"]


def planned(result: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result["plan"])["faults"]
    return found


def test_without_points_no_update_is_lost() -> None:
    with process("plain") as zygote:
        assert failing(zygote) == []


@pytest.mark.parametrize("name", ["random", "pct"])
def test_a_lost_update_is_found_made_small_and_seen_again(name: str) -> None:
    with process(name) as zygote:
        found = failing(zygote)
        assert len(found) >= FOUND_AT_LEAST[name]
        first = found[0]
        shrunk = zygote.shrink(first["plan"], "assertion", SHRINK_RUNS, lambda _runs, _left: None)
        assert 1 <= len(planned(shrunk)) <= 2
        assert all(each["kind"] == "preemption" for each in planned(shrunk))
        assert any(each["place"].startswith("tests.testing.racing:") for each in planned(shrunk))
        assert "is preempted" in shrunk["faults"][0]
        again = zygote.run_plan(shrunk["plan"])
        assert (again["digest"], again["findings"]) == (shrunk["digest"], shrunk["findings"])
        without = json.dumps(json.loads(shrunk["plan"]) | {"faults": []})
        assert zygote.run_plan(without)["verdict"] == "passed"


@pytest.mark.parametrize("name", ["random", "pct", "with_faults"])
def test_a_plan_does_what_its_seed_did_in_another_process_too(name: str) -> None:
    with process(name) as zygote, process(name, hash_seed=1) as other:
        for seed in range(3):
            first = zygote.run_seed(str(seed))
            again = other.run_plan(first["plan"])
            assert (again["digest"], again["plan"]) == (first["digest"], first["plan"])
            assert first["reached"].get("fault: preemption", 0) == sum(
                each["kind"] == "preemption" for each in planned(first)
            )


def test_who_asks_while_another_one_does_waits() -> None:
    with process("random") as zygote, ThreadPoolExecutor(4) as pool:
        found = pool.map(zygote.run_seed, map(str, range(8)))
        assert [json.loads(each["plan"])["seed"] for each in found] == list(map(str, range(8)))


def test_one_long_stop_takes_the_place_of_many_short_ones() -> None:
    with process("random") as zygote:
        found = max(failing(zygote, 20), key=lambda each: len(planned(each)))
        assert len(planned(found)) > 100
        shrunk = zygote.shrink(found["plan"], "assertion", SHRINK_RUNS, lambda _runs, _left: None)
        (only,) = planned(shrunk)
        assert only["place"].endswith(" within")
        assert only["for_us"] == 1_000_000
        assert shrunk["runs"] < 20


def test_each_preemption_is_tried_alone_the_middle_one_of_each_place_first() -> None:
    faults = [
        Planned(nth, 1, Preemption("server", 1, 2, place, nth, 10))
        for nth in range(1, 6)
        for place in ("m:1", "m:2 within")
        if nth < 4 or place == "m:1"
    ]
    plan = evolve(plan_of(TestLayout("test.py::test"), "0"), faults=faults)
    alone = [preemptions(each.faults) for each in with_one(plan)]
    assert {each.for_us for (each,) in alone} == {1_000_000}
    assert [(each.place, each.nth) for (each,) in alone] == [
        ("m:2 within", 2), ("m:1", 3), ("m:2 within", 1), ("m:1", 2),
        ("m:2 within", 3), ("m:1", 5), ("m:1", 1), ("m:1", 4),
    ]  # fmt: skip


def test_what_is_gone_through_changes_meanwhile() -> None:
    with process("plain_index") as zygote:
        assert failing(zygote) == []
    with process("index") as zygote:
        found = failing(zygote)
        assert len(found) >= racing.SEEDS // 10
        shrunk = zygote.shrink(found[0]["plan"], "assertion", SHRINK_RUNS, lambda _runs, _left: None)
        (only,) = planned(shrunk)
        assert only["place"].endswith(" within")


def test_a_bug_of_depth_3_is_not_found_with_depth_2() -> None:
    with process("deep_2") as zygote:
        assert failing(zygote, DEEP_SEEDS) == []
    with process("deep_3") as zygote:
        found = failing(zygote, DEEP_SEEDS)
        assert found
        shrunk = zygote.shrink(found[0]["plan"], "assertion", SHRINK_RUNS, lambda _runs, _left: None)
        assert len(planned(shrunk)) >= 2


def test_machines_that_are_not_named_are_left_alone() -> None:
    with process("elsewhere") as zygote:
        assert not any(planned(zygote.run_seed(str(seed))) for seed in range(3))


def test_whoever_runs_the_test_is_told_which_thread_stopped_where(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = use(Options())
    try:
        with pytest.raises(SimulationFailed, match=r"server's thread \d.* is preempted .*racing:\d+, the \d+\w\w time"):
            drive(settings_of("pct"), (), {})
        (plan,) = (tmp_path / ".glitchgrid").glob("*.json")
        use(Options(plan=str(plan)))
        with pytest.raises(SimulationFailed, match="assertion"):
            drive(settings_of("pct"), (), {})
        with pytest.raises(WorldError, match="the test has no preemption points"):
            drive(settings_of("plain"), (), {})
    finally:
        use(before)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("without_points", "preemption points"),
        ("with_a_wrong_schedule", "'random' or 'pct'"),
        ("pct_without_forks", "needs fork=True"),
        ("as_a_fault", "draws no preemptions"),
        ("of_nothing", "no package nonesuch"),
        ("of_what_the_world_needs", "attr is imported before"),
    ],
)
def test_what_can_not_be_is_refused(name: str, message: str) -> None:
    with pytest.raises(WorldError, match=message), process(name) as zygote:
        zygote.run_seed("0")


def test_a_weight_is_from_0_to_1000() -> None:
    with pytest.raises(WorldError, match="from 0 to 1000"):
        simulated(preempt={"carbon": 1001})
