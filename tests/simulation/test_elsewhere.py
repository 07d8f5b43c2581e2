"""Runs in another process are the same runs, though its hashes are not."""

import os
from pathlib import Path

import pytest
from attrs import evolve

from glitchgrid.lab.campaign.elsewhere import Elsewhere
from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.plan.file import decode_plan
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.system import REGISTER

PLAN = Path(__file__).parents[2] / "docs" / "plans" / "store-by-hand.json"


def test_a_seed_a_plan_and_a_glitch() -> None:
    layout = GridLayout(steps=5)
    plan = evolve(decode_plan(PLAN.read_text(encoding="utf-8"), REGISTER.plans), seed="other")
    other = Elsewhere()
    try:
        other.begin("7", layout, None)
        assert other.digest() == run_seed("7", layout).digest
        other.begin_plan(plan, None)
        assert other.digest() == run_plan(plan).digest
        other.begin("7", layout, "forget-on-restart")
        assert other.digest() != run_seed("7", layout).digest
    finally:
        other.close()


@pytest.mark.parametrize("ours", [None, "1", "2"])
def test_its_hashes_have_another_seed(ours: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    if ours is not None:
        monkeypatch.setenv("PYTHONHASHSEED", ours)
    other = Elsewhere()
    try:
        ask(other)
        environment = Path(f"/proc/{other.pid}/environ").read_bytes().split(b"\0")
        (found,) = [each for each in environment if each.startswith(b"PYTHONHASHSEED=")]
        assert found.decode().partition("=")[2] not in {ours, "random"}
    finally:
        other.close()


def ask(other: Elsewhere) -> str:
    other.begin("1", GridLayout(steps=1), None)
    return other.digest()


def test_one_that_was_killed_is_missed() -> None:
    other = Elsewhere()
    try:
        ask(other)
        os.kill(other.pid, 9)
        with pytest.raises(CannotRun, match="has ended"):
            ask(other)
    finally:
        other.close()
