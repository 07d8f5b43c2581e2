"""Which templates Test Composer takes, and the line that says what is wrong with those that it does not."""

from pathlib import Path

import pytest

from glitchgrid.lab.composer.templates import (
    Place,
    Prefix,
    find_templates,
    names_in,
    names_in_all,
    read_merged,
    read_template,
)
from glitchgrid.lab.errors import CannotRun

SHELL = "#!/bin/sh\n"


def command(directory: Path, name: str, text: str = SHELL, mode: int = 0o755) -> None:
    path = directory / "mine" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.mark.parametrize("name", ["register", "curl"])
def test_ours_can_be_run(name: str) -> None:
    template = read_template(find_templates(), name)
    assert template.with_prefix(Prefix.PARALLEL, Prefix.SERIAL, Prefix.SINGLETON)
    assert template.with_prefix(Prefix.ANYTIME)
    assert template.with_prefix(Prefix.EVENTUALLY)


def test_every_prefix_is_used() -> None:
    directory = find_templates()
    files = [path.name for name in names_in(directory) for path in (directory / name).iterdir()]
    assert [prefix for prefix in Prefix if not any(name.startswith(prefix) for name in files)] == []


def test_helpers_need_not_be_commands(tmp_path: Path) -> None:
    command(tmp_path, "anytime_look.sh")
    command(tmp_path, "helper_notes.txt", "no shebang", 0o644)
    assert [each.name for each in read_template(tmp_path, "mine").commands] == ["anytime_look.sh"]


@pytest.mark.parametrize(
    ("name", "text", "mode", "line"),
    [
        ("driver_write.sh", SHELL, 0o755, "its name begins with none of first_, parallel_driver_"),
        ("parallel_driver_write.sh", SHELL, 0o644, "it is not executable"),
        ("parallel_driver_write.sh", "echo hello\n", 0o755, "its first line does not say what runs it"),
        ("parallel_driver_write", "#!/usr/bin/env python3\n", 0o755, "a command in Python has a name that ends in .py"),
        ("eventually_look.sh", SHELL, 0o755, "a template needs a driver or an anytime_ command"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, name: str, text: str, mode: int, line: str) -> None:
    command(tmp_path, name, text, mode)
    with pytest.raises(CannotRun, match=line) as error:
        read_template(tmp_path, "mine")
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    command(tmp_path, "anytime_look.sh")
    with pytest.raises(CannotRun, match=r"there is no template 'yours' in .*: it has mine"):
        read_template(tmp_path, "yours")


def test_a_directory_without_templates(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="has no templates"):
        names_in(tmp_path)


def test_templates_of_one_name_are_one(tmp_path: Path) -> None:
    """Each command knows where it runs; a template that one place has alone is none that cannot be run."""
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
    command(here, "parallel_driver_write.sh")
    command(there, "anytime_look.sh")
    command(there, "finally_look.sh")
    places = [Place(here), Place(there, "db")]
    assert names_in_all(places) == ["mine"]
    assert [(each.name, each.machine) for each in read_merged(places, "mine").commands] == [
        ("parallel_driver_write.sh", ""),
        ("anytime_look.sh", "db"),
        ("finally_look.sh", "db"),
    ]
    (there / "mine" / "odd.sh").write_text(SHELL)
    with pytest.raises(CannotRun, match=r"odd\.sh: its name begins with none of"):
        read_merged(places, "mine")


def test_a_template_of_two_places_needs_one_driver(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
        command(directory, "finally_look.sh")
    with pytest.raises(CannotRun, match=r"mine in .*here, .*there: a template needs a driver"):
        read_merged([Place(here), Place(there, "db")], "mine")
