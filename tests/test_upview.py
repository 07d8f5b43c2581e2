"""What `up` shows on a terminal, whatever its size."""

from typing import Any

import pytest
from attrs import evolve

from glitchgrid.commands.upview import ASCII, BAD, GOOD, WARN, Events, View
from glitchgrid.lab.register.processes.watch import Look, Process, changes
from glitchgrid.sight.grid import Grid
from glitchgrid.sight.members import Answer, Control, Vault

WELL = Answer(200, "300")
AWAY = Answer(problem="Connection refused")
NOTES = (
    "Try: curl -d 7 http://127.0.0.1:8000/",
    "Data and logs are in /tmp/glitchgrid-abcdefgh (gone when this ends).",
)


def look(vaults: int = 3, controls: int = 1, **answers: Answer) -> Look:
    """:param answers: of members that are not well; one that gives none is down."""
    names = ["control"] if controls == 1 else [f"control{number}" for number in range(1, controls + 1)]
    status: dict[str, Any] = {"form": 1, "floor": 300, "answered": 7}
    made = [Control(name, "127.0.0.1:8000", answers.get(name, WELL), status) for name in names]
    kept = [
        Vault(f"vault{number}", f"127.0.0.1:{8000 + number}", answers.get(f"vault{number}", WELL), status)
        for number in range(1, vaults + 1)
    ]
    processes = {
        each.name: Process(0, "killed by SIGKILL") if each.answer is AWAY else Process(12345) for each in (*made, *kept)
    }
    return Look(Grid(made, kept), processes, dict.fromkeys(processes, 120.0))


def shown(view: View, width: int = 80, height: int = 24) -> list[str]:
    lines = view.screen(width, height)
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines), [line.plain for line in lines]
    return [line.plain for line in lines]


def style_of(view: View, name: str) -> str:
    (line,) = [line for line in view.screen(80, 24) if f" {name} " in line.plain]
    return str(line.spans[0].style)


def test_one_that_is_well() -> None:
    view = View(look(), notes=NOTES)
    lines = shown(view)
    assert lines[0] == "Serving 300. All 3 vaults are up; it can lose 1."
    assert lines[2] == "\N{BLACK CIRCLE} control  answers 300  120 requests/s  pid 12345  127.0.0.1:8000"
    assert lines[3].startswith("\N{BLACK CIRCLE} vault1   shows 300")
    assert lines[-2:] == list(NOTES)
    assert {style_of(view, name) for name in ("control", "vault1")} == {GOOD}


def test_a_control_that_answers_500_is_not_well() -> None:
    view = View(look(control=Answer(500, "-1"), vault1=AWAY, vault2=AWAY))
    lines = shown(view)
    assert lines[0] == "Not serving. 1 of 3 vaults is up, and it takes 2."
    assert "answers 500 -1" in lines[2]
    assert style_of(view, "control") == BAD


def test_one_that_is_down_and_when_it_is_started_again() -> None:
    view = View(look(vault2=AWAY), restarts={"vault2": 3.4})
    (line,) = [line for line in shown(view) if "vault2" in line]
    assert line == "\N{WHITE CIRCLE} vault2   down (killed by SIGKILL), again in 3 s"


def test_one_that_is_behind_and_one_whose_disk_has_failed() -> None:
    seen = look(vault1=Answer(200, "280"))
    failed = evolve(seen.grid.vaults[2], status={"form": 1, "disk_failed": True})
    view = View(evolve(seen, grid=evolve(seen.grid, vaults=[*seen.grid.vaults[:2], failed])))
    lines = shown(view)
    assert "vault1   shows 280, 20 behind" in lines[3]
    assert "vault3   shows 300, its disk has failed" in lines[5]
    assert (style_of(view, "vault1"), style_of(view, "vault3")) == (WARN, BAD)


