"""What day it is for a process of the world."""

import gc
import json
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from glitchgrid.simulation.kernel import dates
from glitchgrid.simulation.kernel.seam import Seam

PROGRAM = Path(__file__).with_name("dates_in_a_world.py")
NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
AT_NS = 2_222_222_222_123_456_999
WEST = timezone(timedelta(hours=-7))
CALL_S = 60
"""So long, at the most, a process takes that only reads the date."""


def run(wall_ns: int = AT_NS, zone: str = "UTC0") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(wall_ns)],
        cwd=PROGRAM.parents[2],
        env=os.environ | {"TZ": zone},
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_inside_it_is_the_day_of_the_world() -> None:
    at = datetime(2040, 6, 2, 3, 57, 2, 123_456)  # rounded down, but where the original rounds to the nearest
    there = at.replace(tzinfo=UTC).astimezone(WEST)
    assert run()["inside"] == {
        "timestamp": "2222222222.123456",
        "now": repr(at),
        "now with a zone": repr(there),
        "now with a zone by its name": repr(there),
        "fold": "0",
        "today": repr(at.replace(microsecond=123_457)),
        "date": repr(date(2040, 6, 2)),
        "utcnow": repr(at),
        "warnings of utcnow": str(int(sys.version_info >= (3, 12))),
        "a subclass": f"{repr(at).replace('datetime.datetime', 'Moment')} " * 2 + "Day(2040, 6, 2)",
        "of an object": repr(at),
    }


@pytest.mark.parametrize("where", ["outside", "in another thread", "after"])
def test_elsewhere_it_is_the_real_day(where: str) -> None:
    began = time.time()
    read = run()[where]
    assert began - 1 < float(read["timestamp"]) < time.time() + 1
    assert read["warnings of utcnow"] == str(int(sys.version_info >= (3, 12)))


@pytest.mark.parametrize(("hour_utc", "fold"), [(5, "0"), (6, "1")])
def test_local_time_knows_the_hour_that_comes_twice(hour_utc: int, fold: str) -> None:
    at = datetime(2026, 11, 1, hour_utc, 30, tzinfo=UTC)
    inside = run(int(at.timestamp()) * 1_000_000_000, NEW_YORK)["inside"]
    assert inside["fold"] == fold
    assert inside["now"] == f"datetime.datetime(2026, 11, 1, 1, 30{', fold=1' if fold == '1' else ''})"
    assert inside["utcnow"] == repr(at.replace(tzinfo=None))


def test_the_classes_are_the_same_as_before() -> None:
    assert set(run()["is the same"].values()) == {True}


def test_a_python_that_cannot_be_patched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "get_referents", lambda *_: [{}])
    with pytest.raises(RuntimeError, match=r"datetime\.now cannot be the world's in this Python, 3\."):
        dates.put_in(Seam(), lambda: 0)
    assert datetime.now(UTC).year > 2025
