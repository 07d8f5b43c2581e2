"""The standard library's `sqlite3` on the files of a world: what it keeps, and what it waits for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("sqlite_in_a_world.py")
PARTS = ("usual", "chances", "locks", "readers", "machines", "threads", "shared", "shortages", "dead")
DEATHS = 150


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        cwd=PROGRAM.parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def found_after(pragmas: str, deaths: int = DEATHS, by: str = "power") -> dict[str, int]:
    found: dict[str, int] = ast.literal_eval(run("power", pragmas, str(deaths), by))
    return found


@pytest.mark.parametrize("part", PARTS)
def test_programs_that_know_nothing_of_it(part: str) -> None:
    run(part)


@pytest.mark.parametrize(
    "pragmas",
    [
        "synchronous=EXTRA,journal_mode=delete",
        "synchronous=FULL,journal_mode=truncate",
        "synchronous=FULL,journal_mode=wal",
    ],
)
def test_the_last_commit_is_always_kept(pragmas: str) -> None:
    assert found_after(pragmas) == {"fine": DEATHS}


def test_the_last_commit_is_sometimes_lost_where_the_directory_is_not_synced() -> None:
    """So SQLite's documentation has it of FULL, whose journal is a file that is deleted."""
    found = found_after("synchronous=FULL,journal_mode=delete")
    assert set(found) == {"fine", "lost a commit"}
    assert found["fine"] > found["lost a commit"]


def test_a_log_that_is_seldom_synced_loses_commits_and_is_never_corrupt() -> None:
    assert set(found_after("synchronous=NORMAL,journal_mode=wal", 20)) == {"fine", "lost a commit"}


def test_without_syncs_a_database_is_corrupt_after_power_losses() -> None:
    assert found_after("synchronous=OFF,journal_mode=delete", 4).get("corrupt", 0) > 0


@pytest.mark.parametrize("pragmas", ["synchronous=FULL,journal_mode=delete", "synchronous=FULL,journal_mode=wal"])
def test_a_killed_process_has_lost_nothing(pragmas: str) -> None:
    assert found_after(pragmas, by="kill") == {"fine": DEATHS}