def test_one_that_does_not_vote() -> None:
    seen = look(vault2=Answer(503, "Rejoining"))
    status = {"form": 1, "roster": {"phase": "rejoining", "votes": False}}
    rejoining = evolve(seen.grid.vaults[1], status=status)
    view = View(evolve(seen, grid=evolve(seen.grid, vaults=[seen.grid.vaults[0], rejoining, seen.grid.vaults[2]])))
    assert "vault2   does not vote: rejoining" in shown(view)[4]
    assert style_of(view, "vault2") == WARN


def test_twenty_servers_fit_a_terminal_of_24_lines() -> None:
    lines = shown(View(look(15, 5), notes=NOTES, events=["17:00:00 vault2 is down"] * 9))
    assert sum(" answers 300" in line or " shows 300" in line for line in lines) == 20
    assert lines[0].startswith("Serving 300.")


@pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 12, 24, 60])
@pytest.mark.parametrize("vaults", [1, 3, 15])
def test_any_size(width: int, height: int, vaults: int) -> None:
    view = View(look(vaults, 2, vault1=AWAY), restarts={"vault1": 1}, events=["17:00:00 it happened"], notes=NOTES)
    lines = shown(view, width, height)
    assert lines[0]
    if height > 8 and width >= 40:
        assert any("vault1" in line for line in lines), "what is not well comes first"
    shown(View(None, "Starting 3 vaults and a control."), width, height)


def test_what_goes_where_there_is_no_room() -> None:
    view = View(look())
    assert "127.0.0.1" not in "".join(shown(view, 60))
    assert "pid 12345" in "".join(shown(view, 60))
    narrow = "".join(shown(view, 40))
    assert "pid" not in narrow
    assert "120 requests/s" in narrow
    assert "shows 300" in "".join(shown(view, 24))


def test_a_terminal_without_these_characters() -> None:
    assert shown(View(look(vault1=AWAY), marks=ASCII))[2:4] == [
        "* control  answers 300               120 requests/s  pid 12345  127.0.0.1:8000",
        "! vault1   down (killed by SIGKILL)",
    ]


def test_events_are_sentences() -> None:
    events = Events()
    looks = [
        look(),
        look(vault1=AWAY),
        look(vault1=AWAY, vault2=AWAY, control=Answer(500, "-1")),
        look(vault1=Answer(200, "280"), vault2=AWAY),
        look(),
    ]
    for each in looks:
        events.note(each, "17:00:00")
    assert [line.removeprefix("17:00:00 ") for line in events.told] == [
        "vault1 is down (killed by SIGKILL)",
        "vault2 is down (killed by SIGKILL)",
        "the grid serves no more",
        "vault1 is up again",
        "the grid serves again",
        "vault2 is up again",
        "vault1 has caught up: it shows 300",
    ]


def test_who_shows_another_value_at_each_look_is_not_left_behind() -> None:
    events = Events()
    for shown_by_vault1 in ("298", "299", "300"):
        events.note(look(vault1=Answer(200, shown_by_vault1)), "17:00:00")
    assert events.told == []
    for shown_by_vault1 in ("299", "299", "300", "300"):
        events.note(look(vault1=Answer(200, shown_by_vault1)), "17:00:00")
    assert events.told == ["17:00:00 vault1 has caught up: it shows 300"]


def test_lines_for_a_pipe_tell_what_is_new() -> None:
    first, second = look(), look(vault2=AWAY)
    assert changes(None, first) == [
        "Serving 300. All 3 vaults are up; it can lose 1.",
        "control 127.0.0.1:8000: up, answers 300",
        *(f"vault{number} 127.0.0.1:{8000 + number}: up, answers 300" for number in (1, 2, 3)),
    ]
    assert changes(first, first) == []
    assert changes(first, second) == [
        "Serving 300. 2 of 3 vaults are up; one more loss and writes stop.",
        "vault2 127.0.0.1:8002: down (killed by SIGKILL), answers -",
    ]
