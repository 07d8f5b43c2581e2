"""Runs in another process are the same runs, though its hashes are not."""

from pathlib import Path

import pytest
from attrs import evolve

from glitchgrid.lab.campaign.placed import PROCESSES
from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.place.environment import another_hash_seed
from glitchgrid.lab.plan.file import decode_plan
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.system import REGISTER

PLAN = Path(__file__).parents[2] / "docs" / "plans" / "store-by-hand.json"


def test_a_seed_a_plan_and_a_glitch() -> None:
    layout = GridLayout(steps=5)
    plan = evolve(decode_plan(PLAN.read_text(encoding="utf-8"), REGISTER.plans), seed="other")
    other = another_hash_seed()
    digest = run_seed("7", layout).digest
    assert run_seed("7", layout, hash_seed=other).digest == digest
    assert run_plan(plan, hash_seed=other).digest == run_plan(plan).digest
    assert run_seed("7", layout, glitch="acknowledge-before-fsync", hash_seed=other).digest != digest


@pytest.mark.parametrize("ours", [None, "0", "1", "2", "random"])
def test_its_hashes_have_another_seed(ours: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    if ours is not None:
        monkeypatch.setenv("PYTHONHASHSEED", ours)
    PROCESSES.close()
    layout = GridLayout(steps=1)
    assert run_seed("1", layout).digest == run_seed("1", layout, hash_seed=another_hash_seed()).digest
    first, second = [_hash_seed(each.pid) for each in PROCESSES.free]
    assert first != second
    assert {first, second}.isdisjoint({"0", "random", ""})
    if ours in {"1", "2"}:
        assert first == ours


def _hash_seed(pid: int) -> str:
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (found,) = [each for each in environment if each.startswith(b"PYTHONHASHSEED=")]
    return found.decode().partition("=")[2]
