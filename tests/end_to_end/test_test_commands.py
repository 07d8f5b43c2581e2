"""Each test command finds nothing in a sound grid, whatever faults there are; and says so when it is called wrongly."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glitchgrid.lab.composer.templates import Prefix, read_template
from tests.end_to_end.scenarios import COMMANDS, SCENARIOS, TEMPLATES, WEIGHTS, Rig


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_faults_alone_are_nothing_to_fail_for(make_rig: Callable[[str | None], Rig], name: str) -> None:
    rig = make_rig(None)
    assert SCENARIOS[name][1](rig) == (0, "")
    assert rig.broken() == set()


@pytest.mark.thorough
def test_all_of_them_find_nothing_in_a_sound_grid(make_rig: Callable[[str | None], Rig]) -> None:
    rig = make_rig(None)
    drivers = (Prefix.FIRST, Prefix.PARALLEL, Prefix.SERIAL, Prefix.SINGLETON, Prefix.ANYTIME)
    for name in ("register", "curl"):
        template = read_template(TEMPLATES, name)
        for prefix in (*drivers, Prefix.FINALLY, Prefix.EVENTUALLY):
            for command in template.with_prefix(prefix):
                assert rig.call(command.name, NUM_STEPS="2", FINAL_DELAY="0") == (0, ""), command.name
    assert rig.broken() == set()


@pytest.mark.parametrize(
    ("variable", "text", "line"),
    [
        ("GLITCHGRID_CONTROLS", "", "GLITCHGRID_CONTROLS is not set"),
        ("GLITCHGRID_VAULTS", "vault1", "GLITCHGRID_VAULTS: bad vault address 'vault1'"),
        ("GLITCHGRID_TIMELINE", "/proc/nowhere", "/proc/nowhere cannot be used"),
    ],
)
def test_a_command_that_is_called_wrongly_says_so(tmp_path: Path, variable: str, text: str, line: str) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GLITCHGRID_CONTROLS": "127.0.0.1:1",
        "GLITCHGRID_VAULTS": "127.0.0.1:2",
        "GLITCHGRID_TIMELINE": str(tmp_path),
        variable: text,
    }
    done = subprocess.run(
        [COMMANDS["anytime_vaults.py"]], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"anytime_vaults: {line}")
    assert len(done.stderr.splitlines()) == 1


def test_a_history_from_before_a_boot_is_refused(make_rig: Callable[[str | None], Rig]) -> None:
    """The monotonic clock has begun anew meanwhile: nobody can say any more what came before what."""
    rig = make_rig(None)
    rig.weigh(WEIGHTS)
    beginning = json.loads((rig.directory / "begin.json").read_text())
    (rig.directory / "begin.json").write_text(json.dumps(beginning | {"boot": "another"}))
    ended = rig.call("anytime_bounds.py")
    assert ended.status == 2
    assert "from before the last boot" in ended.line


def test_a_grid_that_does_not_serve_again_is_a_real_fault(tmp_path: Path) -> None:
    """With a shorter patience than a minute's, by way of the module itself."""
    script = (
        "from glitchgrid.lab.register.testkit import checks, turn\n"
        "checks.RECOVERY_S = turn.RECOVERY_S = 0.5\n"
        "turn.run(checks.serves_again)\n"
    )
    environment = {
        **os.environ,
        "GLITCHGRID_CONTROLS": "127.0.0.1:1",
        "GLITCHGRID_VAULTS": "127.0.0.1:2",
        "GLITCHGRID_TIMELINE": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "127.0.0.1:1 tells no value within 0.5 s" in done.stderr


def test_the_helper_draws_from_a_range() -> None:
    helper = TEMPLATES / "curl" / "helper_draw.py"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    drawn = {
        int(subprocess.run([helper, "3", "5"], env=environment, capture_output=True, timeout=60, check=True).stdout)
        for _ in range(8)
    }
    assert drawn <= {3, 4, 5}
    assert len(drawn) > 1
