"""What a rehearsal does where the machine does not allow all of it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import evolve

from glitchgrid.commands.rehearsalview import Printer
from glitchgrid.commands.rehearsesystem import Settings, Stagehand
from glitchgrid.lab.errors import CannotRun
from glitchgrid.machines import clocks, means

SYSTEM = """
clocks = true
[machines.a]
program = "true"
keeps = true
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Where all is there."""
    of_means = ("missing_for_machines", "missing_for_disks", "missing_for_links")
    for module, name in (*((means, each) for each in of_means), (clocks, "missing")):
        monkeypatch.setattr(module, name, lambda: "")
    path = tmp_path / "system.toml"
    path.write_text(SYSTEM, encoding="utf-8")
    return Settings(path, {}, None, 1, 0, 1.0, None, False, False, None, 10.0)


def kinds(settings: Settings) -> set[str]:
    reactor: Any = None
    hand = Stagehand(reactor, settings, Printer(), [])
    hand.require_means()
    return {kind.kind for kind in hand.kinds()}


def test_where_all_is_there(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"kill", "cut", "power loss", "disk full", "clock jump"} <= kinds(settings)
    assert "here" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "name", "lacking", "said", "goes_on"),
    [
        (clocks, "missing", {"clock jump", "clock drift"}, "clocks do not jump nor drift here", {"cut", "power loss"}),
        (
            means,
            "missing_for_disks",
            {"power loss", "disk full", "sync fails"},
            "disks cannot fail here: only kills are left",
            {"cut", "clock jump"},
        ),
        (
            means,
            "missing_for_links",
            {"cut", "partition", "reset", "bandwidth"},
            "links cannot fail here, for the machines share one network",
            {"power loss", "clock jump"},
        ),
    ],
)
def test_where_something_is_missing_the_others_go_on(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    name: str,
    lacking: set[str],
    said: str,
    goes_on: set[str],
) -> None:
    monkeypatch.setattr(module, name, lambda: "it is missing: get it")
    found = kinds(settings)
    assert found >= {"kill", "pause", *goes_on}
    assert not lacking & found
    assert f"{said}: it is missing: get it\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked_for", "lacking"), [("plain_disks", {"power loss", "disk full"}), ("plain_network", {"cut", "slow"})]
)
def test_what_is_asked_for_is_not_told(
    settings: Settings, capsys: pytest.CaptureFixture[str], asked_for: str, lacking: set[str]
) -> None:
    wanted = evolve(settings, plain_disks=asked_for == "plain_disks", plain_network=asked_for == "plain_network")
    assert not lacking & kinds(wanted)
    assert capsys.readouterr().out == ""


def test_without_machines_nothing_does(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(means, "missing_for_machines", lambda: "the kernel allows no namespaces")
    with pytest.raises(CannotRun, match=r"^the kernel allows no namespaces$"):
        kinds(settings)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("kernel/unprivileged_userns_clone", "0", "as root: sysctl kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "as root: sysctl user.max_user_namespaces=15000"),
        ("user/max_user_namespaces", "99", "no setting of the kernel forbids it; a container may do so"),
    ],
)
def test_the_cure_is_for_what_forbids_namespaces(tmp_path: Path, name: str, value: str, cure: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(f"{value}\n")
    assert means.cure_for_namespaces(tmp_path).startswith(cure)
