"""`scripts/setup`: what is missing on a machine is said in one line, with the name of Debian's package."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.processes import one_line

SETUP = Path(__file__).parents[2] / "scripts" / "setup"
TOOLS = ["sh", "dirname", "bash", "curl", "setpriv", "rm", "touch"]

PYTHON = """#!/bin/sh
case "$2" in
*version_info*) exit {too_old} ;;
*ensurepip*) exit {no_ensurepip} ;;
esac
echo Python 3.9.2
exit 3
"""
"""A python3 that has what the test wants, and ends the set-up where it would begin."""


def machine(directory: Path, lacks: str = "", python: str | None = None) -> Path:
    """A directory for PATH, with everything but what is lacking."""
    tools = directory / "bin"
    tools.mkdir()
    for name in TOOLS:
        if name != lacks:
            found = shutil.which(name)
            assert found is not None
            (tools / name).symlink_to(found)
    if python is not None:
        (tools / "python3").write_text(python, encoding="ascii")
        (tools / "python3").chmod(0o755)
    return tools


def set_up(directory: Path, tools: Path) -> subprocess.CompletedProcess[str]:
    """Run a copy, where it can do no harm."""
    (directory / "checkout" / "scripts").mkdir(parents=True)
    script = shutil.copy(SETUP, directory / "checkout" / "scripts")
    return subprocess.run(
        ["/bin/sh", script], env={"PATH": str(tools)}, capture_output=True, text=True, timeout=60, check=False
    )


SOUND = PYTHON.format(too_old=0, no_ensurepip=0)


@pytest.mark.parametrize(
    ("lacks", "python", "what", "package"),
    [
        ("bash", SOUND, "bash", "bash"),
        ("curl", SOUND, "curl", "curl"),
        ("setpriv", SOUND, "setpriv", "util-linux"),
        ("", None, "Python 3.11 or newer", "python3 python3-venv"),
        ("", PYTHON.format(too_old=1, no_ensurepip=0), "Python 3.9.2", "python3 python3-venv"),
        ("", PYTHON.format(too_old=0, no_ensurepip=1), "ensurepip", "python3-venv"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, lacks: str, python: str | None, what: str, package: str) -> None:
    done = set_up(tmp_path, machine(tmp_path, lacks, python))
    assert done.returncode == 1
    assert done.stdout == ""
    line = one_line(done.stderr)
    assert what in line
    assert line.endswith(f"On Debian: apt-get install {package}")


def test_where_nothing_is_missing_it_begins(tmp_path: Path) -> None:
    done = set_up(tmp_path, machine(tmp_path, python=SOUND))
    assert done.returncode == 3
    assert done.stdout.startswith("Setting up .venv")
    assert done.stderr == ""
