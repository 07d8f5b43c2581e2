"""What is printed for people to run runs where it is printed."""

import os
import sys
from pathlib import Path

import pytest

from glitchgrid.commands.calling import command, own_name


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of this name in a directory."""
    path = tmp_path / "some bin" / "glitchgrid"
    path.parent.mkdir()
    path.touch(mode=0o755)
    return path


def test_by_its_name_where_the_shell_finds_it(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin")
    assert own_name() == "glitchgrid"


def test_by_its_path_where_the_shell_does_not(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert own_name() == f"'{program}'"


def test_by_its_path_where_the_shell_finds_another_one(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = program.parents[1] / "other" / "glitchgrid"
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.chdir(program.parents[1])
    monkeypatch.setattr(sys, "argv", ["some bin/glitchgrid"])
    monkeypatch.setenv("PATH", str(other.parent))
    assert own_name() == "'some bin/glitchgrid'"


def test_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/glitchgrid/__main__.py"])
    assert own_name() == f"{sys.executable} -m glitchgrid"


def test_by_its_name_where_somebody_else_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for called in ("-c", "/usr/bin/pytest", "/somewhere/pytest/__main__.py", ""):
        monkeypatch.setattr(sys, "argv", [called])
        assert command("simulate", "--out", "a b") == "glitchgrid simulate --out 'a b'"
