"""What was done on the page, as a plan."""

from io import BytesIO
from typing import Any

import pytest
from attrs import asdict

from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.history.format import read_history
from glitchgrid.lab.plan.file import decode_plan, encode_plan
from glitchgrid.lab.plan.plan import HOUR_MS, Plan
from glitchgrid.lab.register.live.deeds import LEAD_MS, RESTART_MS, Deed, Told, plan_of
from glitchgrid.lab.register.live.stage import VERBS, CannotDo
from glitchgrid.lab.register.plans import PLANS, grid_of

BEGUN_S = 1000.0
VAULTS = ("vault1", "vault2", "vault3")
WHOLE = {"source": "control", "target": "vault2", "way": "both"}


def told(*deeds: tuple[float, str, dict[str, Any]], until_s: float = 10, glitch: str = "", controls: int = 1) -> Told:
    """Each deed so many seconds after the beginning."""
    names = ["control"] if controls == 1 else [f"control{number + 1}" for number in range(controls)]
    return plan_of(
        [Deed(verb, asked, BEGUN_S + at_s) for at_s, verb, asked in deeds],
        BEGUN_S + until_s,
        VAULTS,
        names,
        "atomic",
        glitch,
    )


def faults(plan: Plan) -> list[tuple[int, int, str]]:
    """Of each: when it begins, how long it lasts, in milliseconds and less the lead; and what it is."""
    return [(each.at_ms - LEAD_MS, each.for_ms, in_words(each.fault)) for each in plan.faults]


def in_words(fault: Any) -> str:
    return " ".join(map(str, [fault.kind, *asdict(fault).values()]))


@pytest.mark.parametrize(
    ("deeds", "expected"),
    [
        ([(0, "kill", {"name": "vault3"}), (4, "start", {"name": "vault3"})], [(0, 4000, "kill vault3")]),
        ([(0, "kill", {"name": "control"})], [(0, 10_000, "kill control1")]),
        ([(0, "stop", {"name": "vault1"}), (1, "go_on", {"name": "vault1"})], [(0, 1000, "pause vault1")]),
        (
            [(0, "stop", {"name": "vault1"}), (1, "kill", {"name": "vault1"}), (3, "start", {"name": "vault1"})],
            [(0, 1000, "pause vault1"), (1000, 2000, "kill vault1")],
        ),
        (
            [(0, "stop", {"name": "vault1"}), (1, "restart", {"name": "vault1"})],
            [(0, 1000, "pause vault1"), (1000, RESTART_MS, "kill vault1")],
        ),
        (
            [(0, "kill", {"name": "vault1"}), (2, "empty", {"name": "vault1"})],
            [(0, 2000, "kill vault1"), (2000, RESTART_MS, "lost disk vault1")],
        ),
        (
            [
                (0, "disk", {"name": "vault1", "ill": "full"}),
                (1, "disk", {"name": "vault1", "ill": "failing"}),
                (3, "disk", {"name": "vault1", "ill": ""}),
            ],
            [(0, 1000, "disk full vault1"), (1000, 2000, "sync fails vault1 1000000")],
        ),
        (
            [(0, "cut", WHOLE), (2, "heal", {"source": "vault2", "target": "control"})],
            [(0, 2000, "cut vault2 control1"), (0, 2000, "cut control1 vault2")],
        ),
        ([(0, "cut", WHOLE | {"way": "there"}), (5, "heal", WHOLE)], [(0, 5000, "cut control1 vault2")]),
        (
            [(0, "hold", WHOLE | {"way": "there"}), (1, "cut", WHOLE | {"way": "there"}), (2, "release", WHOLE)],
            [(0, 2000, "jam control1 vault2"), (1000, 9000, "cut control1 vault2")],
        ),
        (
            [(0, "slow", WHOLE | {"delay_s": 0.3}), (1, "slow", WHOLE | {"delay_s": 0})],
            [(0, 1000, "slow control1 vault2 300000 0 0"), (0, 1000, "slow vault2 control1 300000 0 0")],
        ),
        (
            [(0, "slow", {"source": "clients", "target": "control", "delay_s": 60})],
            [(0, 10_000, "slow clients control1 10000000 0 0"), (0, 10_000, "slow control1 clients 10000000 0 0")],
        ),
        (
            [(0, "kill", {"name": "vault1"}), (1, "kill", {"name": "vault2"}), (2, "glitch", {"name": "x"})],
            [(0, 2000, "kill vault1"), (1000, 1000, "kill vault2")],
        ),
        ([(0, "start", {"name": "vault1"}), (1, "release", WHOLE), (2, "heal", WHOLE)], []),
    ],
)
def test_what_was_done_becomes_faults(deeds: list[Any], expected: list[tuple[int, int, str]]) -> None:
    plan = told(*deeds).plan
    assert faults(plan) == expected
    assert decode_plan(encode_plan(plan), PLANS) == plan


def test_every_verb_is_known() -> None:
    """Each, with arguments, makes a fault, or ends one, or is said to be left out."""
    asked = {"name": "vault1", "ill": "slow", "source": "control", "target": "vault1", "way": "both", "delay_s": 1.0}
    silent = set()
    for verb, names in VERBS.items():
        one = told((0, verb, {name: asked[name] for name in names}))
        if not one.plan.faults and not one.left_out:
            silent.add(verb)
    assert silent == {"start", "go_on", "release", "heal", "glitch", "reset"}


def test_what_no_plan_can_say() -> None:
    slow = (0.0, "disk", {"name": "vault1", "ill": "slow"})
    assert told(slow, slow).left_out == ["a slow disk of one vault alone"]


def test_the_grid_is_the_same() -> None:
    one = told((0, "kill", {"name": "vault1"}), until_s=60, glitch="forget-on-restart", controls=2).plan
    assert one.found_with.glitch == "forget-on-restart"
    assert grid_of(one).servers == ["vault1", "vault2", "vault3", "control1", "control2"]


@pytest.mark.parametrize("until_s", [10, 60])
def test_the_clients_work_for_about_as_long_as_it_took_here(until_s: float) -> None:
    result = run_plan(told((0, "kill", {"name": "vault1"}), until_s=until_s).plan)
    history = read_history(BytesIO(result.history.encode("utf-8")))
    last_s = max(each.call_ns for each in history.operations if each.client in {"c1", "c2", "c3"}) / 1e9
    assert until_s / 2 < last_s < 2 * until_s


@pytest.mark.parametrize(
    ("deeds", "until_s", "controls", "said"),
    [
        ([], 10, 1, "nothing was done yet"),
        ([(0, "kill", {"name": "vault1"})], HOUR_MS / 1000, 1, "more than an hour ago"),
        ([(0, "kill", {"name": "vault1"})], 10, 5, "at most 9 vaults and 4 controls"),
    ],
)
def test_what_cannot_be_simulated(deeds: list[Any], until_s: float, controls: int, said: str) -> None:
    with pytest.raises(CannotDo, match=said):
        told(*deeds, until_s=until_s, controls=controls)
