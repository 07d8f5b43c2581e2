"""What is said of a grid: whether it serves, what it can lose, what to look after."""

from collections.abc import Sequence
from typing import Any

import pytest

from glitchgrid.sight.grid import Grid
from glitchgrid.sight.members import Answer, Control, Known, Vault

REFUSED = Answer(problem="Connection refused")
NO_MAJORITY = Answer(500, "-1")


def control(
    answer: Answer | None = None, name: str = "control", floor: int | None = 287, protocol: str = "atomic"
) -> Control:
    status: dict[str, Any] = {"form": 1, "floor": floor, "protocol": protocol, "versions": {"glitchgrid": "1"}}
    answer = answer or Answer(200, "287")
    return Control(name, "127.0.0.1:8000", answer, status if not answer.problem else {})


def vault(number: int, shown: int | None = 287, **facts: Any) -> Vault:
    known = Known(f"127.0.0.1:800{number}", f"id{number}", 287, 0, "" if shown is not None else "Connection refused")
    if shown is None:
        return Vault(f"vault{number}", known.address, REFUSED, {}, known)
    value = {"shown": shown, "durable": shown}
    status = {"form": 1, "identity": f"id{number}", "value": value, "versions": {"glitchgrid": "1"}} | facts
    return Vault(f"vault{number}", known.address, Answer(200, str(shown)), status, known)


def vaults(up: int, count: int) -> Sequence[Vault]:
    return [vault(number, 287 if number <= up else None) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("up", "count", "says"),
    [
        (3, 3, "Serving 287. All 3 vaults are up; it can lose 1."),
        (2, 3, "Serving 287. 2 of 3 vaults are up; one more loss and writes stop."),
        (5, 5, "Serving 287. All 5 vaults are up; it can lose 2."),
        (4, 5, "Serving 287. 4 of 5 vaults are up; it can lose 1 more."),
        (1, 1, "Serving 287. Its only vault is up; without it nothing is served."),
        (2, 2, "Serving 287. All 2 vaults are up; one more loss and writes stop."),
    ],
)
def test_one_that_serves(up: int, count: int, says: str) -> None:
    grid = Grid([control()], vaults(up, count))
    assert grid.headline == says
    assert grid.is_degraded == (up < count)
    assert list(grid.warnings()) == []


def test_one_that_does_not() -> None:
    assert Grid([control(NO_MAJORITY)], vaults(1, 3)).headline == "Not serving. 1 of 3 vaults is up, and it takes 2."
    assert Grid([control(NO_MAJORITY)], vaults(0, 3)).headline == "Not serving. 0 of 3 vaults are up, and it takes 2."
    stuck = Grid([control(NO_MAJORITY)], vaults(3, 3))
    assert stuck.headline == "Not serving. All 3 vaults are up, and a read finds no majority all the same."
    assert stuck.is_degraded


def test_a_vault_that_does_not_vote_is_no_help() -> None:
    roster = {"phase": "rejoining", "votes": False, "waits": "its disk was replaced: it waits for 127.0.0.1:8003"}
    rejoining = vault(2, roster=roster)
    grid = Grid([control()], [vault(1), rejoining, vault(3)])
    assert grid.headline == "Serving 287. 2 of 3 vaults are up; one more loss and writes stop."
    assert (rejoining.votes, rejoining.phase, grid.is_degraded) == (False, "rejoining", True)
    (warned,) = grid.warnings()
    assert warned.text == "vault2 does not vote: its disk was replaced: it waits for 127.0.0.1:8003"
    votes = roster | {"votes": True, "phase": "enrolled", "waits": "the grid is not formed"}
    (warned,) = Grid([control()], [vault(1, roster=votes), vault(2), vault(3)]).warnings()
    assert warned.text == "vault1 waits: the grid is not formed"


def test_a_loss_that_somebody_has_accepted_is_told_for_ever() -> None:
    roster = {"phase": "formed", "votes": True, "waits": None, "losses": 1}
    grid = Grid([control()], [vault(1, roster=roster), *vaults(3, 3)[1:]])
    assert not grid.is_degraded
    (warned,) = grid.warnings()
    assert warned.text.startswith("vault1 was told to go on without enough peers")


def test_without_control_nothing_can_be_said() -> None:
    grid = Grid([control(REFUSED)], [])
    assert not grid.is_reached
    assert grid.headline == "Control does not answer: whether the grid serves cannot be said."
    two = Grid([control(REFUSED), control(REFUSED, "control2")], [])
    assert two.headline == "None of 2 controls answers: whether the grid serves cannot be said."


def test_one_of_two_controls_is_down() -> None:
    grid = Grid([control(), control(REFUSED, "control2")], vaults(3, 3))
    assert grid.serves
    assert grid.is_degraded


def test_lag_is_behind_the_floor_or_behind_what_was_read() -> None:
    grid = Grid([control(floor=280)], [vault(1, 287), vault(2, 280), vault(3, None)])
    assert [grid.lag(each) for each in grid.vaults] == [0, 7, None]
    grid = Grid([control(NO_MAJORITY, floor=300)], vaults(1, 3))
    assert grid.lag(grid.vaults[0]) == 13
    grid = Grid([control(NO_MAJORITY, floor=None)], vaults(1, 3))
    assert grid.lag(grid.vaults[0]) is None


def test_a_vault_whose_disk_has_failed_takes_no_stores() -> None:
    grid = Grid([control()], [vault(1), vault(2), vault(3, disk_failed=True)])
    assert grid.headline == "Serving 287. 2 of 3 vaults are up; one more loss and writes stop."
    (warned,) = grid.warnings()
    assert "vault3 takes no store any more" in warned.text
    assert "start vault3 again" in warned.cure


def test_what_else_somebody_should_look_after() -> None:
    def said(*members: Vault, controls: Sequence[Control] = (control(),)) -> list[str]:
        return [warned.text for warned in Grid(controls, members).warnings()]

    original = Vault("vault1", "127.0.0.1:8001", Answer(200, "287"))
    (text,) = said(original)
    assert "vault1 tells no status" in text
    (text,) = said(vault(1), vault(2, identity="id1"))
    assert "vault1 and vault2 are one vault (id1)" in text
    (text,) = said(vault(1, versions={"glitchgrid": "2"}))
    assert text == "versions differ: 1, 2"
    (text,) = said(vault(1, form=2))
    assert "vault1 tells its status in another form" in text
    (text,) = said(vault(1), controls=[control(), control(protocol="classic")])
    assert text == "controls differ in their protocol: atomic, classic"
    out_of_reach = Vault("vault1", "vault1:8001", REFUSED, {}, Known("vault1:8001", "id1", 287, 0, ""))
    (text,) = said(out_of_reach)
    assert "answers control, and not from here" in text
    (text,) = said(controls=[Control("control", "127.0.0.1:8000", Answer(200, "7"))])
    assert "control tells no status" in text


@pytest.mark.parametrize("told", [{}, {"vaults": 5}, {"vaults": [5, {"held": "x"}], "floor": "7", "in_progress": []}])
def test_a_status_that_is_none_is_nothing_known(told: dict[str, Any]) -> None:
    strange = Control("control", "127.0.0.1:8000", Answer(200, "7"), told)
    assert strange.floor is None
    assert strange.in_progress == {}
    assert all(each.held is None for each in strange.knows)
