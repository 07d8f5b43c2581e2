"""What the demo makes of the workload's settings is what the workload itself makes of them."""

import os
import subprocess
from pathlib import Path

import pytest

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.processes.workload import DEFAULTS, read_settings

SCRIPT = Path(__file__).parents[1] / "workload" / "workload.sh"

BAD = [
    ("NUM_STEPS", "abc"),
    ("NUM_STEPS", "-1"),
    ("NUM_STEPS", "0000000003"),
    ("NUM_STEPS", "1 "),
    ("NUM_STEPS", "1_0"),
    ("NUM_STEPS", "\N{ARABIC-INDIC DIGIT FIVE}"),
    ("START_DELAY", "1.5"),
    ("FINAL_DELAY", "x"),
    ("MAX_STEP_SIZE", "0"),
    ("CHECK_WHEN_MULTIPLE_OF", "000"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_one_is_refused_in_the_same_words(name: str, value: str) -> None:
    done = subprocess.run(
        [SCRIPT, "127.0.0.1:1"],
        env={"PATH": os.environ["PATH"], name: value},
        capture_output=True,
        timeout=30,
        check=False,
    )
    said = done.stderr.decode("utf-8").removeprefix("workload.sh: ").rstrip("\n")
    assert done.returncode == 2
    with pytest.raises(CannotRun) as refused:
        read_settings({name: value})
    assert str(refused.value) == said


def test_good_ones() -> None:
    assert read_settings({}) == DEFAULTS
    assert read_settings({"NUM_STEPS": "", "OTHER": "x"}) == DEFAULTS
    assert read_settings({"NUM_STEPS": "007", "FINAL_DELAY": "0"}) == DEFAULTS | {"NUM_STEPS": 7, "FINAL_DELAY": 0}


def test_the_defaults_are_the_scripts() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    for name, value in DEFAULTS.items():
        assert f"    setting {name} {value} " in text
